"""Checks of values and the messages about wrong ones."""

import pytest

from p2psim.errors import DesignError, InputError, at_least, no_such, one_of


def test_a_whole_number_that_is_large_enough_is_returned() -> None:
    assert at_least("jobs", 3, 1) == 3


@pytest.mark.parametrize("value", [0, 2.0, True, "3", None])
def test_other_values_are_named_with_the_least_accepted_one(value: object) -> None:
    with pytest.raises(InputError, match=r"jobs = .*: a whole number of at least 1 is expected"):
        at_least("jobs", value, 1)


def test_an_accepted_text_is_returned() -> None:
    assert one_of("kind", "live", ["live", "vod"]) == "live"


def test_a_text_that_is_not_accepted_is_named_with_the_nearest_one() -> None:
    with pytest.raises(DesignError, match="kind = 'Lives': did you mean 'live'\\? accepted: live, vod"):
        one_of("kind", "Lives", ["live", "vod"], DesignError)


def test_a_missing_name_is_explained() -> None:
    assert no_such("metric", "offlod", ["offload", "stalls"]) == (
        "no such metric; did you mean 'offload'? accepted: offload, stalls"
    )
    assert no_such("metric", "xyz", ["offload"]) == "no such metric; accepted: offload"
