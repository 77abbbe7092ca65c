"""Matrix of NAT traversal: real peers behind every pair of NATs, against the model of ICE and the simulator's rule.

``python -m p2psim.testbed.lab.nat_matrix`` builds the lab, tries all pairs and prints the table; with ``--relay`` each
host has a TURN server as well, and all pairs should connect. The exit status is 0 if all outcomes are as expected, else
1.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import msgspec
from aiortc import RTCIceServer
from p2p_tracker.server.ice_servers import ice_servers

from p2psim.errors import P2PSimError
from p2psim.network.nat import connects, twice_translated
from p2psim.scenario.nat_kinds import BLOCKED, NAT_KINDS
from p2psim.testbed.lab.blueprint import Blueprint, Carrier, Home, Impairment, translation
from p2psim.testbed.lab.coturn import Relay, relay_server
from p2psim.testbed.lab.ice_model import succeeds
from p2psim.testbed.lab.lab import Lab
from p2psim.testbed.lab.peers import ConnectionAttempt, HostLoop, connect_pair
from p2psim.testbed.peer.ice import IceServer, for_rtc, usable

__all__ = ["CASES", "Case", "PairResult", "kinds_plan", "main", "measure_pairs", "special_plan"]

_DELAY: Final = 0.01
_PATIENCE: Final = 12.0
"""Seconds of checks before a pair counts as not connected: aioice sends each check at 0, 0.5, 1.5, 3.5 and 7.5 s."""
_LIFETIME: Final = 3600.0
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Two viewers of a plan, their names, and the outcomes to expect."""

    a: int
    b: int
    names: tuple[str, str]
    expected: bool
    """True if ICE should connect them without a relay (`p2psim.testbed.lab.ice_model`)."""
    rule: bool
    """True if the simulator connects them without a relay (`p2psim.network.nat`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairResult:
    """Case and its outcome."""

    case: Case
    attempt: ConnectionAttempt


def kinds_plan(kinds: Sequence[str] = NAT_KINDS, delay: float = _DELAY) -> tuple[Blueprint, list[Case]]:
    """Return two homes of each kind, and a case for each pair of kinds; the sides take turns to offer."""
    homes = [Home(number=number, viewers=(number,), kind=kinds[number // 2]) for number in range(2 * len(kinds))]
    cases = []
    for i, one in enumerate(kinds):
        for j in range(i, len(kinds)):
            a, b = (2 * i, 2 * j + 1) if (i + j) % 2 == 0 else (2 * j + 1, 2 * i)
            rule, expected = _by_rule(one, kinds[j]), succeeds(translation(one), translation(kinds[j]))
            cases.append(Case(a=a, b=b, names=(homes[a].kind, homes[b].kind), expected=expected, rule=rule))
    return _plan(homes, (), delay), cases


CASES: Final = (
    ("port-restricted", "port-restricted", "symmetric"),
    ("port-restricted", "port-restricted", "restricted"),
    ("full-cone", "restricted", "symmetric"),
    ("port-restricted", "symmetric", "restricted"),
    ("symmetric", "full-cone", "port-restricted"),
    ("public", "port-restricted", "port-restricted"),
    ("full-cone", "AD/AD", "restricted"),
    ("restricted", "blocked", "public"),
)
"""Two layers of NAT: the kinds of a home and of its carrier, and that of another home without carrier."""

_HAIRPINS: Final = (
    # kind of the carrier, True if it hairpins, kinds of two homes behind it
    ("port-restricted", True, "port-restricted", "full-cone"),
    ("port-restricted", False, "port-restricted", "full-cone"),
    ("full-cone", True, "symmetric", "restricted"),
    ("restricted", True, "symmetric", "port-restricted"),
    ("symmetric", True, "full-cone", "full-cone"),
)


def special_plan(delay: float = _DELAY) -> tuple[Blueprint, list[Case]]:
    """Return homes and cases for two layers of NAT, hairpinning, homes with several viewers, and IPv6."""
    draft = _Draft()
    for inner, outer, opposite in CASES:
        draft.two_layers(inner, outer, opposite)
    for outer, hairpin, one, other in _HAIRPINS:
        draft.one_carrier(outer, hairpin, one, other)
    for kind in ("symmetric", "blocked"):
        draft.household(kind, hairpin=False, is_lan_open=True, expected=True)
    draft.household("port-restricted", hairpin=True, is_lan_open=False, expected=True)
    draft.household("port-restricted", hairpin=False, is_lan_open=False, expected=False)
    draft.both_ipv6("symmetric", "symmetric", expected=True)
    draft.both_ipv6("symmetric", "blocked", expected=False)
    return _plan(draft.homes, draft.carriers, delay), draft.cases


class _Draft:
    """Homes, carriers and cases that are added one by one."""

    def __init__(self) -> None:
        self.homes: list[Home] = []
        self.carriers: list[Carrier] = []
        self.cases: list[Case] = []
        self._viewers = 0

    def _home(self, kind: str, viewers: int = 1, **more: object) -> Home:
        numbers = tuple(range(self._viewers, self._viewers + viewers))
        self._viewers += viewers
        home = Home(number=len(self.homes), viewers=numbers, kind=kind, **more)  # type: ignore[arg-type]
        self.homes.append(home)
        return home

    def _carrier(self, kind: str, *, hairpin: bool = False) -> int:
        self.carriers.append(Carrier(number=len(self.carriers), kind=kind, hairpin=hairpin))
        return len(self.carriers) - 1

    def _case(self, a: int, b: int, one: str, other: str, *, expected: bool) -> None:
        self.cases.append(Case(a=a, b=b, names=(one, other), expected=expected, rule=expected))

    def two_layers(self, inner: str, outer: str, opposite: str) -> None:
        """Add a home behind a carrier, and one without carrier."""
        a, b = self._home(inner, carrier=self._carrier(outer)), self._home(opposite)
        expected = _by_rule(_both(inner, outer), opposite)
        self._case(a.viewers[0], b.viewers[0], f"{inner} behind {outer}", opposite, expected=expected)

    def one_carrier(self, outer: str, hairpin: bool, one: str, other: str) -> None:
        """Add two homes behind one carrier."""
        carrier = self._carrier(outer, hairpin=hairpin)
        a, b = self._home(one, carrier=carrier), self._home(other, carrier=carrier)
        expected = hairpin and _by_rule(_both(one, outer), _both(other, outer))
        where = f"behind one {outer}{' that hairpins' if hairpin else ''}"
        self._case(a.viewers[0], b.viewers[0], one, f"{other} {where}", expected=expected)

    def household(self, kind: str, *, hairpin: bool, is_lan_open: bool, expected: bool) -> None:
        """Add a home with two viewers."""
        home = self._home(kind, 2, hairpin=hairpin, is_lan_open=is_lan_open)
        how = "LAN" if is_lan_open else "isolated, hairpin" if hairpin else "isolated"
        a, b = home.viewers
        self._case(a, b, kind, f"same home ({how})", expected=expected)

    def both_ipv6(self, one: str, other: str, *, expected: bool) -> None:
        """Add two homes with IPv6."""
        a, b = self._home(one, ipv6=True), self._home(other, ipv6=True)
        self._case(a.viewers[0], b.viewers[0], f"{one} with IPv6", f"{other} with IPv6", expected=expected)


def _by_rule(one: str, other: str) -> bool:
    return bool(connects(NAT_KINDS.index(one), NAT_KINDS.index(other)))


def _both(inner: str, outer: str) -> str:
    """Return the kind of NAT that equals two layers."""
    return NAT_KINDS[twice_translated(NAT_KINDS.index(inner), NAT_KINDS.index(outer))]


def _plan(homes: Sequence[Home], carriers: Sequence[Carrier], delay: float) -> Blueprint:
    return Blueprint(
        homes=tuple(homes),
        carriers=tuple(carriers),
        servers=(relay_server(),),
        default_impairment=Impairment(delay=delay),
    )


def measure_pairs(
    plan: Blueprint,
    cases: Sequence[Case],
    *,
    with_relay: bool = False,
    progress: Callable[[PairResult], object] = lambda _: None,
) -> list[PairResult]:
    """Build the lab, try all cases and return their outcomes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="p2psim-lab-")))
        lab = stack.enter_context(Lab(plan, folder))
        relay = stack.enter_context(Relay(lab.server("relay"), folder))
        loops = {}
        for viewer in sorted({viewer for case in cases for viewer in (case.a, case.b)}):
            servers = _servers(plan, viewer, relay, with_relay=with_relay)
            loops[viewer] = stack.enter_context(HostLoop(lab.viewer(viewer), servers))
        results = asyncio.run(_try_all(loops, cases, progress))
        if relay.broken_sessions:
            raise P2PSimError(f"the relay ended {relay.broken_sessions} sessions because it could not send")
        return results


def _servers(plan: Blueprint, viewer: int, relay: Relay, *, with_relay: bool) -> list[RTCIceServer]:
    """Return the STUN server, and a TURN server over the transports that the home lets out."""
    home = plan.home_of(viewer)
    carrier = next((carrier.kind for carrier in plan.carriers if carrier.number == home.carrier), "")
    turn = relay.turn_urls if with_relay else ()
    listed = ice_servers([relay.stun_url], turn, relay.secret, time.time() + _LIFETIME)
    servers = msgspec.convert(listed, list[IceServer])
    return for_rtc(usable(servers, has_udp=BLOCKED not in (home.kind, carrier)))


async def _try_all(
    loops: dict[int, HostLoop], cases: Sequence[Case], progress: Callable[[PairResult], object]
) -> list[PairResult]:
    """Try the cases that should connect a few at a time, for comparable times; then all others at once."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def attempt(case: Case) -> PairResult:
        if case.expected:
            async with gate:
                return await _try(loops, case, progress)
        return await _try(loops, case, progress)

    first = [case for case in cases if case.expected]
    others = [case for case in cases if not case.expected]
    results = await asyncio.gather(*map(attempt, first)) + await asyncio.gather(*map(attempt, others))
    return sorted(results, key=lambda result: cases.index(result.case))


async def _try(loops: dict[int, HostLoop], case: Case, progress: Callable[[PairResult], object]) -> PairResult:
    result = PairResult(case=case, attempt=await connect_pair(loops[case.a], loops[case.b], _PATIENCE))
    progress(result)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all pairs and print their outcomes; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m p2psim.testbed.lab.nat_matrix", description=__doc__)
    parser.add_argument("--relay", action="store_true", help="with a TURN server: all pairs should connect")
    parser.add_argument("--kinds", nargs="+", default=list(NAT_KINDS), choices=NAT_KINDS, metavar="KIND")
    parser.add_argument(
        "--special", action="store_true", help="pairs with two layers of NAT, hairpinning, households and IPv6 instead"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per pair")
    parsed = parser.parse_args(arguments)
    plan, cases = special_plan() if parsed.special else kinds_plan(parsed.kinds)
    try:
        results = measure_pairs(plan, cases, with_relay=parsed.relay)
    except P2PSimError as error:
        print(error, file=sys.stderr)
        return 2
    for result in results:
        print(_json(result) if parsed.json else _line(result, with_relay=parsed.relay), flush=True)
    return 0 if all(result.attempt.connected == (parsed.relay or result.case.expected) for result in results) else 1


def _json(result: PairResult) -> str:
    return json.dumps({"case": asdict(result.case), "meeting": asdict(result.attempt)})


def _line(result: PairResult, *, with_relay: bool) -> str:
    a, b = result.case.names
    attempt = result.attempt
    outcome = f"{attempt.path:5} {attempt.seconds:6.2f} s" if attempt.seconds is not None else "apart"
    remarks = []
    if attempt.connected != (with_relay or result.case.expected):
        remarks.append("NOT AS EXPECTED")
    if not with_relay and attempt.connected != result.case.rule:
        remarks.append("differs from the simulator's rule")
    return f"{a:34} {b:60} {outcome:16} {'; '.join(remarks)}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
