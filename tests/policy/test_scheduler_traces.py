"""Our loader against the real p2p-media-loader 2.3.1: the same events at the same virtual times.

``P2PSIM_TRACES=FILE`` adds the recorded scenarios of another file.
"""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.policy.random_worlds import KINDS, difference, make_case
from tests.policy.world import World

VECTORS = Path(__file__).parents[1] / "vectors"


def scenarios_of(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    scenarios: list[dict[str, Any]] = json.loads(text)["scenarios"]
    return scenarios


FILES = [VECTORS / "scheduler_traces.json", VECTORS / "random_traces.json.gz"]
FILES += [Path(path) for path in os.environ.get("P2PSIM_TRACES", "").split(os.pathsep) if path]
SCENARIOS = [scenario for file in FILES for scenario in scenarios_of(file)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[s["name"] for s in SCENARIOS])
def test_event_for_event(scenario: dict[str, Any]) -> None:
    assert difference(scenario) == ""


def test_a_playlist_may_be_longer_than_there_was_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader makes room when the playlist comes, and forgets nothing, not even the limit of its storage."""
    monkeypatch.setattr(World, "capacity", 4)
    limited = [scenario for scenario in SCENARIOS if scenario["name"].startswith("storage_")]
    assert [scenario["name"] for scenario in limited if difference(scenario)] == []


def test_a_difference_is_told() -> None:
    scenario = {**SCENARIOS[0], "trace": [*SCENARIOS[0]["trace"][:-1], {"t": 0, "ev": "something else"}]}
    assert "something else" in difference(scenario)
    assert difference({**SCENARIOS[0], "trace": SCENARIOS[0]["trace"][:-1]}) != ""
    assert difference({**SCENARIOS[0], "stall_ticks": -1}) == "stalls"


def test_every_kind_of_world_is_among_the_recorded() -> None:
    names = {scenario["name"].partition("_")[0] for scenario in scenarios_of(FILES[1])}
    assert names == set(KINDS)
    assert make_case(7) == make_case(7)


@pytest.mark.slow
def test_interpreted_rules_say_the_same() -> None:
    """The rules as ordinary Python, without Numba's compiler, on traces with every kind of event."""
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        return
    chosen = ["live_two_following_peers", "p2p_stalling", "http_hang", "memory_limit", "10_empty_peers"]
    for kind in KINDS:
        shortest = min((s for s in SCENARIOS if s["name"].startswith(f"{kind}_2")), key=lambda s: len(s["trace"]))
        chosen.append(shortest["name"])
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", " or ".join(chosen)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    assert f"{len(chosen)} passed" in run.stdout
