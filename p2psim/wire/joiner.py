"""Puts a command that came in several frames together again."""

from typing import Final

from p2psim.wire.commands import FRAME_END, FRAME_START, MARK_SIZE
from p2psim.wire.errors import RemoteProtocolError

__all__ = ["MAX_COMMAND_SIZE", "CommandJoiner"]

MAX_COMMAND_SIZE: Final = 1 << 20
"""Bytes of the longest command accepted; two arrays of ids with every group full take about 130 KiB."""


class CommandJoiner:
    """One per connection; a fault drops what was collected, and the frame at fault with it (as 2.x does)."""

    def __init__(self, max_size: int = MAX_COMMAND_SIZE) -> None:
        self._max_size = max_size
        self._collected: bytearray | None = None

    def push(self, frame: bytes) -> bytes | None:
        """Take one command frame; return the payload of the command that it completes, if any.

        Raises
        ------
        RemoteProtocolError
            A continuation without a start, a start inside a command, or a command that grows too large.
        """
        is_start = frame[:MARK_SIZE] == FRAME_START
        collected, self._collected = self._collected, None
        if collected is None:
            if not is_start:
                raise RemoteProtocolError("no-first-chunk", "a command goes on that never began")
            collected = bytearray()
        elif is_start:
            raise RemoteProtocolError("incomplete-joining", "a command begins inside another")
        collected += frame[MARK_SIZE:-MARK_SIZE]
        if len(collected) > self._max_size:
            raise RemoteProtocolError("too-large", f"command of more than {self._max_size} bytes")
        if frame[-MARK_SIZE:] == FRAME_END:
            return bytes(collected)
        self._collected = collected
        return None
