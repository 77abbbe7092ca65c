"""Rows of a plan's tables in units that people read."""

import math
from typing import TYPE_CHECKING

from p2psim.analysis.formatting import say, say_interval
from p2psim.analysis.statistics import Interval

if TYPE_CHECKING:
    from p2psim.analysis.planning.result import Plan

__all__ = ["number_rows", "sensitivity_rows"]

_BESIDE = (
    ("mean rate of the origin", "base_rate", "origin_rate", "rate"),
    ("highest 5-minute rate of the origin", "base_rate_peak", "origin_rate_peak", "rate"),
    ("95th percentile rate of the origin", "base_rate_p95", "origin_rate_p95", "rate"),
    ("bytes of the origin in the billed time", "base_bytes", "origin_bytes", "size"),
    ("share of the viewing time stalled", "base_stall_ratio", "stall_ratio", "share"),
    ("bill", "base_bill", "bill", "money"),
)
_ALONE = (
    ("share of the origin's bytes saved", "origin_saving", "share"),
    ("share of the 95th percentile rate saved", "origin_saving_p95", "share"),
    ("share of media bytes from peers", "p2p_ratio", "share"),
    ("bytes from peers in the billed time", "p2p_bytes", "size"),
    ("bytes through TURN relays in the billed time", "relay_bytes", "size"),
    ("viewers per Gbit/s of the origin", "viewers_per_gbit", "number"),
    ("dollars saved", "bill_saved", "money"),
    ("share of the bill saved", "bill_saving", "share"),
)


def number_rows(plan: "Plan") -> list[list[str]]:
    """Return rows: number, without sharing, with sharing, 95 % interval."""
    found = plan.numbers
    rows = [
        [text, say(found[base].mean, unit), say(found[with_].mean, unit), _ends(found[with_], unit)]
        for text, base, with_, unit in _BESIDE
    ]
    rows += [[text, "", say(found[name].mean, unit), _ends(found[name], unit)] for text, name, unit in _ALONE]
    return [*rows, *_break_even_rows(plan)]


def sensitivity_rows(plan: "Plan") -> list[list[str]]:
    """Return rows: input and its value, kind, saving with its interval, bill, time stalled."""
    rows = []
    for row in plan.sensitivities.to_dict("records"):
        saving = Interval(row["saving"], row["low"], row["high"])
        kind = "setting" if row["lever"] else "circumstance"
        rows.append(
            [
                f"{row['input']}: {row['setting']}",
                kind,
                say_interval(saving, "share"),
                say(row["bill"], "money"),
                say(row["stall_ratio"], "share"),
            ]
        )
    return rows


def _break_even_rows(plan: "Plan") -> list[list[str]]:
    price, fee = plan.numbers["break_even_price"], plan.numbers["break_even_fee"]
    unit = "Mbit/s" if plan.inputs.tariff.cdn_mbit else "GB"
    if math.isinf(price.mean):
        pays = "at no price"
    else:
        pays = f"above {say(price.mean, 'price')} per {unit}" if price.mean > 0 else "at any price"
    most = f"up to {say(fee.mean, 'price')}" if fee.mean > 0 else "at none"
    return [
        ["CDN price at which sharing pays", "", pays, _ends(price, "price") if price.mean else ""],
        ["fee per viewer-hour at which sharing pays", "", most, _ends(fee, "price")],
    ]


def _ends(interval: Interval, unit: str) -> str:
    text = say_interval(interval, unit)
    return text.partition("(")[2].removesuffix(")") if "(" in text else ""
