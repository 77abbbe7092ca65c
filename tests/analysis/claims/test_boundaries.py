"""Boundaries of claims: lines whose crossings are known, and the claims themselves on a small scale."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2psim.analysis.claims.boundaries import (
    Boundary,
    boundaries_frame,
    boundary_cases,
    contradictions,
    holding_ranges,
    holding_ranges_frame,
)
from p2psim.analysis.claims.definitions import load_claims, select
from p2psim.analysis.claims.findings import Finding, status
from p2psim.analysis.claims.verdicts import Judge
from p2psim.analysis.dimensions import dimensions
from p2psim.analysis.runs import Runs
from p2psim.analysis.statistics import Interval

CLAIMS = {claim.id: claim for claim in load_claims()}
BY_NAME = {each.name: each for each in dimensions()}


def _boundary(claim: str, dimension: str, means: list[float]) -> Boundary:
    cases = boundary_cases(CLAIMS[claim], BY_NAME[dimension])
    found = []
    for case, mean in zip(cases, means, strict=True):
        interval = Interval(mean, mean - 0.001, mean + 0.001)
        found.append(Finding(case, interval, status(interval, case.low, case.high)))
    return Boundary(BY_NAME[dimension], tuple(found))


def test_crossings_of_a_line() -> None:
    ((begin, end),) = holding_ranges([0, 10], [0.0, 1.0], 0.25, 0.5)
    assert (begin, end) == pytest.approx((2.5, 5.0))
    assert holding_ranges([0, 10], [0.0, 1.0], 2.0, 3.0) == []
    assert holding_ranges([0, 10], [0.0, 1.0], -1.0, 2.0) == [(0.0, 10.0)]
    assert holding_ranges([0, 10], [0.0, 1.0], -math.inf, 0.5) == [(0.0, 5.0)]


def test_crossings_over_a_logarithm() -> None:
    ((begin, end),) = holding_ranges([1, 100], [0.0, 1.0], 0.5, 1.0, log=True)
    assert (begin, end) == pytest.approx((10.0, 100.0))


def test_a_line_that_leaves_and_comes_back_has_two_stretches() -> None:
    assert holding_ranges([0, 1, 2], [0.0, 1.0, 0.0], 0.0, 0.5) == [(0.0, 0.5), (1.5, 2.0)]


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6), st.floats(-1, 1), st.floats(0.01, 1))
def test_inside_a_stretch_the_line_is_inside(means: list[float], low: float, width: float) -> None:
    import numpy as np

    at = list(range(len(means)))
    found = holding_ranges(at, means, low, low + width)
    for place in np.linspace(0, len(means) - 1, 41).tolist():
        here = float(np.interp(place, at, means))
        within = any(begin - 1e-6 <= place <= end + 1e-6 for begin, end in found)
        if low + 1e-6 < here < low + width - 1e-6:
            assert within
        if not low - 1e-6 < here < low + width + 1e-6:
            assert not any(begin + 1e-6 < place < end - 1e-6 for begin, end in found)


def test_every_claim_is_looked_at_along_all_six_dimensions() -> None:
    assert set(BY_NAME) == {"viewers", "uplink", "nat", "latency", "churn", "mobile"}
    for claim in CLAIMS.values():
        for dimension in dimensions():
            cases = boundary_cases(claim, dimension)
            if claim.id == "C10" and dimension.name == "viewers":
                assert cases == ()  # growth over viewers cannot be seen at a number of viewers
            else:
                places = [case.at for case in cases]
                assert places == sorted(set(places))
                assert len(places) == len(dimension.values)


def test_quick_keeps_both_ends_and_the_middle() -> None:
    for whole, few in zip(dimensions(), dimensions(quick=True), strict=True):
        assert few.values[0] == whole.values[0]
        assert few.values[-1] == whole.values[-1]
        assert len(few.values) == 3


def test_places_along_a_dimension() -> None:
    nat = boundary_cases(CLAIMS["C1"], BY_NAME["nat"])
    assert nat[0].at == pytest.approx(0.09)  # restrictive: 9 % of the pairs
    assert nat[-1].at == 1.0
    assert [case.at for case in boundary_cases(CLAIMS["C1"], BY_NAME["uplink"])] == [0.5, 1.0, 2.0, 4.0, 10.0]
    assert [case.at for case in boundary_cases(CLAIMS["C13"], BY_NAME["uplink"])] == [0.5, 1.0, 2.0, 4.0, 10.0]
    assert boundary_cases(CLAIMS["C5"], BY_NAME["latency"])[0].scenario.viewers.count == 150


def test_a_boundary_in_words() -> None:
    rising = _boundary("C1", "latency", [0.0, 0.2, 0.6, 0.8, 0.9])
    # 50 % three quarters of the way from 24 to 36 s, 70 % half way from 36 to 42 s
    assert rising.text == "live latency: from about 33 s to about 39 s"
    assert _boundary("C1", "latency", [0.0] * 5).text == "live latency: nowhere from 16 s to 50 s"
    assert _boundary("C2", "latency", [9.0] * 5).text == "live latency: everywhere from 16 s to 50 s"
    assert _boundary("C12", "nat", [0.0, 0.3, 0.4, 0.5]).text.startswith(
        "pairs that their NATs let connect: up to about"
    )


def test_tables_for_figures() -> None:
    claimed = [(CLAIMS["C1"], (_boundary("C1", "latency", [0.0, 0.2, 0.6, 0.8, 0.9]),))]
    frame = boundaries_frame(claimed)
    assert frame["x"].tolist() == [16, 24, 36, 42, 50]
    assert {"value", "low", "high", "status"} <= set(frame.columns)
    drawn = holding_ranges_frame(claimed).iloc[0]
    assert drawn["begin"] == pytest.approx((33 - 16) / (50 - 16))
    assert (drawn["least"], drawn["most"]) == ("16 s", "50 s")


def test_contradictions_are_computed() -> None:
    # savings of 60 % in every world: C1, C4 and C7 all hold at their common point; at 65 % C4 does not
    def all_at(saving: float) -> list[str]:
        claimed = [
            (CLAIMS[name], (_boundary(name, "latency", [1 - saving if name in ("C5", "C7") else saving] * 5),))
            for name in ("C1", "C4", "C5", "C7")
        ]
        return contradictions(claimed)

    assert "hold together in 5 of 5 " in all_at(0.6)[-1]
    assert "hold together in none of 5 " in all_at(0.65)[-1]
    assert all_at(0.65)[-1].endswith("the largest set that holds in one scenario: C1, C7.")
    assert "Only a saving of exactly 60 % lies in C1 and C5, C4 and C5, C4 and C7, C5 and C7." in all_at(0.6)


def test_claims_that_share_no_saving_exclude_each_other() -> None:
    high = replace(CLAIMS["C7"], saving=(0.8, 0.9))
    assert contradictions([(CLAIMS["C4"], ()), (high, ())]) == [
        "C4 and C7 are mutually exclusive: no saving lies in both ranges."
    ]


def test_a_judge_finds_the_boundary_of_a_claim() -> None:
    (claim,) = select(load_claims(), ["C12"])
    latency = replace(BY_NAME["latency"], values=("16 s", "36 s"))
    small = replace(
        claim, around={"stream.live_latency": "36 s", "duration": "100 s", "viewers.count": 20, "warmup": "40 s"}
    )
    judge = Judge(Runs(1), 1, 2, (), [latency])
    (found,) = tuple(judge._boundaries(small))
    # 16 s behind nothing is outside the loader's 15 s over HTTP; 36 s behind more than 20 % comes from peers
    assert [each.status for each in found.findings] == ["inside", "above"]
    assert found.text.startswith("live latency: up to about")
