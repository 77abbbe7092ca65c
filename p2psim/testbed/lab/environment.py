"""A lab as the place of a run: tracker, origin and relay on servers, each viewer a process on a machine of its own."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from p2psim.scenario import Population, Scenario
from p2psim.scenario.nat_kinds import BLOCKED
from p2psim.testbed.faults import origin_changes, uplink_changes
from p2psim.testbed.hosts import ORIGIN, TRACKER, Hosts
from p2psim.testbed.lab.blueprint import Blueprint, Impairment, Server, blueprint
from p2psim.testbed.lab.coturn import RELAY_SERVER, Relay, relay_server
from p2psim.testbed.lab.lab import Host, Lab

__all__ = ["LabHosts", "lab_plan"]

_ENFORCED: Final = {
    "access": "token buckets (tc tbf) in each home's router, in bytes of IP",
    "nat": "nftables, mapping and filtering as RFC 4787 has them",
    "carrier": "a second NAT in front of its homes",
    "household": "one router, link and NAT for all its viewers",
    "nat.ipv6": "native addresses behind a firewall that lets answers in",
    "network.rtt": "delay between any two places, by region and pair as simulated",
    "network.loss": "packets dropped at random between any two homes, each way",
    "origin.rate": "token bucket on the origin's uplink",
    "origin.rate_per_connection": "paced by the origin",
    "origin.time_to_first_byte": "delay between viewers and origin, half each way",
    "tracker.one_way_delay": "delay between viewers and tracker, each way",
    "relay": "coturn, its rate as its uplink, its latency as delay",
}
_NOT_ENFORCED: Final = {
    "network": "handshakes take what aiortc takes; windows are those of its SCTP and the kernel's TCP",
    "household.lan_rate": "viewers of a home are not held back from each other, in rate or delay",
    "household.hairpin": "such a router turns packets back by the rules of its NAT, over its access link",
    "carrier": "its homes are as far from others as its first one",
}

_TRICKLE: Final = 100.0
"""Bytes per second of an uplink that is gone: a packet in a quarter of a minute; a bucket of nothing there is not."""


def lab_plan(scenario: Scenario, population: Population, seed: int) -> Blueprint:
    """Plan a run: the homes of its population, and its servers as far away as the scenario says."""
    servers = (
        Server(name=ORIGIN, addresses=("203.0.113.11",), uplink=scenario.origin.rate),
        Server(name=TRACKER, addresses=("203.0.113.12",)),
        relay_server(scenario.relay.rate),
    )
    plan = blueprint(scenario, population, seed, servers)
    delays = {
        ORIGIN: scenario.origin.time_to_first_byte / 2,
        TRACKER: scenario.tracker.one_way_delay,
        # two such ways make up a round trip between viewers with the relay's share added
        RELAY_SERVER: (scenario.network.rtt + scenario.relay.added_rtt) / 4,
    }
    impairments = {(name, node): Impairment(delay=delay) for name, delay in delays.items() for node in plan.nodes}
    return dataclasses.replace(plan, impairments=impairments | plan.impairments)


class LabHosts(Hosts):
    """Builds the lab of a scenario and its population on entering; `folder` takes the logs."""

    network = "lab: a network namespace for each host, NAT and access links by the kernel"
    enforced = _ENFORCED
    not_enforced = _NOT_ENFORCED
    enforces_rates = True

    def __init__(self, scenario: Scenario, population: Population, seed: int, folder: Path) -> None:
        super().__init__(scenario.replace({"tracker.one_way_delay": 0.0}))
        self._asked = scenario
        self._population, self._seed, self._folder = population, seed, folder
        self._lab = Lab(lab_plan(scenario, population, seed), folder, seed=seed)
        self._relay: Relay | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._lab)
            self._relay = stack.enter_context(Relay(self._lab.server(RELAY_SERVER), self._folder))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def at_server(self, name: str) -> AbstractContextManager[object]:
        """Be at a server: what is started or opened here is there."""
        return self._lab.server(name).namespace

    def at_viewer(self, index: int) -> AbstractContextManager[object]:
        """Be at a viewer's machine."""
        return self._lab.viewer(index).namespace

    def host(self, name_or_index: str | int) -> Host:
        """Give the machine of a server or viewer, to change its link while the run goes on."""
        return self._lab.server(name_or_index) if isinstance(name_or_index, str) else self._lab.viewer(name_or_index)

    def address(self, name: str) -> str:
        """Give the address at which a server listens."""
        return self._lab.server(name).address

    def divide(self, viewers: Sequence[int], count: int) -> list[list[int]]:
        """Give each viewer a process: it can be on one machine only."""
        del count
        return [[viewer] for viewer in viewers]

    def link_changes(self) -> list[tuple[float, Callable[[], None]]]:
        """List the faults of uplinks, the viewers' and the origin's: second of the run, and how, in order."""
        weakened: list[tuple[float, str | int, float]] = [
            (at, ORIGIN, self._asked.origin.rate * left) for at, left in origin_changes(self._asked)
        ]
        for viewer, changes in uplink_changes(self._asked, self._population, self._seed).items():
            rate = self._lab.plan.home_of(viewer).link.uplink
            weakened += [(at, viewer, rate * left) for at, left in changes]
        return [(at, partial(self._weaken, host, rate)) for at, host, rate in sorted(weakened, key=lambda one: one[0])]

    def _weaken(self, host: str | int, rate: float) -> None:
        """Set an uplink; what is not a number is nothing left of a rate without limit."""
        self.host(host).set_uplink(_TRICKLE if math.isnan(rate) else max(rate, _TRICKLE))

    @property
    def tracker_arguments(self) -> list[str]:
        """Options of the tracker: which STUN and TURN servers it tells viewers of."""
        relay, scenario = self._relay, self._asked
        if relay is None or not scenario.policy.rtcConfig:
            return []
        arguments = ["--stun-urls", relay.stun_url]
        if scenario.relay.availability > 0:
            urls = relay.turn_urls if scenario.relay.over_tcp else relay.turn_urls[:1]
            arguments += ["--turn-urls", ",".join(urls), "--turn-secret", relay.secret]
        return arguments

    def readings(self) -> dict[str, Any]:
        """What the kernel's counters and the lab's own instruments say, for the manifest; bytes of IP but for viewers.

        Viewers' bytes are counted on their Ethernet devices.
        """
        lab = self._lab
        viewers = [lab.viewer(viewer).counters for home in lab.plan.homes for viewer in home.viewers]
        report = lab.report()
        kinds = [home.kind for home in lab.plan.homes]
        return {
            "interfaces": {
                "viewers_sent": sum(one.sent for one in viewers),
                "viewers_received": sum(one.received for one in viewers),
                **{f"{name}_sent": lab.server(name).counters.sent for name in (ORIGIN, TRACKER, RELAY_SERVER)},
                **{f"{name}_received": lab.server(name).counters.received for name in (ORIGIN, TRACKER, RELAY_SERVER)},
            },
            "lab": {
                "homes": len(kinds),
                "blocked": kinds.count(BLOCKED),
                "packets": report.packets,
                "late": report.late,
                "latest": round(report.latest, 4),
                "overflown": report.overflown,
                "relay_failures": self._relay.broken_sessions if self._relay is not None else 0,
            },
        }
