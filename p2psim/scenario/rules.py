"""Which scenarios make sense: every refusal is one line with the value and what is accepted."""

import dataclasses
import math
import typing
from typing import Any

from p2psim.errors import ScenarioError
from p2psim.scenario.model import Scenario
from p2psim.scenario.presets import access_profiles, nat_mixes

__all__ = ["MAX_VIEWERS", "check"]

MAX_VIEWERS = 2_000_000
"""More would not fit the memory of a usual machine."""

_POSITIVE = {
    "duration", "stream.bitrate", "stream.segment", "stream.length", "access.downlink", "tracker.interval",
    "tracker.heartbeat", "origin.rate", "origin.per_connection", "network.window", "network.channel_rate",
    "player.buffer", "player.tick", "player.update", "viewers.viewing", "policy.segmentMemoryStorageLimit",
    "policy.p2pNotReceivingBytesTimeoutMs", "policy.httpNotReceivingBytesTimeoutMs", "network.goodput",
}  # fmt: skip
_MAY_BE_UNLIMITED = {
    "origin.rate", "origin.per_connection", "network.window", "network.channel_rate", "viewers.viewing",
    "access.uplink", "access.downlink",
}  # fmt: skip


def check(scenario: Scenario) -> Scenario:
    """Give the scenario back, or raise ScenarioError."""
    _check_numbers(scenario, "")
    for refused, why in _refusals(scenario):
        if refused:
            raise ScenarioError(why)
    _check_mix(scenario)
    return scenario


def _check_numbers(record: Any, prefix: str) -> None:
    hints = typing.get_type_hints(type(record), include_extras=True)
    for entry in dataclasses.fields(record):
        name, value = prefix + entry.name, getattr(record, entry.name)
        if dataclasses.is_dataclass(value):
            _check_numbers(value, f"{name}.")
        elif isinstance(value, int | float):
            _check_number(name, value, hints[entry.name])


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
    stream, viewers = scenario.stream, scenario.viewers
    held = stream.window * stream.segment
    return [
        (not 1 <= viewers.count <= MAX_VIEWERS, f"viewers.count = {viewers.count}: 1 to {MAX_VIEWERS} are accepted"),
        (
            viewers.browsers > viewers.count,
            f"viewers.browsers = {viewers.browsers}: at most all viewers (viewers.count = {viewers.count})",
        ),
        (scenario.warmup >= scenario.duration, f"warmup = {scenario.warmup:g} s: must be less than the duration"),
        (scenario.network.goodput > 1, f"network.goodput = {scenario.network.goodput:g}: at most 1"),
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
            viewers.arrivals == "poisson" and math.isinf(viewers.viewing),
            "viewers.viewing = unlimited: poisson arrivals need a finite mean viewing time",
        ),
        (any(t < 0 or math.isnan(t) for t in viewers.joins), "viewers.joins: times are at least 0"),
        (not 1 <= scenario.policy.maxPeers <= 512, f"policy.maxPeers = {scenario.policy.maxPeers}: 1 to 512"),
        (
            not 1 <= scenario.policy.simultaneousHttpDownloads <= 16,
            f"policy.simultaneousHttpDownloads = {scenario.policy.simultaneousHttpDownloads}: 1 to 16",
        ),
        (
            scenario.policy.simultaneousP2PDownloads > 16,
            f"policy.simultaneousP2PDownloads = {scenario.policy.simultaneousP2PDownloads}: 0 to 16",
        ),
    ]


def _check_mix(scenario: Scenario) -> None:
    known = access_profiles()
    mix = scenario.access.mix
    for name, weight in mix.items():
        if name not in known:
            raise ScenarioError(f"access.mix: no profile {name!r}; accepted: {', '.join(known)}")
        if not 0 <= weight < math.inf:
            raise ScenarioError(f"access.mix.{name} = {weight:g}: a weight of at least 0 is expected")
    if abs(sum(mix.values()) - 1) > 1e-6:
        raise ScenarioError(f"access.mix adds up to {sum(mix.values()):g}: the shares must add up to 1")
    if scenario.nat.mix not in nat_mixes():
        raise ScenarioError(f"nat.mix = {scenario.nat.mix!r}: accepted: {', '.join(nat_mixes())}")
