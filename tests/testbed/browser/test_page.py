"""URL of the player's page, and the policies that browsers can run."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from p2psim.errors import ScenarioError
from p2psim.scenario import Policy, Scenario
from p2psim.testbed.browser.page import browser_viewers, check_for_browsers, page_url
from p2psim.testbed.peer.config import ViewerPlan

PLAN = ViewerPlan(
    index=0, name="v0000", joined_at=0.0, left_at=9.0, departure="end", uplink=None, downlink=None, device="desktop",
    uploads=True,
)  # fmt: skip


def page_of(
    changes: dict[str, object] | None = None, plan: ViewerPlan = PLAN, tracker: str = "ws://127.0.0.1:9/tracker/ws"
) -> tuple[str, dict[str, str]]:
    """Return the URL of the page without its query, and the query."""
    url = urlsplit(page_url("http://o/main/master.m3u8", tracker, Scenario().replace(changes or {}), plan))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    return f"{url.scheme}://{url.netloc}{url.path}", query


def test_a_page_plays_its_viewers_stream_at_the_tracker_that_serves_it() -> None:
    page, query = page_of()
    assert page == "http://127.0.0.1:9/watch"
    assert query == {
        "src": "http://o/main/master.m3u8?viewer=v0000",
        "name": "v0000",
        "tracker": "ws://127.0.0.1:9/tracker/ws",
        "latency": "24.0",
        "ice": "off",
        "lang": "en",
    }
    assert page_of(tracker="wss://t/x")[0] == "https://t/watch"


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"policy.highDemandTimeWindow": 4.0}, "highDemandTimeWindow", "4.0"),
        ({"policy.simultaneousP2PDownloads": 1}, "simultaneousP2PDownloads", "1"),
        ({"policy.name": "http-only"}, "p2p", "off"),
        ({"player.buffer": 30.0}, "buffer", "30.0"),
        ({"stream.live_latency": 8.0}, "latency", "8.0"),
    ],
)
def test_fields_that_differ_from_their_defaults_are_in_the_query(
    changes: dict[str, object], name: str, value: str
) -> None:
    assert page_of(changes)[1][name] == value


def test_a_recording_has_no_latency() -> None:
    assert "latency" not in page_of({"stream.kind": "vod"})[1]


def test_a_viewer_that_does_not_share_switches_uploads_off() -> None:
    silent = ViewerPlan(**{name: getattr(PLAN, name) for name in PLAN.__struct_fields__} | {"uploads": False})
    assert page_of(plan=silent)[1]["upload"] == "off"


@pytest.mark.parametrize(
    ("count", "browsers", "chosen"),
    [(6, 2, {2, 5}), (4, 4, {0, 1, 2, 3}), (5, 0, set()), (3, 9, {0, 1, 2}), (7, 1, {6})],
)
def test_browsers_are_spread_over_the_arrivals(count: int, browsers: int, chosen: set[int]) -> None:
    assert browser_viewers(count, browsers) == chosen


def test_policies_that_browsers_run_are_accepted() -> None:
    check_for_browsers(Scenario().replace({"policy.highDemandTimeWindow": 4.0, "policy.maxPeers": 9}))
    check_for_browsers(Scenario().replace({"policy.name": "http-only"}))
    check_for_browsers(replace(Scenario(), policy=Policy(validateP2PSegment=True)))


def test_an_option_that_the_page_does_not_accept_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"policy\.swarmId = 'mine': not an option of the player's page"):
        check_for_browsers(replace(Scenario(), policy=Policy(swarmId="mine")))


def test_a_policy_that_browsers_do_not_run_is_refused() -> None:
    scenario = Scenario()
    other = replace(scenario, policy=replace(scenario.policy, name="something-else"))
    with pytest.raises(ScenarioError, match=r"policy\.name = 'something-else': browsers run"):
        check_for_browsers(other)
