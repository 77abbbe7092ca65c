"""What a process writes down during a run: one line of JSON per event."""

import hashlib
import json
import math
from types import TracebackType
from typing import Any, Self, TextIO

__all__ = ["Journal", "digest"]


def digest(data: bytes) -> str:
    """Tell a segment's bytes by 16 hexadecimal digits of their SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


class Journal:
    """Appends events to a text file, each as soon as it is known."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, event: str, **fields: Any) -> None:
        """Append an event; a number that is none becomes null."""
        plain = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in fields.items()
        }
        self._file.write(json.dumps({"event": event, **plain}, separators=(",", ":")) + "\n")
