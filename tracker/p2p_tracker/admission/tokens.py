"""Signed tokens that permit the use of a tracker until a time, for all swarms or for some.

A token is ``PAYLOAD.SIGNATURE``, both in base64url without padding. The payload is JSON with ``exp`` (seconds since the
epoch) and, if the token is valid only for some swarms, ``swarms`` (info hashes in hexadecimal). The signature is
HMAC-SHA256.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Claims", "sign", "verify"]


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims of a valid token; `expires` is in seconds since the epoch, and `swarms` is None for all swarms."""

    expires: float
    swarms: frozenset[str] | None = None

    def allows(self, info_hash: str) -> bool:
        """Return whether the token is valid for a swarm."""
        return self.swarms is None or info_hash in self.swarms


def sign(secret: str, expires: float, swarms: Iterable[str] | None = None) -> str:
    """Return a token for some info hashes, or for all."""
    payload: dict[str, object] = {"exp": int(expires)}
    if swarms is not None:
        payload["swarms"] = [info_hash.encode("latin-1").hex() for info_hash in swarms]
    body = _encode(json.dumps(payload, separators=(",", ":")).encode())
    return f"{body}.{_signature(secret, body)}"


def verify(secret: str, token: str, now: float) -> Claims | None:
    """Return the claims of a token; None if its signature is wrong, it is malformed, or it has expired."""
    body, _, signature = token.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(secret, body).encode()):
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        expires = float(payload["exp"])
        swarms = payload.get("swarms")
        known = None if swarms is None else frozenset(bytes.fromhex(text).decode("latin-1") for text in swarms)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return Claims(expires, known) if now < expires else None


def _signature(secret: str, body: str) -> str:
    return _encode(hmac.digest(secret.encode(), body.encode(), hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
