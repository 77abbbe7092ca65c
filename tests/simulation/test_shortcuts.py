"""The simulator's shortcuts change nothing: with and without them every table is the same, to the bit."""

import dataclasses

import pandas as pd
import pytest

from p2psim.policy.facts import Facts
from p2psim.policy.versions.custom import BY_HTTP, BY_P2P, STANDARD, WAIT, decision
from p2psim.scenario import Scenario
from p2psim.scenario.policy import LOADERS
from p2psim.simulation import initial_state, run


@decision
def reserve(facts: Facts) -> int:
    """Read the playhead, chance and what neighbours announce, so that each pass may decide otherwise."""
    if facts.start - facts.position < 7.3:
        return BY_HTTP
    if facts.holders > 0:
        return BY_P2P
    return BY_HTTP if facts.fetchers == 0 and facts.draw < 0.05 else WAIT


@decision
def as_upstream(facts: Facts) -> int:
    return STANDARD


VERSIONS: dict[str, dict[str, object]] = {
    **{name: {"policy.name": name} for name in LOADERS},
    "disabled": {"policy.isP2PDisabled": True},
    "custom": {"policy.name": f"{__name__}:reserve"},
    "custom-as-upstream": {"policy.name": f"{__name__}:as_upstream"},
}
OPTIONS: dict[str, object] = {
    "isP2PUploadDisabled": True,
    "highDemandTimeWindow": 5.0,
    "httpDownloadInitialTimeoutMs": 3000.0,
    "httpDownloadTimeWindow": 0.0,
    "p2pDownloadTimeWindow": 12.0,
    "simultaneousHttpDownloads": 1,
    "simultaneousP2PDownloads": 1,
    "webRtcMaxMessageSize": 16384,
    "p2pNotReceivingBytesTimeoutMs": 400.0,
    "httpNotReceivingBytesTimeoutMs": 500.0,
    "httpErrorRetries": 1,
    "p2pErrorRetries": 1,
    "segmentMemoryStorageLimit": 3.0,
    "customSegmentStorageFactory": "unlimited",
    "validateP2PSegment": True,
    "announcementBlocks": "fixed",
    "queueStart": "fixed",
    "reputation": True,
    "maxPeers": 3,
}
BASE = Scenario(name="base").replace(
    {
        "duration": "110 s",
        "viewers.count": 14,
        "viewers.arrivals": "uniform",
        "viewers.arrival_period": "30 s",
        "stream.bitrate": "1 Mbit/s",
        "stream.segment": "2 s",
        "access.uplink": "2 Mbit/s",
        "access.downlink": "12 Mbit/s",
        "origin.rate": "9 Mbit/s",
        "tracker.interval": "10 s",
        "nat.mix": "open",
    }
)
FAILURE = {"faults": [{"kind": "origin", "at": "35 s", "duration": "8 s"}]}
WORLDS: dict[str, dict[str, object]] = {
    "live": {"stream.playlist_segments": 20, "stream.live_latency": "24 s", "viewers.liars": 0.15, **FAILURE},
    "churn": {
        "stream.playlist_segments": 12,
        "stream.live_latency": "20 s",
        "viewers.mean_viewing_time": "25 s",
        "viewers.crash_share": 0.5,
    },
    "vod": {"stream.kind": "vod", "stream.length": "90 s", "viewers.stallers": 0.1, **FAILURE},
}


def tables(scenario: Scenario) -> dict[str, pd.DataFrame]:
    done = run(scenario, seed=5, events=True)
    assert done.trace is not None
    return {**done.trace.tables, "totals": done.totals.viewers, "seconds": done.totals.timeline}


def tables_without_shortcuts(scenario: Scenario) -> dict[str, pd.DataFrame]:
    settings = initial_state._settings
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(initial_state, "_settings", lambda *given: dataclasses.replace(settings(*given), shortcuts=False))
        return tables(scenario)


def differing(changes: dict[str, object]) -> list[str]:
    """Return the names of the tables that are not the same without shortcuts."""
    scenario = BASE.replace(changes)
    quick, slow = tables(scenario), tables_without_shortcuts(scenario)
    return [name for name in quick if not quick[name].equals(slow[name])]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("world", WORLDS)
def test_every_version_is_the_same_without_shortcuts(version: str, world: str) -> None:
    assert differing({**WORLDS[world], **VERSIONS[version]}) == []


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_the_same_without_shortcuts(version: str, option: str) -> None:
    for name, world in WORLDS.items():
        assert differing({**world, **VERSIONS[version], f"policy.{option}": OPTIONS[option]}) == [], name
