"""A saved run, continued, gives what the run would have given uninterrupted, bit for bit."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grimp
import numpy as np
import pandas as pd
import pytest
import simpy

from p2psim.errors import CheckpointError
from p2psim.scenario import Scenario
from p2psim.simulation import Checkpoint, Control, Run, Simulation, checkpoint, run
from p2psim.simulation.checkpoint import read_saved, write_state

CHURN = Scenario(name="churn").replace(
    {
        "duration": "120 s",
        "viewers.count": 30,
        "viewers.arrival_period": "60 s",
        "viewers.mean_viewing_time": "40 s",
        "viewers.crash_share": 0.5,
        "stream.bitrate": "1 Mbit/s",
        "stream.segment": "2 s",
        "nat.mix": "mobile",
        "nat.failure": 0.1,
        "tracker.interval": "20 s",
        "origin.rate": "12 Mbit/s",
    }
)

RICH = CHURN.replace(
    {
        "viewers.arrivals": "poisson",
        "channels.count": 40,
        "channels.mean_time_on_channel": "20 s",
        "regions.mix": {"sao-paulo": 0.6, "tokyo": 0.4},
        "household.size_shares": (0.5, 0.5),
        "neighbourhood.viewers": 10,
        "neighbourhood.uplink": "20 Mbit/s",
        "carrier.home_share": 0.3,
        "cdn.edges": "regions",
        "stream.ladder": (60_000.0, 125_000.0),
        "faults": (
            {"kind": "tracker", "at": 30.0, "duration": 20.0},
            {"kind": "origin", "at": 60.0, "duration": 8.0},
            {"kind": "partition", "at": 80.0, "duration": 20.0, "region": "tokyo"},
        ),
    }
)


def assert_same(one: Run, other: Run) -> None:
    pd.testing.assert_frame_equal(one.totals.viewers, other.totals.viewers, check_exact=True)
    pd.testing.assert_frame_equal(one.totals.timeline, other.totals.timeline, check_exact=True)
    assert (one.stale_offers, one.live_offers, one.events) == (other.stale_offers, other.live_offers, other.events)
    assert (one.trace is None) == (other.trace is None)
    if one.trace is not None and other.trace is not None:
        for name, table in one.trace.tables.items():
            pd.testing.assert_frame_equal(table, other.trace[name], check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("at", [0.0, 3.7, 41.0, 119.0])
@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("scenario", [CHURN, RICH], ids=["churn", "rich"])
def test_a_restored_run_ends_as_an_uninterrupted_one(
    scenario: Scenario, at: float, events: bool, tmp_path: Path
) -> None:
    whole = run(scenario, seed=5, replication=2, events=events)
    begun = Simulation(scenario, 5, 2, events)
    begun.run_until(at)
    write_state(begun, tmp_path / "state")
    restored = read_saved(tmp_path / "state", Simulation)
    restored.run_until(scenario.duration)
    assert_same(restored.result(), whole)
    begun.run_until(scenario.duration)  # to have been saved changes nothing
    assert_same(begun.result(), whole)


@pytest.mark.parametrize("policy", ["p2p-media-loader-2.3", "http-only"])
def test_saving_now_and_again_changes_nothing(policy: str, tmp_path: Path) -> None:
    scenario = CHURN.replace({"policy.name": policy})
    saved = run(scenario, checkpoint=Checkpoint(tmp_path / "state", every=7.0))
    assert_same(saved, run(scenario))
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.slow
def test_a_restored_run_can_be_saved_again(tmp_path: Path) -> None:
    simulation = Simulation(CHURN, 1, 0, events=True)
    for at in range(10, 120, 10):
        simulation.run_until(float(at))
        write_state(simulation, tmp_path / "state")
        simulation = read_saved(tmp_path / "state", Simulation)
    simulation.run_until(CHURN.duration)
    assert_same(simulation.result(), run(CHURN, seed=1, events=True))


def test_arrays_that_were_windows_are_windows_again(tmp_path: Path) -> None:
    simulation = Simulation(CHURN, 1, 0, events=False)
    simulation.run_until(30.0)
    write_state(simulation, tmp_path / "state")
    control = read_saved(tmp_path / "state", Simulation).control
    assert np.shares_memory(control._states, control.kernel.viewer)
    control.kernel.viewer["state"][3] = 6
    assert control._states[3] == 6


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from p2psim.scenario import Scenario
from p2psim.simulation import Checkpoint, run
scenario = Scenario.load({scenario!r})
def told(share):
    if share > 0.6:
        print("far", flush=True)
        sys.stdin.read()
run(scenario, seed=5, checkpoint=Checkpoint(Path({state!r}), every=5.0), progress=told)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_end(tmp_path: Path) -> None:
    state, scenario = tmp_path / "state", tmp_path / "churn.toml"
    scenario.write_text(CHURN.to_toml(), encoding="utf-8")
    code = KILLED.format(tests=str(Path(__file__).parent), scenario=str(scenario), state=str(state))
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"far\n"
        os.kill(process.pid, signal.SIGKILL)
    reports: list[float] = []
    resumed = run(CHURN, seed=5, checkpoint=Checkpoint(state), progress=reports.append)
    assert min(reports) > 0.5  # not from the start
    assert_same(resumed, run(CHURN, seed=5))


def crowd_in(control: Control, by: float) -> None:
    """A behaviour of one's own that is data."""
    control.signalling.stale_offers += 1000
    control.env.after(by, crowd_in, control, by)


def test_a_behaviour_scheduled_as_data_is_saved(tmp_path: Path) -> None:
    def prepare(control: Control) -> None:
        control.env.after(10.0, crowd_in, control, 10.0)

    begun = Simulation(CHURN, 1, 0, events=False)
    prepare(begun.control)
    begun.run_until(55.0)
    write_state(begun, tmp_path / "state")
    restored = run(CHURN, seed=1, checkpoint=Checkpoint(tmp_path / "state"))
    assert_same(restored, run(CHURN, seed=1, prepare=prepare))
    assert restored.stale_offers > 10_000


def test_a_simpy_process_is_refused_by_name(tmp_path: Path) -> None:
    def commercial_break(control: Control) -> Generator[simpy.Event, Any, None]:
        while True:
            yield control.env.timeout(10.0)

    with pytest.raises(CheckpointError, match="commercial_break"):
        run(
            CHURN,
            prepare=lambda control: control.env.process(commercial_break(control)),
            checkpoint=Checkpoint(tmp_path / "state", every=5.0),
        )
    assert not list(tmp_path.iterdir())


def test_damage_is_found(tmp_path: Path) -> None:
    state = tmp_path / "state"
    simulation = Simulation(CHURN, 1, 0, events=False)
    simulation.run_until(20.0)
    write_state(simulation, state)
    whole = state.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole[:900] + bytes([whole[900] ^ 1]) + whole[901:]):
        state.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            read_saved(state, Simulation)
    state.write_bytes(b"duration = 10\n")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        read_saved(state, Simulation)
    state.write_bytes(whole.replace(b'"fingerprint": "', b'"fingerprint": "0', 1))
    with pytest.raises(CheckpointError, match="another version"):
        read_saved(state, Simulation)


def test_a_state_of_another_run_is_refused(tmp_path: Path) -> None:
    simulation = Simulation(CHURN, 1, 0, events=False)
    simulation.run_until(20.0)
    write_state(simulation, tmp_path / "state")
    for other in ({"seed": 2}, {"seed": 1, "replication": 1}, {"seed": 1, "events": True}):
        with pytest.raises(CheckpointError, match="another run"):
            run(CHURN, checkpoint=Checkpoint(tmp_path / "state"), **other)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="another run"):
        run(CHURN.replace({"viewers.count": 31}), seed=1, checkpoint=Checkpoint(tmp_path / "state"))


def test_a_fingerprint_is_of_all_code_that_a_run_uses() -> None:
    used = grimp.build_graph("p2psim", "p2p_tracker", cache_dir=None).find_upstream_modules("p2psim.simulation.run")
    covered = {path.resolve() for path in checkpoint._sources()}
    for module in used:
        origin = find_spec(module)
        assert origin is not None
        assert origin.origin is not None
        assert Path(origin.origin).resolve() in covered, module
