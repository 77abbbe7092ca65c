"""Columns of a trace: which every trace has, which are optional, and the defaults of these."""

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from p2psim import Scenario
from p2psim.scenario import bundled
from p2psim.simulation import run
from p2psim.trace import TABLES, Trace, required_columns, table, totals
from tests.traces import duet

SMALL = {
    "duration": "20 s",
    "viewers.count": 4,
    "viewers.arrival_period": "5 s",
    "regions.mix": {"lisbon": 0.5, "london": 0.5},
}


@pytest.fixture(scope="module")
def simulated() -> Trace:
    trace = run(Scenario().replace(SMALL), events=True).trace
    assert trace is not None
    return trace


def test_a_simulation_writes_declared_columns_alone(simulated: Trace) -> None:
    for name, columns in TABLES.items():
        assert set(required_columns(name)) <= set(simulated[name]) <= set(columns), name


@pytest.mark.parametrize("folder", bundled("traces")[::7], ids=lambda folder: folder.name)
def test_a_measurement_writes_declared_columns_alone(folder: str) -> None:
    trace = Trace.read(folder)
    for name, columns in TABLES.items():
        assert set(required_columns(name)) <= set(trace[name]) <= set(columns), name


@pytest.mark.parametrize("name", TABLES)
def test_required_columns_come_first_and_all_have_a_meaning(name: str) -> None:
    assert list(TABLES[name])[: len(required_columns(name))] == required_columns(name)
    assert all(column.meaning for column in TABLES[name].values())


@pytest.mark.parametrize(
    ("name", "column", "values"),
    [
        ("viewers", "role", ["honest", "honest"]),
        ("viewers", "region", ["", ""]),
        ("viewers", "home", [0, 1]),
        ("viewers", "carrier", [-1, -1]),
        ("connections", "answered_at", [math.nan, math.nan]),
        ("transfers", "late_bytes", [0] * 5),
        ("segments", "poisoned", [False] * 4),
    ],
)
def test_a_column_that_was_not_recorded_has_its_default(name: str, column: str, values: list[object]) -> None:
    trace = duet()
    assert column not in trace[name]
    np.testing.assert_array_equal(trace.with_defaults(name)[column], np.array(values))
    assert column not in trace[name]


def test_a_column_that_was_recorded_stays_as_it_is(simulated: Trace) -> None:
    assert set(simulated.with_defaults("viewers")["region"]) == {"lisbon", "london"}
    assert set(simulated.with_defaults("transfers")["server"]) <= {"origin", ""}


def test_totals_need_no_optional_column(simulated: Trace) -> None:
    bare = {name: frame[required_columns(name)] for name, frame in simulated.tables.items()}
    found, whole = totals(dataclasses.replace(simulated, tables=bare)).viewers, totals(simulated).viewers
    known = ["region", "home", "bytes_far"]
    pd.testing.assert_frame_equal(found.drop(columns=known), whole.drop(columns=known))
    assert found["bytes_far"].sum() == 0


def test_an_optional_column_has_the_kind_of_the_schema_and_may_have_narrow_numbers() -> None:
    columns: dict[str, Any] = {column: duet()["viewers"][column] for column in required_columns("viewers")}
    made = table("viewers", columns | {"role": ["liar", "honest"], "carrier": np.array([3, -1], np.int16)})
    assert made["role"].dtype == made["viewer"].dtype
    assert made["carrier"].dtype == np.int16
    assert table("transfers", {name: [] for name in TABLES["transfers"]})["header_at"].dtype == np.float64
