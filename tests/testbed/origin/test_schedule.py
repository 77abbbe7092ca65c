"""Schedule of the origin's segments, and checks of its options."""

from typing import Any

import pytest

from p2psim.errors import InputError
from p2psim.testbed.origin.schedule import OriginOptions, Schedule


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"window": 0}, "window is 0"),
        ({"kept": -1}, "kept is -1"),
        ({"segment_count": 0}, "segment_count is 0"),
        ({"latency": -0.1}, "latency is -0.1"),
        ({"rate": 0.0}, "rate is 0.0"),
        ({"connection_rate": float("inf")}, "connection_rate is inf"),
        ({"channels": ()}, "channels are"),
        ({"channels": ("a/b",)}, "channels are"),
    ],
)
def test_wrong_options_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OriginOptions(**fields)


def test_segments_listed_and_served() -> None:
    live = Schedule(OriginOptions(window=3, kept=2), 4.0)
    assert live.history == 12.0
    assert [live.listed(elapsed) for elapsed in (0, 3.99, 4, 12, 40)] == [
        range(0),
        range(0),
        range(1),
        range(3),
        range(7, 10),
    ]
    assert [number for number in range(20) if number in live.served(40)] == [5, 6, 7, 8, 9]
    vod = Schedule(OriginOptions(kind="vod", segment_count=3), 4.0)
    assert (vod.listed(0), vod.available_at(2)) == (range(3), 0.0)


@pytest.mark.parametrize("duration", [0.4, 1.0, 1.2, 2.0, 3.84, 4.0, 5.76])
def test_a_segment_exists_from_the_time_at_which_it_is_available(duration: float) -> None:
    live = Schedule(OriginOptions(), duration)
    for number in range(20_000):
        at = live.available_at(number)
        assert live.recorded(at) == number + 1
        assert live.recorded(at - 0.001) == number
