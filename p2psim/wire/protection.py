r"""What the origin publishes so that nobody can pass off other bytes as its segments, and its segments' encryption.

Beside each media playlist lies ``hashes.json``, of the type ``application/json``::

    {"signed": "{\"version\":1,\"stream\":\"/main/360p-1000k/\",\"segments\":{\"117.ts\":\"9f86…\", …}}",
     "signature": "<base64>"}

``signed`` is a *text* whose UTF-8 bytes are signed with Ed25519 (RFC 8032); the signature is in standard base64.
Checked, the text is read as JSON: ``version`` is 1, ``stream`` is the path of the folder of the media playlist, and
``segments`` gives for each file name in that folder (the last part of a segment's URL, without its query) the SHA-256
of the file as it is served, in 64 lower-case hexadecimal digits. Encrypted segments are hashed, shared and checked as
ciphertext. A live manifest lists what the origin serves now: one fetched after a segment appeared in the playlist has
that segment.

The master playlist names the key, which is thus trusted as far as the playlist is (by HTTPS)::

    #EXT-X-SESSION-DATA:DATA-ID="p2psim.segment-hashes",VALUE="<public key, 32 bytes, in standard base64>"

A viewer validates each segment that comes from a peer; what does not match, or is not listed, is not stored, played or
passed on, and the peer's connection is closed. A manifest whose signature is wrong lists nothing.

Encryption is HLS AES-128 (RFC 8216, 4.3.2.4): CBC with PKCS #7 padding, by default with the segment's media sequence
number as initialisation vector.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from p2psim.wire.errors import RemoteProtocolError

__all__ = [
    "DATA_ID",
    "MANIFEST_NAME",
    "SegmentHashes",
    "Signer",
    "decrypt_segment",
    "default_iv",
    "encrypt_segment",
    "hashes_url",
    "open_manifest",
    "segment_hash",
]

DATA_ID: Final = "p2psim.segment-hashes"
"""DATA-ID of the tag that names the public key."""
MANIFEST_NAME: Final = "hashes.json"
VERSION: Final = 1


def segment_hash(data: bytes) -> str:
    """Tell a segment by the SHA-256 of its bytes as served."""
    return hashlib.sha256(data).hexdigest()


def hashes_url(playlist_url: str) -> str:
    """Address of the manifest that belongs to a media playlist."""
    return urljoin(playlist_url, MANIFEST_NAME)


class Signer:
    """The origin's key; `seed` is 32 bytes, or None for a new key."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._key = Ed25519PrivateKey.generate() if seed is None else Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> str:
        """What viewers check signatures with, in base64."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, stream: str, hashes: Mapping[str, str]) -> bytes:
        """Write the manifest of a folder's files (name → hash)."""
        content = {"version": VERSION, "stream": stream, "segments": dict(hashes)}
        signed = json.dumps(content, separators=(",", ":"))
        signature = base64.b64encode(self._key.sign(signed.encode())).decode()
        return json.dumps({"signed": signed, "signature": signature}).encode()


@dataclass(frozen=True, slots=True)
class SegmentHashes:
    """What a manifest says, its signature checked."""

    stream: str
    segments: Mapping[str, str]

    def expected(self, url: str) -> str | None:
        """Hash of the segment at an address; None if the manifest does not list it."""
        folder, _, name = urlsplit(url).path.rpartition("/")
        return self.segments.get(name) if f"{folder}/" == self.stream else None


class _Manifest(msgspec.Struct):
    signed: str
    signature: str


class _Content(msgspec.Struct):
    version: int
    stream: str
    segments: dict[str, str]


def open_manifest(document: bytes, public_key: str) -> SegmentHashes:
    """Check a manifest's signature and read it.

    Raises
    ------
    RemoteProtocolError
        It is no manifest, not signed with the key's private half, or of a later version.
    """
    try:
        manifest = msgspec.json.decode(document, type=_Manifest)
        signature = base64.b64decode(manifest.signature, validate=True)
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(signature, manifest.signed.encode())
        content = msgspec.json.decode(manifest.signed, type=_Content)
    except InvalidSignature:
        raise RemoteProtocolError("bad-signature", "hash manifest not signed with the stream's key") from None
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise RemoteProtocolError("bad-value", f"hash manifest: {error}") from error
    if content.version != VERSION:
        raise RemoteProtocolError("bad-value", f"hash manifest of version {content.version}; {VERSION} is known")
    return SegmentHashes(content.stream, content.segments)


def default_iv(media_sequence: int) -> bytes:
    """Initialisation vector of a segment whose key tag has none."""
    return media_sequence.to_bytes(16, "big")


def encrypt_segment(data: bytes, key: bytes, iv: bytes) -> bytes:
    """Encrypt a segment as METHOD=AES-128 says."""
    padder, encryptor = PKCS7(128).padder(), Cipher(AES128(key), CBC(iv)).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def decrypt_segment(data: bytes, key: bytes, iv: bytes) -> bytes:
    """Undo `encrypt_segment`; RemoteProtocolError if the bytes were not encrypted with this key and vector."""
    try:
        decryptor, unpadder = Cipher(AES128(key), CBC(iv)).decryptor(), PKCS7(128).unpadder()
        return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise RemoteProtocolError("bad-value", f"segment not encrypted with this key: {error}") from None
