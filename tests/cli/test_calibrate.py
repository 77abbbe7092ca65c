"""``p2psim calibrate``: output, files, exit status."""

import dataclasses
import json
from pathlib import Path

import pytest

from p2psim import Scenario, Trace
from p2psim.cli import main
from p2psim.simulation import run


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    found = []
    for name, rtt in (("one", 0.01), ("two", 0.04)):
        scenario = Scenario.load("live-24s").replace({"duration": "60 s", "viewers.count": 4, "network.rtt": rtt})
        trace = run(scenario.replace(name=name), seed=2, events=True).trace
        assert trace is not None
        found.append(str(trace.write(tmp_path_factory.mktemp("traces") / name)))
    return found


@pytest.mark.slow
def test_json_and_preset(folders: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine.toml"
    status = main(["calibrate", *folders, "--hold-out", "two", "--json", "--jobs", "1", "--quiet", "--out", str(out)])
    found = json.loads(capsys.readouterr().out)
    assert found["held_out"] == ["two"]
    assert status == (0 if found["agrees"] else 1)
    told = {row["parameter"]: row for row in found["parameters"]}
    assert told["network.gather"]["estimate"] == pytest.approx(0.2)
    assert Scenario().replace({"network.preset": str(out)}).network.gather == pytest.approx(0.2)


@pytest.mark.slow
def test_tables_for_people(folders: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(["calibrate", *folders, "--hold-out", "two", "--jobs", "1", "--quiet", "--replications", "2"])
    shown = capsys.readouterr().out
    for part in ("network.goodput", "not identified", "held out of the fit: two", "Parts of the start-up time"):
        assert part in shown


def test_an_unknown_scenario_is_one_line_and_status_2(folders: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", *folders, "--hold-out", "tow"]) == 2
    assert "did you mean 'two'?" in capsys.readouterr().err


@pytest.mark.slow
def test_viewers_of_several_kinds_are_warned_of(
    folders: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = Trace.read(folders[0])
    kinds = trace["viewers"].assign(actor=["aiortc", "browser"] * (len(trace["viewers"]) // 2))
    dataclasses.replace(trace, tables={**trace.tables, "viewers": kinds}).write(tmp_path / "mixed")
    common = ["calibrate", str(tmp_path / "mixed"), "--replications", "2", "--jobs", "1", "--quiet"]
    assert main(common) == 1  # nothing was kept out, so nothing is shown
    assert "several kinds are fitted together (aiortc, browser)" in capsys.readouterr().err
    main([*common, "--actor", "browser"])
    assert "several kinds" not in capsys.readouterr().err


@pytest.mark.slow
def test_recordings_of_several_networks_are_warned_of(
    folders: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = []
    for place in ("loopback", "lab"):
        trace = Trace.read(folders[0])
        notes = {**trace.manifest.notes, "network": f"{place}: of a test"}
        placed = dataclasses.replace(trace, manifest=dataclasses.replace(trace.manifest, notes=notes))
        names.append(str(placed.write(tmp_path / place)))
    common = ["--replications", "2", "--jobs", "1", "--quiet"]
    main(["calibrate", *names, *common])
    assert "several networks are fitted together (lab, loopback)" in capsys.readouterr().err
    main(["calibrate", *names, *common, "--place", "lab"])
    assert "several networks" not in capsys.readouterr().err
