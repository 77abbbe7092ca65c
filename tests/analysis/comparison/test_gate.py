"""Checks of differences and distances against their limits."""

import math

import pytest

from p2psim.analysis.comparison.compare import COMPARED
from p2psim.analysis.comparison.distances import FEW_TRANSFERS, Distance
from p2psim.analysis.comparison.gate import GATE, LIMITS, check_difference, check_distance, read_gate
from p2psim.analysis.statistics import Interval, student
from p2psim.cli import main
from p2psim.errors import InputError

ALL = {name: limit.size for name, limit in LIMITS.items()}


def test_every_compared_metric_has_a_limit() -> None:
    assert set(COMPARED) | {"http_times", "p2p_times", "peers_over_time"} == set(LIMITS)
    assert set(GATE) <= set(LIMITS)


def test_help_names_the_gate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--help"]) == 0
    assert f"(default: {', '.join(GATE)})" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.01, 0.012, 0.008, 0.01], "agrees"),
        ([0.05, 0.051, 0.049, 0.05], "differs"),
        ([-0.05, -0.051, -0.049, -0.05], "differs"),
        ([-0.05, 0.09, -0.08, 0.05], "inconclusive"),
        ([0.05, 0.02, 0.06, 0.03], "inconclusive"),  # the mean is beyond the limit, the interval contains it
    ],
)
def test_shares_have_a_limit_in_points(values: list[float], verdict: str) -> None:
    check = check_difference("p2p_ratio", ALL, 0.7, student(values, 0.9))
    assert check.verdict == verdict
    assert check.fails is (verdict != "agrees")
    assert ((check.low > -0.03) and (check.high < 0.03)) is (verdict == "agrees")


def test_other_metrics_have_a_relative_limit() -> None:
    interval = student([10.0, 12.0, 11.0, 11.0], 0.9)
    assert check_difference("startup", ALL, 200.0, interval).verdict == "agrees"
    assert check_difference("startup", ALL, 100.0, interval).verdict == "differs"
    assert check_difference("startup", {}, 100.0, interval).fails is False, "not part of the gate"


def test_a_measured_value_of_zero() -> None:
    assert check_difference("p2p_bytes", ALL, 0.0, student([0.0, 0.0], 0.9)).verdict == "agrees"
    assert check_difference("p2p_bytes", ALL, 0.0, student([5.0, 6.0], 0.9)).verdict == "not judged"
    nothing = Interval(math.nan)
    assert check_difference("latency", ALL, math.nan, nothing).verdict == "not judged"
    assert check_difference("p2p_ratio", ALL, math.nan, nothing).fails, "without a share the gate fails"


def test_without_intervals_the_estimate_decides() -> None:
    assert check_difference("p2p_ratio", ALL, 0.5, Interval(0.02), is_estimate=True).verdict == "agrees"
    assert check_difference("p2p_ratio", ALL, 0.5, Interval(-0.04), is_estimate=True).verdict == "differs"
    assert check_difference("p2p_ratio", ALL, 0.5, Interval(0.02)).verdict == "inconclusive"


def test_distances() -> None:
    assert check_distance("p2p_times", ALL, Distance(0.2, 0.2, 0.05, FEW_TRANSFERS)).verdict == "agrees"
    assert check_distance("p2p_times", ALL, Distance(0.3, 0.3, 0.05, FEW_TRANSFERS)).fails
    few = check_distance("p2p_times", ALL, Distance(0.3, 0.3, 0.05, FEW_TRANSFERS - 1))
    assert (few.verdict, few.fails) == ("not judged", False)
    assert check_distance("p2p_times", ALL, Distance(math.nan, math.nan, math.nan, 0)).verdict == "not judged"


def test_gates_are_read() -> None:
    assert read_gate("p2p_ratio, startup=15 %,stalls=0.5") == {"p2p_ratio": 0.03, "startup": 0.15, "stalls": 0.5}


@pytest.mark.parametrize(
    ("text", "says"),
    [("speed", "accepted: p2p_ratio"), ("", "accepted:"), ("startup=x", "above 0"), ("startup=-1", "above 0")],
)
def test_gates_that_make_no_sense(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_gate(text)
