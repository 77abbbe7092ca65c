"""Each kernel is compiled for one kind of arguments, whoever calls it: a second version costs as much as the first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba import config

ROOT = Path(__file__).parents[1]

SIMULATED = """
from p2psim.scenario import Scenario
from p2psim.scenario.model import Network, Player, Stream, Viewers
from p2psim.simulation import run

small = {"duration": 90, "warmup": 0, "viewers.count": 6, "viewers.arrival_period": 3}
for name in ("live-24s", "vod-staggered", "measured-zapping", "measured-relay", "measured-uplinks-collapse"):
    run(Scenario.load(name).replace(small))
for change in (
    {"policy.name": "p2p-media-loader-5"},
    {"policy.name": "http-only"},
    {"policy.reputation": True, "network.rtt_spread": 1},
):
    run(Scenario.load("live-24s").replace({**small, **change}))
# as a user writes it in Python: whole numbers where any number is accepted
run(
    Scenario(
        duration=90,
        stream=Stream(segment=4, live_latency=24, ladder=(125_000, 250_000)),
        viewers=Viewers(count=6, arrival_period=3),
        player=Player(initial_estimate=1_000_000, fast_half_life=3, slow_half_life=9),
        network=Network(rtt_spread=0, loss=0, backlog=0),
    ),
    prepare=lambda control: control.env.at(40, lambda: (control.leave(2, 1), control.disconnect(0, 1))),
)
"""
LOADED = """
import numpy as np
from p2psim.testbed.peer.single_loader import SingleLoader
from p2psim.policy.interface import options
from p2psim.rng import kernel_streams
from p2psim.scenario.policy import Policy
from tests.policy.random_worlds import difference
from tests.policy.test_scheduler_traces import SCENARIOS

with_rates = [one for one in SCENARIOS if "rates" in one["params"]]
for world in sorted(with_rates, key=lambda one: len(one["trace"]))[:5] + SCENARIOS[:20]:
    assert difference(world) == ""

loader = SingleLoader(options(Policy(), True), kernel_streams(1, 1)[0])
loader.playlist([(i, 4 * i, 4 * i + 4) for i in range(8)])
loader.start_at(4)
loader.player_requests(np.int32(1))
loader.connect("other")
loader.announced("other", [2], [3])
loader.queue_pass(0)
loader.playhead_moves(5, 1, 1)
loader.lacks("other", np.int32(2))
loader.queue_pass(np.float32(2))
loader.failed(1, 3, timed_out=np.True_)
loader.prefetch_round(4)

from tests.testbed.peer.test_player import Stage

for is_live in (False, True):
    stage = Stage(live=is_live, latency=24, delay=1, buffer=6)
    stage.show(0, 12, ended=not is_live)
    stage.player.begin()
    stage.clock.run_until(30)
    stage.player.playlist([(n, 4 * n, 4 * n + 4) for n in range(20, 32)], is_live)
    stage.clock.run_until(90)
    assert stage.player.position > 0
"""
REPORT = """
import importlib, pkgutil
import p2psim
from numba.core.dispatcher import Dispatcher

kernels = {}
for module in pkgutil.walk_packages(p2psim.__path__, "p2psim."):
    if module.name.split(".")[1] in ("rng", "player", "policy", "network", "simulation"):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Dispatcher) and "no_cpython_wrapper" not in value.targetoptions:
                kernels[value.py_func.__module__, value.py_func.__name__] = value
for name, kernel in kernels.items():
    if len(kernel.overloads) > 1:
        print(*name, *kernel.overloads, sep="\\n  ")
print(sum(bool(kernel.overloads) for kernel in kernels.values()), "kernels called")
"""


@pytest.mark.slow
@pytest.mark.skipif(bool(getattr(config, "DISABLE_JIT", False)), reason="nothing is compiled")
@pytest.mark.parametrize("work", [SIMULATED, LOADED], ids=["simulated", "real loader"])
def test_each_kernel_has_one_signature(work: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", work + REPORT],
        capture_output=True, text=True, cwd=ROOT, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tracker'}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *more_than_one, called = done.stdout.splitlines()
    assert not more_than_one
    assert int(called.split()[0]) > 10
