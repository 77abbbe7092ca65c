"""Report of a capacity plan: the answer, the numbers, figures, the sensitivity to each input, and the method."""

from pathlib import Path

from p2psim import plots
from p2psim.analysis.planning import Plan
from p2psim.analysis.planning.answer_text import number_rows, sensitivity_rows
from p2psim.report.html import answer, figure, heading, page, paragraph, provenance, table

__all__ = ["write_plan"]


def write_plan(folder: str | Path, plan: Plan) -> Path:
    """Write report.html and the tables as CSV files, and return the path of the report."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    tables = {"plan": plan.summary(raw=True), "curve": plan.curve, "sensitivities": plan.sensitivities}
    for name, frame in {**tables, "swarms": plan.swarms, "costs": plan.costs}.items():
        frame.to_csv(target / f"{name}.csv", index=False)
    (target / "scenario.toml").write_text(plan.scenario.to_toml(), encoding="utf-8")
    path = target / "report.html"
    path.write_text(page("Capacity plan", _parts(plan)), encoding="utf-8")
    return path


def _parts(plan: Plan) -> list[str]:
    tornado, ax = plots.sheet(7.4, 0.36 * plan.sensitivities["input"].nunique() + 1.6)
    plan.plot.tornado(ax)
    cost, ax = plots.sheet(6.4, 3.4)
    plan.plot.cost(ax)
    parts = [
        answer(plan.answer),
        paragraph(plan.advice),
        table(["number", "without sharing", "with sharing", "95 % interval"], number_rows(plan)),
        heading("What to change first"),
        figure(tornado, "Saving if one input is lower or higher, all else equal; thin lines are 95 % intervals"),
        table(
            ["input at this value", "kind", "origin's bytes saved (95 % interval)", "bill", "time stalled"],
            sensitivity_rows(plan),
        ),
        heading("Cost"),
        figure(cost, "Bill against the price of the CDN"),
    ]
    if len(plan.curve) > 1:
        load, ax = plots.sheet(6.4, 3.4)
        plan.plot.load(ax)
        parts += [heading("Over time"), figure(load, "Rate of the origin with and without sharing, five-minute means")]
    return [
        *parts,
        heading("Inputs"),
        table(["input", "value"], plan.inputs.rows()),
        heading("Method"),
        paragraph(plan.basis),
        *provenance(plan.scenario, plan.seed, plan.simulated.replications),
    ]
