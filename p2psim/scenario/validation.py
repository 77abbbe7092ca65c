"""Checks of a scenario; every refusal is one line with the value and what is accepted.

What holds for one field stands beside the field (`p2psim.scenario.records.FieldRules`); here are the checks of several
fields together.
"""

import dataclasses
import math
import typing
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import psutil
from p2p_tracker.core.matching import STRATEGIES

from p2psim.errors import ScenarioError, one_of
from p2psim.scenario.model import Scenario, Viewers
from p2psim.scenario.nat_kinds import NAT_KINDS
from p2psim.scenario.policy_validation import check_policy
from p2psim.scenario.presets import access_profiles, crypto_rates, nat_mixes, places
from p2psim.scenario.records import FieldRules, field_rules
from p2psim.scenario.roles import SHARES
from p2psim.units import format_quantity

__all__ = ["BYTES_PER_VIEWER", "MAX_LEVELS", "check"]

BYTES_PER_VIEWER = 4200
"""Approximate memory of a simulated viewer."""
MAX_LEVELS = 32
LONGEST = 31 * 86400.0
"""Longest run, seconds."""
_STEADY = ("poisson", "flash", "diurnal")
"""Arrivals around a steady state, which need a finite mean viewing time."""


def check(scenario: Scenario) -> Scenario:
    """Return the scenario, or raise ScenarioError."""
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
    for field in dataclasses.fields(record):
        _check_value(prefix + field.name, getattr(record, field.name), hints[field.name], field_rules(field))


def _check_value(name: str, value: Any, kind: Any, rules: FieldRules) -> None:
    """Check a field's numbers, wherever in it they are; a table's numbers need only be finite and not negative."""
    if dataclasses.is_dataclass(value):
        _check_numbers(value, f"{name}.")
    elif isinstance(value, tuple):
        for item in value:
            _check_value(name, item, typing.get_args(kind)[0], rules)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check_value(f"{name}.{key}", item, typing.get_args(kind)[1], FieldRules())
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(name, value, kind, rules)


def _check_number(name: str, value: float, kind: Any, rules: FieldRules) -> None:
    least, most = rules.least or 0, rules.most
    if math.isnan(value):
        raise ScenarioError(f"{name} = nan: a number is expected")
    if math.isinf(value) and not rules.unlimited:
        raise ScenarioError(f"{name} = {value}: a finite number is expected")
    if rules.positive and value <= 0:
        raise ScenarioError(f"{name} = {value:g}: must be greater than 0")
    if most is not None and not least <= value <= most:
        raise ScenarioError(f"{name} = {value:g}: must be {least:g} to {most:g}")
    if value < least:
        raise ScenarioError(f"{name} = {value:g}: must be at least {least:g}")
    if typing.get_origin(kind) is typing.Annotated and typing.get_args(kind)[1] == "fraction" and value > 1:
        raise ScenarioError(f"{name} = {value:g}: a share between 0 and 1 is expected")


def _refusals(scenario: Scenario) -> list[tuple[bool, str]]:
    """Return what fields together make impossible: whether it is so in this scenario, and the message."""
    return [*_run_refusals(scenario), *_viewer_refusals(scenario.viewers), *_delivery_refusals(scenario)]


def _run_refusals(scenario: Scenario) -> list[tuple[bool, str]]:
    stream = scenario.stream
    held = stream.playlist_segments * stream.segment
    return [
        (scenario.duration > LONGEST, f"duration = {scenario.duration:g} s: at most 31 days are accepted"),
        (scenario.warmup >= scenario.duration, f"warmup = {scenario.warmup:g} s: must be less than the duration"),
        (
            stream.kind == "live" and stream.live_latency > held,
            f"stream.live_latency = {stream.live_latency:g} s: the playlist holds only {held:g} s "
            f"({stream.playlist_segments} segments of {stream.segment:g} s)",
        ),
        (
            stream.kind == "live" and stream.live_latency < stream.segment,
            f"stream.live_latency = {stream.live_latency:g} s: at least one segment ({stream.segment:g} s)",
        ),
        (
            stream.segment > max(scenario.duration, 60),
            f"stream.segment = {stream.segment:g} s: longer than the run of {scenario.duration:g} s",
        ),
    ]


def _viewer_refusals(viewers: Viewers) -> list[tuple[bool, str]]:
    return [
        (
            viewers.browsers > viewers.count,
            f"viewers.browsers = {viewers.browsers}: at most all viewers (viewers.count = {viewers.count})",
        ),
        (
            viewers.arrivals == "recorded" and len(viewers.arrival_times) != viewers.count,
            f"viewers.arrival_times has {len(viewers.arrival_times)} entries for viewers.count = {viewers.count}: "
            "give one for each viewer",
        ),
        (
            viewers.arrivals != "recorded" and len(viewers.arrival_times) > 0,
            f'viewers.arrival_times: accepted with viewers.arrivals = "recorded" only, not with "{viewers.arrivals}"',
        ),
        (
            sum(getattr(viewers, field) for field in SHARES.values()) > 1,
            f"viewers.{', '.join(SHARES.values())} add up to more than 1: each viewer is one of them",
        ),
        (
            viewers.arrivals in _STEADY and math.isinf(viewers.mean_viewing_time),
            f"viewers.mean_viewing_time = unlimited: {viewers.arrivals} arrivals need a finite one",
        ),
        (
            len(viewers.viewing_times) not in (0, len(viewers.arrival_times)),
            f"viewers.viewing_times has {len(viewers.viewing_times)} entries for {len(viewers.arrival_times)} in "
            "viewers.arrival_times: give one for each, or none",
        ),
        (
            viewers.arrivals == "flash" and viewers.surge_factor < 1,
            f"viewers.surge_factor = {viewers.surge_factor:g}: a surge multiplies the arrival rate by 1 or more",
        ),
    ]


def _delivery_refusals(scenario: Scenario) -> list[tuple[bool, str]]:
    return [
        (
            scenario.channels.count == 1 and not math.isinf(scenario.channels.mean_time_on_channel),
            f"channels.mean_time_on_channel = {scenario.channels.mean_time_on_channel:g} s: needs two channels or more "
            "(channels.count)",
        ),
        (
            scenario.cdn.edges == "regions" and not scenario.regions.mix,
            "cdn.edges = 'regions': needs regions.mix, which is empty; or use 'one'",
        ),
        (
            scenario.cdn.overflow_threshold > 0 and (scenario.cdn.edges == "none" or math.isinf(scenario.cdn.rate)),
            f"cdn.overflow_threshold = {scenario.cdn.overflow_threshold:g}: a second CDN needs a first one (cdn.edges) "
            "with a limited cdn.rate",
        ),
        (
            scenario.hybrid.min_load > 0 and math.isinf(_capacity(scenario)),
            f"hybrid.min_load = {scenario.hybrid.min_load:g}: needs a limited "
            f"{'origin.rate' if scenario.cdn.edges == 'none' else 'cdn.rate'}",
        ),
        (
            scenario.hybrid.ends <= scenario.hybrid.begins,
            f"hybrid.ends = {scenario.hybrid.ends:g} s: must be after hybrid.begins = {scenario.hybrid.begins:g} s",
        ),
    ]


def _capacity(scenario: Scenario) -> float:
    return scenario.origin.rate if scenario.cdn.edges == "none" else scenario.cdn.rate


def _check_memory(scenario: Scenario) -> None:
    viewers = scenario.viewers
    expected = float(viewers.count)
    if viewers.arrivals in _STEADY:
        expected *= 1 + scenario.duration / viewers.mean_viewing_time
    needed, free = expected * BYTES_PER_VIEWER, psutil.virtual_memory().available
    if needed > free:
        raise ScenarioError(
            f"viewers.count = {viewers.count}: {expected:.3g} viewers need about {needed / 1e9:.3g} GB of memory, "
            f"{free / 1e9:.3g} GB are available"
        )


def _check_mixtures(scenario: Scenario) -> None:
    """Check every name that data or the tracker list, and that mixtures have known names and add up to 1."""
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
    _check_sum("household.size_shares", scenario.household.size_shares)
    for field in ("upload_off", "p2p_off"):
        for name in getattr(scenario.devices, field):
            if name not in crypto_rates():
                raise ScenarioError(f"devices.{field}: no device {name!r}; accepted: {', '.join(crypto_rates())}")
    for pair in scenario.regions.added_rtt:
        ends = [end.strip() for end in pair.split("|")]
        if len(ends) != 2 or any(end not in scenario.regions.mix for end in ends):
            raise ScenarioError(
                f'regions.added_rtt: {pair!r} is no pair of places of regions.mix; write "place | place"'
            )


def _check_shares(where: str, mix: Mapping[str, float], entry: str, known: Sequence[str]) -> None:
    for name in mix:
        if name not in known:
            raise ScenarioError(f"{where}: no {entry} {name!r}; accepted: {', '.join(known)}")
    _check_sum(where, list(mix.values()))


def _check_sum(where: str, shares: Sequence[float]) -> None:
    if abs(sum(shares) - 1) > 1e-6:
        raise ScenarioError(f"{where} adds up to {sum(shares):g}: the shares must add up to 1")


def _check_ladder(scenario: Scenario) -> None:
    ladder = scenario.stream.ladder
    for lower, higher in pairwise(ladder):
        if higher <= lower:
            first, second = (format_quantity(rate, "rate") for rate in (lower, higher))
            raise ScenarioError(f"stream.ladder: {second} after {first}: bitrates must ascend, none twice")
    if len(ladder) > MAX_LEVELS:
        raise ScenarioError(f"stream.ladder has {len(ladder)} bitrates: at most {MAX_LEVELS}")


def _check_faults(scenario: Scenario) -> None:
    for i, fault in enumerate(scenario.faults):
        if fault.at >= scenario.duration:
            raise ScenarioError(
                f"faults[{i}].at = {fault.at:g} s: must be before the end of the run ({scenario.duration:g} s)"
            )
        needed = {"origin": "origin.rate", "edges": "cdn.rate", "relay": "relay.rate"}.get(fault.kind, "")
        if fault.capacity_left > 0 and needed and math.isinf(_field(scenario, needed)):
            raise ScenarioError(
                f"faults[{i}].capacity_left = {fault.capacity_left:g}: needs a finite {needed}; 0 is a full outage"
            )
        if fault.kind == "edges" and scenario.cdn.edges == "none":
            raise ScenarioError(f"faults[{i}].kind = 'edges': there are none (cdn.edges = 'none')")
        if fault.kind == "partition" and fault.region not in scenario.regions.mix:
            known = ", ".join(scenario.regions.mix) or "none, as regions.mix is empty"
            raise ScenarioError(f"faults[{i}].region = {fault.region!r}: no place of the audience; accepted: {known}")


def _field(scenario: Scenario, dotted: str) -> float:
    section, name = dotted.split(".")
    number: float = getattr(getattr(scenario, section), name)
    return number
