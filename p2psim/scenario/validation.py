"""Which scenarios make sense: every refusal is one line with the value and what is accepted."""

import dataclasses
import math
import typing
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import psutil
from p2p_tracker.core.matching import STRATEGIES

from p2psim.errors import ScenarioError, one_of
from p2psim.scenario.model import Scenario
from p2psim.scenario.nat_kinds import NAT_KINDS
from p2psim.scenario.policy_validation import check_policy
from p2psim.scenario.presets import access_profiles, crypto_rates, nat_mixes, places
from p2psim.scenario.roles import SHARES
from p2psim.units import format_quantity

__all__ = ["BYTES_PER_VIEWER", "MAX_CHANNELS", "MAX_DOWNLOADS", "MAX_LEVELS", "check"]

BYTES_PER_VIEWER = 4200
"""Memory that a simulated viewer takes, about."""
MAX_CHANNELS = 10_000
MAX_DOWNLOADS = 60
"""Downloads that a viewer may have at once."""
MAX_LEVELS = 32
LONGEST = 31 * 86400.0
"""Seconds that a run may last."""
_STEADY = ("poisson", "flash", "diurnal")
"""Arrivals around a steady state, for which a viewing time is needed."""

_POSITIVE = {
    "duration", "stream.bitrate", "stream.segment", "stream.length", "stream.ladder", "access.downlink",
    "tracker.interval", "tracker.heartbeat", "origin.rate", "origin.per_connection", "network.window",
    "network.channel_rate", "player.buffer", "player.tick", "player.update", "player.estimate", "player.fast",
    "player.slow", "player.margin", "player.margin_up", "viewers.viewing", "viewers.surge", "viewers.surge_decay",
    "viewers.day", "policy.p2pNotReceivingBytesTimeoutMs",
    "policy.httpNotReceivingBytesTimeoutMs", "network.goodput", "channels.dwell", "household.lan",
    "neighbourhood.uplink", "neighbourhood.downlink", "cdn.rate", "cdn.cache", "cdn.overflow_rate", "relay.rate",
    "hybrid.check", "faults.lasts",
}  # fmt: skip
_MAY_BE_UNLIMITED = {
    "origin.rate", "origin.per_connection", "network.window", "network.channel_rate", "viewers.viewing",
    "access.uplink", "access.downlink", "channels.dwell", "neighbourhood.uplink", "neighbourhood.downlink", "cdn.rate",
    "cdn.cache", "cdn.overflow_rate", "relay.rate", "hybrid.ends", "faults.lasts",
}  # fmt: skip


def check(scenario: Scenario) -> Scenario:
    """Give the scenario back, or raise ScenarioError."""
    _check_numbers(scenario, "")
    for refused, why in _refusals(scenario):
        if refused:
            raise ScenarioError(why)
    _check_memory(scenario)
    _check_mixtures(scenario)
    _check_ladder(scenario)
    _check_faults(scenario)
    check_policy(scenario.policy, "policy.", _check_numbers)
    return scenario


def _check_numbers(record: Any, prefix: str) -> None:
    hints = typing.get_type_hints(type(record), include_extras=True)
    for entry in dataclasses.fields(record):
        name, value = prefix + entry.name, getattr(record, entry.name)
        _check_value(name, value, hints[entry.name])


def _check_value(name: str, value: Any, kind: Any) -> None:
    """Check a field's numbers, wherever in it they are."""
    if dataclasses.is_dataclass(value):
        _check_numbers(value, f"{name}.")
    elif isinstance(value, tuple):
        for item in value:
            _check_value(name, item, typing.get_args(kind)[0])
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check_value(f"{name}.{key}", item, typing.get_args(kind)[1])
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(name, value, kind)


def _check_number(name: str, value: float, kind: Any) -> None:
    if math.isnan(value):
        raise ScenarioError(f"{name} = nan: a number is expected")
    if math.isinf(value) and name not in _MAY_BE_UNLIMITED:
        raise ScenarioError(f"{name} = {value}: a finite number is expected")
    if value < 0 or (value == 0 and name in _POSITIVE):
        raise ScenarioError(f"{name} = {value:g}: must be {'greater than' if name in _POSITIVE else 'at least'} 0")
    if typing.get_origin(kind) is typing.Annotated and typing.get_args(kind)[1] == "fraction" and value > 1:
        raise ScenarioError(f"{name} = {value:g}: a share between 0 and 1 is expected")


def _refusals(scenario: Scenario) -> list[tuple[bool, str]]:
    stream, viewers, policy = scenario.stream, scenario.viewers, scenario.policy
    held = stream.window * stream.segment
    return [
        (viewers.count < 1, f"viewers.count = {viewers.count}: at least 1"),
        (
            viewers.browsers > viewers.count,
            f"viewers.browsers = {viewers.browsers}: at most all viewers (viewers.count = {viewers.count})",
        ),
        (scenario.duration > LONGEST, f"duration = {scenario.duration:g} s: at most 31 days can be simulated"),
        (scenario.warmup >= scenario.duration, f"warmup = {scenario.warmup:g} s: must be less than the duration"),
        (scenario.network.goodput > 1, f"network.goodput = {scenario.network.goodput:g}: at most 1"),
        (
            policy.simultaneousHttpDownloads + policy.simultaneousP2PDownloads > MAX_DOWNLOADS,
            f"policy.simultaneousP2PDownloads = {policy.simultaneousP2PDownloads}: together with "
            f"simultaneousHttpDownloads ({policy.simultaneousHttpDownloads}) at most {MAX_DOWNLOADS}",
        ),
        (stream.window < 3, f"stream.window = {stream.window}: a live playlist holds at least 3 segments"),
        (
            stream.kind == "live" and stream.latency > held,
            f"stream.latency = {stream.latency:g} s: the playlist holds only {held:g} s "
            f"(window {stream.window} x segment {stream.segment:g} s)",
        ),
        (
            stream.kind == "live" and stream.latency < stream.segment,
            f"stream.latency = {stream.latency:g} s: at least one segment ({stream.segment:g} s)",
        ),
        (
            stream.segment > max(scenario.duration, 60),
            f"stream.segment = {stream.segment:g} s: longer than the run of {scenario.duration:g} s",
        ),
        (
            viewers.arrivals == "recorded" and len(viewers.joins) != viewers.count,
            f"viewers.joins has {len(viewers.joins)} times for viewers.count = {viewers.count}: give one for each",
        ),
        (
            viewers.arrivals != "recorded" and len(viewers.joins) > 0,
            f'viewers.joins: times of coming are for viewers.arrivals = "recorded", not "{viewers.arrivals}"',
        ),
        (
            sum(getattr(viewers, field) for field in SHARES.values()) > 1,
            f"viewers.{', '.join(SHARES.values())} add up to more than 1: each viewer is one of them",
        ),
        (
            viewers.arrivals in _STEADY and math.isinf(viewers.viewing),
            f"viewers.viewing = unlimited: {viewers.arrivals} arrivals need a finite mean viewing time",
        ),
        (
            len(viewers.stays) not in (0, len(viewers.joins)),
            f"viewers.stays has {len(viewers.stays)} times for {len(viewers.joins)} joins: give one for each, or none",
        ),
        (
            viewers.arrivals == "flash" and viewers.surge < 1,
            f"viewers.surge = {viewers.surge:g}: a surge multiplies the arrival rate by 1 or more",
        ),
        (
            not 1 <= scenario.channels.count <= MAX_CHANNELS,
            f"channels.count = {scenario.channels.count}: 1 to {MAX_CHANNELS} are accepted",
        ),
        (
            scenario.channels.count == 1 and not math.isinf(scenario.channels.dwell),
            f"channels.dwell = {scenario.channels.dwell:g} s: with a single channel there is nothing to zap to",
        ),
        (
            scenario.regions.stretch < 1,
            f"regions.stretch = {scenario.regions.stretch:g}: no path is shorter than the great circle; 1 or more",
        ),
        (
            scenario.cdn.edges == "regions" and not scenario.regions.mix,
            "cdn.edges = 'regions': regions.mix is empty; name places there, or use 'one'",
        ),
        (
            scenario.cdn.overflow > 0 and (scenario.cdn.edges == "none" or math.isinf(scenario.cdn.rate)),
            "cdn.overflow: a second CDN helps a first one (cdn.edges) whose cdn.rate is limited",
        ),
        (
            scenario.hybrid.load > 0 and math.isinf(_served_by(scenario)),
            f"hybrid.load = {scenario.hybrid.load:g}: a load needs a limited "
            f"{'origin.rate' if scenario.cdn.edges == 'none' else 'cdn.rate'}",
        ),
        (
            scenario.hybrid.ends <= scenario.hybrid.begins,
            f"hybrid.ends = {scenario.hybrid.ends:g} s: must be after hybrid.begins = {scenario.hybrid.begins:g} s",
        ),
        (
            scenario.carrier.count < 1,
            f"carrier.count = {scenario.carrier.count}: at least 1 (carrier.share = 0 switches carriers off)",
        ),
    ]


def _served_by(scenario: Scenario) -> float:
    return scenario.origin.rate if scenario.cdn.edges == "none" else scenario.cdn.rate


def _check_memory(scenario: Scenario) -> None:
    viewers = scenario.viewers
    expected = float(viewers.count)
    if viewers.arrivals in _STEADY:
        expected *= 1 + scenario.duration / viewers.viewing
    needed, free = expected * BYTES_PER_VIEWER, psutil.virtual_memory().available
    if needed > free:
        raise ScenarioError(
            f"viewers.count = {viewers.count}: {expected:.3g} viewers need about {needed / 1e9:.3g} GB of memory, "
            f"{free / 1e9:.3g} GB are available"
        )


def _check_mixtures(scenario: Scenario) -> None:
    """Check every name that data or the tracker list, and every mixture: known names, shares that add up to 1."""
    if scenario.nat.mix not in nat_mixes():
        one_of("nat.mix", scenario.nat.mix, nat_mixes(), ScenarioError)
    if scenario.tracker.matching not in STRATEGIES:
        one_of("tracker.matching", scenario.tracker.matching, STRATEGIES, ScenarioError)
    _check_shares("access.mix", scenario.access.mix, "profile", list(access_profiles()))
    if scenario.nat.shares:
        _check_shares("nat.shares", scenario.nat.shares, "kind of NAT", NAT_KINDS)
    if scenario.devices.mix:
        _check_shares("devices.mix", scenario.devices.mix, "device", list(crypto_rates()))
    if scenario.regions.mix:
        _check_shares("regions.mix", scenario.regions.mix, "place", list(places()))
    _check_shares("carrier.kinds", scenario.carrier.kinds, "kind of NAT", NAT_KINDS)
    _check_sum("household.shares", scenario.household.shares)
    for field in ("upload_off", "p2p_off"):
        for name in getattr(scenario.devices, field):
            if name not in crypto_rates():
                raise ScenarioError(f"devices.{field}: no device {name!r}; accepted: {', '.join(crypto_rates())}")
    for pair in scenario.regions.between:
        ends = [end.strip() for end in pair.split("|")]
        if len(ends) != 2 or any(end not in scenario.regions.mix for end in ends):
            raise ScenarioError(f'regions.between: {pair!r} is no pair of places of regions.mix; write "one | other"')


def _check_shares(where: str, mix: Mapping[str, float], what: str, known: Sequence[str]) -> None:
    for name in mix:
        if name not in known:
            raise ScenarioError(f"{where}: no {what} {name!r}; accepted: {', '.join(known)}")
    _check_sum(where, list(mix.values()))


def _check_sum(where: str, shares: Sequence[float]) -> None:
    if abs(sum(shares) - 1) > 1e-6:
        raise ScenarioError(f"{where} adds up to {sum(shares):g}: the shares must add up to 1")


def _check_ladder(scenario: Scenario) -> None:
    ladder = scenario.stream.ladder
    for lower, higher in pairwise(ladder):
        if higher <= lower:
            said = [format_quantity(rate, "rate") for rate in (lower, higher)]
            raise ScenarioError(f"stream.ladder: {said[1]} after {said[0]}: bitrates must ascend, none twice")
    if len(ladder) > MAX_LEVELS:
        raise ScenarioError(f"stream.ladder has {len(ladder)} bitrates: at most {MAX_LEVELS}")


def _check_faults(scenario: Scenario) -> None:
    for i, fault in enumerate(scenario.faults):
        if fault.at >= scenario.duration:
            raise ScenarioError(f"faults[{i}].at = {fault.at:g} s: the run of {scenario.duration:g} s is over by then")
        carried = {"origin": scenario.origin.rate, "edges": scenario.cdn.rate, "relay": scenario.relay.rate}
        if fault.left > 0 and math.isinf(carried.get(fault.what, 0.0)):
            raise ScenarioError(f"faults[{i}].left = {fault.left:g}: what is left of an unlimited rate is unlimited; 0")
        if fault.what == "edges" and scenario.cdn.edges == "none":
            raise ScenarioError(f"faults[{i}].what = 'edges': there are none (cdn.edges = 'none')")
        if fault.what == "partition" and fault.region not in scenario.regions.mix:
            known = ", ".join(scenario.regions.mix) or "none, as regions.mix is empty"
            raise ScenarioError(f"faults[{i}].region = {fault.region!r}: no place of the audience; accepted: {known}")
