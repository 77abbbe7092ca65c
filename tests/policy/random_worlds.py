"""Random worlds for the recorder, and whether our loader does in them what the real one did.

    python -m tests.policy.random_worlds --seed 1 --count 100 --modules DIR/node_modules [--kinds vod,live,…]

records each case with the real p2p-media-loader-core (npm 2.3.1) and replays it; the first difference of each case that
differs is shown, and the exit status is 1.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tests.policy.virtual_time import TooManyEventsError
from tests.policy.world import World

__all__ = ["KINDS", "difference", "make_case", "record"]

RECORDER = Path(__file__).parents[1] / "vectors" / "record_scheduler.mjs"
Params = dict[str, Any]
T = TypeVar("T")


class _Dice:
    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def chance(self, probability: float) -> bool:
        return bool(self._rng.random() < probability)

    def whole(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))

    def one(self, choices: Sequence[T]) -> T:
        return choices[int(self._rng.integers(len(choices)))]

    def some(self, choices: list[Any], probability: float) -> list[Any]:
        return [choice for choice in choices if self.chance(probability)]


def _config(dice: _Dice) -> Params:
    choices: dict[str, list[Any]] = {
        "highDemandTimeWindow": [4, 8, 10, 15, 20, 30],
        "httpDownloadInitialTimeoutMs": [0, 1000, 3000, 5000],
        "httpDownloadTimeWindow": [0, 15, 30, 45, 60, 3000],
        "p2pDownloadTimeWindow": [0, 20, 40, 80, 6000],
        "simultaneousHttpDownloads": [1, 2, 3, 4],
        "simultaneousP2PDownloads": [1, 2, 3, 5],
        "webRtcMaxMessageSize": [16384, 65535],
        "p2pNotReceivingBytesTimeoutMs": [700, 1000, 2000, 3500],
        "httpNotReceivingBytesTimeoutMs": [800, 1500, 3000, 6000],
        "httpErrorRetries": [1, 2, 3, 5],
        "p2pErrorRetries": [1, 2, 3, 5],
        "isP2PUploadDisabled": [True, False],
    }
    names = dice.some(list(choices), 0.3)
    return {name: dice.one(choices[name]) for name in names}


def _base(dice: _Dice) -> Params:
    params: Params = {
        "segBytes": dice.whole(2, 12) * 100_000 + dice.whole(0, 1) * dice.whole(0, 99_999),
        "segDur": dice.one([1, 2, 3, 4, 5, 6]),
        "httpRate": dice.one([60_000, 100_000, 150_000, 250_000, 500_000, 1_000_000, 2_000_000, 5_000_000]),
        "httpLatency": dice.one([5, 20, 50, 120, 400]),
        "random": dice.one([0, 0.1, 0.2, 0.25, 0.3, 0.37, 0.5, 0.61, 0.75, 0.9, 0.999]),
        "until": dice.whole(8, 45) * 1000,
        "config": _config(dice),
    }
    if dice.chance(0.4):
        params["playerBuffer"] = dice.one([4, 8, 10, 15, 20, 30, 60])
    if dice.chance(0.4):
        params["bitrate"] = dice.one([200_000, 800_000, 1_000_000, 2_000_000, 8_000_000])
    return params


def _peer(dice: _Dice, params: Params, ids: list[int]) -> Params:
    peer: Params = {
        "at": dice.one([100, 150, 300, 500, 1000, 1500, 2000, 4000, 7000, 12_000]),
        "rate": dice.one([20_000, 40_000, 60_000, 120_000, 300_000, 600_000, 1_000_000, 2_000_000, 4_000_000]),
        "have": dice.one([[], ids, ids[: len(ids) // 2], ids[len(ids) // 3 :], dice.some(ids, 0.5)]),
    }
    if dice.chance(0.4):
        peer["rtt"] = dice.one([5, 10, 80, 200, 600])
    if "live" in params and dice.chance(0.8):
        peer["have"] = []
        peer["follow"] = {"lag": dice.whole(0, 3), "everyMs": dice.one([300, 500, 700, 1000, 2300])}
    if dice.chance(0.35):
        peer["announces"] = [
            {"at": peer["at"] + dice.whole(1, 20_000), "l": dice.some(ids, 0.4), "p": dice.some(ids, 0.2)}
            for _ in range(dice.whole(1, 4))
        ]
    if dice.chance(0.25):
        peer["requests"] = [
            {
                "at": peer["at"] + dice.whole(100, 20_000),
                "id": dice.one([*ids, 10_000]),
                "r": dice.whole(0, 999),
                "from": dice.one([0, 0, 65_535, params["segBytes"] // 2]),
            }
            for _ in range(dice.whole(1, 5))
        ]
    if dice.chance(0.15):
        peer["leaves"] = peer["at"] + dice.whole(200, 15_000)
    if dice.chance(0.35):
        peer["behaviour"] = _peer_behaviour(dice, ids)
    return peer


def _peer_behaviour(dice: _Dice, ids: list[int]) -> str:
    mode = dice.one(["silent", "absent", "stall", "wrongsize", "short", "overflow", "wrongid", "leave"])
    return dice.one(
        [
            f'() => "{mode}"',
            f'(i) => (i === {dice.one(ids)} ? "{mode}" : "ok")',
            f'(i) => (i % {dice.whole(2, 4)} === 0 ? "{mode}" : "ok")',
            f'(i, t) => (t < {dice.whole(1, 20) * 1000} ? "{mode}" : "ok")',
            f'(i, t) => (t < {dice.whole(1, 9) * 1000} ? "stall" : "{mode}")',
        ]
    )


def _http_behaviour(dice: _Dice, ids: list[int]) -> str:
    mode = dice.one(["error", "hang", "truncate", "drop", "whole", "refuse", "badrange"])
    return dice.one(
        [
            f'(id) => (id === {dice.one(ids)} ? "{mode}" : "ok")',
            f'(id) => (id % {dice.whole(2, 5)} === 1 ? "{mode}" : "ok")',
            f'(id, t) => (t > {dice.whole(1, 9) * 1000} && t < {dice.whole(10, 20) * 1000} ? "{mode}" : "ok")',
            f'(id, t) => (id % 3 === 0 && t < {dice.whole(3, 20) * 1000} ? "{mode}" : "ok")',
            f'(id, t) => (t % 3000 < {dice.whole(3, 20) * 100} ? "{mode}" : "ok")',
        ]
    )


def _ids(params: Params) -> list[int]:
    live = params.get("live")
    if live:
        more = params["until"] // (params["segDur"] * 1000) + 1
        return list(range(live["first"], live["first"] + live["window"] + more))
    return list(range(params.get("segments", 20)))


def _with_peers(dice: _Dice, params: Params, most: int) -> Params:
    ids = _ids(params)
    params["peers"] = [_peer(dice, params, ids) for _ in range(dice.whole(0, most))]
    if dice.chance(0.25):
        params["httpBehaviour"] = _http_behaviour(dice, ids)
    return params


def _vod(dice: _Dice) -> Params:
    params = _base(dice)
    params["segments"] = dice.one([5, 10, 20, 40, 80])
    return _with_peers(dice, params, 6)


def _live(dice: _Dice) -> Params:
    params = _base(dice)
    window = dice.whole(3, 20)
    latency = dice.one([params["segDur"], params["segDur"] * 2, 8, 15, 24, 40])
    params["live"] = {"first": dice.one([0, 7, 100, 250, 1000]), "window": window}
    params["live"]["latency"] = min(latency, (window - 1) * params["segDur"])
    return _with_peers(dice, params, 5)


def _failing(dice: _Dice) -> Params:
    params = dice.one([_vod, _live])(dice)
    params["httpBehaviour"] = _http_behaviour(dice, _ids(params))
    for peer in params["peers"]:
        peer["behaviour"] = _peer_behaviour(dice, _ids(params))
    return params


def _small_storage(dice: _Dice) -> Params:
    params = _vod(dice)
    params["config"]["segmentMemoryStorageLimit"] = dice.one([1, 2, 4, 6, 8, 12])
    return params


def _seeking(dice: _Dice) -> Params:
    params = dice.one([_vod, _vod, _live])(dice)
    ids = _ids(params)
    params["seeks"] = [
        {"at": dice.whole(500, params["until"]), "to": dice.one(ids) * params["segDur"] + dice.whole(0, 8) / 4}
        for _ in range(dice.whole(1, 4))
    ]
    if "live" not in params:
        # the recorder's player asks for whatever it seeks to
        for seek in params["seeks"]:
            seek["to"] = min(seek["to"], ids[-1] * params["segDur"])
            if dice.chance(0.5):
                seek["abort"] = dice.one(ids)
    return params


def _paced(dice: _Dice) -> Params:
    """Other rates of play, pauses, options that change."""
    params = dice.one([_vod, _live])(dice)
    params["rates"] = [
        {"at": dice.whole(1000, params["until"]), "rate": dice.one([0, 0.5, 1, 1.5, 2])}
        for _ in range(dice.whole(1, 4))
    ]
    if dice.chance(0.6):
        begin = dice.whole(1000, params["until"])
        params["pauses"] = [{"at": begin, "until": begin + dice.whole(500, 10_000)}]
    return params


def _zapping(dice: _Dice) -> Params:
    params = dice.one([_vod, _live])(dice)
    count = dice.whole(1, 3)
    params["zaps"] = [{"at": (k + 1) * params["until"] // (count + 1) + dice.whole(0, 900)} for k in range(count)]
    for k, peer in enumerate(params["peers"]):
        peer["client"] = k % (count + 1)
        if peer["client"]:
            peer["at"] = params["zaps"][peer["client"] - 1]["at"] + dice.whole(1, 3000)
            peer.pop("announces", None)
            peer.pop("requests", None)
            peer.pop("leaves", None)
    return params


def _switching(dice: _Dice) -> Params:
    """Changes of quality, up and down, some of them amid a segment; peers of every quality come at their time."""
    params = dice.one([_vod, _live])(dice)
    params.pop("bitrate", None)
    count, alike = dice.whole(2, 4), dice.chance(0.6)
    params["levels"] = [
        {
            "bitrate": 400_000 * 2**level,
            "segBytes": params["segBytes"] if alike else 50_000 * 2**level + dice.whole(0, 49_999),
        }
        for level in range(count)
    ]
    changes = sorted(dice.whole(300, params["until"]) for _ in range(dice.whole(1, 5)))
    params["switches"] = [
        {"at": at, "level": dice.whole(0, len(params["levels"]) - 1), "abort": dice.chance(0.5)} for at in changes
    ]
    if dice.chance(0.3):
        params["config"]["p2pInactiveLoaderDestroyTimeoutMs"] = dice.one([1000, 5000])
    for peer in params["peers"]:
        # a peer comes to one of the swarms in order of their joining, whatever its level; it must not lack bytes
        peer["level"] = count - 1
        peer["client"] = dice.whole(0, 2)
    return params


def _two_tracks(dice: _Dice) -> Params:
    """Sound in a stream of its own: a swarm, slots and a queue of its own, on the same line."""
    params = dice.one([_vod, _live, _seeking, _paced])(dice)
    params["sound"] = {"segBytes": dice.whole(2, 20) * 10_000 + dice.whole(0, 999)}
    for peer in params["peers"]:
        if dice.chance(0.5):
            peer["level"], peer["client"] = 9, 1
    return params


KINDS: dict[str, Callable[[_Dice], Params]] = {
    "vod": _vod,
    "live": _live,
    "failing": _failing,
    "storage": _small_storage,
    "seeking": _seeking,
    "paced": _paced,
    "zapping": _zapping,
    "switching": _switching,
    "sound": _two_tracks,
}


def make_case(seed: int, kinds: list[str] | None = None) -> Params:
    """Make a case: its name and params."""
    dice = _Dice(seed)
    kind = dice.one(kinds or list(KINDS))
    return {"name": f"{kind}_{seed}", "params": KINDS[kind](dice)}


def record(cases: list[Params], modules: str) -> list[dict[str, Any]]:
    """Run the real library in the cases' worlds."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(cases, file)
        file.flush()
        run = subprocess.run(
            ["node", str(RECORDER), file.name],
            env={**os.environ, "P2PML_MODULES": modules},
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode != 0:
        raise RuntimeError(run.stderr)
    scenarios: list[dict[str, Any]] = json.loads(run.stdout)["scenarios"]
    return scenarios


def _settled(events: list[Params]) -> list[Params]:
    """Sort by peer what two swarms of one viewer are told at the same instant: the order depends on nothing."""
    settled = []
    for (_, told), together in groupby(events, lambda event: (event["t"], event.get("cmd") == "announce")):
        run = list(together)
        settled += sorted(run, key=lambda event: event["peer"]) if told else run
    return settled


def difference(scenario: dict[str, Any]) -> str:
    """Replay a recorded case; tell the first difference, or nothing."""
    world = World(scenario["params"], most_events=2 * len(scenario["trace"]) + 100)
    try:
        events = world.run()
    except TooManyEventsError:
        events = world.notes.events
    except Exception as error:  # a difference like any other
        return f"{type(error).__name__}: {error}"
    expected = scenario["trace"]
    if "sound" in scenario["params"]:
        expected, events = _settled(expected), _settled(events)
    for number, (theirs, ours) in enumerate(zip(expected, events, strict=False)):
        if theirs != ours:
            before = "".join(f"\n      {event}" for event in expected[max(0, number - 6) : number])
            return f"event {number} of {len(expected)}:{before}\n    - {theirs}\n    + {ours}"
    if len(expected) != len(events):
        return f"{len(expected)} events, ours {len(events)}: {(expected + events)[min(len(expected), len(events))]}"
    return "" if world.stall_ticks == scenario["stall_ticks"] else "stalls"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--modules", default=os.environ.get("P2PML_MODULES", "node_modules"))
    parser.add_argument("--keep", help="file for the recorded cases that differ")
    asked = parser.parse_args()
    cases = [make_case(asked.seed + k, asked.kinds.split(",")) for k in range(asked.count)]
    different = []
    for scenario in record(cases, asked.modules):
        found = difference(scenario)
        if found:
            different.append(scenario)
            print(f"{scenario['name']}: {found}")
    print(f"{asked.count - len(different)} of {asked.count} alike")
    if asked.keep:
        Path(asked.keep).write_text(json.dumps({"scenarios": different}))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
