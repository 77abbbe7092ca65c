"""Measured runs with browsers and aiortc viewers in one swarm."""

from pathlib import Path

import pytest

from p2psim.errors import MissingToolError, ScenarioError
from p2psim.scenario import DATA, Scenario
from p2psim.testbed import measure
from p2psim.testbed.browser.chromium import find_libraries
from p2psim.testbed.recording.trace_builder import read_events
from p2psim.trace import Trace, discrepancies, totals
from tests.browsing import needs_chromium

IN_CHROMIUM = [*needs_chromium, pytest.mark.testbed, pytest.mark.slow]

ROUNDING = 0.05e6
"""Bytes: a page shows tenths of a megabyte."""
QUEUED = 2 * 65_535
"""Bytes for one peer that a page counts as uploaded before they have left."""

SCENARIO = Scenario(name="mixed").replace(
    {
        "duration": 34.0,
        "stream.bitrate": 125_000.0,
        "stream.segment": 2.0,
        "stream.live_latency": 24.0,
        "viewers.count": 6,
        "viewers.browsers": 2,
        "viewers.arrival_period": 6.0,
        "nat.mix": "open",
        "tracker.interval": 10.0,
        "tracker.one_way_delay": 0.001,
        "origin.rate": 1.5e6,
        "origin.time_to_first_byte": 0.002,
        "network.rtt": 0.001,
    }
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, Path]:
    """Measured swarm of four aiortc viewers and two browsers, and the logs of its processes."""
    try:
        find_libraries()
    except MissingToolError as error:
        pytest.skip(str(error))
    logs = tmp_path_factory.mktemp("logs")
    return measure(SCENARIO, seed=3, keep_logs=logs), logs


class TestMixedSwarm:
    pytestmark = IN_CHROMIUM

    def test_segments_flow_in_all_four_directions(self, run: tuple[Trace, Path]) -> None:
        trace, _ = run
        actors = trace["viewers"].set_index("viewer")["actor"]
        transfers = trace["transfers"]
        p2p = transfers[(transfers["source"] == "p2p") & (transfers["outcome"] == "completed")]
        directions = set(zip(p2p["from_viewer"].map(actors), p2p["viewer"].map(actors), strict=True))
        assert directions == {(one, other) for one in ("aiortc", "browser") for other in ("aiortc", "browser")}

    def test_segments_are_the_origins_and_bytes_are_conserved(self, run: tuple[Trace, Path]) -> None:
        trace, _ = run
        balance = trace.manifest.notes["bytes"]
        assert balance["segments_wrong"] == balance["http_unexplained"] == 0
        assert balance["segments_held"] > 100
        assert abs(balance["p2p_unexplained"]) <= 2 * 65_535  # at most the bytes in flight when a browser closed
        assert trace.manifest.notes["unhandled_errors"] == 0
        assert discrepancies(trace, 0.02) == []

    def test_browsers_play_and_are_recorded_like_other_viewers(self, run: tuple[Trace, Path]) -> None:
        trace, _ = run
        viewers = totals(trace).viewers.set_index("viewer")
        browsers = viewers[viewers["actor"] == "browser"]
        assert len(browsers) == 2
        assert (browsers["startup"] < 6).all()
        assert (browsers["stalled"] <= SCENARIO.stream.segment).all()
        assert (abs(browsers["latency"] - viewers[viewers["actor"] == "aiortc"]["latency"].mean()) < 2.5).all()
        assert (browsers["peers"] > 1).all()
        for table in ("announces", "samples", "playback", "connections", "segments"):
            assert set(browsers.index) <= set(trace[table]["viewer"]) | set(trace["connections"]["other"]), table
        assert "browsers.downlink" in trace.manifest.notes["not_enforced"]
        assert trace.manifest.notes["browser"][0].startswith("Chromium ")

    def test_the_figures_on_the_page_are_those_of_the_trace(self, run: tuple[Trace, Path]) -> None:
        trace, logs = run
        shown = [event for event in read_events([logs / "browser.jsonl"]) if event["event"] == "shown"]
        rows = trace["samples"]
        compared = 0
        for event in shown:
            before = rows[(rows["viewer"] == event["viewer"]) & (rows["at"] <= event["at"])]
            # a page updates its figures every two seconds, at other times than the samples
            written = (before["at"] <= event["at"] - 2.5).sum()
            if event["share"] == "–" or written == 0:
                continue
            window = before.iloc[written - 1 :]
            least, most = window.iloc[0], window.iloc[-1]
            downloaded = float(event["downloaded"].split()[0]) * 1e6
            assert least["downloaded"] - ROUNDING <= downloaded <= most["downloaded"] + ROUNDING, event
            uploaded = float(event["uploaded"].split()[0]) * 1e6
            assert least["uploaded"] - ROUNDING <= uploaded, event
            assert uploaded <= most["uploaded"] + ROUNDING + QUEUED * SCENARIO.viewers.count, event
            p2p = [row["p2p_share"] * row["downloaded"] for row in (least, most)]
            share = float(event["share"].split()[0]) / 100
            assert p2p[0] / most["downloaded"] - 0.001 <= share <= p2p[1] / least["downloaded"] + 0.001, event
            assert window["peers"].min() <= float(event["peers"]) <= window["peers"].max()
            compared += 1
        assert compared > 10


class TestEncryptedStream:
    pytestmark = IN_CHROMIUM

    def test_browsers_share_validate_and_play_an_encrypted_stream(self) -> None:
        encrypted = {"stream.encrypted": True, "policy.validateP2PSegment": True}
        small = {
            "duration": 11.0,
            "viewers.count": 3,
            "viewers.arrival_period": 1.0,
            "policy.highDemandTimeWindow": 5.0,
        }
        trace = measure(SCENARIO.replace(encrypted | small | {"player.buffer": 6.0}), seed=3)
        actors = trace["viewers"].set_index("viewer")["actor"]
        transfers = trace["transfers"]
        p2p = transfers[transfers["source"] == "p2p"]
        shared = p2p[p2p["outcome"] == "completed"]
        assert set(shared["viewer"].map(actors)) == {"aiortc", "browser"}
        assert not (p2p["outcome"] == "invalid").any()
        assert trace.manifest.notes["bytes"]["segments_wrong"] == 0
        segments = trace["segments"]
        assert not segments["poisoned"].any()
        assert segments[segments["viewer"].map(actors) == "browser"]["played_at"].notna().sum() > 4


class TestRecordedBrowsers:
    """Bundled trace of browsers alone."""

    def test_its_bytes_are_conserved(self) -> None:
        trace = Trace.read(DATA / "traces" / "browsers-24s")
        balance = trace.manifest.notes["bytes"]
        assert set(trace["viewers"]["actor"]) == {"browser"}
        unexplained = [balance[name] for name in ("p2p_unexplained", "http_unexplained", "segments_wrong")]
        assert unexplained == [0, 0, 0]
        assert discrepancies(trace) == []
        assert totals(trace).viewers["stalls"].sum() == 0

    def test_its_scenario_is_the_bundled_one(self) -> None:
        trace = Trace.read(DATA / "traces" / "browsers-24s")
        assert trace.scenario == Scenario.load("browsers-24s")


def test_more_browsers_than_viewers_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"viewers\.browsers = 7"):
        SCENARIO.replace({"viewers.browsers": 7})


def test_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="chromium: no such program"):
        measure(SCENARIO)
    monkeypatch.setenv("NODE_MODULES", str(tmp_path))
    monkeypatch.setattr("p2psim.testbed.browser.chromium._CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingToolError, match=r"npm install --ignore-scripts .*hls\.js@"):
        find_libraries()
