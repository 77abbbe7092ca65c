"""Output of commands: one JSON object, or tables for people."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["emit", "note", "print_frame", "print_table", "warn"]


def emit(result: Mapping[str, Any]) -> None:
    """Print one JSON object on standard output; numbers that are not finite become null."""
    print(json.dumps(_plain(result), indent=2, allow_nan=False))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print a table with aligned columns on standard output."""
    if title:
        print(title)
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()


def print_frame(table: "pd.DataFrame", title: str = "") -> None:
    """Print a pandas table with aligned columns and unrounded numbers on standard output."""
    print_table(list(table.columns), [[str(cell) for cell in row] for row in table.to_numpy(object)], title)


def note(text: str, quiet: bool = False) -> None:
    """Print a note about the work on standard error."""
    if not quiet:
        print(text, file=sys.stderr)


def warn(text: str) -> None:
    """Print a warning on standard error."""
    print(f"p2psim: warning: {text}", file=sys.stderr)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):  # a number of numpy's
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
