"""URL of the player's page for a viewer of a scenario, and the checks that a browser can run the scenario."""

import dataclasses
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from p2psim.errors import ScenarioError
from p2psim.scenario import Player, Scenario
from p2psim.scenario.policy import LOADERS
from p2psim.testbed.peer.config import ViewerPlan

__all__ = ["browser_viewers", "check_for_browsers", "page_url"]

PAGE_OPTIONS: Final = (
    "highDemandTimeWindow", "httpDownloadInitialTimeoutMs", "httpDownloadTimeWindow", "p2pDownloadTimeWindow",
    "simultaneousHttpDownloads", "simultaneousP2PDownloads", "webRtcMaxMessageSize", "p2pNotReceivingBytesTimeoutMs",
    "p2pInactiveLoaderDestroyTimeoutMs", "httpNotReceivingBytesTimeoutMs", "httpErrorRetries", "p2pErrorRetries",
    "segmentMemoryStorageLimit",
)  # fmt: skip
"""Options of p2p-media-loader that the page accepts."""

_SCHEMES: Final = {"ws": "http", "wss": "https"}


def _chosen(scenario: Scenario) -> dict[str, object]:
    """Return the fields of the policy that differ from their defaults."""
    policy = scenario.policy
    default = type(policy)()
    names = [field.name for field in dataclasses.fields(policy)]
    return {name: getattr(policy, name) for name in names if getattr(policy, name) != getattr(default, name)}


def check_for_browsers(scenario: Scenario) -> None:
    """Check that p2p-media-loader in a browser can run a scenario's policy.

    Raises
    ------
    ScenarioError
        It cannot; the message names the field.
    """
    name = scenario.policy.name
    runnable = [known for known, loader in LOADERS.items() if loader.in_browsers]
    if name not in runnable:
        raise ScenarioError(f"policy.name = {name!r}: browsers run {' or '.join(map(repr, runnable))}")
    for option, value in _chosen(scenario).items():
        if option not in (*PAGE_OPTIONS, "name", "maxPeers", "validateP2PSegment"):
            raise ScenarioError(f"policy.{option} = {value!r}: not an option of the player's page; leave it out")


def browser_viewers(count: int, browsers: int) -> set[int]:
    """Return which of `count` viewers watch in a browser, evenly spread over the order of arrival."""
    chosen = min(browsers, count)
    return {index for index in range(count) if (index + 1) * chosen // count > index * chosen // count}


def page_url(master: str, tracker: str, scenario: Scenario, plan: ViewerPlan) -> str:
    """Return the URL of the player's page for a viewer, at the tracker (a WebSocket URL) that serves it."""
    chosen = _chosen(scenario)
    query = {name: value for name, value in chosen.items() if name in PAGE_OPTIONS}
    query |= {"src": f"{master}?viewer={quote(plan.name)}", "name": plan.name, "ice": "off", "lang": "en"}
    if not scenario.policy.shares:
        query["p2p"] = "off"
    if scenario.stream.kind == "live":
        query["latency"] = scenario.stream.live_latency
    if scenario.player.buffer != Player().buffer:
        query["buffer"] = scenario.player.buffer
    if not plan.uploads:
        query["upload"] = "off"
    parts = urlsplit(tracker)
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}/watch?{urlencode({**query, 'tracker': tracker})}"
