"""Event log of a process during a run: a file with one line of JSON per event."""

import hashlib
import json
import math
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

__all__ = ["DIGEST_DIGITS", "EventLog", "digest"]


DIGEST_DIGITS: Final = 16
"""Number of hexadecimal digits of a SHA-256 that identify the bytes of a segment."""


def digest(data: bytes) -> str:
    """Return the first digits of the SHA-256 of a segment's bytes."""
    return hashlib.sha256(data).hexdigest()[:DIGEST_DIGITS]


class EventLog:
    """Log to which events are appended as they happen: ``with EventLog(path) as log``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self._file = self._path.open("w", encoding="utf-8", buffering=1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, event: str, **fields: Any) -> None:
        """Append an event; numbers that are NaN or infinite become null."""
        if self._file is None:
            raise RuntimeError(f"{self._path}: the log is not open; use it as a context manager")
        plain = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in fields.items()
        }
        self._file.write(json.dumps({"event": event, **plain}, separators=(",", ":")) + "\n")
