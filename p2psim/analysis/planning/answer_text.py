"""The tables of a plan as people read them."""

import math
from typing import TYPE_CHECKING

from p2psim.analysis.formatting import format_interval, format_value
from p2psim.analysis.statistics import Interval

if TYPE_CHECKING:
    from p2psim.analysis.planning.result import Plan

__all__ = ["number_rows", "sensitivity_rows"]

_BESIDE = (
    ("mean rate of the origin", "base_rate", "origin_rate", "rate"),
    ("highest five minutes", "base_rate_peak", "origin_rate_peak", "rate"),
    ("95th percentile", "base_rate_p95", "origin_rate_p95", "rate"),
    ("bytes of the origin", "base_bytes", "origin_bytes", "size"),
    ("time stalled", "base_stall_ratio", "stall_ratio", "share"),
    ("bill", "base_bill", "bill", "money"),
)
_ALONE = (
    ("origin's bytes saved", "origin_saving", "share"),
    ("95th percentile saved", "origin_saving_p95", "share"),
    ("share received from peers", "p2p_ratio", "share"),
    ("bytes from peers", "p2p_bytes", "size"),
    ("bytes through relays", "relay_bytes", "size"),
    ("viewers for each Gbit/s of the origin", "viewers_per_gbit", "number"),
    ("dollars saved", "bill_saved", "money"),
    ("share of the bill saved", "bill_saving", "share"),
)


def number_rows(plan: "Plan") -> list[list[str]]:
    """Give rows: what, without sharing, with sharing, 95 % interval."""
    found = plan.numbers
    rows = [
        [text, format_value(found[base].mean, unit), format_value(found[with_].mean, unit), _ends(found[with_], unit)]
        for text, base, with_, unit in _BESIDE
    ]
    rows += [[text, "", format_value(found[name].mean, unit), _ends(found[name], unit)] for text, name, unit in _ALONE]
    return [*rows, *_break_even_rows(plan)]


def sensitivity_rows(plan: "Plan") -> list[list[str]]:
    """Give rows: input and setting, saving with its interval, bill, time stalled."""
    rows = []
    for row in plan.sensitivities.to_dict("records"):
        saving = Interval(row["saving"], row["low"], row["high"])
        kind = "setting" if row["lever"] else "circumstance"
        rows.append(
            [
                f"{row['input']}: {row['setting']}",
                kind,
                format_interval(saving, "share"),
                format_value(row["bill"], "money"),
                format_value(row["stall_ratio"], "share"),
            ]
        )
    return rows


def _break_even_rows(plan: "Plan") -> list[list[str]]:
    price, fee = plan.numbers["break_even_price"], plan.numbers["break_even_fee"]
    unit = "Mbit/s" if plan.inputs.tariff.cdn_mbit else "GB"
    if math.isinf(price.mean):
        pays = "at no price"
    else:
        pays = f"above {format_value(price.mean, 'price')} per {unit}" if price.mean > 0 else "at any price"
    most = f"up to {format_value(fee.mean, 'price')}" if fee.mean > 0 else "at none"
    return [
        ["sharing pays at a price of the CDN", "", pays, _ends(price, "price") if price.mean else ""],
        ["sharing pays at a fee for a viewer-hour", "", most, _ends(fee, "price")],
    ]


def _ends(interval: Interval, unit: str) -> str:
    text = format_interval(interval, unit)
    return text.partition("(")[2].removesuffix(")") if "(" in text else ""
