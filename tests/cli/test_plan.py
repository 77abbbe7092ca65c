"""``p2psim plan`` as a planner types it."""

import json
from pathlib import Path

import pytest

from p2psim.cli import main

MATCH = ["--event", "match", "--bitrate", "6 Mbit/s", "--country", "brazil", "--mobile", "30 %", "--cdn-price", "0.02"]


@pytest.mark.slow
def test_a_match_for_twenty_thousand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plan"
    options = ["--quick", "--replications", "2", "--quiet", "--json", "--out", str(out)]
    assert main(["plan", "--viewers", "20000", *MATCH, *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["origin_saving"]["low"] < found["origin_saving"]["mean"] < found["origin_saving"]["high"]
    assert 0.3 < found["origin_saving"]["mean"] < 0.8
    # 20,000 viewers at 6 Mbit/s are 120 Gbit/s at the peak; by hand, with what start-ups fetch in vain
    assert found["base_rate_peak"]["mean"] * 8e-9 == pytest.approx(120, rel=0.06)
    assert found["bill"]["with"]["mean"] < found["bill"]["without"]["mean"]
    report = (out / "report.html").read_text()
    assert "Sharing saves" in report
    assert {path.name for path in out.iterdir()} >= {"plan.csv", "curve.csv", "sensitivities.csv", "scenario.toml"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--viewers", "1000", "--event", "mach"], "did you mean 'match'"),
        (["--viewers", "1000", "--bitrate", "6 Mbits"], "6 Mbits"),
        ([], "viewers is missing"),
        (["--viewers", "1000", "--set", "nat.mixx=open"], "did you mean 'mix'"),
    ],
)
def test_bad_input_is_one_line(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *options]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
