"""Scenario records are immutable."""

import dataclasses

import pytest

from p2psim.scenario import Scenario


def test_scenarios_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Scenario().duration = 3.0  # type: ignore[misc]
