"""What a process writes down during a run: one line of JSON per event."""

import hashlib
import json
import math
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

__all__ = ["DIGEST_DIGITS", "EventLog", "digest"]


DIGEST_DIGITS: Final = 16
"""Of a SHA-256 in hexadecimal: how many tell a segment's bytes."""


def digest(data: bytes) -> str:
    """Tell a segment's bytes by the first digits of their SHA-256."""
    return hashlib.sha256(data).hexdigest()[:DIGEST_DIGITS]


class EventLog:
    """Appends events to a text file, each as soon as it is known: ``with EventLog(path) as journal``."""

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
        """Append an event; a number that is none becomes null."""
        if self._file is None:
            raise RuntimeError(f"{self._path} is not open")
        plain = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in fields.items()
        }
        self._file.write(json.dumps({"event": event, **plain}, separators=(",", ":")) + "\n")
