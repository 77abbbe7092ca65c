"""Reassembly of commands that were sent in several frames."""

from typing import Final

from p2psim.wire.commands import FRAME_END, FRAME_START, MARK_SIZE
from p2psim.wire.errors import RemoteProtocolError

__all__ = ["MAX_COMMAND_SIZE", "CommandJoiner"]

MAX_COMMAND_SIZE: Final = 1 << 20
"""Largest accepted command in bytes; two lists of ids with every group full take about 130 KiB."""


class CommandJoiner:
    """Reassembly for one connection.

    After an error, the frame that caused it and the frames before it are discarded, as in p2p-media-loader 2.x.
    """

    def __init__(self, max_size: int = MAX_COMMAND_SIZE) -> None:
        self._max_size = max_size
        self._collected: bytearray | None = None

    def push(self, frame: bytes) -> bytes | None:
        """Add a command frame; return the payload of the command that it completes, if any.

        Raises
        ------
        RemoteProtocolError
            When a command continues that did not start, starts inside another, or exceeds the maximum size.
        """
        is_start = frame[:MARK_SIZE] == FRAME_START
        collected, self._collected = self._collected, None
        if collected is None:
            if not is_start:
                raise RemoteProtocolError(
                    "no-first-chunk", "a frame continues a command of which no first frame was received"
                )
            collected = bytearray()
        elif is_start:
            raise RemoteProtocolError(
                "incomplete-joining", "a command starts before the last frame of the previous one"
            )
        collected += frame[MARK_SIZE:-MARK_SIZE]
        if len(collected) > self._max_size:
            raise RemoteProtocolError("too-large", f"a command has more than {self._max_size} bytes")
        if frame[-MARK_SIZE:] == FRAME_END:
            return bytes(collected)
        self._collected = collected
        return None
