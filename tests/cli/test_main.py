"""The command line as its users meet it: output, exit status, refusals."""

import json
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pandas as pd
import pytest

from p2psim import Trace, __version__
from p2psim.cli import main
from p2psim.cli.main import COMMANDS
from p2psim.scenario import bundled

SMALL = [
    "live-24s",
    "--set",
    "duration=40 s",
    "--set",
    "viewers.count=4",
    "--set",
    "viewers.arrival_period=3 s",
    "--jobs",
    "1",
]


ROOT = Path(__file__).parents[2]


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"^ +{command}( |$)", text, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"p2psim {command}" in text.split("examples:")[1]
    assert "--json" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"p2psim {__version__}\n"


def test_simulate_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *SMALL, "--replications", "2", "--quiet"]) == 0
    shown = capsys.readouterr()
    assert re.search(r"^p2p_ratio +[\d.]+ %", shown.out, re.MULTILINE)
    assert re.search(r"^origin_saving ", shown.out, re.MULTILINE)
    # another process may be compiling the kernels meanwhile, which is said in a line before
    assert shown.err.endswith("p2psim: warning: 2 replications: intervals are unreliable; use 5 or more\n")
    assert shown.err.count("warning") == 1


def test_saving_repeats_no_warning(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    warnings.simplefilter("always")
    arguments = ["simulate", *SMALL, "--replications", "2", "--quiet", "--no-baseline"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert [str(each.message) for each in recwarn] == []


def test_tables_describe_their_metrics_and_raw_ones_have_the_numbers_of_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["simulate", *SMALL, "--replications", "2", "--quiet", "--no-baseline"]
    assert main(arguments) == 0
    assert re.search(r"^startup .* time from joining to the first frame, mean$", capsys.readouterr().out, re.MULTILINE)
    assert main([*arguments, "--raw"]) == 0
    raw = capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    exact = json.loads(capsys.readouterr().out)["origin_rate"]
    assert re.search(rf"^origin_rate +{exact['mean']} +{exact['low']} +{exact['high']} +rate$", raw, re.MULTILINE)


def test_simulate_json_is_one_object_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *SMALL, "--replications", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["p2p_ratio"]) == {"mean", "low", "high"}
    assert found["replications"] == 2
    assert found["latency"]["mean"] > 20


def test_simulate_without_baseline_and_from_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *SMALL, "--replications", "1", "--json", "--no-baseline"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "origin_saving" not in found
    assert found["p2p_ratio"]["low"] is None, "one run gives no interval, and JSON has no NaN"


def test_simulate_saves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["simulate", *SMALL, "--replications", "2", "--out", str(out), "--events", "--quiet"]) == 0
    assert "origin_saving" in pd.read_csv(out / "summary.csv")["metric"].tolist()
    assert Trace.read(out / "trace-1").scenario.viewers.count == 4
    assert "data:image/png" in (out / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "required: COMMAND"),
        (["dance"], "choose from 'validate'"),
        (["simulate"], "SCENARIO"),
        (["simulate", "nonsense"], "bundled: "),
        (["simulate", "live-24"], "did you mean 'live-24s'"),
        (["simulate", "none.toml"], "cannot be read"),
        (["simulate", "live-24s", "--set", "x"], "NAME=VALUE is expected"),
        (["simulate", "live-24s", "--set", "viewers.cout=3"], "did you mean 'count'"),
        (["simulate", "live-24s", "--set", "viewers.count=many"], "a whole number"),
        (["simulate", "live-24s", "--set", "stream.live_latency=8"], "needs its unit"),
        (["simulate", "live-24s", "--set", "nat.mix=bad"], "accepted: open"),
        (["simulate", "live-24s", "--replications", "0"], "at least 1"),
        (["simulate", "live-24s", "--replications", "x"], "whole number"),
        (["simulate", "live-24s", "--jobs", "0"], "at least 1"),
        (["simulate", "live-24s", "--seed", "-1"], "at least 0"),
        (["simulate", "live-24s", "--every", "5 min"], "give --checkpoint FOLDER"),
        (["simulate", "live-24s", "--out", __file__], "is a file; a folder is expected"),
        (["simulate", "live-24s", "--out", f"{__file__}/folder"], "is a file; give another path"),
        (["simulate", "live-24s", "--checkpoint", __file__], "is a file; a folder is expected"),
        (["plan", "--viewers", "1000", "--out", __file__], "is a file; a folder is expected"),
        (["measure", "live-24s", "--out", __file__], "is a file; a folder is expected"),
        (["validate", "--out", __file__], "is a file; a folder is expected"),
        (["sweep", "latency", "--out", __file__], "is a file; a folder is expected"),
        (["sweep", "latncy"], "did you mean 'latency'"),
        (["compare", "none", "--junit", "."], "is a folder; a file is expected"),
        (["compare", "none", "--junit", "nowhere/junit.xml"], "the folder 'nowhere' does not exist"),
        (["calibrate", "none", "--out", "."], "is a folder; a file is expected"),
        (["compare", "none"], "no such folder"),
        (["compare", "none", "--margin", "0"], "points are expected"),
        (["compare", "none", "--margin", "x"], "points are expected"),
        (["compare", "none", "--gate", "speed"], "accepted: p2p_ratio"),
        (["compare", "none", "--set", "nat.mx=open"], "did you mean 'mix'"),
        (["compare", "none", "--set", "access.uplink=5"], "needs its unit"),
        (["compare", "none", "--set", "nat.mix=open", "--against", "other"], "one of them"),
        (["validate", "--claims", "C77"], "accepted: C1"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert says in shown.err
    assert shown.err.startswith("p2psim: ")
    assert shown.err.count("\n") == 1


def test_values_of_set_may_be_words_numbers_and_tables(capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--set", "nat.mix=open", "--set", "access.mix={ us-cable = 1.0 }", "--set", "viewers.crash_share=50 %"]
    assert main(["simulate", *SMALL, *more, "--replications", "1", "--no-baseline", "--json"]) == 0


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    arguments = ["simulate", *SMALL, "--replications", "1", "--no-baseline", "--quiet", "--out", str(tmp_path / "file")]
    assert main(arguments) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("p2psim.cli.simulate.execute", stop)
    assert main(["simulate", "live-24s"]) == 130
    assert capsys.readouterr().err == "p2psim: interrupted\n"


@pytest.fixture(scope="module")
def trace_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated")
    assert (
        main(["simulate", *SMALL, "--replications", "1", "--no-baseline", "--quiet", "--events", "--out", str(out)])
        == 0
    )
    return out / "trace-0"


@pytest.mark.slow
def test_compare_agrees_with_its_own_simulator(
    trace_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junit = tmp_path / "junit.xml"
    arguments = ["compare", str(trace_folder), "--json", "--jobs", "1", "--margin", "40", "--junit", str(junit)]
    arguments += ["--gate", "p2p_ratio,media_bytes=20"]
    status = main([*arguments, "--out", str(tmp_path / "o")])
    found = json.loads(capsys.readouterr().out)
    assert status == 0
    assert set(found["traces"][0]["p2p_ratio"]) >= {"measured", "simulated", "difference", "low", "high"}
    assert 'failures="0"' in junit.read_text()
    trace = found["traces"][0]
    assert (found["agrees"], trace["agrees"], trace["recordings"]) == (True, True, 1)
    made = {file.name for file in (tmp_path / "o").iterdir()}
    overlays = {f"{trace['trace']}-{figure}.png" for figure in ("share", "peers", "http", "p2p")}
    assert made == {f"compare-{trace['trace']}.csv", "checks.csv", "measured.png", "report.html"} | overlays
    gates = {check["metric"] for check in trace["checks"] if check["gates"]}
    assert gates == {"p2p_ratio", "media_bytes"}


@pytest.mark.slow
def test_compare_notices_a_change_of_the_simulated_side(trace_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", str(trace_folder), "--jobs", "1", "--quiet", "--gate", "p2p_times"]
    assert main([*arguments, "--set", "access.uplink=2 Mbit/s"]) == 1
    assert "differs: p2p_times" in capsys.readouterr().out


@pytest.mark.slow
def test_compare_says_no_with_status_1(trace_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(trace_folder), "--jobs", "1", "--margin", "0.0001", "--quiet"]) == 1
    assert "P2P share, simulated against measured" in capsys.readouterr().out


def test_compare_two_traces(trace_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(trace_folder), "--against", str(trace_folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["traces"][0]["p2p_ratio"]["difference"] == 0


@pytest.mark.slow
def test_validate_some_claims(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["validate", "--claims", "c3,C12", "--quick", "--out", str(tmp_path), "--json", "--quiet"])
    found = json.loads(capsys.readouterr().out)
    assert status in (0, 1)
    assert [claim["id"] for claim in found["claims"]] == ["C3", "C12"]
    assert {claim["verdict"] for claim in found["claims"]} <= {"holds", "fails", "holds only if"}
    main_ones = [folder for folder in bundled("traces") if not folder.name.startswith("measured-")]
    assert sum(each["recordings"] for each in found["traces"]) == len(main_ones)
    assert (tmp_path / "report.html").exists()


def test_module_is_the_command() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "p2psim", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout == f"p2psim {__version__}\n"


def test_help_is_quick_because_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys; from p2psim.cli import main; main(['--help']); print({'numba', 'matplotlib'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.splitlines()[-1] == "set()"


# -- long simulations -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_simulation_resumes_to_the_same_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep = tmp_path / "long"
    arguments = ["simulate", "live-24s", "--set", 'duration="200 s"', "--set", "viewers.count=60", "--replications"]
    arguments += ["2", "--jobs", "1", "--json", "--quiet"]
    saving = ["--checkpoint", str(keep), "--every", "10 s"]
    command = [sys.executable, "-m", "p2psim", *arguments, *saving]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        while not list(keep.glob("*.state")):
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
    assert list(keep.glob("*.state"))
    assert main([*arguments, *saving]) == 2
    assert "add --resume to continue it" in capsys.readouterr().err
    assert main([*arguments, *saving, "--resume"]) == 0
    resumed = capsys.readouterr().out
    assert main(arguments) == 0
    assert capsys.readouterr().out == resumed
    assert not list(keep.glob("*.state"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--resume"], "give --checkpoint FOLDER"),
        (["--resume", "--checkpoint", "{}/none"], "contains no simulation"),
        (["--checkpoint", "{}/new", "--every", "soon"], "soon"),
        (["--checkpoint", "{}/new", "--every", "0 s"], "above 0"),
        (["--precision", "2"], "between 0 and 1"),
        (["--precision", "2 %", "--metric", "speed"], "'speed'"),
    ],
)
def test_what_makes_no_sense_for_long_runs_is_refused(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "live-24s", *(each.format(tmp_path) for each in arguments)]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert not shown.out


def test_precision_and_warmup_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["simulate", "live-24s", "--set", "duration=60 s", "--set", "viewers.count=8", "--quiet"]
    arguments += [
        "--set",
        "viewers.arrivals=poisson",
        "--set",
        "viewers.mean_viewing_time=30 s",
        "--no-baseline",
        "--jobs",
        "1",
    ]
    assert main([*arguments, "--replications", "2", "--precision", "0.1 %", "--most", "3"]) == 0
    said = capsys.readouterr()
    assert "3 replications from seed 1" in said.out
    assert "has not reached the precision after 3 replications" in said.err
    assert "3 replications: intervals are unreliable" in said.err
    assert "warm-up: " in said.err
