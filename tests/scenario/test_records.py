"""Records refuse what is no field, and their fields' rules stand beside them."""

from dataclasses import dataclass, fields

import pytest

from p2psim.errors import RenamedWarning, ScenarioError
from p2psim.scenario.records import FieldRules, by_name, field_rules, former_names, setting
from p2psim.units import Seconds


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record."""

    plain: Seconds = 1.0
    delay: Seconds = setting(2.0, former="latency", positive=True)


def test_rules_of_fields() -> None:
    plain, delay = fields(Record)
    assert field_rules(plain) == FieldRules()
    assert field_rules(delay) == FieldRules(former="latency", positive=True)
    assert former_names(Record) == {"latency": "delay"}


def test_quantities_may_have_units() -> None:
    assert Record(plain="20 ms") == Record(plain=0.02)  # type: ignore[arg-type]


def test_a_name_that_resembles_a_former_one_is_answered_by_the_present_one() -> None:
    with pytest.raises(
        ScenarioError, match=r"Record\(latencies=…\): no such field; did you mean 'delay'\? accepted: plain"
    ):
        Record(latencies=1.0)  # type: ignore[call-arg]
    with pytest.raises(ScenarioError, match="fields are given by name"):
        Record(1.0)  # type: ignore[call-arg]


def test_former_names_are_read_and_set_with_a_warning() -> None:
    with pytest.warns(RenamedWarning):
        record = Record(latency="3 s")  # type: ignore[call-arg]
    assert record.delay == 3.0
    with pytest.warns(RenamedWarning):
        assert record.latency == 3.0  # type: ignore[attr-defined]
