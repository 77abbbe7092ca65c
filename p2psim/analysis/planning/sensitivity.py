"""Sensitivity of a plan: each input at a low and a high value, all else equal, with the same viewers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from p2psim.analysis.formatting import format_value
from p2psim.analysis.planning.audience import Audience
from p2psim.analysis.planning.estimate import SimulatedPlan, estimates
from p2psim.analysis.planning.inputs import Inputs
from p2psim.analysis.planning.sampling import Sampler, Traffic
from p2psim.analysis.planning.tariff import Delivered
from p2psim.analysis.runs import Job
from p2psim.analysis.statistics import Interval, ratio_difference
from p2psim.units import format_quantity

__all__ = ["Variant", "sensitivity_jobs", "sensitivity_table", "variants"]

_PRICES = (
    ("price of the CDN", "cdn_gb"),
    ("price of the CDN", "cdn_mbit"),
    ("fee per viewer-hour", "fee_hour"),
    ("fee per GB from peers", "fee_gb"),
)
SIMULATED, RESIZED, PRICED = "simulated", "resized", "priced"
"""Ways to evaluate a variant: by simulation, by another size of the audience, by other prices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A plan with one input at another value."""

    what: str
    """Name of the input."""
    end: str
    """low or high"""
    setting: str
    """Value of the input as text."""
    inputs: Inputs
    lever: bool = False
    """True if the operator can choose the value."""
    how: str = SIMULATED
    """`SIMULATED`, `RESIZED` or `PRICED`."""


def variants(inputs: Inputs) -> list[Variant]:
    """Return every input at a low and a high value, without values equal to those of the plan."""
    candidates = [*_choices(inputs), *_circumstances(inputs), *_audience(inputs), *_prices(inputs)]
    return [variant for variant in candidates if variant.inputs != inputs]


def sensitivity_jobs(sampler: Sampler, inputs: Inputs) -> list[Job]:
    """Return the runs that the sensitivity table needs."""
    simulated = [inputs, *(variant.inputs for variant in variants(inputs) if variant.how == SIMULATED)]
    size, count = _reference(sampler, inputs), sampler.effort.variants
    return [job for each in simulated for job in sampler.steady_jobs(each, size, count, sampler.effort.reference)]


def sensitivity_table(sampler: Sampler, base_plan: SimulatedPlan) -> pd.DataFrame:
    """Return saving and bill at the low and high value of each input, the input with the largest change first.

    Columns: input, lever (True if the operator can choose it), end (low, high), setting, saving, low, high (its 95 %
    interval from paired differences), change (of the saving), stall_ratio, bill, bill_change (dollars).
    """
    inputs = base_plan.inputs
    size, count = _reference(sampler, inputs), sampler.effort.variants
    plain, now = sampler.steady(inputs, size, count, sampler.effort.reference), estimates(base_plan)
    rows = []
    for variant in variants(inputs):
        if variant.how == SIMULATED:
            other = sampler.steady(variant.inputs, size, count, sampler.effort.reference)
            saving, bill = _shifted(now, base_plan, plain, other)
            stalls = now["stall_ratio"].mean + _stall_ratio(other) - _stall_ratio(plain)
        else:
            numbers = estimates(replace(base_plan, inputs=variant.inputs))
            saving, bill, stalls = numbers["origin_saving"], numbers["bill"].mean, now["stall_ratio"].mean
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


def _stall_ratio(traffic: Traffic) -> float:
    return float(traffic.stalled.sum() / traffic.viewer_seconds.sum())


def _shifted(
    now: dict[str, Interval], base_plan: SimulatedPlan, plain: Traffic, other: Traffic
) -> tuple[Interval, float]:
    """Return the saving and the bill of the plan, changed by the paired difference in the reference swarm."""
    columns = [getattr(traffic, name)[:, 0] for traffic in (other, plain) for name in ("origin", "base")]
    difference = ratio_difference(*columns).mapped(-1.0)
    # the share that the origin sends changes by the same factor as in the reference swarm
    factor = (1 - now["origin_saving"].mean) / (plain.origin.sum() / plain.base.sum())
    saving = difference.mapped(float(factor), now["origin_saving"].mean).clipped(-np.inf, 1.0)
    ratio = {
        name: [getattr(traffic, name).sum() / traffic.base.sum() for traffic in (plain, other)]
        for name in ("p2p", "relayed")
    }
    larger = (other.base.sum() / other.viewer_seconds.sum()) / (plain.base.sum() / plain.viewer_seconds.sum())
    base, origin_share = now["base_bytes"].mean * larger, 1 - saving.mean
    moved = {name: (now[key].mean / now["base_bytes"].mean + ratio[name][1] - ratio[name][0]) * base
             for name, key in (("p2p", "p2p_bytes"), ("relayed", "relay_bytes"))}  # fmt: skip
    share_before = 1 - now["origin_saving"].mean
    delivered = Delivered(
        origin=origin_share * base,
        p2p=max(0.0, moved["p2p"]),
        relayed=max(0.0, moved["relayed"]),
        p95=now["origin_rate_p95"].mean * larger * (origin_share / share_before if share_before else 1.0),
        viewer_hours=base_plan.inputs.audience.mean * base_plan.inputs.seconds / 3600,
    )
    tariff = base_plan.inputs.tariff
    return saving, tariff.cdn(delivered) + tariff.sharing(delivered)


def _ends(
    inputs: Inputs, what: str, name: str, values: Sequence[Any], words: Sequence[str], lever: bool = False
) -> Iterator[Variant]:
    for end, value, word in zip(("low", "high"), values, words, strict=True):
        yield Variant(what=what, end=end, setting=word, inputs=inputs.changed(**{name: value}), lever=lever)


def _choices(inputs: Inputs) -> Iterator[Variant]:
    """Yield variants of what an operator chooses."""
    latencies = [round(max(2 * inputs.segment, inputs.latency * share)) for share in (2 / 3, 5 / 3)]
    yield from _ends(inputs, "live latency", "latency", latencies, [f"{each} s" for each in latencies], lever=True)
    if not inputs.ladder:
        rates = [inputs.bitrate * share for share in (0.75, 1.25)]
        words = [format_quantity(round(rate), "rate") for rate in rates]
        yield from _ends(inputs, "bitrate", "bitrate", rates, words, lever=True)
    for what, field, values, unit in (
        ("maximum number of neighbours", "policy.maxPeers", (12, 50), ""),
        ("high-demand window", "policy.highDemandTimeWindow", (8.0, 15.0), " s"),
    ):
        changed = [_changed(inputs, field, value) for value in values]
        yield from _ends(inputs, what, "changes", changed, [f"{value:g}{unit}" for value in values], lever=True)
    yield from _ends(inputs, "relays", "relay", (0.0, 1.0), ("none", "for all pairs"), lever=True)


def _changed(inputs: Inputs, field: str, value: Any) -> dict[str, Any]:
    if inputs.scenario == inputs.scenario.replace({field: value}):
        return dict(inputs.changes)
    return {**inputs.changes, field: value}


def _circumstances(inputs: Inputs) -> Iterator[Variant]:
    """Yield variants of the viewers' links, NATs and viewing times."""
    yield from _ends(inputs, "share of the uplink used", "lent", (0.25, 1.0), ("25 %", "100 %"))
    yield from _ends(inputs, "NAT", "nat", ("mobile", "fixed"), ("mobile", "fixed"))
    if not inputs.access:
        shares = [min(1.0, max(0.0, round(inputs.mobile + step, 4))) for step in (-0.2, 0.2)]
        yield from _ends(inputs, "mobile viewers", "mobile", shares, [format_value(share, "share") for share in shares])
    times = [inputs.viewing / 2, inputs.viewing * 2]
    yield from _ends(inputs, "viewing time", "viewing", times, [f"{time / 60:.0f} min" for time in times])


def _audience(inputs: Inputs) -> Iterator[Variant]:
    """Yield variants of the number of viewers; a smaller audience is a smaller swarm."""
    for end, factor in (("low", 1 / 3), ("high", 3.0)):
        other = _resized(inputs.audience, factor)
        yield Variant(
            what="viewers", end=end, setting=f"{other.peak:,.0f}", inputs=inputs.changed(audience=other), how=RESIZED
        )


def _resized(audience: Audience, factor: float) -> Audience:
    return replace(audience, viewers=tuple(each * factor for each in audience.viewers))


def _prices(inputs: Inputs) -> Iterator[Variant]:
    """Yield variants of the prices."""
    for what, name in _PRICES:
        price = getattr(inputs.tariff, name)
        for end, factor in (("low", 0.5), ("high", 2.0)):
            tariff = replace(inputs.tariff, **{name: price * factor})
            yield Variant(
                what=what, end=end, setting=f"${price * factor:g}", inputs=inputs.changed(tariff=tariff), how=PRICED
            )
