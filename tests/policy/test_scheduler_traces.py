"""Our loader against the real p2p-media-loader 2.3.1: the same events at the same virtual times."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.policy.world import World

VECTORS = Path(__file__).parents[1] / "vectors"
FILES = [VECTORS / "scheduler_traces.json"]
SCENARIOS: list[dict[str, Any]] = [scenario for file in FILES for scenario in json.loads(file.read_text())["scenarios"]]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[s["name"] for s in SCENARIOS])
def test_event_for_event(scenario: dict[str, Any]) -> None:
    world = World(scenario["params"])
    assert world.run() == scenario["trace"]
    assert world.stall_ticks == scenario["stall_ticks"]


def test_interpreted_rules_say_the_same() -> None:
    """The rules as ordinary Python, without Numba's compiler, on a trace with every kind of event."""
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        return
    chosen = "live_two_following_peers or p2p_stalling or http_hang or memory_limit or 10_empty_peers"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", chosen],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    assert "5 passed" in run.stdout
