"""Collector of rows that become the tables of a trace."""

from typing import Any

import pandas as pd

from p2psim.trace.schema import TABLES, required_columns
from p2psim.trace.store import table

__all__ = ["Recorder"]


class Recorder:
    """Collects rows of a trace's tables."""

    def __init__(self) -> None:
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}

    def add(self, name: str, /, **row: Any) -> None:
        """Append a row to a table.

        Raises
        ------
        ValueError
            A required column is missing; nothing is appended.
        """
        missing = set(required_columns(name)) - row.keys()
        if missing:
            raise ValueError(f"table {name}: no column {sorted(missing)[0]!r}")
        self._rows[name].append(row)

    def tables(self, sort: bool = True) -> dict[str, pd.DataFrame]:
        """Return all tables; with `sort`, rows are in the order of their first time column."""
        return {name: _frame(name, rows, sort) for name, rows in self._rows.items()}


def _frame(name: str, rows: list[dict[str, Any]], sort: bool) -> pd.DataFrame:
    if not rows:
        return table(name)
    frame = table(name, {column: [row[column] for row in rows] for column in rows[0]})
    times = [c for c in ("at", "joined_at", "started_at", "initiated_at", "requested_at") if c in frame]
    return frame.sort_values([*times[:1], "viewer"], kind="stable", ignore_index=True) if sort else frame
