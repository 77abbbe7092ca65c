"""Random streams: the golden value of the generator, and the independence of streams."""

import numpy as np
import pytest

from p2psim.rng import constant_streams, kernel_streams, stream, uniform


def test_golden_value_of_mrg32k3a() -> None:
    # L'Ecuyer's own RngStreams starts all six words at 12345 and prints this first.
    states = np.full((1, 6), 12345, np.int64)
    assert uniform(states, 0) == pytest.approx(0.127011122046577, abs=1e-15)


def reference(state: list[int], count: int) -> list[float]:
    """Return draws of MRG32k3a, computed from its recurrence with Python's integers."""
    m1, m2 = 2**32 - 209, 2**32 - 22853
    s, found = list(state), []
    for _ in range(count):
        s[:3] = [s[1], s[2], (1403580 * s[1] - 810728 * s[0]) % m1]
        s[3:] = [s[4], s[5], (527612 * s[5] - 1370589 * s[3]) % m2]
        found.append((s[2] - s[5]) % m1 * (1 / (m1 + 1)))
    return found


def test_compiled_sequence_is_that_of_unbounded_integers() -> None:
    states = kernel_streams(7, 3, "loader")
    expected = reference([int(word) for word in states[1]], 5000)
    assert [uniform(states, 1) for _ in range(5000)] == expected


def test_draws_are_uniform() -> None:
    states = kernel_streams(1, 1, "x")
    draws = np.array([uniform(states, 0) for _ in range(20000)])
    assert draws.min() >= 0
    assert draws.max() < 1
    assert abs(draws.mean() - 0.5) < 4 / np.sqrt(12 * 20000)
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 4 / np.sqrt(20000)


def test_a_stream_does_not_depend_on_the_number_of_streams() -> None:
    few, many = kernel_streams(3, 5, 0, "loader"), kernel_streams(3, 500, 0, "loader")
    assert (few == many[:5]).all()


def test_streams_differ_by_row_seed_and_key() -> None:
    states = kernel_streams(3, 100, 0, "loader")
    assert len({tuple(row) for row in states.tolist()}) == 100
    for other in (
        kernel_streams(4, 100, 0, "loader"),
        kernel_streams(3, 100, 1, "loader"),
        kernel_streams(3, 100, 0, "x"),
    ):
        assert not (states == other).all(axis=1).any()


def test_states_are_valid() -> None:
    states = kernel_streams(1, 1000, "valid")
    assert (states > 0).all()
    assert (states[:, :3] < 4294967087).all()
    assert (states[:, 3:] < 4294944443).all()


def test_a_draw_changes_one_row_alone() -> None:
    states = kernel_streams(1, 3, "rows")
    before = states.copy()
    uniform(states, 1)
    assert (states[[0, 2]] == before[[0, 2]]).all()
    assert not (states[1] == before[1]).all()


@pytest.mark.parametrize("value", [0.0, 0.25, 0.5, 0.999])
def test_constant_stream(value: float) -> None:
    states = constant_streams(value, 2)
    assert [uniform(states, 1) for _ in range(3)] == pytest.approx([value] * 3, abs=1e-9)


def test_each_purpose_has_its_own_stream() -> None:
    def first(*key: object) -> float:
        return float(stream(1, *key).random())

    assert first(0, "uplink") == first(0, "uplink")
    assert len({first(0, "uplink"), first(0, "nat"), first(1, "uplink"), first("0", "uplink")}) == 4
