"""A small audience, and ways to look at what became of it."""

from typing import Any

import pandas as pd

from p2psim.analysis.metrics import metrics
from p2psim.scenario import Scenario
from p2psim.simulation import Run, run

__all__ = ["SMALL", "found", "moved", "play"]

SMALL = Scenario(name="small").replace(
    {
        "duration": "100 s",
        "viewers.count": 12,
        "viewers.arrival_period": "10 s",
        "stream.bitrate": "1 Mbit/s",
        "stream.segment": "2 s",
        "nat.mix": "open",
        "tracker.interval": "20 s",
        "origin.rate": "40 Mbit/s",
    }
)


def play(changes: dict[str, Any], seed: int = 2, **how: Any) -> Run:
    """Run the small audience with changes, every event kept."""
    return run(SMALL.replace(changes), seed=seed, events=True, **how)


def found(result: Run) -> dict[str, float]:
    """Metrics of a run."""
    return metrics(result.totals)


def moved(result: Run, source: str = "p2p") -> pd.DataFrame:
    """Transfers from a source that brought something."""
    assert result.trace is not None
    rows = result.trace["transfers"]
    return rows[(rows["source"] == source) & (rows["bytes"] > 0)]


def in_time(rows: pd.DataFrame) -> pd.DataFrame:
    """Those that brought something before their end."""
    return rows[rows["bytes"] > rows["late_bytes"]]
