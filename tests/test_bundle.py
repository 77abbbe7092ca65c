"""Bundles: what compiled code reads is what Python put in."""

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest

from p2psim.bundle import Bundle
from p2psim.compiled import entry

ROW = np.dtype([("x", "f8"), ("n", "i4")])


class Inner(Bundle):
    values: np.ndarray
    weight: float


class Outer(Bundle):
    inner: Inner
    rows: Any
    count: int
    live: bool


def example() -> Outer:
    rows = np.zeros((2, 3), ROW).view(np.recarray)
    return Outer(inner=Inner(values=np.arange(4.0), weight=0.5), rows=rows, count=-7, live=True)


@entry
def weighted(B: Outer) -> float:
    return B.inner.weight * B.inner.values[3] if B.live else 0.0


@entry
def shape(B: Outer) -> int:
    return int(100 * B.rows.shape[0] + 10 * B.rows.shape[1] + len(B.inner.values))


@entry
def count(B: Outer) -> int:
    return int(B.count)


@entry
def write(B: Outer, row: int, column: int) -> None:
    B.rows[row, column].x = 2.5
    B.rows[row, column].n += 3
    B.inner.values[0] -= 1.0


def test_fields_of_every_kind_are_read() -> None:
    bundle = example()
    assert weighted(bundle) == 1.5
    assert weighted(dataclasses.replace(bundle, live=False)) == 0.0
    assert shape(bundle) == 234
    assert count(bundle) == -7


def test_what_compiled_code_writes_stands_in_the_arrays() -> None:
    bundle = example()
    write(bundle, 1, 2)
    assert bundle.rows[1, 2].x == 2.5
    assert bundle.rows.n.sum() == 3
    assert bundle.inner.values.tolist() == [-1.0, 1.0, 2.0, 3.0]


def test_a_changed_copy_has_its_own_table_and_shares_the_rest() -> None:
    bundle = example()
    other = dataclasses.replace(bundle, rows=np.zeros((5, 1), ROW).view(np.recarray))
    assert (shape(bundle), shape(other)) == (234, 514)
    other.inner.values[3] = 10.0
    assert weighted(bundle) == 5.0


def test_a_pickled_bundle_comes_back_with_a_table_of_its_own() -> None:
    bundle = example()
    other = pickle.loads(pickle.dumps(bundle))
    write(other, 0, 0)
    assert other.rows[0, 0].x == 2.5
    assert bundle.rows[0, 0].x == 0.0
    assert weighted(other) == 1.5


def test_fields_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        example().count = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("value", "why"), [("word", "'word': a bundle holds"), (np.zeros((4, 4))[:, 1], "are contiguous")]
)
def test_what_compiled_code_cannot_read_is_refused(value: Any, why: str) -> None:
    with pytest.raises(TypeError, match=rf"Inner\.values.*{why}"):
        Inner(values=value, weight=1.0)


class Numbers(Bundle):
    share: float
    count: int
    live: bool


def test_numbers_are_of_the_kind_that_is_declared() -> None:
    """A whole number in the place of any other would have all kernels compiled once more, for another type."""
    usual = Numbers(share=1.0, count=2, live=True)
    for other in (
        Numbers(share=1, count=2, live=True),
        Numbers(share=np.float32(1), count=np.int16(2), live=np.True_),  # type: ignore[arg-type]
        dataclasses.replace(usual, share=3),
    ):
        assert other._numba_type_ == usual._numba_type_
        assert [type(value) for value in (other.share, other.count, other.live)] == [float, int, bool]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"share": True}, "Numbers.share = True: float is expected"),
        ({"share": "1"}, "Numbers.share = '1': float is expected"),
        ({"count": 2.0}, "Numbers.count = 2.0: int is expected"),
        ({"count": False}, "Numbers.count = False: int is expected"),
        ({"live": 1}, "Numbers.live = 1: true or false is expected"),
    ],
)
def test_what_is_no_number_of_the_declared_kind_is_refused(changed: dict[str, object], why: str) -> None:
    with pytest.raises(TypeError) as caught:
        Numbers(**{"share": 1.0, "count": 2, "live": True, **changed})  # type: ignore[arg-type]
    assert str(caught.value) == why
