"""WebSocket frames of a server (RFC 6455), without input or output.

No extension is ever negotiated, so a reserved bit is an error; permessage-deflate, which every browser offers, is
declined by not answering the offer (RFC 7692 §5.1).
"""

import base64
import binascii
import hashlib
import struct
from collections.abc import Mapping

from tracker.errors import FrameError

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - platforms without the compiled part
    from websockets.utils import apply_mask

__all__ = [
    "CLOSE",
    "PING",
    "PING_FRAME",
    "PONG",
    "TEXT",
    "FrameReader",
    "accept_key",
    "close_frame",
    "close_reason",
    "frame",
    "frame_header",
    "upgrade_problem",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
PING_FRAME = b"\x89\x00"

_LONG = struct.Struct(">BBH").pack
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KNOWN_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


def upgrade_problem(headers: Mapping[str, str]) -> str | None:
    """Say what keeps a request (lower-case header names) from becoming a WebSocket, if anything does."""
    if headers.get("upgrade", "").lower() != "websocket":
        return "the Upgrade header must be websocket"
    # Firefox sends "keep-alive, Upgrade"
    if "upgrade" not in [token.strip().lower() for token in headers.get("connection", "").split(",")]:
        return "the Connection header must contain Upgrade"
    if headers.get("sec-websocket-version") != "13":
        return "Sec-WebSocket-Version must be 13"
    try:
        key = base64.b64decode(headers.get("sec-websocket-key", ""), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    return None if len(key) == 16 else "Sec-WebSocket-Key must be 16 bytes in base64"


def accept_key(key: str) -> str:
    """Prove that the upgrade was understood (RFC 6455 §4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode("ascii") + _GUID).digest()).decode("ascii")


def frame_header(opcode: int, size: int) -> bytes:
    """Build what stands before `size` bytes of payload in an unmasked, final frame."""
    if 126 <= size < 65536:
        return _LONG(0x80 | opcode, 126, size)
    if size < 126:
        return bytes((0x80 | opcode, size))
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")


def frame(opcode: int, payload: bytes) -> bytes:
    """Build one unmasked, final frame."""
    return frame_header(opcode, len(payload)) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Build a close frame; a reason that does not fit is cut."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode()[:123].decode(errors="ignore").encode())


def close_reason(payload: bytes) -> int:
    """Read the code of a close frame; 1005 stands for none.

    Raises
    ------
    FrameError
        When the payload is not allowed in a close frame.
    """
    if not payload:
        return 1005
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _KNOWN_CODES or 3000 <= code < 5000):
        raise FrameError(1002, "invalid close code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise FrameError(1007, "the close reason is not valid UTF-8") from None
    return code


class FrameReader:
    """Puts messages together from the bytes of a client.

    Holds nothing between whole messages, so an idle connection costs no buffer.
    """

    __slots__ = ("_awaited", "_opcode", "_parts", "_tail")

    def __init__(self) -> None:
        self._tail: bytearray | None = None
        self._awaited = 0  # bytes that `_tail` needs before a frame can be complete
        self._parts: bytearray | None = None  # a message in fragments
        self._opcode = 0  # its opcode

    def take_tail(self) -> bytearray:
        """Take out the bytes of what is not complete yet."""
        tail, self._tail = self._tail, None
        return bytearray() if tail is None else tail

    def put_tail(self, tail: bytearray) -> None:
        """Keep bytes of what is not complete yet."""
        self._tail = tail

    def feed(self, data: memoryview, limit: int) -> list[tuple[int, bytes]]:
        """Take bytes; return the whole messages and control frames in them as (opcode, payload).

        Raises
        ------
        FrameError
            When the bytes break the protocol, or a message is longer than `limit` bytes. It carries the messages that
            came before.
        """
        if self._tail is not None:
            self._tail += data
            if len(self._tail) < self._awaited:
                return []
            data = memoryview(self.take_tail())
        messages: list[tuple[int, bytes]] = []
        start, end = 0, len(data)
        while end - start >= 6:
            first, second = data[start], data[start + 1]
            size, body = second & 0x7F, start + 6
            if size == 126:
                if end - start < 8:
                    break
                size, body = data[start + 2] << 8 | data[start + 3], start + 8
            elif size == 127:
                if end - start < 14:
                    break
                size, body = int.from_bytes(data[start + 2 : start + 10], "big"), start + 14
            if first != 0x81 or second < 0x80 or size > limit or self._parts is not None:
                self._check(first, second, size, limit, messages)
            stop = body + size
            if stop > end:
                break
            payload = apply_mask(data[body:stop], bytes(data[body - 4 : body]))
            if first == 0x81:
                messages.append((TEXT, payload))
            else:
                self._accept(first, payload, messages)
            start = stop
        if start < end:
            self._awaited = _needed(data[start : start + 14])
            self._tail = bytearray(data[start:])
        return messages

    def _check(self, first: int, second: int, size: int, limit: int, messages: list[tuple[int, bytes]]) -> None:
        """Look closer at a frame that is not simply a whole text message of moderate size."""
        opcode = first & 0x0F
        if first & 0x70:
            raise FrameError(1002, "a reserved bit is set", messages)
        if second < 0x80:
            raise FrameError(1002, "the frame is not masked", messages)
        if opcode >= CLOSE:
            if opcode > PONG or first < 0x80 or size > 125:
                raise FrameError(1002, "invalid control frame", messages)
            return
        if opcode > BINARY:
            raise FrameError(1002, "unknown opcode", messages)
        if (opcode == CONTINUATION) != (self._parts is not None):
            raise FrameError(1002, "fragments out of order", messages)
        if size + len(self._parts or b"") > limit:
            raise FrameError(1009, f"messages up to {limit} bytes are accepted", messages)

    def _accept(self, first: int, payload: bytes, messages: list[tuple[int, bytes]]) -> None:
        """Take a frame that is a control frame, binary, or a fragment."""
        opcode, is_final = first & 0x0F, first >= 0x80
        if opcode >= CLOSE or (is_final and self._parts is None):
            messages.append((opcode, payload))
            return
        if self._parts is None:
            self._parts, self._opcode = bytearray(), opcode
        self._parts += payload
        if is_final:
            messages.append((self._opcode, bytes(self._parts)))
            self._parts = None


def _needed(head: memoryview) -> int:
    """Tell how long the frame is that begins with `head`, as far as that is known."""
    if len(head) < 2:
        return 6
    size = head[1] & 0x7F
    if size < 126:
        return 6 + size
    body = 8 if size == 126 else 14
    return body if len(head) < body else body + int.from_bytes(head[2 : body - 4], "big")
