"""The calibration that ships for the conditions of a trace."""

import dataclasses

import pytest

from p2psim.analysis.calibration.conditions import NONE, conditions, with_calibrated_network
from p2psim.errors import InputError
from p2psim.scenario.presets import bundled, section_presets
from p2psim.simulation import run
from p2psim.trace import Trace
from tests.simulation.audience import SMALL


@pytest.fixture(scope="module")
def recorded() -> Trace:
    return Trace.read(next(path for path in bundled("traces") if path.name.startswith("live-24s")))


def test_conditions_are_who_watched_and_where(recorded: Trace) -> None:
    assert conditions(recorded) == "aiortc-loopback"
    lab = dataclasses.replace(recorded.manifest, notes={**recorded.manifest.notes, "network": "lab: a namespace each"})
    assert conditions(dataclasses.replace(recorded, manifest=lab)) == "aiortc-lab"


def test_what_ships_is_used_and_keeps_the_round_trip(recorded: Trace) -> None:
    own, shipped = recorded.scenario, with_calibrated_network(recorded.scenario, recorded)
    assert shipped.network.handshake != own.network.handshake
    assert shipped == own.replace({"network.preset": "aiortc-loopback"})
    assert shipped.network.rtt == own.network.rtt
    assert with_calibrated_network(own, recorded, NONE) == own
    assert with_calibrated_network(own, recorded, "aiortc").network.window == 1_048_576


def test_simulated_traces_are_left_alone() -> None:
    trace = run(SMALL.replace({"viewers.count": 3, "duration": "20 s"}), events=True).trace
    assert trace is not None
    assert with_calibrated_network(trace.scenario, trace) == trace.scenario


def test_an_unknown_calibration_is_refused(recorded: Trace) -> None:
    with pytest.raises(InputError, match=r"calibration = .aiortc-lop.*did you mean"):
        with_calibrated_network(recorded.scenario, recorded, "aiortc-lop")


def test_every_shipped_calibration_says_where_it_comes_from() -> None:
    fitted = [preset for name, preset in section_presets("network").items() if name.startswith(("aiortc-", "browser-"))]
    assert fitted
    assert all(str(preset["source"]).startswith("fitted to ") for preset in fitted)
