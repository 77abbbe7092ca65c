"""Plans from end to end, small ones: held to bounds that no plan can break."""

import json
from dataclasses import FrozenInstanceError
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from p2psim import plan
from p2psim.analysis.planning import Effort, Plan, PlanInputs, make_plan, read_inputs
from p2psim.analysis.planning.sampling import Sampler
from p2psim.analysis.runs import Runs
from p2psim.errors import InputError

TINY = Effort(replications=2, window=60.0, largest=20, event=20_000.0, variants=2, reference=8)


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs(1)


@pytest.fixture(scope="module")
def made(runs: Runs) -> Plan:
    return make_plan(read_inputs(PlanInputs(viewers=200, country="usa", latency="40 s", cdn_price=0.02)), runs, 1, TINY)


@pytest.mark.slow
def test_no_plan_saves_more_than_capacity_allows(made: Plan) -> None:
    # min(1 - 1/N, mean lent uplink / bitrate): 17.3 Mbit/s in the median, half of it lent, sigma 0.3
    bound = min(1 - 1 / 200, 0.5 * 17.3 / 5 * np.exp(0.3**2 / 2))
    assert 0.2 < made["origin_saving"].mean <= bound


def test_without_peer_to_peer_nothing_is_saved(runs: Runs) -> None:
    inputs = read_inputs(PlanInputs(viewers=20, changes={"policy.name": "http-only"}))
    sampler = Sampler(runs, 1, TINY)
    flows = sampler.steady(inputs, 20, 2, 30)
    assert (flows.origin == flows.base).all()
    assert flows.p2p.sum() == 0


@pytest.mark.slow
def test_more_uplink_never_costs_the_same_viewers_more(runs: Runs) -> None:
    # common random numbers: the viewers are the same, only what they lend differs
    sampler, left = Sampler(runs, 1, TINY), []
    for lent in (0.0, 0.05, 0.3, 1.0):
        flows = sampler.steady(read_inputs(PlanInputs(viewers=20, country="usa", latency="40 s", lent=lent)), 20, 2, 30)
        left.append(float(flows.origin.sum() / flows.base.sum()))
    # nothing is shared; the loader with peers fetches less far ahead over HTTP, so those who leave waste less
    assert left[0] == pytest.approx(1.0, abs=0.1)
    # over uplinks of a twentieth hardly a segment arrives in time: what is saved there is less than chance makes
    assert all(more <= less + 0.02 for less, more in pairwise(left))
    assert left[-1] < 0.8


@pytest.mark.slow
def test_rates_bills_and_tables_agree(made: Plan) -> None:
    rate, saving, base = (made[name].mean for name in ("origin_rate", "origin_saving", "base_rate"))
    assert rate == pytest.approx((1 - saving) * base)
    assert base == pytest.approx(200 * 625_000, rel=0.2)
    assert made["bill"].mean == pytest.approx(rate * 720 * 3600 / 1e9 * 0.02)
    assert made.costs["with"].iloc[10] == pytest.approx(made["bill"].mean)
    assert set(made.summary()["number"]) == set(made.numbers)
    shown: Any = made.summary().set_index("number")
    raw: Any = made.summary(raw=True).set_index("number")
    assert list(shown.columns) == ["mean", "low", "high", "unit", "description"]
    assert shown.loc["origin_rate", "unit"] == "Mbit/s"
    assert shown.loc["origin_rate", "mean"] == pytest.approx(8e-6 * raw.loc["origin_rate", "mean"], rel=1e-3)
    assert raw.loc["origin_rate", "mean"] == rate
    assert len(made.swarms) == len(made.simulated.sizes)


@pytest.mark.slow
def test_sensitivities_are_sorted_and_name_the_latency(made: Plan) -> None:
    table = made.sensitivities
    widths = [table.loc[table["input"] == name, "change"].abs().max() for name in dict.fromkeys(table["input"])]
    assert widths == pytest.approx(sorted(widths, reverse=True), abs=1e-3)
    latency = table[table["input"] == "live latency"].set_index("end")["saving"]
    assert latency["low"] < made["origin_saving"].mean
    price = table[table["input"] == "price of the CDN"].set_index("end")
    assert price.loc["high", "bill"] == pytest.approx(2 * made["bill"].mean)


@pytest.mark.slow
def test_json_is_plain_and_has_its_names(made: Plan) -> None:
    found = json.loads(json.dumps(made.to_dict(), default=float))
    for name in ("origin_rate", "origin_saving"):
        assert set(found[name]) == {"mean", "low", "high"}
    assert set(found["bill"]) >= {"with", "without", "saved", "currency"}


def test_it_says_what_was_simulated_and_what_to_do(made: Plan) -> None:
    assert "of the origin's bytes" in made.answer
    assert "10, 20 viewers in steady state" in made.basis
    assert "Larger swarms (200)" in made.basis
    assert "depends most on" in made.advice


def test_it_cannot_be_changed_and_refuses_what_it_has_not(made: Plan) -> None:
    with pytest.raises(FrozenInstanceError):
        made.seed = 2  # type: ignore[misc]
    with pytest.raises(InputError, match="did you mean 'origin_rate'"):
        made["orign_rate"]


def test_its_figures_are_drawn(made: Plan) -> None:
    assert "depends on" in made.plot.tornado().get_title(loc="left")
    assert "bill" in made.plot.cost().get_ylabel()
    assert "rate of the origin" in made.plot.load().get_ylabel()


def test_an_event_is_simulated_whole(runs: Runs, tmp_path: object) -> None:
    inputs = read_inputs(PlanInputs(viewers=2000, event="match", cdn_price=0.02))
    short = Effort(replications=2, window=60.0, largest=30, event=500_000.0, variants=2, reference=8)
    sampler = Sampler(runs, 1, short)
    assert 0.01 < sampler.event_scale(inputs) < 0.1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"viewer": 10}, "input = 'viewer': did you mean 'viewers'"),
        ({"viewers": 10, "latencey": 3}, "did you mean 'latency'"),
        ({"viewers": 10, "replications": 1}, "replications = 1: 2 to 1000"),
        ({"viewers": 10, "jobs": 1, "session": Runs(1)}, "jobs, session: one of them is accepted"),
    ],
)
def test_a_misspelt_argument_is_answered_with_the_right_one(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(**given, progress=False)  # type: ignore[arg-type]
