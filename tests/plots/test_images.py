"""Figures look like the checked baseline images.

The root mean square of the differences may be 6 of 255: other versions of FreeType move letters by a fraction of a
pixel, which stays below it; a line or an area that moves, or changes its colour, does not (the last test shows it).
After an intended change: ``P2PSIM_BASELINES=1 pytest tests/plots/test_images.py``, then look at the files.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.testing.compare import compare_images

from p2psim import plots
from tests.traces import duet

BASELINES = Path(__file__).with_name("baselines")
TOLERANCE = 6.0


def timeline() -> pd.DataFrame:
    at = np.arange(120.0)
    return pd.DataFrame(
        {"at": at, "http": 4e6 / (1 + at / 30), "p2p": 4e4 * at, "viewers": 20, "stalled": at < 12}
    ).assign(relayed=lambda rows: rows["p2p"] / 4)


def grid(shift: float = 0.0) -> pd.DataFrame:
    rows = [(x, y, min(1.0, (x * y) ** 0.5 / 10 + shift)) for x in (1, 3, 10, 30) for y in (0.5, 1, 2)]
    table = pd.DataFrame(rows, columns=["x", "y", "value"])
    return table.assign(low=table["value"] - 0.03, high=table["value"] + 0.03)


def worlds() -> pd.DataFrame:
    frames = []
    for replication, factor in enumerate((1.0, 1.05, 0.9)):
        world = "simulated" if replication else "measured"
        p2p = 5e5 * factor * np.sin(np.arange(60) / 20)
        frames.append(pd.DataFrame({"world": world, "replication": replication, "at": np.arange(60.0), "p2p": p2p}))
    return pd.concat(frames)


FIGURES = {
    "timeline": lambda ax: plots.timeline(timeline(), ax=ax),
    "raster": lambda ax: plots.raster(duet()["segments"], ax=ax),
    "distribution": lambda ax: plots.distribution(
        pd.DataFrame({"world": ["measured", "simulated"] * 4, "time": [1, 2, 2, 3, 5, 5, 8, 7]}), column="time", ax=ax
    ),
    "heat": lambda ax: plots.heat(grid(), ax=ax, claim=(0.2, 0.5), xlabel="viewers", ylabel="uplink / bitrate"),
    "overlay": lambda ax: plots.overlay(worlds(), ax=ax),
    "curve": lambda ax: plots.curve(
        pd.DataFrame({"at": [8, 16, 24], "mean": [0.0, 0.3, 0.8], "low": [0, 0.2, 0.7], "high": [0, 0.4, 0.9]}),
        ax=ax, claim=(0.5, 0.7),
    ),
    "scatter": lambda ax: plots.scatter(
        pd.DataFrame(
            [("a", 0.3, 0.35, 0.3, 0.4), ("b", 0.7, 0.68, 0.6, 0.75)],
            columns=["trace", "measured", "simulated", "low", "high"],
        ),
        ax=ax,
    ),
}  # fmt: skip


def draw(name: str, file: Path) -> None:
    figure, ax = plots.sheet()
    FIGURES[name](ax)
    figure.savefig(file, dpi=70, metadata={"Software": None})


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_figure_looks_as_before(name: str, tmp_path: Path) -> None:
    baseline = BASELINES / f"{name}.png"
    if os.environ.get("P2PSIM_BASELINES"):
        BASELINES.mkdir(exist_ok=True)
        draw(name, baseline)
    draw(name, tmp_path / f"{name}.png")
    difference = compare_images(str(baseline), str(tmp_path / f"{name}.png"), tol=TOLERANCE)
    assert difference is None, difference


def test_another_boundary_is_seen(tmp_path: Path) -> None:
    figure, ax = plots.sheet()
    plots.heat(grid(shift=0.2), ax=ax, claim=(0.2, 0.5), xlabel="viewers", ylabel="uplink / bitrate")
    figure.savefig(tmp_path / "heat.png", dpi=70)
    assert compare_images(str(BASELINES / "heat.png"), str(tmp_path / "heat.png"), tol=TOLERANCE) is not None
