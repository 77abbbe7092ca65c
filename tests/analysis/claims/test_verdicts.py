"""Verdicts from given intervals."""

import math
from dataclasses import replace
from typing import Any

import pytest

from p2psim.analysis.claims.definitions import Case, Claim, Vary
from p2psim.analysis.claims.findings import Finding, status
from p2psim.analysis.claims.verdicts import ClaimResult, decide
from p2psim.analysis.statistics import Interval
from p2psim.scenario import Scenario

CASE = Case(label="plain", scenario=Scenario(), metric="p2p_ratio", low=0.5, high=0.7)
VARY = Vary(what="live latency", field="stream.live_latency", values=("8 s", "24 s", "40 s"))


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (Interval(0.6, 0.5, 0.7), "inside"),
        (Interval(0.6, 0.49, 0.69), "inconclusive"),
        (Interval(0.6, 0.51, 0.71), "inconclusive"),
        (Interval(0.6, 0.4, 0.9), "inconclusive"),
        (Interval(0.4, 0.3, 0.49), "below"),
        (Interval(0.8, 0.71, 0.9), "above"),
        (Interval(0.6), "inside"),
        (Interval(0.4), "below"),
        (Interval(math.nan), "no data"),
    ],
)
def test_status(interval: Interval, expected: str) -> None:
    assert status(interval, 0.5, 0.7) == expected


def finding(mean: float, label: str = "plain", at: float = math.nan, half: float = 0.01) -> Finding:
    interval = Interval(mean, mean - half, mean + half)
    case = replace(CASE, label=label, at=at)
    return Finding(case, interval, status(interval, case.low, case.high))


def claim(**more: Any) -> Claim:
    return Claim(id="X", statement="words", cases=(CASE,), **more)


def test_all_inside_holds_and_all_outside_fails() -> None:
    assert decide(claim(), [finding(0.6), finding(0.55)]) == ("holds", "")
    assert decide(claim(), [finding(0.1), finding(0.9)]) == ("fails", "")


def test_with_some_cases_inside_it_holds_only_there() -> None:
    findings = [finding(0.6, "few"), finding(0.1, "many"), finding(0.65, "none")]
    assert decide(claim(), findings) == ("holds only if", "few; or none")
    assert decide(claim(kind="readings"), findings) == ("holds only if", "read as: few; or none")


def test_an_interval_that_contains_a_bound_is_inconclusive() -> None:
    assert decide(claim(), [finding(0.5), finding(0.1)]) == ("holds only if", "more replications confirm it: plain")


def test_cases_without_data_do_not_count() -> None:
    assert decide(claim(), [finding(0.6), finding(math.nan)]) == ("holds", "")
    assert decide(claim(), [finding(math.nan)]) == ("fails", "")


@pytest.mark.parametrize(
    ("means", "condition"),
    [
        ((0.0, 0.4, 0.6), "live latency is at least about 32 s"),
        ((0.6, 0.4, 0.0), "live latency is at most about 16 s"),
        ((0.0, 0.4, 0.9), "live latency is about 27.2 s to 33.6 s"),
        ((0.6, 0.8, 0.6), "live latency is at most about 16 s; or live latency is at least about 32 s"),
    ],
)
def test_a_varied_field_gives_a_condition(means: tuple[float, ...], condition: str) -> None:
    findings = [finding(mean, at=at) for mean, at in zip(means, (8.0, 24.0, 40.0), strict=True)]
    assert decide(claim(vary=VARY), findings) == ("holds only if", condition)


def test_other_cases_besides_a_varied_field_are_exceptions() -> None:
    findings = [finding(mean, at=at) for mean, at in ((0.0, 8.0), (0.6, 24.0))]
    more = [finding(0.2, "at night"), finding(0.6, "by day"), finding(0.9, "in rain")]
    _, condition = decide(claim(vary=VARY), findings + more)
    assert condition == "live latency is at least about 21.3 s; but not: at night; nor: in rain"


def test_counts_are_whole() -> None:
    vary = Vary(what="viewers", field="viewers.count", values=(2, 10))
    findings = [finding(mean, at=at) for mean, at in ((0.1, 2.0), (0.6, 10.0))]
    assert decide(claim(vary=vary), findings) == ("holds only if", "viewers are at least about 9")


def test_a_varied_field_without_any_region_fails() -> None:
    findings = [finding(mean, at=at) for mean, at in ((0.1, 8.0), (0.2, 24.0), (0.3, 40.0))]
    assert decide(claim(vary=VARY), findings) == ("fails", "")


def test_a_result_has_a_text_and_json() -> None:
    result = ClaimResult(claim(), (finding(0.6),), "holds only if", "it rains")
    assert result.text == "holds only if it rains"
    plain = result.to_dict()
    assert plain["verdict"] == "holds only if"
    assert plain["found"]["mean"] == 0.6
    assert plain["claimed"] == {"low": 0.5, "high": 0.7}
    assert [case["status"] for case in plain["cases"]] == ["inside"]


@pytest.mark.parametrize(
    ("vary", "at", "condition"),
    [
        (Vary(what="uplink", field="access.uplink", values=("2 Mbit/s", "4 Mbit/s")), (250e3, 5e5), "3.67 Mbit/s"),
        (Vary(what="crashing", field="viewers.crash_share", values=("10 %", "40 %")), (0.1, 0.4), "35 %"),
        (Vary(what="spread", field="access.spread", values=(0.0, 3.0)), (0.0, 3.0), "2.5"),
        (Vary(what="window", field="network.window", values=("60 kB", "120 kB")), (60e3, 120e3), "110 kB"),
    ],
)
def test_a_varied_field_is_worded_in_its_own_unit(vary: Vary, at: tuple[float, float], condition: str) -> None:
    found = [finding(mean, at=place) for mean, place in zip((0.0, 0.6), at, strict=True)]
    assert decide(claim(vary=vary), found) == ("holds only if", f"{vary.what} is at least about {condition}")
