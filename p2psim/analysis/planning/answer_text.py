"""Tables of a plan as formatted text."""

import math

from p2psim.analysis.formatting import format_interval, format_value
from p2psim.analysis.planning.result import Plan
from p2psim.analysis.statistics import Interval

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
    ("money saved", "bill_saved", "money"),
    ("share of the bill saved", "bill_saving", "share"),
)


def number_rows(plan: Plan) -> list[list[str]]:
    """Return rows: number, value without sharing, with sharing, 95 % interval."""
    numbers = plan.numbers
    rows = [
        [
            text,
            format_value(numbers[base].mean, unit),
            format_value(numbers[shared].mean, unit),
            _ends(numbers[shared], unit),
        ]
        for text, base, shared, unit in _BESIDE
    ]
    rows += [
        [text, "", format_value(numbers[name].mean, unit), _ends(numbers[name], unit)] for text, name, unit in _ALONE
    ]
    return [*rows, *_break_even_rows(plan)]


def sensitivity_rows(plan: Plan) -> list[list[str]]:
    """Return rows: input and value, kind of input, saving with its interval, bill, time stalled."""
    rows = []
    for row in plan.sensitivities.to_dict("records"):
        saving = Interval(row["saving"], row["low"], row["high"])
        kind = "choice" if row["lever"] else "circumstance"
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


def _break_even_rows(plan: Plan) -> list[list[str]]:
    price, fee = plan.numbers["break_even_price"], plan.numbers["break_even_fee"]
    unit = "Mbit/s" if plan.inputs.tariff.cdn_mbit else "GB"
    if math.isinf(price.mean):
        pays = "at no price"
    else:
        pays = f"above {format_value(price.mean, 'price')} per {unit}" if price.mean > 0 else "at any price"
    most = f"up to {format_value(fee.mean, 'price')}" if fee.mean > 0 else "at none"
    return [
        ["CDN price at which sharing pays", "", pays, _ends(price, "price") if price.mean else ""],
        ["fee per viewer-hour at which sharing pays", "", most, _ends(fee, "price")],
    ]


def _ends(interval: Interval, unit: str) -> str:
    text = format_interval(interval, unit)
    return text.partition("(")[2].removesuffix(")") if "(" in text else ""
