"""What a run on one machine's loopback can be asked for, and what it can only note."""

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
"""Viewers of one run; a machine of two cores carries some twenty at 1 Mbit/s."""

ENFORCED: Final = {
    "uplink": "paced: uploads take turns of a few packets",
    "downlink": "paced on receipt",
    "origin.rate": "shared by its responses in small pieces",
    "origin.per_connection": "paced by the origin",
    "origin.latency": "added by the origin",
    "tracker.latency": "added by each viewer, both ways",
}
"""What the testbed makes because a loopback has it not, and how."""

NOT_ENFORCED: Final = {
    "network": "the loopback's own round trip, loss and buffers; handshakes take what aiortc takes",
    "nat": "everybody reaches everybody",
}
"""What is as the machine makes it."""

NOT_ENFORCED_IN_BROWSERS: Final = {
    "browsers.downlink": "not limited",
    "browsers.tracker.latency": "the loopback's own",
    "browsers.joining": "a viewer joins when its page has loaded the player; before, nothing is asked of the origin",
    "browsers.validateP2PSegment": "always: the origin signs its segments, and the player checks them",
    "browsers.crash": "the page's process is killed, and its socket to the tracker closes with it",
}
"""What else is as it is for viewers in a browser."""

_OPEN: Final = "open"
_TIMEOUT: Final = 5.0
_PLAIN: Final = Scenario()
_SIMULATED: Final = (
    "neighbourhood", "devices", "cdn", "hybrid",
)  # fmt: skip
_IN_LABS: Final = ("regions", "household", "carrier", "relay")


def check_feasible(scenario: Scenario, *, in_lab: bool = False) -> None:
    """Raise ScenarioError for what cannot be made on a loopback, or in a lab, rather than measure something else."""
    refusals = [
        *(
            (getattr(scenario, name) != getattr(_PLAIN, name), f"[{name}] is simulated only; none of it")
            for name in _SIMULATED
        ),
        *(
            (
                fault.what not in MEASURABLE_FAULTS,
                f"faults[{number}].what = {fault.what!r} is simulated only; {', '.join(MEASURABLE_FAULTS)}",
            )
            for number, fault in enumerate(scenario.faults)
        ),
        (
            scenario.viewers.browsers > 0 and any(fault.what == "uplinks" for fault in scenario.faults),
            f"viewers.browsers = {scenario.viewers.browsers}: a browser's uplink cannot be changed by a fault; 0",
        ),
        (
            scenario.viewers.browsers > 0 and scenario.channels.count > 1,
            f"viewers.browsers = {scenario.viewers.browsers}: browsers stay on one channel; 0, or channels.count = 1",
        ),
        (
            scenario.channels.count > 1 and bool(scenario.policy.swarmId),
            f"policy.swarmId = {scenario.policy.swarmId!r}: all channels would be one swarm; none",
        ),
        *(_refused_in_labs(scenario) if in_lab else _refused_on_loopbacks(scenario)),
        (
            scenario.network.loss > 0 and not in_lab,
            f"network.loss = {scenario.network.loss:g}: a loopback loses nothing; 0, or a lab",
        ),
        (bool(scenario.stream.ladder), "stream.ladder: a measured stream has one bitrate; []"),
        (scenario.nat.failure > 0, f"nat.failure = {scenario.nat.failure:g}: connections do not fail by chance; 0"),
        (
            scenario.viewers.count > MAX_MEASURED,
            f"viewers.count = {scenario.viewers.count}: one machine cannot play for so many; at most {MAX_MEASURED}",
        ),
    ]
    for is_refused, why in refusals:
        if is_refused:
            raise ScenarioError(f"{why} is accepted for measuring")


def check_own_tracker(scenario: Scenario, trackers: Sequence[str]) -> None:
    """Raise ScenarioError if the tracker is to fail, and is not ours to stop."""
    for number, fault in enumerate(scenario.faults):
        if fault.what == "tracker" and trackers:
            raise ScenarioError(
                f"faults[{number}].what = 'tracker': {trackers[0]} is not started here, so it cannot be stopped; "
                "no fault of it is accepted for measuring"
            )


def _refused_on_loopbacks(scenario: Scenario) -> list[tuple[bool, str]]:
    nat, public = scenario.nat, nat_mixes()[_OPEN]
    return [
        *(
            (getattr(scenario, name) != getattr(_PLAIN, name), f"[{name}] needs a lab; without one none of it")
            for name in _IN_LABS
        ),
        (bool(nat.shares), "nat.shares: a loopback has no NAT; {}"),
        (nat_mixes()[nat.mix] != public, f"nat.mix = {nat.mix!r}: a loopback has no NAT; {_OPEN!r}"),
    ]


def _refused_in_labs(scenario: Scenario) -> list[tuple[bool, str]]:
    relay, has_carriers = scenario.relay.share, scenario.carrier.share > 0
    return [
        (scenario.viewers.browsers > 0, f"viewers.browsers = {scenario.viewers.browsers}: a lab has none; 0"),
        (relay not in (0.0, 1.0), f"relay.share = {relay:g}: a lab has a relay for everybody or nobody; 0 or 1"),
        (
            has_carriers and bool(scenario.regions.mix),
            "[regions] with carrier.share > 0: homes behind one carrier are in one place; one of the two",
        ),
        (
            has_carriers and scenario.household.host < 1.0,
            f"household.host = {scenario.household.host:g} with carrier.share > 0: a carrier would have to hairpin; 1",
        ),
    ]


def check_port(port: int, host: str = "127.0.0.1") -> None:
    """Raise PortInUseError unless the port (0: any) can be had."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUseError(
                f"port {port} of {host} cannot be had ({error.strerror}); choose another, or 0"
            ) from None


def check_tracker(url: str) -> None:
    """Raise TrackerUnreachableError unless a WebSocket server answers at the address."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise TrackerUnreachableError(
            f"tracker {url!r}: no address of a tracker; ws://HOST:PORT/ or wss://HOST/ is accepted"
        )
    try:
        head = _shake_hands(parts)
    except OSError as error:
        raise TrackerUnreachableError(f"tracker {url}: not reachable ({error.strerror or error})") from None
    except ValueError as error:
        raise TestbedError(f"tracker {url!r}: {error}") from None
    if " 101 " not in head:
        raise TrackerUnreachableError(f"tracker {url}: no WebSocket server; it answered {head.strip()[:60]!r}")


def _shake_hands(parts: SplitResult) -> str:
    """Ask for a WebSocket and give the first line of the answer."""
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
