"""Figures show the values of their tables."""

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import Collection, LineCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from p2psim import plots
from p2psim.plots.style import STYLE
from p2psim.trace import totals
from tests.traces import duet


def labels(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def xdata(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_xdata(), float)


def ydata(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_ydata(), float)


def heights(area: Collection) -> NDArray[np.float64]:
    return np.asarray(area.get_paths()[0].vertices, float)[:, 1]


def image(ax: Axes) -> list[list[int]]:
    array = ax.images[0].get_array()
    assert array is not None
    return [[int(cell) for cell in row] for row in array]


def test_timeline_stacks_both_sources() -> None:
    at = np.arange(60.0)
    table = pd.DataFrame({"at": at, "http": 1e6, "p2p": 0.5e6, "viewers": 10, "stalled": 0})
    ax = plots.timeline(table)
    http, p2p = (heights(area).max() for area in ax.collections)
    assert (http, p2p) == pytest.approx((8.0, 12.0)), "Mbit/s, stacked"
    assert labels(ax) == ["HTTP", "peers"]
    assert len(ax.figure.axes) == 1, "nobody stalled, so there is no second axis"


def test_timeline_is_the_mean_of_replications_and_shows_stalls() -> None:
    one = pd.DataFrame({"at": np.arange(10.0), "http": 1e6, "p2p": 0.0, "viewers": 4, "stalled": 1, "replication": 0})
    two = one.assign(http=3e6, replication=1)
    ax = plots.timeline(pd.concat([one, two]))
    assert heights(ax.collections[0]).max() == pytest.approx(16.0)
    twin = ax.figure.axes[1]
    assert ydata(twin.lines[0]).max() == pytest.approx(25.0)


def test_timeline_of_a_real_table_keeps_its_bytes() -> None:
    table = totals(duet()).timeline
    ax = plots.timeline(table)
    top = heights(ax.collections[1]).max()
    assert top == pytest.approx((table["http"] + table["p2p"]).max() * 8e-6)


def test_raster_colours_each_segment_by_its_source() -> None:
    ax = plots.raster(duet()["segments"])
    assert image(ax) == [[1, 1], [1, 3]]
    assert labels(ax) == ["not played", "HTTP", "both", "peers"]


def test_raster_of_nothing() -> None:
    assert image(plots.raster(duet()["segments"].iloc[:0])) == [[0]]


def test_distribution_reaches_one_and_has_the_median_in_the_middle() -> None:
    ax = plots.distribution(pd.DataFrame({"startup": [3.0, 1.0, math.nan, 2.0, 4.0]}))
    line = ax.lines[0]
    assert ydata(line)[-1] == 1.0
    assert xdata(line).tolist() == [1.0, 1.0, 2.0, 3.0, 4.0]


def test_distribution_distinguishes_measured_and_simulated() -> None:
    table = pd.DataFrame({"world": ["measured", "simulated"] * 3, "time": range(6)})
    ax = plots.distribution(table, column="time")
    assert labels(ax) == ["measured", "simulated"]
    assert len({line.get_linestyle() for line in ax.lines}) == 2


def test_scatter_puts_points_where_they_belong() -> None:
    table = pd.DataFrame({"trace": ["a"], "measured": [0.4], "simulated": [0.5], "low": [0.45], "high": [0.6]})
    ax = plots.scatter(table)
    (point,) = (line for line in ax.lines if line.get_marker() == "o")
    assert (xdata(point)[0], ydata(point)[0]) == (40, 50)
    bars = ax.collections[-1]
    assert isinstance(bars, LineCollection)
    bar = np.asarray(bars.get_segments()[0])
    assert bar[:, 1].tolist() == pytest.approx([45, 60])


def claim(verdict: str, **numbers: float) -> dict[str, object]:
    row = {"low": 0.5, "high": 0.7, "mean": 0.6, "found_low": 0.58, "found_high": 0.62, **numbers}
    return {"id": "C1", "label": "p2p_ratio", "claimed": "", "found": "", "verdict": verdict, **row}


@pytest.mark.parametrize(
    ("row", "position"),
    [
        (claim("holds"), 0.5),
        (claim("fails", mean=0.0, found_low=0.0, found_high=0.0), 0.0),
        (claim("fails", mean=9.0, found_low=9.0, found_high=9.0), 1.0),
        (claim("holds", low=-math.inf, high=0.1, mean=0.1, found_low=0.1, found_high=0.1), 0.5),
        (claim("fails", low=3.0, high=math.inf, mean=1.0, found_low=1.0, found_high=1.0), 0.5 - 0.45 * 2 / 3),
        (claim("holds only if", found_low=math.nan, found_high=math.nan), 0.5),
    ],
)
def test_claims_figure_draws_the_estimate_on_the_claimed_range(row: dict[str, object], position: float) -> None:
    ax = plots.claims(pd.DataFrame([row]))
    marker = ax.lines[1]
    assert xdata(marker)[0] == pytest.approx(position)
    assert to_hex(marker.get_color()) == to_hex(plots.COLOURS[str(row["verdict"])])


def test_claim_without_an_estimate_has_no_marker() -> None:
    ax = plots.claims(pd.DataFrame([claim("fails", mean=math.nan)]))
    assert not any(len(xdata(line)) for line in ax.lines)


def test_curve_is_drawn_in_order_of_the_field() -> None:
    table = pd.DataFrame({"at": [40, 8], "mean": [0.8, 0.0], "low": [0.7, 0.0], "high": [0.9, 0.1]})
    ax = plots.curve(table, claim=(0.5, 0.7))
    assert xdata(ax.lines[0]).tolist() == [8, 40]
    assert ydata(ax.lines[0]).tolist() == [0, 80]


def test_figures_draw_on_axes_that_are_given() -> None:
    figure, ax = plots.sheet()
    assert plots.raster(duet()["segments"], ax=ax) is ax
    assert ax.figure is figure


def test_style_does_not_change_the_callers_settings() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.raster(duet()["segments"])
    assert dict(mpl.rcParams) == before
    assert STYLE["font.size"] != before["font.size"]


def luminance(colour: str) -> float:
    return float(
        np.dot(
            [0.2126, 0.7152, 0.0722],
            [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)],
        )
    )


def test_adjacent_colours_differ_in_greyscale() -> None:
    for meanings in (("http", "p2p"), ("http", "p2p", "both", "nothing")):
        for one, two in itertools.combinations(meanings, 2):
            assert abs(luminance(plots.COLOURS[one]) - luminance(plots.COLOURS[two])) > 0.02, (one, two)


def swarm() -> "nx.Graph[str]":
    graph: nx.Graph[str] = nx.Graph(at=60.0)
    for name, nat in (("a", "open"), ("b", "open"), ("c", "symmetric"), ("d", "symmetric")):
        graph.add_node(name, nat=nat)
    graph.add_edge("a", "b", bytes=2e6)
    graph.add_edge("b", "c", bytes=1e6)
    return graph


def test_a_graph_shows_every_viewer_and_connection() -> None:
    ax = plots.graph(swarm())
    lines, dots = ax.collections
    assert isinstance(lines, LineCollection)
    offsets = np.asarray(dots.get_offsets())
    assert len(offsets) == 4
    assert len(lines.get_segments()) == 2
    first, second = np.asarray(lines.get_linewidth())
    assert first > second
    assert labels(ax) == ["open", "symmetric"]
    assert ax.get_title(loc="left") == "4 viewers, 2 connections, 3 MB so far, t = 60 s"
    # the single viewer is outside, the others inside
    radii = np.hypot(*offsets.T)
    assert radii[3] > 1.2
    assert radii[:3].max() < 1.1


def test_an_empty_swarm_is_drawn() -> None:
    assert "0 viewers" in plots.graph(nx.Graph(at=0.0)).get_title(loc="left")


def test_welch_marks_the_end_of_the_warmup() -> None:
    table = pd.DataFrame({"at": [0.0, 1.0, 2.0], "value": [3.0, 1.0, 1.0], "smooth": [2.0, 1.5, 1.0]})
    ax = plots.welch(table, name="viewers", detected=1.0, cut=2.0)
    assert labels(ax) == ["each second", "moving average", "MSER-5: 1 s", "cut: 2 s"]
    assert [xdata(line)[0] for line in ax.lines[2:]] == [1.0, 2.0]
    assert "no steady state" in plots.welch(table).get_title(loc="left")


@pytest.mark.slow
def test_a_figure_leaves_a_notebook_interactive(tmp_path: Path) -> None:
    (tmp_path / "shown.py").write_text(
        "import matplotlib\nfrom matplotlib.backends.backend_agg import *\nmatplotlib.interactive(True)\n"
    )
    code = (
        "import matplotlib, pandas as pd; from p2psim.plots import curve; "
        "curve(pd.DataFrame({'at': [1.0], 'mean': [0.5], 'low': [0.4], 'high': [0.6]})); "
        "assert matplotlib.is_interactive()"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(plots.__file__).parents[2])])
    own = {**os.environ, "MPLBACKEND": "module://shown", "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], env=own, check=True, timeout=60)


def grid() -> pd.DataFrame:
    rows = [(x, y, x * y / 20) for x in (10, 1, 5) for y in (1, 2)]
    table = pd.DataFrame(rows, columns=["x", "y", "value"])
    return table.assign(low=table["value"] - 0.01, high=table["value"] + 0.01)


def test_heat_writes_each_value_into_its_cell_and_marks_inconclusive_cells() -> None:
    ax = plots.heat(grid(), claim=(0.5, 0.7))
    texts = {tuple(text.get_position()): text.get_text() for text in ax.texts}
    assert texts[(2.5, 1.5)] == "100±1"
    assert texts[(0.5, 0.5)] == "5±1"
    assert texts[(2.5, 0.5)] == texts[(1.5, 1.5)] == "50±1*", "the interval contains an end of the claim"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "5", "10"]
    assert labels(ax) == ["boundary of the claim"]


def test_heat_of_text_keeps_its_order_and_has_no_line_without_a_boundary() -> None:
    table = grid().assign(x=lambda rows: rows["x"].map({10: "open", 1: "mobile", 5: "average"}))
    ax = plots.heat(table, claim=(-math.inf, 2.0))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["open", "mobile", "average"]
    assert ax.get_legend() is None


def test_overlay_draws_the_mean_within_the_range_of_the_runs() -> None:
    at = np.arange(10.0)
    runs = [("measured", 0, 1e6), ("simulated", 0, 1e6), ("simulated", 1, 3e6)]
    table = pd.concat([pd.DataFrame({"world": w, "replication": i, "at": at, "p2p": rate}) for w, i, rate in runs])
    ax = plots.overlay(table)
    simulated, measured = ax.lines
    assert set(ydata(simulated)) == {16.0}
    assert set(ydata(measured)) == {8.0}
    top = heights(ax.collections[0])
    assert (top.min(), top.max()) == (8.0, 24.0)


def test_timeline_shows_relayed_bytes_separately() -> None:
    table = pd.DataFrame(
        {"at": np.arange(10.0), "http": 1e6, "p2p": 1e6, "relayed": 0.25e6, "viewers": 4, "stalled": 0}
    )
    ax = plots.timeline(table)
    assert labels(ax) == ["HTTP", "peers", "peers, by relay"]
    assert [heights(area).max() for area in ax.collections] == pytest.approx([8.0, 14.0, 16.0])


def test_over_time_draws_the_mean_of_each_case_with_its_interval() -> None:
    runs = [
        pd.DataFrame({"case": case, "replication": i, "at": np.arange(10.0), "origin": rate})
        for case, rates in (("a", (1e6, 2e6, 3e6)), ("b", (5e6, 5e6, 5e6)))
        for i, rate in enumerate(rates)
    ]
    ax = plots.over_time(pd.concat(runs))
    assert labels(ax) == ["a", "b"]
    assert [ydata(line).tolist() for line in ax.lines] == [[16.0, 16.0], [40.0, 40.0]]
    top = heights(ax.collections[0])
    assert top.max() - 16 == pytest.approx(4.302653 * 8 / math.sqrt(3)), "Student's t of two degrees of freedom"
    assert np.ptp(heights(ax.collections[1])) == 0


def test_a_title_set_afterwards_replaces_that_of_the_figure() -> None:
    ax = plots.curve(pd.DataFrame({"at": [8, 16], "mean": [0.0, 0.3], "low": [0, 0.2], "high": [0, 0.4]}))
    ax.set_title("mine")
    ax.set(title="mine still")
    assert [ax.get_title(loc=side) for side in ("left", "center", "right")] == ["mine still", "", ""]


def test_two_values_on_one_side_of_a_tornado_share_a_label() -> None:
    rows = [("viewing time", end, setting, saving, saving - 0.1, saving + 0.1, saving - 0.5)
            for end, setting, saving in (("low", "9 min", 0.6), ("high", "37 min", 0.55))]  # fmt: skip
    table = pd.DataFrame(rows, columns=["input", "end", "setting", "saving", "low", "high", "change"])
    ax = plots.tornado(table, at=0.5)
    assert [text.get_text() for text in ax.texts] == ["9 min, 37 min"]
    bars = [bar for bar in ax.patches[:2] if isinstance(bar, Rectangle)]
    assert [round(bar.get_width()) for bar in bars] == [10, 5], "the longer bar is drawn first"
