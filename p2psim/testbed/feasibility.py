"""Feasibility of a measured run: scenarios that can be measured here, and fields that are emulated or not."""

import socket
import ssl
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from p2psim.errors import PortInUseError, ScenarioError, TestbedError, TrackerUnreachableError
from p2psim.scenario import Scenario
from p2psim.scenario.presets import nat_mixes
from p2psim.testbed.faults import MEASURABLE_FAULTS

__all__ = [
    "ENFORCED",
    "MAX_MEASURED",
    "NOT_ENFORCED",
    "NOT_ENFORCED_IN_BROWSERS",
    "check_feasible",
    "check_own_tracker",
    "check_port",
    "check_tracker",
]

MAX_MEASURED: Final = 60
"""Greatest number of viewers of one run; a machine of two cores carries some twenty at 1 Mbit/s."""

ENFORCED: Final = {
    "uplink": "paced: uploads take turns of a few packets",
    "downlink": "paced on receipt",
    "origin.rate": "shared by its responses in small pieces",
    "origin.rate_per_connection": "paced by the origin",
    "origin.time_to_first_byte": "added by the origin",
    "tracker.one_way_delay": "added by each viewer, both ways",
}
"""Emulated property of a loopback → how."""

NOT_ENFORCED: Final = {
    "network": "round trips, loss and buffers are those of the loopback; handshakes take the time that aiortc takes",
    "nat": "all viewers reach each other",
}
"""Property that is not emulated (recorded in the manifest) → what holds instead."""

NOT_ENFORCED_IN_BROWSERS: Final = {
    "browsers.downlink": "not limited",
    "browsers.tracker.one_way_delay": "that of the loopback",
    "browsers.joining": "a viewer joins when its page has loaded the player, before any request to the origin",
    "browsers.validateP2PSegment": "always on: the origin signs its segments, and the player checks them",
    "browsers.crash": "the page's process is killed, and its socket to the tracker closes with it",
}
"""The same, for viewers in a browser."""

_OPEN: Final = "open"
_TIMEOUT: Final = 5.0
_PLAIN: Final = Scenario()
_SIMULATED_ONLY: Final = ("neighbourhood", "devices", "cdn", "hybrid")
"""Sections of a scenario that can only be simulated."""
_IN_LABS_ONLY: Final = ("regions", "household", "carrier", "relay")
"""Sections of a scenario that can be measured in a lab, but not on a loopback."""

_Refusal = tuple[bool, str, str]
"""True if a scenario is refused; the field with the reason; what is accepted instead."""


def check_feasible(scenario: Scenario, *, in_lab: bool = False) -> None:
    """Check that a scenario can be measured on a loopback, or in a lab, as it is written.

    Raises
    ------
    ScenarioError
        It cannot; the message names the field and what is accepted.
    """
    refusals = [
        *(
            (getattr(scenario, name) != getattr(_PLAIN, name), f"[{name}] can only be simulated", "its defaults")
            for name in _SIMULATED_ONLY
        ),
        *_refused_faults(scenario),
        *_refused_with_browsers(scenario),
        (
            scenario.channels.count > 1 and bool(scenario.policy.swarmId),
            f"policy.swarmId = {scenario.policy.swarmId!r}: all channels would be one swarm",
            "an empty swarmId, or channels.count = 1",
        ),
        *(_refused_in_labs(scenario) if in_lab else _refused_on_loopbacks(scenario)),
        (bool(scenario.stream.ladder), "stream.ladder: a measured stream has one bitrate", "[]"),
        (
            scenario.nat.failure > 0,
            f"nat.failure = {scenario.nat.failure:g}: measured connections do not fail by chance",
            "0",
        ),
        (
            scenario.viewers.count > MAX_MEASURED,
            f"viewers.count = {scenario.viewers.count}: too many for one machine",
            f"at most {MAX_MEASURED}",
        ),
    ]
    for is_refused, reason, accepted in refusals:
        if is_refused:
            raise ScenarioError(f"{reason}; accepted for measuring: {accepted}")


def _refused_faults(scenario: Scenario) -> list[_Refusal]:
    return [
        (
            fault.kind not in MEASURABLE_FAULTS,
            f"faults[{number}].kind = {fault.kind!r} can only be simulated",
            ", ".join(MEASURABLE_FAULTS),
        )
        for number, fault in enumerate(scenario.faults)
    ]


def _refused_with_browsers(scenario: Scenario) -> list[_Refusal]:
    browsers = scenario.viewers.browsers
    return [
        (
            browsers > 0 and any(fault.kind == "uplinks" for fault in scenario.faults),
            f"viewers.browsers = {browsers}: a fault cannot change the uplink of a browser",
            "0, or no fault of uplinks",
        ),
        (
            browsers > 0 and scenario.channels.count > 1,
            f"viewers.browsers = {browsers}: browsers stay on one channel",
            "0, or channels.count = 1",
        ),
    ]


def check_own_tracker(scenario: Scenario, trackers: Sequence[str]) -> None:
    """Check that no fault stops a tracker that the run does not start.

    Raises
    ------
    ScenarioError
        A fault stops one of `trackers`.
    """
    for number, fault in enumerate(scenario.faults):
        if fault.kind == "tracker" and trackers:
            raise ScenarioError(
                f"faults[{number}].kind = 'tracker': {trackers[0]} is not started by this run, which cannot stop it; "
                "accepted for measuring: no fault of the tracker"
            )


def _refused_on_loopbacks(scenario: Scenario) -> list[_Refusal]:
    nat, public = scenario.nat, nat_mixes()[_OPEN]
    return [
        *(
            (getattr(scenario, name) != getattr(_PLAIN, name), f"[{name}] needs a lab", "its defaults, or a lab")
            for name in _IN_LABS_ONLY
        ),
        (bool(nat.shares), "nat.shares: a loopback has no NAT", "{}, or a lab"),
        (nat_mixes()[nat.mix] != public, f"nat.mix = {nat.mix!r}: a loopback has no NAT", f"{_OPEN!r}, or a lab"),
        (
            scenario.network.loss > 0,
            f"network.loss = {scenario.network.loss:g}: a loopback loses no packets",
            "0, or a lab",
        ),
    ]


def _refused_in_labs(scenario: Scenario) -> list[_Refusal]:
    relay, has_carriers = scenario.relay.availability, scenario.carrier.home_share > 0
    return [
        (scenario.viewers.browsers > 0, f"viewers.browsers = {scenario.viewers.browsers}: a lab has no browsers", "0"),
        (
            relay not in (0.0, 1.0),
            f"relay.availability = {relay:g}: a lab has a relay for all viewers or for none",
            "0 or 1",
        ),
        (
            has_carriers and bool(scenario.regions.mix),
            "[regions] with carrier.home_share > 0: homes behind one carrier are in one region",
            "one of the two",
        ),
        (
            has_carriers and scenario.household.direct_share < 1.0,
            f"household.direct_share = {scenario.household.direct_share:g} with carrier.home_share > 0: a carrier "
            "would have to hairpin",
            "household.direct_share = 1",
        ),
    ]


def check_port(port: int, host: str = "127.0.0.1") -> None:
    """Check that a port can be listened on; 0 stands for any.

    Raises
    ------
    PortInUseError
        It cannot.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUseError(
                f"port {port} of {host} cannot be listened on ({error.strerror}); choose another, or 0 for any free one"
            ) from None


def check_tracker(url: str) -> None:
    """Check that a WebSocket server answers at a URL.

    Raises
    ------
    TrackerUnreachableError
        None does.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise TrackerUnreachableError(
            f"tracker {url!r}: not the URL of a tracker; ws://HOST:PORT/ or wss://HOST/ is accepted"
        )
    try:
        head = _handshake(parts)
    except OSError as error:
        raise TrackerUnreachableError(f"tracker {url}: not reachable ({error.strerror or error})") from None
    except ValueError as error:
        raise TestbedError(f"tracker {url!r}: {error}") from None
    if " 101 " not in head:
        raise TrackerUnreachableError(f"tracker {url}: no WebSocket server; the answer was {head.strip()[:60]!r}")


def _handshake(parts: SplitResult) -> str:
    """Return the status line of the answer to a WebSocket handshake."""
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = (
        f"GET {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection((host, port), _TIMEOUT) as plain:
        stream = plain
        if parts.scheme == "wss":
            stream = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        stream.sendall(request.encode())
        return stream.recv(4096).decode("latin-1").partition("\r\n")[0] + " "
