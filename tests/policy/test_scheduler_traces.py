"""Our loader against the real p2p-media-loader 2.3.1: the same events at the same virtual times."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.policy.world import Behaviour, World

VECTORS = Path(__file__).parents[1] / "vectors" / "scheduler_traces.json"
SCENARIOS: list[dict[str, Any]] = json.loads(VECTORS.read_text())["scenarios"]


def always(mode: str) -> Behaviour:
    return lambda _id, _ms: mode


# the recorder's behaviours, which its file keeps as JavaScript source
HTTP: dict[str, Behaviour] = {
    "http_errors_engine_failure": lambda i, _ms: "error" if i == 2 else "ok",
    "http_hang_timeout": lambda i, ms: "hang" if i == 1 and ms < 5000 else "ok",
}
PEER: dict[str, Behaviour] = {
    "p2p_silent_peer_timeouts_destroy": always("silent"),
    "p2p_stalling_peer_then_http_range": always("stall"),
    "p2p_absent": lambda i, _ms: "absent" if i == 5 else "ok",
    "p2p_wrong_size_on_resume_destroy": lambda _i, ms: "stall" if ms < 1000 else "wrongsize",
}


def replay(scenario: dict[str, Any]) -> tuple[World, list[dict[str, Any]]]:
    params = dict(scenario["params"])
    config = dict(params.get("config", {}))
    params["uploadDisabled"] = config.pop("isP2PUploadDisabled", False)
    params["config"] = config
    peer = PEER.get(scenario["name"], always("ok"))
    world = World(params, HTTP.get(scenario["name"], always("ok")), [peer] * len(params.get("peers", [])))
    return world, world.run()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[s["name"] for s in SCENARIOS])
def test_event_for_event(scenario: dict[str, Any]) -> None:
    world, events = replay(scenario)
    assert events == scenario["trace"]
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
