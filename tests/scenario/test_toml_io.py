"""Scenarios in TOML: round trips, and refusals that help."""

import hashlib
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from p2p_tracker.core.matching import STRATEGIES

from p2psim.errors import InputError, ScenarioError
from p2psim.scenario import Scenario, bundled
from p2psim.scenario.scenario import parse
from p2psim.scenario.toml_io import replaced

positive = st.floats(0.01, 1e9, allow_nan=False)
share = st.floats(0, 1)
changes = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(max_size=20),
        "description": st.text(max_size=40),
        "duration": st.floats(61, 1e5),
        "stream.kind": st.sampled_from(["live", "vod"]),
        "stream.bitrate": positive,
        "viewers.count": st.integers(1, 1000),
        "viewers.crash_share": share,
        "viewers.mean_viewing_time": st.one_of(st.just(math.inf), positive),
        "access.uplink": st.one_of(st.just(math.inf), positive),
        "access.mix": st.sampled_from([{"custom": 1.0}, {"us-cable": 0.25, "ftth": 0.75}]),
        "nat.mix": st.sampled_from(["open", "average", "mobile"]),
        "network.rtt": st.floats(0, 1),
        "network.goodput": st.floats(0.1, 1),
        "origin.rate": st.one_of(st.just(math.inf), positive),
        "policy.highDemandTimeWindow": st.floats(0, 100),
        "stream.ladder": st.sampled_from([(), (1e5,), (125_000.0, 250_000.0, 1e6 / 3)]),
        "nat.shares": st.sampled_from([{}, {"symmetric": 0.5, "AD/EI": 0.5}]),
        "household.size_shares": st.sampled_from([(1.0,), (0.5, 0.25, 0.25)]),
        "regions.mix": st.just({"lisbon": 0.5, "tokyo": 0.5}),
        "regions.added_rtt": st.sampled_from([{}, {"lisbon | tokyo": 0.25}]),
        "devices.p2p_off": st.sampled_from([(), ("tv", "mobile")]),
        "devices.limited_by_encryption": st.booleans(),
        "cdn.edges": st.sampled_from(["none", "one"]),
        "faults": st.sampled_from(
            [
                (),
                (
                    {"kind": "tracker", "at": "5 s"},
                    {"kind": "uplinks", "at": 1 / 3, "home_share": 0.5, "capacity_left": "10 %"},
                ),
            ]
        ),
        "policy.httpErrorRetries": st.integers(0, 10),
        "policy.isP2PDisabled": st.booleans(),
        "policy.announceTrackers": st.lists(st.sampled_from(["wss://a", "ws://b:1/c"])).map(tuple),
        "policy.httpRequestSetup": st.sampled_from([{}, {"X-Token": 'a "b"'}]),
        "policy.mainStream": st.sampled_from([{}, {"highDemandTimeWindow": 10 / 3, "isP2PUploadDisabled": True}]),
        "policy.httpDownloadInitialTimeoutMs": st.floats(0, 1e4),
    },
)


@pytest.mark.slow
@settings(deadline=None)
@given(changes)
def test_a_scenario_written_is_read_back_equal(given: dict[str, object]) -> None:
    if "regions.mix" not in given:
        given.pop("regions.added_rtt", None)
    scenario = Scenario().replace(given)
    again = parse(scenario.to_toml())
    assert again == scenario
    assert again.digest == scenario.digest


def test_recorded_arrivals_are_read_back() -> None:
    joins = (0.1, 1 / 3, 12.0)
    scenario = Scenario().replace({"viewers.count": 3, "viewers.arrivals": "recorded", "viewers.arrival_times": joins})
    assert parse(scenario.to_toml()).viewers.arrival_times == joins


def test_digest_is_of_what_changes_results() -> None:
    plain = Scenario()
    assert plain.replace(name="other", description="words").digest == plain.digest
    assert plain.replace({"network.rtt": 0.041}).digest != plain.digest
    assert plain.replace({"viewers.browsers": 1}).digest != plain.digest


def test_digest_says_nothing_of_defaults() -> None:
    """So that scenarios of recorded traces keep theirs when fields are added."""
    assert Scenario().digest == hashlib.sha256(b"{}").hexdigest()[:16]
    assert Scenario().replace({"network.rtt": Scenario().network.rtt}).digest == Scenario().digest


def test_changes_take_quantities_in_words_and_canonical_numbers() -> None:
    assert Scenario().replace({"stream.live_latency": "8 s"}) == Scenario().replace({"stream.live_latency": 8.0})


def test_from_outside_a_number_needs_its_unit() -> None:
    with pytest.raises(ScenarioError, match="a time needs its unit"):
        replaced(Scenario(), {"stream.live_latency": 8}, canonical=False)
    assert replaced(Scenario(), {"viewers.count": 8}, canonical=False).viewers.count == 8


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bitrate", "not TOML"),
        ("schema = 2", "schema = 2"),
        ("nam = 1", "did you mean 'name'"),
        ("[stream]\nbitrat = 1", "stream.bitrat: no such field; did you mean 'bitrate'"),
        ("[nonsense]\nx = 1", "nonsense: no such field"),
        ("[stream]\nbitrate = 5", "stream.bitrate = 5: a rate needs its unit"),
        ('[stream]\nbitrate = "5 Mbits"', "'5 Mbits' is not a rate"),
        ("[stream]\nbitrate = true", "a number is expected"),
        ('[stream]\nkind = "radio"', "'live', 'vod'"),
        ("[viewers]\ncount = 1.5", "viewers.count = 1.5: a whole number"),
        ('[viewers]\narrival_times = "now"', "a list of numbers"),
        ("stream = 3", "a section [stream]"),
        ("name = 3", "a text is expected"),
        ("[access]\nmix = 3", "a table of names and numbers"),
        ('[stream]\nladder = ["1 Mbit/s", "nan"]', "stream.ladder[1] = 'nan' is not a rate"),
        ("[stream]\nladder = [1]", "stream.ladder[0] = 1: a rate needs its unit"),
        ('[stream]\nladder = "steep"', "a list of rates"),
        ('[stream]\npreset = "none"', "stream.preset = 'none': accepted: apple-ladder"),
        ('[policy]\npreset = "none"', "policy.preset = 'none': section [policy] has no presets"),
        ('[tracker]\nmatching = "dating"', "accepted: random, least-recently-offered, locality"),
        ("[devices]\nlimited_by_encryption = 1", "true or false"),
        ('[[faults]]\nkind = "flood"', "accepted: 'origin', 'edges'"),
        ('[[faults]]\nduraton = "1 s"', "faults[0].duraton: no such field; did you mean 'duration'"),
        ("faults = 3", "a list of faults, each a table, is expected"),
    ],
)
def test_refusal(text: str, says: str) -> None:
    with pytest.raises(ScenarioError) as refusal:
        parse(text, origin="mine.toml")
    message = str(refusal.value)
    assert says in message
    assert message.startswith("mine.toml: ")
    assert "\n" not in message
    assert isinstance(refusal.value, InputError)


def test_every_bundled_scenario_is_read_and_says_what_it_is() -> None:
    names = set()
    for path in bundled("scenarios"):
        scenario = Scenario.load(str(path))
        assert scenario.name == path.stem
        assert scenario.description
        names.add(scenario.name)
    assert {"live-24s", "live-8s", "vod-staggered", "thousand-for-an-hour", "hundred-thousand"} <= names


def test_bundled_scenarios_go_by_name() -> None:
    assert Scenario.load("live-24s").name == "live-24s"
    with pytest.raises(ScenarioError, match=r"did you mean 'live-24s'.*thousand-for-an-hour"):
        Scenario.load("live-24")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScenarioError, match="cannot be read"):
        Scenario.load(str(path))


def test_a_file_wins_over_a_bundled_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "live-24s").write_text('name = "mine"')
    assert Scenario.load("live-24s").name == "mine"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"stream.latencies": 3}, "did you mean 'live_latency'"),
        ({"duration.x": 3}, "duration has no fields"),
        ({"viewers.count": "many"}, "a whole number"),
        ({"stream": 3}, "a section"),
    ],
)
def test_changes_that_are_none(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        Scenario().replace(changes)


def test_every_way_of_matching_that_the_tracker_knows_can_be_asked_for() -> None:
    for name in STRATEGIES:
        assert Scenario().replace({"tracker.matching": name}).tracker.matching == name
