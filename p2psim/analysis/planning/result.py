"""A finished plan: its numbers, its tables, and what they say in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from p2psim.analysis.formatting import format_interval, format_value
from p2psim.analysis.planning.estimate import NUMBERS, Evidence, scaled
from p2psim.analysis.planning.inputs import Inputs
from p2psim.analysis.planning.tariff import Delivered
from p2psim.analysis.statistics import Interval
from p2psim.scenario import Scenario

__all__ = ["Plan", "PlanFigures"]

UNSEEN = 0.002
"""Of the time watched, more stalling than this is noticed."""
FLAT = 0.03
"""Shares that differ by no more are called the same."""


@dataclass(frozen=True)
class Plan:
    """What a plan came to; numbers by the names of `p2psim.analysis.planning.estimate.NUMBERS`."""

    inputs: Inputs
    numbers: Mapping[str, Interval]
    evidence: Evidence = field(repr=False)
    sensitivities: pd.DataFrame = field(repr=False)
    """Each input low and high (`p2psim.analysis.planning.sensitivity`), the widest first."""
    seed: int = 1

    def __getitem__(self, name: str) -> Interval:
        from p2psim.errors import one_of

        return self.numbers[one_of("number", name, self.numbers)]

    @property
    def scenario(self) -> Scenario:
        """The world in which viewers were simulated."""
        return self.inputs.scenario

    def summary(self) -> pd.DataFrame:
        """One row per number: number, text, mean, low, high, unit; rates in bytes/s, sizes in bytes."""
        rows = [
            {"number": name, "text": NUMBERS[name][0], **interval.to_dict(), "unit": NUMBERS[name][1]}
            for name, interval in self.numbers.items()
        ]
        return pd.DataFrame(rows)

    @cached_property
    def curve(self) -> pd.DataFrame:
        """The audience over time: at (s), viewers, origin, base, p2p (bytes/s)."""
        found = scaled(self.evidence, np.arange(self.evidence.replications))
        columns = {name: getattr(found, name) for name in ("at", "viewers", "origin", "base", "p2p")}
        return pd.DataFrame(columns)

    @cached_property
    def swarms(self) -> pd.DataFrame:
        """What the origin still sends by size of the swarm: size, mean, low, high (shares)."""
        return self.evidence.table()

    @cached_property
    def costs(self) -> pd.DataFrame:
        """The bill against the price of the CDN: price, without, with, low, high; up to twice the price asked about."""
        at, unit = self.inputs.tariff, "cdn_mbit" if self.inputs.tariff.cdn_mbit else "cdn_gb"
        asked = getattr(at, unit) or 0.01
        fixed = at.sharing(self._delivered("mean"))
        rows = []
        for price in np.linspace(0.0, 2 * asked, 21):
            per = price / 1e9 if unit == "cdn_gb" else price / (1e6 / 8)
            names = ("base_bytes", "origin_bytes") if unit == "cdn_gb" else ("base_rate_p95", "origin_rate_p95")
            base, used = (self.numbers[name] for name in names)
            ends = {"with": used.mean, "low": used.low, "high": used.high}
            rows.append(
                {"price": price, "without": base.mean * per} | {name: end * per + fixed for name, end in ends.items()}
            )
        return pd.DataFrame(rows)

    @property
    def answer(self) -> str:
        """Give the answer in a sentence."""
        bill, base = self.numbers["bill"].mean, self.numbers["base_bill"].mean
        saving = format_interval(self.numbers["origin_saving"], "share")
        less = f"the bill falls from {format_value(base, 'money')} to {format_value(bill, 'money')}"
        more = f"but the bill rises from {format_value(base, 'money')} to {format_value(bill, 'money')}"
        return f"Sharing saves {saving} of the origin's bytes; {less if bill <= base else more}."

    @property
    def basis(self) -> str:
        """Say what was simulated, and why it stands for the whole audience."""
        evidence, swarms = self.evidence, self.swarms
        sizes = ", ".join(f"{size:,}" for size in evidence.sizes)
        parts = [
            f"Simulated: swarms of {sizes} viewers in steady state, {evidence.replications} times each, every one with "
            "its pair without sharing (the same viewers)."
        ]
        if evidence.event is not None:
            parts.append(
                f"The event was simulated whole with one viewer for every {1 / evidence.scale:,.0f}, and corrected for "
                "the size of its swarms."
            )
        elif not self.inputs.audience.is_constant:
            parts.append("The curve is too long to be simulated whole: each moment is taken as a steady state.")
        if evidence.largest > evidence.sizes[-1] and len(swarms) > 1:
            small, large = (row["mean"] for row in swarms.to_dict("records")[-2:])
            flat = "hardly changes" if abs(large - small) <= FLAT else "still changes"
            ends = f"{evidence.sizes[-2]:,} viewers ({format_value(small, 'share')}) to {evidence.sizes[-1]:,}"
            parts.append(
                "A viewer deals with a few dozen neighbours whatever the size of the swarm: the share that the origin "
                f"still sends {flat} from {ends} ({format_value(large, 'share')}). Larger swarms "
                f"({evidence.largest:,.0f}) are taken to be like the latter; that step is added to every interval."
            )
        return " ".join(parts)

    @property
    def advice(self) -> str:
        """Say which of the operator's settings saves most, and what the answer depends on most."""
        table, saving = self.sensitivities, self.numbers["origin_saving"].mean
        smooth = table["stall_ratio"] <= self.numbers["stall_ratio"].mean + UNSEEN
        better = table[table["lever"] & smooth & (table["low"] > saving)].sort_values("change", ascending=False).head(1)
        parts = [
            f"Change first: {row['input']} {row['setting']}, which saves {format_value(row['saving'], 'share')} "
            f"instead of {format_value(saving, 'share')} of the origin's bytes."
            for row in better.to_dict("records")
        ]
        wide = table[~table["lever"]].head(1)["input"]
        parts += [f"Of what cannot be chosen, the saving depends most on: {name}." for name in wide]
        return " ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        money = {"bill", "base_bill", "bill_saved", "bill_saving", "break_even_price", "break_even_fee"}
        plain = {name: interval.to_dict() for name, interval in self.numbers.items() if name not in money}
        names = {"bill": "with", "base_bill": "without", "bill_saved": "saved", "bill_saving": "saving"}
        paid = [name for name in NUMBERS if name in money]
        bill: dict[str, Any] = {names.get(name, name): self.numbers[name].to_dict() for name in paid}
        return {
            "answer": self.answer,
            "inputs": dict(self.inputs.rows()),
            "seed": self.seed,
            "replications": self.evidence.replications,
            **plain,
            "bill": {**bill, "currency": "USD", "hours": self.inputs.seconds / 3600},
            "sensitivities": self.sensitivities.to_dict("records"),
            "swarms": self.swarms.to_dict("records"),
            "basis": self.basis,
            "advice": self.advice,
        }

    @property
    def plot(self) -> "PlanFigures":
        """Figures, for example ``plan.plot.tornado()``."""
        return PlanFigures(self)

    def _delivered(self, end: str) -> Delivered:
        names = {"origin": "origin_bytes", "p2p": "p2p_bytes", "relayed": "relay_bytes", "p95": "origin_rate_p95"}
        hours = self.inputs.audience.mean * self.inputs.seconds / 3600
        found = {key: float(getattr(self.numbers[name], end)) for key, name in names.items()}
        return Delivered(viewer_hours=hours, **found)


class PlanFigures:
    """Draws a `Plan`; each method gives the axes, and draws on `ax` where one is given."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def tornado(self, ax: Any = None) -> Any:
        """What the saving depends on, the widest first."""
        plan = self._plan
        return _draw("tornado", plan.sensitivities, ax, at=plan.numbers["origin_saving"].mean)

    def cost(self, ax: Any = None) -> Any:
        """The bill against the price of the CDN, with and without sharing."""
        tariff = self._plan.inputs.tariff
        by = "Mbit/s (95th percentile)" if tariff.cdn_mbit else "GB"
        return _draw("cost", self._plan.costs, ax, asked=tariff.cdn_mbit or tariff.cdn_gb, by=by)

    def load(self, ax: Any = None) -> Any:
        """The origin's rate over time, with and without sharing."""
        return _draw("load", self._plan.curve, ax)


def _draw(figure: str, table: Any, ax: Any, **options: Any) -> Any:
    # By name: the analysis knows no figures.
    return getattr(import_module("p2psim.plots"), figure)(table, ax=ax, **options)
