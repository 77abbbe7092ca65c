"""A finished plan: its numbers, tables, figures, and their summary in sentences."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from p2psim.analysis.formatting import format_interval, format_value, readable_table
from p2psim.analysis.planning.estimate import NUMBERS, SimulatedPlan, scaled
from p2psim.analysis.planning.inputs import Inputs
from p2psim.analysis.planning.tariff import Delivered
from p2psim.analysis.statistics import Interval
from p2psim.scenario import Scenario

__all__ = ["Plan", "PlanFigures"]

UNSEEN = 0.002
"""Increase of the stall ratio that viewers do not notice."""
FLAT = 0.03
"""Difference of shares up to which they are called equal."""


@dataclass(frozen=True)
class Plan:
    """Result of a plan; numbers by the names of `p2psim.analysis.planning.estimate.NUMBERS`."""

    inputs: Inputs
    numbers: Mapping[str, Interval]
    simulated: SimulatedPlan = field(repr=False)
    sensitivities: pd.DataFrame = field(repr=False)
    """Each input at a low and a high value (`p2psim.analysis.planning.sensitivity`), the largest change first."""
    seed: int = 1

    def __getitem__(self, name: str) -> Interval:
        from p2psim.errors import one_of

        return self.numbers[one_of("number", name, self.numbers)]

    @property
    def scenario(self) -> Scenario:
        """The simulated scenario, without its audience."""
        return self.inputs.scenario

    def summary(self, raw: bool = False) -> pd.DataFrame:
        """Return one row per number.

        Columns number, mean, low, high (its 95 % interval), unit, description; numbers have four figures. With `raw`:
        number, text, mean, low, high, unit, unrounded and in canonical units.
        """
        rows = [
            {"number": name, "text": NUMBERS[name][0], **interval.to_dict(), "unit": NUMBERS[name][1]}
            for name, interval in self.numbers.items()
        ]
        table = pd.DataFrame(rows)
        if raw:
            return table
        shown = readable_table(table.drop(columns="text"), ["mean", "low", "high"])
        return shown.assign(description=table["text"])

    @cached_property
    def curve(self) -> pd.DataFrame:
        """The audience over time: at (s), viewers, origin, base, p2p (bytes/s)."""
        curve = scaled(self.simulated, np.arange(self.simulated.replications))
        columns = {name: getattr(curve, name) for name in ("at", "viewers", "origin", "base", "p2p")}
        return pd.DataFrame(columns)

    @cached_property
    def swarms(self) -> pd.DataFrame:
        """Share of the bytes that the origin sends, by size of the swarm: size, mean, low, high."""
        return self.simulated.table()

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Bill against the price of the CDN: price, without, with, low, high; up to twice the price of the plan."""
        tariff, unit = self.inputs.tariff, "cdn_mbit" if self.inputs.tariff.cdn_mbit else "cdn_gb"
        planned = getattr(tariff, unit) or 0.01
        fixed = tariff.sharing(self._delivered("mean"))
        rows = []
        for price in np.linspace(0.0, 2 * planned, 21):
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
        """The result in a sentence."""
        bill, base = self.numbers["bill"].mean, self.numbers["base_bill"].mean
        saving = format_interval(self.numbers["origin_saving"], "share")
        less = f"the bill falls from {format_value(base, 'money')} to {format_value(bill, 'money')}"
        more = f"but the bill rises from {format_value(base, 'money')} to {format_value(bill, 'money')}"
        return f"Sharing saves {saving} of the origin's bytes; {less if bill <= base else more}."

    @property
    def basis(self) -> str:
        """Sentences that state what was simulated, and how it represents the whole audience."""
        simulated, swarms = self.simulated, self.swarms
        sizes = ", ".join(f"{size:,}" for size in simulated.sizes)
        parts = [
            f"Simulated: swarms of {sizes} viewers in steady state, {simulated.replications} replications each, with "
            "and without sharing by the same viewers."
        ]
        if simulated.event is not None:
            parts.append(
                f"The complete event was simulated with one viewer for every {1 / simulated.scale:,.0f}, and corrected "
                "for the size of its swarms."
            )
        elif not self.inputs.audience.is_constant:
            parts.append("The curve is too long to be simulated: each moment is treated as a steady state.")
        if simulated.largest > simulated.sizes[-1] and len(swarms) > 1:
            small, large = (row["mean"] for row in swarms.to_dict("records")[-2:])
            flat = "hardly changes" if abs(large - small) <= FLAT else "still changes"
            ends = f"{simulated.sizes[-2]:,} viewers ({format_value(small, 'share')}) to {simulated.sizes[-1]:,}"
            parts.append(
                "A viewer has a few dozen neighbours whatever the size of the swarm: the share of the bytes that the "
                f"origin sends {flat} from {ends} ({format_value(large, 'share')}). Larger swarms "
                f"({simulated.largest:,.0f}) are assumed to be like the latter; this step is added to every interval."
            )
        return " ".join(parts)

    @property
    def advice(self) -> str:
        """Sentences that state which choice of the operator saves most, and which circumstance matters most."""
        table, saving = self.sensitivities, self.numbers["origin_saving"].mean
        smooth = table["stall_ratio"] <= self.numbers["stall_ratio"].mean + UNSEEN
        better = table[table["lever"] & smooth & (table["low"] > saving)].sort_values("change", ascending=False).head(1)
        parts = [
            f"Change first: {row['input']} {row['setting']}, which saves {format_value(row['saving'], 'share')} "
            f"instead of {format_value(saving, 'share')} of the origin's bytes."
            for row in better.to_dict("records")
        ]
        wide = table[~table["lever"]].head(1)["input"]
        parts += [f"Among the circumstances, the saving depends most on: {name}." for name in wide]
        return " ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the values for JSON."""
        money = {"bill", "base_bill", "bill_saved", "bill_saving", "break_even_price", "break_even_fee"}
        values = {name: interval.to_dict() for name, interval in self.numbers.items() if name not in money}
        names = {"bill": "with", "base_bill": "without", "bill_saved": "saved", "bill_saving": "saving"}
        amounts = [name for name in NUMBERS if name in money]
        bill: dict[str, Any] = {names.get(name, name): self.numbers[name].to_dict() for name in amounts}
        return {
            "answer": self.answer,
            "inputs": dict(self.inputs.rows()),
            "seed": self.seed,
            "replications": self.simulated.replications,
            **values,
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
        amounts = {key: float(getattr(self.numbers[name], end)) for key, name in names.items()}
        return Delivered(viewer_hours=hours, **amounts)


class PlanFigures:
    """Figures of a `Plan`; each method draws on `ax`, or on new axes, and returns the axes."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def tornado(self, ax: Any = None) -> Any:
        """Draw the sensitivity of the saving to each input, the largest change first."""
        plan = self._plan
        return _draw("tornado", plan.sensitivities, ax, at=plan.numbers["origin_saving"].mean)

    def cost(self, ax: Any = None) -> Any:
        """Draw the bill against the price of the CDN, with and without sharing."""
        tariff = self._plan.inputs.tariff
        by = "Mbit/s (95th percentile)" if tariff.cdn_mbit else "GB"
        return _draw("cost", self._plan.costs, ax, planned=tariff.cdn_mbit or tariff.cdn_gb, by=by)

    def load(self, ax: Any = None) -> Any:
        """Draw the rate of the origin over time, with and without sharing."""
        return _draw("load", self._plan.curve, ax)


def _draw(figure: str, table: Any, ax: Any, **options: Any) -> Any:
    # Imported by name, because the analysis must not depend on the plots.
    return getattr(import_module("p2psim.plots"), figure)(table, ax=ax, **options)
