"""``p2psim sweep`` from the command line."""

import json
from pathlib import Path

import pandas as pd
import pytest

from p2psim.cli import main

DESIGN = """
scenario = "live-24s"
replications = 2
metrics = ["p2p_ratio", "origin_saving"]
[set]
"duration" = "60 s"
"viewers.count" = 5
[grid]
"stream.live_latency" = ["8 s", "24 s"]
"""


@pytest.fixture
def design(tmp_path: Path) -> str:
    path = tmp_path / "pair.toml"
    path.write_text(DESIGN, encoding="utf-8")
    return str(path)


def test_a_sweep_prints_a_table_and_keeps_it(design: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["sweep", design, "--out", str(out), "--jobs", "1", "--quiet"]) == 0
    shown = capsys.readouterr()
    assert "stream.live_latency" in shown.out
    assert "24 s" in shown.out
    assert shown.err == f"8 runs finished, 0 failed, 0 pending; in {out}\n"
    assert "p2p_ratio      share of media bytes that came from peers" in shown.out
    table = pd.read_csv(out / "table.csv")
    assert main(["sweep", design, "--out", str(out), "--quiet", "--raw"]) == 0
    assert str(table["p2p_ratio_low"].iloc[-1]) in capsys.readouterr().out
    assert list(table["stream.live_latency"]) == [8.0, 24.0]
    assert {"p2p_ratio", "p2p_ratio_low", "p2p_ratio_high", "origin_saving"} <= set(table.columns)
    assert (out / "design.toml").read_text() == DESIGN
    assert len(pd.read_csv(out / "runs.csv")) == 2 * 2 * 2


def test_json_has_points_runs_and_nothing_else_is_printed(
    design: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sweep", design, "--out", str(tmp_path / "out"), "--quiet", "--json"]
    assert main([*arguments, "--task", "2/2", "--jobs", "1"]) == 0
    part = json.loads(capsys.readouterr().out)
    assert part["runs"] == {"ok": 4, "failed": 0, "pending": 4}
    assert not (tmp_path / "out" / "table.csv").exists()
    assert main([*arguments, "--status"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == part["runs"]
    assert main([*arguments, "--jobs", "1"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["runs"] == {"ok": 8, "failed": 0, "pending": 0}
    assert [point["changes"] for point in whole["points"]] == [
        {"stream.live_latency": 8.0},
        {"stream.live_latency": 24.0},
    ]
    assert set(whole["points"][0]["p2p_ratio"]) == {"mean", "low", "high"}
    assert whole["seed"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{}/none.toml"], "none.toml: cannot be read"),
        (["{}/pair.toml", "--task", "5/2"], "task 5/2"),
        (["{}/pair.toml", "--out", "{}"], "not empty and not the folder of a sweep"),
        (["{}/pair.toml", "--jobs", "0"], "'0'"),
        (["{}/pair.toml", "--dask", "nowhere", "--jobs", "2"], "not allowed with"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    arguments: list[str], said: str, design: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert design
    assert main(["sweep", *(each.format(tmp_path) for each in arguments)]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert not shown.out


def test_another_seed_and_more_replications(design: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["sweep", design, "--out", str(tmp_path / "out"), "--jobs", "1", "--quiet", "--json"]
    assert main([*arguments, "--seed", "5", "--replications", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["seed"], found["replications"], found["runs"]["ok"]) == (5, 1, 4)
