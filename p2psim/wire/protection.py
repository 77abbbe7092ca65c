r"""Protection of segments against forgery (signed hash manifests), and their encryption (HLS AES-128).

The folder of each media playlist has a hash manifest ``hashes.json`` of the content type ``application/json``::

    {"signed": "{\"version\":1,\"stream\":\"/main/360p-1000k/\",\"segments\":{\"117.ts\":\"9f86…\", …}}",
     "signature": "<base64>"}

``signed`` is a *text* whose UTF-8 bytes are signed with Ed25519 (RFC 8032); the signature is in standard base64. After
verification the text is parsed as JSON: ``version`` is 1, ``stream`` is the path of the folder of the media playlist,
and ``segments`` maps each file name in that folder (the last part of a segment's URL, without its query) to the SHA-256
of the file as served, in 64 lower-case hexadecimal digits. Encrypted segments are hashed, shared and verified as
ciphertext. The manifest of a live stream lists the segments that the origin serves at the moment: if it is fetched
after a segment appeared in the playlist, it contains that segment.

The master playlist names the public key, which is therefore trusted as much as the playlist is (by HTTPS)::

    #EXT-X-SESSION-DATA:DATA-ID="p2psim.segment-hashes",VALUE="<public key, 32 bytes, in standard base64>"

A viewer verifies each segment received from a peer. A segment that does not match, or is not listed, is not stored,
played or shared, and the peer's connection is closed. A manifest with an invalid signature counts as empty.

Encryption is HLS AES-128 (RFC 8216, 4.3.2.4): CBC with PKCS #7 padding, by default with the segment's media sequence
number as initialization vector.
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
    """Return the SHA-256 of a segment as served, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def hashes_url(playlist_url: str) -> str:
    """Return the URL of the hash manifest of a media playlist."""
    return urljoin(playlist_url, MANIFEST_NAME)


class Signer:
    """Signing key of an origin; `seed` is 32 bytes, or None for a new random key."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._key = Ed25519PrivateKey.generate() if seed is None else Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> str:
        """Public key in base64, with which viewers verify signatures."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, stream: str, hashes: Mapping[str, str]) -> bytes:
        """Return the signed hash manifest of a folder; `hashes` maps file names to hashes."""
        content = {"version": VERSION, "stream": stream, "segments": dict(hashes)}
        signed = json.dumps(content, separators=(",", ":"))
        signature = base64.b64encode(self._key.sign(signed.encode())).decode()
        return json.dumps({"signed": signed, "signature": signature}).encode()


@dataclass(frozen=True, slots=True)
class SegmentHashes:
    """Content of a hash manifest whose signature is valid."""

    stream: str
    segments: Mapping[str, str]

    def expected(self, url: str) -> str | None:
        """Return the hash of the segment at a URL, or None if the manifest does not list it."""
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
    """Return the content of a hash manifest after verifying its signature.

    Raises
    ------
    RemoteProtocolError
        When the document is not a manifest, its signature does not belong to the public key, or its version is unknown.
    """
    try:
        manifest = msgspec.json.decode(document, type=_Manifest)
        signature = base64.b64decode(manifest.signature, validate=True)
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(signature, manifest.signed.encode())
        content = msgspec.json.decode(manifest.signed, type=_Content)
    except InvalidSignature:
        raise RemoteProtocolError("bad-signature", "the hash manifest is not signed with the stream's key") from None
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise RemoteProtocolError("bad-value", f"hash manifest: {error}") from error
    if content.version != VERSION:
        raise RemoteProtocolError(
            "bad-value", f"hash manifest of version {content.version}; version {VERSION} is accepted"
        )
    return SegmentHashes(content.stream, content.segments)


def default_iv(media_sequence: int) -> bytes:
    """Return the initialization vector of a segment whose EXT-X-KEY has no IV."""
    return media_sequence.to_bytes(16, "big")


def encrypt_segment(data: bytes, key: bytes, iv: bytes) -> bytes:
    """Return a segment encrypted with METHOD=AES-128."""
    padder, encryptor = PKCS7(128).padder(), Cipher(AES128(key), CBC(iv)).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def decrypt_segment(data: bytes, key: bytes, iv: bytes) -> bytes:
    """Return a segment decrypted with METHOD=AES-128.

    Raises
    ------
    RemoteProtocolError
        When the padding shows that the data was not encrypted with this key and initialization vector.
    """
    try:
        decryptor, unpadder = Cipher(AES128(key), CBC(iv)).decryptor(), PKCS7(128).unpadder()
        return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise RemoteProtocolError("bad-value", f"the segment is not encrypted with this key: {error}") from None
