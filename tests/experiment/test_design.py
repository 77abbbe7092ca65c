"""Designs: what points a file makes, and what is refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p2psim.errors import DesignError, InputError
from p2psim.experiment import Design
from p2psim.scenario import Scenario, bundled

BASE = Scenario(name="base").replace({"duration": "30 s", "viewers.count": 4})

FILE = """
scenario = "base.toml"
replications = 2
seed = 7
metrics = ["p2p_ratio", "origin_saving"]
[set]
"viewers.count" = 5
[grid]
stream.live_latency = ["8 s", "24 s"]
"nat.mix" = ["open", "average"]
[[points]]
"access.uplink" = "2 Mbit/s"
[[points]]
access.uplink = "5 Mbit/s"
"""


def load(tmp_path: Path, text: str) -> Design:
    (tmp_path / "base.toml").write_text(BASE.to_toml(), encoding="utf-8")
    (tmp_path / "design.toml").write_text(text, encoding="utf-8")
    return Design.load(tmp_path / "design.toml")


def test_a_file_is_read_with_units_and_kinds_are_crossed(tmp_path: Path) -> None:
    design = load(tmp_path, FILE)
    assert (design.name, design.replications, design.seed) == ("design", 2, 7)
    assert design.factors == ["stream.live_latency", "nat.mix", "access.uplink"]
    assert len(design.points) == 8
    assert dict(design.points[0].changes) == {"stream.live_latency": 8.0, "nat.mix": "open", "access.uplink": 250_000.0}
    for point in design.points:
        assert point.scenario.viewers.count == 5
        assert point.scenario.stream.live_latency == point.changes["stream.live_latency"]
        assert point.scenario.access.uplink == point.changes["access.uplink"]


def test_jobs_are_listed_once_with_their_baselines() -> None:
    grid = {"stream.live_latency": [8.0, 24.0, 8.0]}
    alone = Design.of(BASE, grid=grid, replications=3, metrics=["p2p_ratio"])
    paired = Design.of(BASE, grid=grid, replications=3, metrics=["origin_saving"])
    assert len(alone.jobs()) == 2 * 3
    assert len(paired.jobs()) == 2 * 2 * 3
    assert {job.seed for job in paired.jobs()} == {1}


def test_the_longest_runs_come_first() -> None:
    design = Design.of(BASE, grid={"viewers.count": [2, 50, 10]}, replications=2)
    assert [job.scenario.viewers.count for job in design.jobs()] == [50, 50, 10, 10, 2, 2]


@pytest.mark.parametrize("method", ["random", "latin-hypercube", "sobol", "halton"])
def test_drawn_points_stay_in_range_and_come_again(method: str) -> None:
    sample = {
        "method": method,
        "count": 40,
        "factors": {
            "access.uplink": {"low": "1 Mbit/s", "high": "16 Mbit/s", "scale": "log"},
            "viewers.count": {"low": 3, "high": 6},
            "nat.mix": ["open", "average"],
        },
    }
    design, again = (Design.of(BASE, sample=sample) for _ in range(2))
    assert [point.changes for point in design.points] == [point.changes for point in again.points]
    uplinks = np.array([point.changes["access.uplink"] for point in design.points])
    counts = [point.changes["viewers.count"] for point in design.points]
    assert uplinks.min() >= 125_000
    assert uplinks.max() <= 2_000_000
    # log-uniform: the median of 40 lies near the geometric mean, 4 Mbit/s
    assert 300_000 < np.median(uplinks) < 800_000
    assert set(counts) == {3, 4, 5, 6}
    assert {point.changes["nat.mix"] for point in design.points} == {"open", "average"}


def test_a_latin_hypercube_has_one_point_in_every_row() -> None:
    factors = {name: {"low": 0.0, "high": 1.0} for name in ("nat.failure", "viewers.crash_share")}
    design = Design.of(BASE, sample={"count": 10, "factors": factors})
    for name in factors:
        assert sorted(int(point.changes[name] * 10) for point in design.points) == list(range(10))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('[grid]\nstream.live_latency = ["8 s", "24"]', "stream.live_latency"),
        ('[grid]\nstream.latencyy = ["8 s"]', "did you mean 'live_latency'"),
        ('[grid]\nstream.live_latency = "8 s"', "a list of values"),
        ('[grid]\nviewers.count = [5, 2.5]', "viewers.count = 2.5"),
        ('[grid]\nnat.mix = ["nowhere"]', "the point nat.mix = nowhere"),
        ("replications = 0\n[grid]\nviewers.count = [5]", "replications = 0"),
        ('metrics = ["speed"]\n[grid]\nviewers.count = [5]', "'speed' is not known"),
        ("colour = 1", "colour: not known"),
        ("", "the design has no points"),
        ('[sample]\ncount = 3\n[sample.factors]\nviewers.count = { low = 9, high = 2 }', "low must be less"),
        ('[sample]\ncount = 3\nmethod = "magic"\n[sample.factors]\nviewers.count = [1]', "sample.method = 'magic'"),
        ('[sample]\ncount = 0\n[sample.factors]\nviewers.count = [1]', "sample.count = 0"),
        ("[grid", "not TOML"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(change: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, f'scenario = "base.toml"\n{change}\n')
    assert said in str(caught.value)
    assert "design.toml" in str(caught.value)
    assert "\n" not in str(caught.value).strip()


@pytest.mark.parametrize("file", bundled("designs"), ids=lambda file: file.stem)
def test_bundled_designs_are_found_by_name(file: Path) -> None:
    assert Design.load(file.stem) == Design.load(file)
    with pytest.raises(DesignError, match="did you mean"):
        Design.load(f"{file.stem}s")


@pytest.mark.parametrize("arguments", [{}, {"grid": {"viewers.count": list(range(1, 200)), "duration": [9.0] * 9999}}])
def test_nothing_and_too_much_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(DesignError):
        Design.of(BASE, **arguments)
