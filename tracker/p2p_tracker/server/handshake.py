"""Opening handshake of a WebSocket, server side (RFC 6455, section 4.2)."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from http import HTTPStatus

from p2p_tracker.server.http import HttpError

__all__ = ["accept", "is_upgrade"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_LENGTH, _NONCE_LENGTH = 24, 16  # characters, bytes


def is_upgrade(headers: Mapping[str, str]) -> bool:
    """Return whether a request with these headers (names in lower case) asks for an upgrade to WebSocket."""
    return headers.get("upgrade", "").lower() == "websocket"


def accept(headers: Mapping[str, str]) -> bytes:
    """Return the response that completes the handshake; no extension is accepted.

    Raises
    ------
    HttpError
        When a header is missing or wrong.
    """
    # Firefox sends "keep-alive, Upgrade"
    if "upgrade" not in headers.get("connection", "").lower().replace(" ", "").split(","):
        raise HttpError(HTTPStatus.BAD_REQUEST, "the Connection header must name Upgrade")
    if headers.get("sec-websocket-version") != "13":
        message = "Sec-WebSocket-Version must be 13"
        raise HttpError(HTTPStatus.UPGRADE_REQUIRED, message, {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"})
    key = headers.get("sec-websocket-key", "")
    try:
        is_good = len(key) == _KEY_LENGTH and len(base64.b64decode(key, validate=True)) == _NONCE_LENGTH
    except (binascii.Error, ValueError):
        is_good = False
    if not is_good:
        raise HttpError(HTTPStatus.BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64")
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + base64.b64encode(digest)
        + b"\r\n\r\n"
    )
