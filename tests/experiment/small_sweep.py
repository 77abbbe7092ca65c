"""A small design, and what tests of its sweeps have in common."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from p2psim.experiment import Design, Sweep
from p2psim.scenario import Scenario

ROOT = Path(__file__).parents[2]


BASE = Scenario(name="base").replace(
    {
        "duration": "40 s",
        "viewers.count": 6,
        "viewers.arrival_period": "10 s",
        "stream.bitrate": "1 Mbit/s",
        "stream.segment": "2 s",
        "nat.mix": "open",
        "tracker.interval": "20 s",
    }
)


GRID = {"stream.live_latency": [8.0, 24.0], "access.uplink": [250_000.0, 1_000_000.0]}


DESIGN = Design.of(BASE, grid=GRID, replications=3, metrics=["p2p_ratio", "origin_saving", "startup"])


RUNS = len(DESIGN.jobs())


LIMIT = 60.0


def assert_same(one: Sweep, other: Sweep) -> None:
    pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)
    pd.testing.assert_frame_equal(one.runs, other.runs, check_exact=True)


class Counting(ThreadPoolExecutor):
    """An executor that notes what it is given, and stops after some."""

    def __init__(self, limit: int = 1_000_000) -> None:
        super().__init__(1)
        self.limit, self.given = limit, []  # type: ignore[var-annotated]

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.given.append(args[0].key)
        if len(self.given) > self.limit:
            raise KeyboardInterrupt
        return super().submit(fn, *args, **kwargs)


def runs_in(out: Path) -> dict[str, tuple[bytes, int]]:
    found = {}
    for path in out.glob("runs/[!.]*.json"):
        found[path.name] = (path.read_bytes(), path.stat().st_mtime_ns)
    return found
