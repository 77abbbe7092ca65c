"""Options of the loader that are refused, each in one line with the value and what is accepted."""

import pytest

from p2psim.errors import ScenarioError
from p2psim.scenario.scenario import parse


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[policy]\nsimultaneousP2PDownloads = 70", "must be 0 to 16"),
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
        ('[policy]\nname = "bittorrent"', "'p2p-media-loader-2.3', 'p2p-media-loader-5', 'http-only'"),
    ],
)
def test_options_that_are_not_accepted_are_refused(text: str, says: str) -> None:
    with pytest.raises(ScenarioError) as refusal:
        parse(text, origin="mine.toml")
    message = str(refusal.value)
    assert says in message
    assert message.startswith("mine.toml: ")
    assert "\n" not in message
