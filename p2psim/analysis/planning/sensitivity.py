"""What to change first: each input low and high, everything else as it is, the same viewers in all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from p2psim.analysis.formatting import format_value
from p2psim.analysis.planning.audience import Audience
from p2psim.analysis.planning.estimate import Evidence, estimates
from p2psim.analysis.planning.inputs import Inputs
from p2psim.analysis.planning.sampling import Flows, Sampler
from p2psim.analysis.planning.tariff import Delivered
from p2psim.analysis.runs import Job
from p2psim.analysis.statistics import Interval, ratio_difference
from p2psim.units import format_quantity

__all__ = ["Variant", "sensitivity_jobs", "sensitivity_table", "variants"]

_PRICES = (
    ("price of the CDN", "cdn_gb"),
    ("price of the CDN", "cdn_mbit"),
    ("fee for a viewer-hour", "fee_hour"),
    ("fee for a GB from peers", "fee_gb"),
)
SIMULATED, RESIZED, PRICED = "simulated", "resized", "priced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One input at another value."""

    what: str
    end: str
    """low or high"""
    setting: str
    inputs: Inputs
    lever: bool = False
    """Whether an operator can choose it."""
    how: str = SIMULATED


def variants(inputs: Inputs) -> list[Variant]:
    """List every input at a low and a high value, those that change nothing left out."""
    found = [variant for make in (_settings, _world, _audience, _prices) for variant in make(inputs)]
    return [variant for variant in found if variant.inputs != inputs]


def sensitivity_jobs(sampler: Sampler, inputs: Inputs) -> list[Job]:
    """List the runs that the table needs."""
    asked = [inputs, *(each.inputs for each in variants(inputs) if each.how == SIMULATED)]
    size, count = _reference(sampler, inputs), sampler.effort.variants
    return [job for each in asked for job in sampler.steady_jobs(each, size, count, sampler.effort.reference)]


def sensitivity_table(sampler: Sampler, evidence: Evidence) -> pd.DataFrame:
    """Give what becomes of saving and bill at both ends of each input, the widest first.

    Columns input, lever, end (low, high), setting, saving, low, high (its 95 % interval over paired differences),
    change (of the saving), stall_ratio, bill, bill_change (dollars).
    """
    inputs = evidence.inputs
    size, count = _reference(sampler, inputs), sampler.effort.variants
    plain, now = sampler.steady(inputs, size, count, sampler.effort.reference), estimates(evidence)
    rows = []
    for variant in variants(inputs):
        if variant.how == SIMULATED:
            other = sampler.steady(variant.inputs, size, count, sampler.effort.reference)
            saving, bill = _shifted(now, evidence, plain, other)
            stalls = now["stall_ratio"].mean + _stall_ratio(other) - _stall_ratio(plain)
        else:
            found = estimates(replace(evidence, inputs=variant.inputs))
            saving, bill, stalls = found["origin_saving"], found["bill"].mean, now["stall_ratio"].mean
        rows.append(
            {
                "input": variant.what,
                "lever": variant.lever,
                "end": variant.end,
                "setting": variant.setting,
                "saving": saving.mean,
                "low": saving.low,
                "high": saving.high,
                "change": saving.mean - now["origin_saving"].mean,
                "stall_ratio": max(0.0, stalls),
                "bill": bill,
                "bill_change": bill - now["bill"].mean,
            }
        )
    table = pd.DataFrame(rows)
    width = table["change"].abs().groupby(table["input"]).transform("max")
    cost = table["bill_change"].abs().groupby(table["input"]).transform("max")
    order = table.assign(width=width.round(3), cost=cost).sort_values(["width", "cost"], ascending=False, kind="stable")
    return order.drop(columns=["width", "cost"]).reset_index(drop=True)


def _reference(sampler: Sampler, inputs: Inputs) -> int:
    return max(2, min(sampler.effort.reference, round(inputs.audience.peak)))


def _stall_ratio(flows: Flows) -> float:
    return float(flows.stalled.sum() / flows.viewer_seconds.sum())


def _shifted(now: dict[str, Interval], evidence: Evidence, plain: Flows, other: Flows) -> tuple[Interval, float]:
    """Move the plan's saving and bill as far as the paired difference in the swarm of reference says."""
    columns = [getattr(flows, name)[:, 0] for flows in (other, plain) for name in ("origin", "base")]
    difference = ratio_difference(*columns).mapped(-1.0)
    # what the origin still sends changes by the same factor as in the swarm of reference
    factor = (1 - now["origin_saving"].mean) / (plain.origin.sum() / plain.base.sum())
    saving = difference.mapped(float(factor), now["origin_saving"].mean).clipped(-np.inf, 1.0)
    ratio = {
        name: [getattr(flows, name).sum() / flows.base.sum() for flows in (plain, other)] for name in ("p2p", "relayed")
    }
    larger = (other.base.sum() / other.viewer_seconds.sum()) / (plain.base.sum() / plain.viewer_seconds.sum())
    base, left = now["base_bytes"].mean * larger, 1 - saving.mean
    moved = {name: (now[key].mean / now["base_bytes"].mean + ratio[name][1] - ratio[name][0]) * base
             for name, key in (("p2p", "p2p_bytes"), ("relayed", "relay_bytes"))}  # fmt: skip
    left_before = 1 - now["origin_saving"].mean
    used = Delivered(
        origin=left * base,
        p2p=max(0.0, moved["p2p"]),
        relayed=max(0.0, moved["relayed"]),
        p95=now["origin_rate_p95"].mean * larger * (left / left_before if left_before else 1.0),
        viewer_hours=evidence.inputs.audience.mean * evidence.inputs.seconds / 3600,
    )
    at = evidence.inputs.tariff
    return saving, at.cdn(used) + at.sharing(used)


def _ends(
    inputs: Inputs, what: str, name: str, values: Sequence[Any], words: Sequence[str], lever: bool = False
) -> Iterator[Variant]:
    for end, value, word in zip(("low", "high"), values, words, strict=True):
        yield Variant(what=what, end=end, setting=word, inputs=inputs.with_(**{name: value}), lever=lever)


def _settings(inputs: Inputs) -> Iterator[Variant]:
    """What an operator sets."""
    latencies = [round(max(2 * inputs.segment, inputs.latency * share)) for share in (2 / 3, 5 / 3)]
    yield from _ends(inputs, "live latency", "latency", latencies, [f"{each} s" for each in latencies], lever=True)
    if not inputs.ladder:
        rates = [inputs.bitrate * share for share in (0.75, 1.25)]
        words = [format_quantity(round(rate), "rate") for rate in rates]
        yield from _ends(inputs, "bitrate", "bitrate", rates, words, lever=True)
    for what, field, values, unit in (
        ("neighbours, at most", "policy.maxPeers", (12, 50), ""),
        ("HTTP-first window", "policy.highDemandTimeWindow", (8.0, 15.0), " s"),
    ):
        changed = [_changed(inputs, field, value) for value in values]
        yield from _ends(inputs, what, "changes", changed, [f"{value:g}{unit}" for value in values], lever=True)
    yield from _ends(inputs, "relays", "relay", (0.0, 1.0), ("none", "for all pairs"), lever=True)


def _changed(inputs: Inputs, field: str, value: Any) -> dict[str, Any]:
    if inputs.scenario == inputs.scenario.replace({field: value}):
        return dict(inputs.changes)
    return {**inputs.changes, field: value}


def _world(inputs: Inputs) -> Iterator[Variant]:
    """What viewers bring along."""
    yield from _ends(inputs, "uplink lent", "lent", (0.25, 1.0), ("25 %", "100 %"))
    yield from _ends(inputs, "NAT", "nat", ("mobile", "fixed"), ("mobile", "fixed"))
    if not inputs.access:
        shares = [min(1.0, max(0.0, round(inputs.mobile + step, 4))) for step in (-0.2, 0.2)]
        yield from _ends(inputs, "mobile viewers", "mobile", shares, [format_value(share, "share") for share in shares])
    times = [inputs.viewing / 2, inputs.viewing * 2]
    yield from _ends(inputs, "viewing time", "viewing", times, [f"{time / 60:.0f} min" for time in times])


def _audience(inputs: Inputs) -> Iterator[Variant]:
    """How many watch; a smaller audience is a smaller swarm."""
    for end, factor in (("low", 1 / 3), ("high", 3.0)):
        other = _resized(inputs.audience, factor)
        yield Variant(
            what="viewers", end=end, setting=f"{other.peak:,.0f}", inputs=inputs.with_(audience=other), how=RESIZED
        )


def _resized(audience: Audience, factor: float) -> Audience:
    return replace(audience, viewers=tuple(each * factor for each in audience.viewers))


def _prices(inputs: Inputs) -> Iterator[Variant]:
    for what, name in _PRICES:
        price = getattr(inputs.tariff, name)
        for end, factor in (("low", 0.5), ("high", 2.0)):
            tariff = replace(inputs.tariff, **{name: price * factor})
            yield Variant(
                what=what, end=end, setting=f"{price * factor:g} $", inputs=inputs.with_(tariff=tariff), how=PRICED
            )
