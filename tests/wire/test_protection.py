import base64
import hashlib
import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2psim.wire import RemoteProtocolError
from p2psim.wire.protection import (
    Signer,
    decrypt_segment,
    default_iv,
    encrypt_segment,
    hashes_url,
    open_manifest,
    segment_hash,
)

SEED = bytes(range(32))
HASHES = {"5.ts": segment_hash(b"five"), "6.ts": segment_hash(b"six")}


def test_manifests_survive_a_round_trip() -> None:
    signer = Signer(SEED)
    hashes = open_manifest(signer.sign("/main/low/", HASHES), signer.public_key)
    assert hashes.segments == HASHES
    assert hashes.expected("http://h:1/main/low/5.ts?viewer=a") == hashlib.sha256(b"five").hexdigest()
    assert hashes.expected("http://h/main/low/7.ts") is None
    assert hashes.expected("http://h/main/high/5.ts") is None, "another quality's segment of the same name"


def test_the_public_key_equals_a_vector_of_rfc_8032() -> None:
    # test vector 1
    signer = Signer(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    expected = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert base64.b64decode(signer.public_key).hex() == expected


def test_the_signature_covers_the_text_and_not_its_json_value() -> None:
    signer = Signer(SEED)
    document = json.loads(signer.sign("/main/low/", HASHES))
    reordered = json.dumps({"signature": document["signature"], "signed": document["signed"]}, indent=2)
    assert open_manifest(reordered.encode(), signer.public_key).segments == HASHES


def forged(change: str) -> tuple[bytes, str]:
    signer = Signer(SEED)
    document = json.loads(signer.sign("/main/low/", HASHES))
    key = signer.public_key
    match change:
        case "hash":
            document["signed"] = document["signed"].replace(HASHES["5.ts"], HASHES["6.ts"])
        case "key":
            key = Signer().public_key
        case "short key":
            key = base64.b64encode(b"short").decode()
        case "signature":
            document["signature"] = "?"
        case "version":
            other = json.dumps({"version": 2, "stream": "/", "segments": {}})
            document = {"signed": other, "signature": base64.b64encode(signer._key.sign(other.encode())).decode()}
        case "no object":
            return b"[]", key
    return json.dumps(document).encode(), key


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("hash", "bad-signature"),
        ("key", "bad-signature"),
        ("short key", "bad-value"),
        ("signature", "bad-value"),
        ("version", "bad-value"),
        ("no object", "bad-value"),
    ],
)
def test_forged_manifests_are_refused(change: str, fault: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        open_manifest(*forged(change))
    assert caught.value.fault == fault


def test_the_manifest_lies_in_the_folder_of_its_playlist() -> None:
    assert hashes_url("http://h/main/low/index.m3u8?viewer=a") == "http://h/main/low/hashes.json"


@given(st.binary(max_size=200), st.integers(0, 2**40))
def test_encryption_survives_a_round_trip(data: bytes, number: int) -> None:
    key = b"0123456789abcdef"
    encrypted = encrypt_segment(data, key, default_iv(number))
    assert len(encrypted) % 16 == 0
    assert decrypt_segment(encrypted, key, default_iv(number)) == data


def test_openssl_decrypts_an_encrypted_segment() -> None:
    key, iv = b"0123456789abcdef", default_iv(117)
    encrypted = encrypt_segment(b"a segment" * 100, key, iv)
    decrypted = subprocess.run(
        ["openssl", "enc", "-d", "-aes-128-cbc", "-K", key.hex(), "-iv", iv.hex()],
        input=encrypted,
        capture_output=True,
        check=True,
    )
    assert decrypted.stdout == b"a segment" * 100


@pytest.mark.parametrize("data", [b"", b"not a whole block", bytes(32)])
def test_data_that_is_not_encrypted_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decrypt_segment(data, b"0123456789abcdef", default_iv(1))
