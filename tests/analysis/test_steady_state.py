"""Warm-up detection and batch means against definitions, exact cases and known truths."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from p2psim.analysis.steady_state import SERIES, batch_means, mser5, series, welch
from p2psim.errors import InputError
from p2psim.rng import stream


def by_definition(values: NDArray[np.float64]) -> float:
    """MSER-5 as it is written down: for each d, the variance of the rest over the square of its length."""
    means = [float(np.mean(values[i : i + 5])) for i in range(0, len(values) - 4, 5)]
    n = len(means)
    statistic = [sum((m - np.mean(means[d:])) ** 2 for m in means[d:]) / (n - d) ** 2 for d in range(n - 5)]
    best = min(range(n - 5), key=statistic.__getitem__)
    return math.nan if best > n // 2 else 5.0 * best


def ar1(n: int, start: float, rng: np.random.Generator, rho: float = 0.9) -> NDArray[np.float64]:
    """A series that forgets its start: mean 0 in its steady state."""
    found = np.empty(n)
    at = start
    for i, noise in enumerate(rng.normal(0, 1, n)):
        at = rho * at + noise
        found[i] = at
    return found


@pytest.mark.parametrize("level", [0.0, 1 / 3, 1e6])
def test_a_step_is_cut_where_it_is(level: float) -> None:
    assert mser5(np.concatenate([np.full(60, level + 5.0), np.full(340, level)])) == 60


@given(st.integers(50, 300), st.floats(0, 30), st.integers(0, 10_000))
def test_it_is_its_definition(n: int, start: float, seed: int) -> None:
    values = ar1(n, start, stream(seed, "ar1"))
    assert mser5(values) == pytest.approx(by_definition(values), nan_ok=True)


def test_cutting_removes_the_bias_of_the_start() -> None:
    """AR(1), rho 0.9, from 30: the mean of 500 is biased by 30 * 0.9 / (1 - 0.9) / 500 = 0.54 in expectation."""
    plain, cut = [], []
    for seed in range(100):
        values = ar1(500, 30.0, stream(seed, "bias"))
        after = mser5(values)
        if math.isnan(after):  # a late stretch that is quiet by chance
            continue
        assert after >= 15  # 30 * 0.9**15 = 6.2 is far above the standard deviation, 2.3
        plain.append(values.mean())
        cut.append(values[int(after) :].mean())
    assert len(cut) > 80
    assert np.mean(plain) == pytest.approx(0.54, abs=0.15)
    assert abs(np.mean(cut)) < 0.12


def test_a_run_that_never_settles_says_so() -> None:
    assert math.isnan(mser5(np.linspace(0, 1, 400)))
    assert math.isnan(mser5([1.0] * 20))


def test_batch_means_cover_a_correlated_mean_where_single_values_do_not() -> None:
    hits, naive, independent = 0, 0, 0
    for seed in range(300):
        values = ar1(4000, 0.0, stream(seed, "batches")) + 10
        found = batch_means(values.tolist(), [1.0] * len(values), 20)
        hits += found.interval.low <= 10 <= found.interval.high
        independent += found.are_independent
        half = 1.96 * values.std() / math.sqrt(len(values))
        naive += abs(values.mean() - 10) <= half
    assert hits / 300 == pytest.approx(0.94, abs=0.035)
    assert naive / 300 < 0.5
    assert independent / 300 > 0.85


def test_batches_that_are_too_short_are_told() -> None:
    values = ar1(200, 0.0, stream(1, "short"), rho=0.98)
    assert not batch_means(values.tolist(), [1.0] * 200, 20).are_independent
    for batches in (2, 150):
        with pytest.raises(InputError, match="batches"):
            batch_means(values.tolist(), [1.0] * 200, batches)


def line() -> pd.DataFrame:
    one = {"at": [0.0, 1.0, 2.0], "viewers": [1, 2, 2], "stalled": [0, 1, 0], "peers": [0.0, 1.0, 2.0]}
    flows = {"http": [4.0, 2.0, 1.0], "p2p": [0.0, 2.0, 3.0], "origin": [4.0, 2.0, 1.0]}
    table = pd.DataFrame(one | flows)
    return pd.concat([table.assign(replication=0), table.assign(replication=1)], ignore_index=True)


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("p2p_ratio", [0, 0.5, 0.75]),
        ("origin_rate", [4, 2, 1]),
        ("stall_ratio", [0, 0.5, 0]),
        ("peers", [0, 1, 2]),
        ("viewers", [1, 2, 2]),
    ],
)
def test_series_are_ratios_of_sums_over_replications(quantity: str, expected: list[float]) -> None:
    over, under = series(line(), quantity)
    assert (over / under).to_list() == pytest.approx(expected)
    assert quantity in SERIES


def test_an_unknown_quantity_is_refused() -> None:
    with pytest.raises(InputError, match="p2p_ratio"):
        series(line(), "speed")


def test_welch_smooths_with_a_centred_window() -> None:
    found = welch(line(), "viewers", window=2.0)
    assert found["smooth"].to_list() == pytest.approx([1.5, 5 / 3, 2.0])
