"""Scenarios in TOML: round trips, and refusals that help."""

import dataclasses
import hashlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from p2p_tracker.core.matching import STRATEGIES

from p2psim.errors import InputError, ScenarioError
from p2psim.scenario import DATA, Scenario, bundled
from p2psim.scenario.presets import section_presets
from p2psim.scenario.toml_io import parse, replaced

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
        ("[viewers]\ncount = 0", "at least 1"),
        ("[viewers]\nbrowsers = 101", "viewers.browsers = 101: at most all viewers"),
        ("[viewers]\ncrash_share = 1.5", "share between 0 and 1"),
        ('[viewers]\narrival_times = "now"', "a list of numbers"),
        ('[viewers]\narrivals = "recorded"', "give one for each"),
        ('[viewers]\narrivals = "poisson"', "arrivals need a finite one"),
        ("stream = 3", "a section [stream]"),
        ("name = 3", "a text is expected"),
        ('[nat]\nmix = "none"', "accepted: open"),
        ("[access]\nmix = { adsl = 1.0 }", "no profile 'adsl'"),
        ("[access]\nmix = { ftth = 0.5 }", "adds up to 0.5"),
        ("[access]\nmix = 3", "a table of names and numbers"),
        ("[access]\nmix = { ftth = 2.0, us-cable = -1.0 }", "access.mix.us-cable = -1"),
        ('duration = "0 s"', "duration = 0"),
        ('duration = "-1 s"', "duration = -1"),
        ('duration = "unlimited"', "a finite number"),
        ('warmup = "10 min"', "less than the duration"),
        ('[stream]\nlive_latency = "2 min"', "the playlist holds only 60 s"),
        ('[stream]\nlive_latency = "1 s"', "at least one segment"),
        ("[stream]\nplaylist_segments = 2", "stream.playlist_segments = 2: must be at least 3"),
        ("[policy]\nsimultaneousP2PDownloads = 70", "must be 0 to 16"),
        ("[network]\ngoodput = 1.1", "must be 0 to 1"),
        ("[network]\nrtt_spread = nan", "nan"),
        ("[policy]\nmaxPeers = 0", "1 to 512"),
        ("[policy]\np2pErrorRetries = 0", "policy.p2pErrorRetries = 0: must be at least 1"),
        ("[policy]\nwebRtcMaxMessageSize = 100", "must be 1024 to 262144"),
        ("[policy]\nisP2PDisabled = 1", "true or false"),
        ("[policy]\nhighDemandTimeWindow = 15", "needs its unit"),
        ('[policy]\nannounceTrackers = ["https://a"]', "'https://a' is not the address of a tracker"),
        ('[policy]\nannounceTrackers = "wss://a"', "a list of texts"),
        ('[policy]\nrtcConfig = ["http://a"]', "is not a stun: or turn: URL"),
        ('[policy]\ntrackerClientVersionPrefix = "-PM0203-and-much-more"', "fewer than 20 ASCII"),
        ('[policy]\nhttpRequestSetup = { "a b" = "c" }', "is not an HTTP header"),
        ("[policy]\nsegmentMemoryStorageLimit = -1", "at least 0"),
        ('[policy]\ncustomSegmentStorageFactory = "tape"', "'memory', 'unlimited'"),
        ('[policy]\nqueueStart = "best"', "'upstream', 'fixed'"),
        ("[policy]\nmainStream = { maxPeers = 3 }", "policy.mainStream.maxPeers: no such field"),
        ('[policy]\nmainStream = { highDemandTimeWindow = "-1 s" }', "at least 0"),
        (
            "[policy]\nsecondaryStream = { simultaneousHttpDownloads = 0 }",
            "policy.secondaryStream.simultaneousHttpDownloads = 0: must be 1 to 16",
        ),
        ("[policy]\nsimultaneousHttpDownloads = 0", "1 to 16"),
        ("[policy]\nsimultaneousP2PDownloads = 17", "0 to 16"),
        ('[stream]\nladder = ["1 Mbit/s", "500 kbit/s"]', "500 kbit/s after 1 Mbit/s: bitrates must ascend"),
        ('[stream]\nladder = ["1 Mbit/s", "1 Mbit/s"]', "must ascend, none twice"),
        ('[stream]\nladder = ["0 Mbit/s", "1 Mbit/s"]', "stream.ladder = 0: must be greater than 0"),
        ('[stream]\nladder = ["1 Mbit/s", "nan"]', "stream.ladder[1] = 'nan' is not a rate"),
        ("[stream]\nladder = [1]", "stream.ladder[0] = 1: a rate needs its unit"),
        ('[stream]\nladder = "steep"', "a list of rates"),
        ('[stream]\nsegment = "0 s"', "stream.segment = 0: must be greater than 0"),
        ('[stream]\nbitrate = "-1 Mbit/s"', "stream.bitrate = -125000"),
        ('[origin]\nrate = "-1 Mbit/s"', "origin.rate = -125000"),
        ('[stream]\npreset = "none"', "stream.preset = 'none': accepted: apple-ladder"),
        ('[policy]\npreset = "none"', "policy.preset: this section has no presets"),
        ("[viewers]\ncount = 1000000000", "need about 4.2e+03 GB of memory"),
        ("[viewers]\nviewing_times = [1.0]", "1 entries for 0 in viewers.arrival_times"),
        ("[viewers]\narrival_times = [1.0]", 'with viewers.arrivals = "recorded" only, not with "uniform"'),
        ("[viewers]\narrival_times = [-1.0]", "viewers.arrival_times = -1"),
        ("[viewers]\narrival_times = [nan]", "viewers.arrival_times = nan"),
        ("[nat.shares]\nsymmetric = 0.5", "nat.shares adds up to 0.5"),
        ("[nat.shares]\nsymetric = 1.0", "nat.shares: no kind of NAT 'symetric'"),
        ("[nat.shares]\npublic = nan", "nat.shares.public = nan"),
        ("[household]\nsize_shares = [0.5]", "household.size_shares adds up to 0.5"),
        ("[household]\nsize_shares = []", "household.size_shares adds up to 0"),
        ("[regions]\nmix = { atlantis = 1.0 }", "no place 'atlantis'"),
        ("[regions]\nmix = { rio = 1.0 }\nadded_rtt = { 'rio | paris' = '1 s' }", "'rio | paris' is no pair"),
        ("[regions]\nstretch = 0.5", "must be at least 1"),
        ('[cdn]\nedges = "regions"', "needs regions.mix, which is empty"),
        ("[cdn]\noverflow_threshold = 0.5", "with a limited cdn.rate"),
        ('[tracker]\nmatching = "dating"', "accepted: 'random', 'least-recently-offered', 'locality'"),
        ("[hybrid]\nmin_load = 0.5", "hybrid.min_load = 0.5: needs a limited origin.rate"),
        ('[hybrid]\nends = "0 s"', "must be after hybrid.begins"),
        ("[channels]\ncount = 0", "1 to 10000"),
        ('[channels]\nmean_time_on_channel = "1 min"', "needs two channels or more"),
        ("[carrier]\ncount = 0", "at least 1"),
        ("[devices]\nmix = { toaster = 1.0 }", "no device 'toaster'"),
        ('[devices]\np2p_off = ["toaster"]', "no device 'toaster'"),
        ("[devices]\nlimited_by_encryption = 1", "true or false"),
        ('[[faults]]\nkind = "flood"', "accepted: 'origin', 'edges'"),
        ('[[faults]]\nat = "1 h"', "faults[0].at = 3600 s: the run of 120 s is over"),
        ('[[faults]]\nduraton = "1 s"', "faults[0].duraton: no such field; did you mean 'duration'"),
        ('[[faults]]\nkind = "partition"', "accepted: none, as regions.mix is empty"),
        ("[[faults]]\ncapacity_left = 2", "faults.capacity_left = 2: a share between 0 and 1"),
        ("faults = 3", "a list of faults, each a table, is expected"),
        ('[viewers]\narrivals = "flash"', "flash arrivals need a finite one"),
        ('[viewers]\narrivals = "flash"\nmean_viewing_time = "60 s"\nsurge_factor = 0.5', "by 1 or more"),
        ('[policy]\nname = "bittorrent"', "'p2p-media-loader-2.3', 'p2p-media-loader-5', 'http-only'"),
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
def test_files_that_cannot_be_read(tmp_path, content: bytes | None) -> None:
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScenarioError, match="cannot be read"):
        Scenario.load(str(path))


def test_a_file_wins_over_a_bundled_name(tmp_path, monkeypatch) -> None:
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


def test_scenarios_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Scenario().duration = 3.0


def test_a_preset_is_what_its_section_does_not_say_itself() -> None:
    scenario = parse('[viewers]\npreset = "globosat"\nviewing_time_spread = 0.5')
    assert (scenario.viewers.mean_viewing_time, scenario.viewers.viewing_time_spread) == (1100.0, 0.5)
    assert scenario == Scenario().replace({"viewers.preset": "globosat"}).replace({"viewers.viewing_time_spread": 0.5})
    assert "preset" not in scenario.to_toml()


@pytest.mark.parametrize("path", sorted((DATA / "presets" / "sections").glob("*.toml")), ids=lambda path: path.stem)
def test_every_preset_of_a_section_is_accepted_and_names_its_source(path) -> None:
    for name, preset in section_presets(path.stem).items():
        room = {
            "regions.mix": {"rio": 1.0},
            "duration": "10 h",
            "origin.rate": "1 Gbit/s",
            "channels.count": 2,
            f"{path.stem}.preset": name,
        }
        scenario = Scenario().replace(room)
        assert preset["source"]
        assert parse(scenario.to_toml()) == scenario


def test_every_way_of_matching_that_the_tracker_knows_can_be_asked_for() -> None:
    for name in STRATEGIES:
        assert Scenario().replace({"tracker.matching": name}).tracker.matching == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("= 3", "not TOML"),
        ("goodput = 0.9", "a file with one table is expected"),
        ("[a]\n[b]", "2 entries"),
        ("[a]\ngoodputt = 0.9", "did you mean 'goodput'"),
    ],
)
def test_a_preset_of_ones_own_is_one_table_of_the_section(tmp_path, text, message) -> None:
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ScenarioError, match=message):
        Scenario().replace({"network.preset": str(path)})
