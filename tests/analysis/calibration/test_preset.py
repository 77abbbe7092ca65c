"""A calibration as a preset: a scenario that names it has its values, and what was in the file stays."""

import datetime as dt
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from p2psim import Scenario
from p2psim.analysis.calibration.fit import Calibration
from p2psim.analysis.calibration.identification import Estimate
from p2psim.analysis.calibration.preset import preset_text, write_preset
from p2psim.analysis.statistics import Interval
from p2psim.errors import InputError

ESTIMATES = {
    "goodput": Estimate("goodput", Interval(0.98765, 0.97, 0.99), "slope"),
    "request": Estimate("request", Interval(0.012345, 0.01, 0.015), "on top"),
    "window": Estimate("window", Interval(float("nan")), "not identified by these traces: none held", identified=False),
    "handshake_trips": Estimate("handshake_trips", Interval(5.0, 4.5, 5.5), "slope"),
}


def calibration(estimates: dict[str, Estimate] = ESTIMATES) -> Calibration:
    return Calibration(estimates, (), pd.DataFrame(), {"live-24s (seed 1)": "0123456789abcdef"}, ("live-8s",))


def test_a_scenario_may_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    write_preset(calibration(), path)
    network = Scenario().replace({"network.preset": str(path)}).network
    assert (network.goodput, network.request, network.handshake_trips) == pytest.approx(
        (0.9877, 0.01234, 5.0), abs=2e-5
    )
    assert network.window == Scenario().network.window


def test_the_file_says_where_it_comes_from() -> None:
    text = preset_text(calibration(), "lab", dt.date(2026, 1, 2))
    for part in (
        "[lab]",
        "2026-01-02",
        "live-24s (seed 1): 0123456789abcdef",
        "live-8s",
        "not identified",
        "0.97 to 0.99",
    ):
        assert part in text
    assert "source" in tomllib.loads(text)["lab"]


def test_other_tables_stay_and_the_same_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "network.toml"
    path.write_text('# of the network\n\n[calibrated]\nwindow = "1 MiB"\n\n[metro]\nrtt = "10 ms"\n')
    for _ in range(2):
        write_preset(calibration(), path)
    tables = tomllib.loads(path.read_text())
    assert set(tables) == {"metro", "calibrated"}
    assert tables["metro"] == {"rtt": "10 ms"}
    assert "window" not in tables["calibrated"]
    assert path.read_text().startswith("# of the network")
    assert path.read_text().count("[calibrated]") == 1


def test_what_is_no_name_or_tells_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="letters"):
        preset_text(calibration(), "a b")
    with pytest.raises(InputError, match="no preset to write"):
        preset_text(calibration({"window": ESTIMATES["window"]}))
    (tmp_path / "broken.toml").write_text("= 3")
    with pytest.raises(InputError, match="not TOML"):
        write_preset(calibration(), tmp_path / "broken.toml")
