"""``p2psim measure`` and ``compare``, for real: three viewers for a quarter of a minute."""

import json
from pathlib import Path

import pytest

from p2psim import Trace
from p2psim.cli import main
from p2psim.trace import discrepancies

pytestmark = pytest.mark.testbed


@pytest.mark.slow
def test_what_is_measured_can_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "trace"
    changes = ["--set", "duration=18 s", "--set", "viewers.count=3", "--set", "viewers.arrival_period=2 s"]
    assert main(["measure", "live-24s", *changes, "--out", str(folder), "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 0 <= found["p2p_ratio"] <= 1
    assert found["startup"] > 0
    trace = Trace.read(folder)
    assert trace.manifest.world == "measured"
    assert discrepancies(trace, tolerance=0.02) == []
    assert main(["compare", str(folder), "--json", "--jobs", "1", "--replications", "2", "--quiet"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["traces"][0]["p2p_ratio"]["measured"] == found["p2p_ratio"]


def test_what_cannot_be_measured_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", "live-24s", "--tracker", "ws://127.0.0.1:9/", "--quiet"]) == 2
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert "127.0.0.1:9" in shown.err


@pytest.mark.slow
def test_a_series_goes_on_where_it_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["--set", "duration=8 s", "--set", "viewers.arrival_period=1 s", "--set", "viewers.count=2"]
    asked = ["measure", "measured-pair", "live-24s", *changes, "--out", str(tmp_path), "--json", "--quiet"]
    assert main(asked) == 0
    first = json.loads(capsys.readouterr().out)["traces"]
    assert [found["trace"] for found in first] == [str(tmp_path / "measured-pair-1"), str(tmp_path / "live-24s-1")]
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    assert main(asked) == 0
    assert json.loads(capsys.readouterr().out)["traces"] == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == stamps
    cpu = Trace.read(tmp_path / "live-24s-1").manifest.notes["cpu"]
    assert 0 < cpu["busy"] <= 1
    assert 0 <= cpu["others"] <= cpu["cores"]
