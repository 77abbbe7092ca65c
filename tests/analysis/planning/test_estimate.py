"""Scaling held to arithmetic: traffic are made up, so what must come out is known."""

from dataclasses import replace

import numpy as np
import pytest

from p2psim.analysis.planning.audience import Audience, constant, event
from p2psim.analysis.planning.estimate import SimulatedPlan, estimates, scaled
from p2psim.analysis.planning.inputs import PlanInputs, read_inputs
from p2psim.analysis.planning.sampling import Traffic

RATE = 625_000.0  # bytes/s of each viewer


def _traffic(shares: list[float], viewers: float = 100.0, seconds: float = 600.0) -> Traffic:
    """Return steady traffic of which the origin sends the given share in each replication."""
    watched = np.full((len(shares), 1), viewers * seconds)
    base = watched * RATE
    origin = base * np.array(shares)[:, None]
    nothing = np.zeros_like(base)
    return Traffic(np.zeros(1), watched, origin, base - origin, nothing, base, nothing, nothing)


def _simulated(audience: Audience, shares: dict[int, list[float]]) -> SimulatedPlan:
    inputs = replace(read_inputs(PlanInputs(viewers=1, cdn_price=0.02)), audience=audience)
    return SimulatedPlan(inputs, tuple(shares), tuple(_traffic(share) for share in shares.values()), None, 0.0)


def test_a_constant_audience_is_a_product() -> None:
    found = estimates(_simulated(constant(1000), {300: [0.4, 0.4], 1000: [0.4, 0.4]}))
    assert found["origin_rate"].mean == pytest.approx(0.4 * 1000 * RATE)
    assert found["origin_saving"].mean == pytest.approx(0.6)
    # 720 h x 1000 x 0.625 MB/s x 0.02 $/GB
    assert found["base_bill"].mean == pytest.approx(720 * 3600 * 1000 * RATE / 1e9 * 0.02)
    assert found["bill"].mean == pytest.approx(0.4 * found["base_bill"].mean)
    assert found["viewers_per_gbit"].mean == pytest.approx(1e9 / 8 / (0.4 * RATE))


def test_the_interval_is_that_of_a_mean() -> None:
    # equal denominators: the jackknife of the ratio is Student's t of the shares
    from scipy import stats

    shares = [0.3, 0.4, 0.5, 0.45]
    found = estimates(_simulated(constant(100), {30: shares, 100: shares}))["origin_saving"]
    low, high = stats.t.interval(0.95, 3, 1 - np.mean(shares), stats.sem(shares))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_extrapolation_widens_by_the_last_step() -> None:
    shares = {30: [0.5, 0.5], 100: [0.4, 0.4]}
    inside = estimates(_simulated(constant(100), shares))["origin_saving"]
    beyond = estimates(_simulated(constant(5000), shares))["origin_saving"]
    assert (inside.low, inside.high) == pytest.approx((0.6, 0.6))
    assert (beyond.mean, beyond.low, beyond.high) == pytest.approx((0.6, 0.5, 0.7))


def test_the_95th_percentile_of_a_known_curve() -> None:
    # sixty bins of five minutes, two of them higher: the 95th percentile (nearest rank) leaves three out
    at = tuple(float(i * 300) for i in range(61))
    viewers = tuple(1000.0 if i == 30 else 100.0 for i in range(61))
    simulated = _simulated(Audience(name="spike", at=at, viewers=viewers), {30: [1.0, 1.0], 1000: [1.0, 1.0]})
    found, curve = estimates(simulated), scaled(simulated, np.arange(2))
    expected = np.sort(curve.origin.reshape(-1, round(300 / curve.width)).mean(axis=1))
    assert found["origin_rate_p95"].mean == pytest.approx(expected[int(np.ceil(0.95 * len(expected))) - 1])
    assert found["origin_rate_p95"].mean == pytest.approx(100 * RATE)
    assert found["origin_rate_peak"].mean > found["origin_rate_p95"].mean
    # the area under the curve: 100 viewers all the time, and a triangle of 600 s x 900 viewers
    assert curve.viewers.mean() * 18_000 == pytest.approx(100 * 18_000 + 900 * 600 / 2, rel=0.01)


@pytest.mark.parametrize("rho", [0.5, 2.0, 10.0])
def test_small_channels_save_as_a_queue_without_end_says(rho: float) -> None:
    # perfect sharing, one copy from the origin for each swarm that is not empty: 1 - (1 - e^-rho) / rho (M/G/inf)
    sizes = {n: [1.0 / n] * 2 for n in range(2, 60)}
    audience = constant(50 * rho, channels=50, zipf=0.0)
    saving = estimates(_simulated(audience, sizes))["origin_saving"].mean
    assert saving == pytest.approx(1 - (1 - np.exp(-rho)) / rho, abs=1e-6)


def test_a_viewer_alone_saves_nothing() -> None:
    assert estimates(_simulated(constant(1), {2: [0.5, 0.5]}))["origin_saving"].mean == pytest.approx(0.0)


def test_without_a_saving_the_bills_are_equal() -> None:
    found = estimates(_simulated(event("match", 5000), {100: [1.0, 1.0], 300: [1.0, 1.0]}))
    assert found["origin_saving"].mean == pytest.approx(0.0)
    assert found["bill"].mean == pytest.approx(found["base_bill"].mean)


def test_an_event_keeps_its_own_shares_corrected_for_size() -> None:
    audience = Audience(name="two", at=(0.0, 600.0), viewers=(1000.0, 1000.001))
    simulated = _simulated(audience, {10: [0.8, 0.8], 1000: [0.4, 0.4]})
    watched = np.full((2, 2), 10 * 300.0)  # ten viewers, two bins
    base = watched * RATE
    origin = base * np.array([1.0, 0.8])
    nothing = np.zeros_like(base)
    traffic = Traffic(np.array([0.0, 300.0]), watched, origin, base - origin, nothing, base, nothing, nothing)
    curve = scaled(replace(simulated, event=traffic, scale=0.01), np.arange(2))
    # ten leave 0.8, a thousand 0.4: half; the event began with 1.0 and went on with 0.8
    assert (curve.origin / curve.base).tolist() == pytest.approx([0.5, 0.4])


def test_intervals_end_where_numbers_do() -> None:
    found = estimates(_simulated(constant(100), {30: [0.01, 0.3], 100: [0.01, 0.3]}))
    assert found["origin_saving"].high == 1.0
    assert found["origin_rate"].low == 0.0
    assert found["bill"].low == 0.0
