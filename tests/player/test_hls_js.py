import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2psim.player import hls_js

seconds = st.floats(0, 1e5)
lengths = st.sampled_from([1.0, 2.0, 4.0, 6.006, 10.0])


@pytest.mark.parametrize(
    ("first", "last", "segment", "latency", "live", "index", "position"),
    [
        (0, 30, 4.0, 24.0, False, 0, 0.0),
        (0, 15, 2.0, 24.0, True, 3, 6.0),
        (0, 15, 2.0, 8.0, True, 11, 22.0),
        (100, 115, 2.0, 8.0, True, 111, 222.0),
        (0, 15, 4.0, 18.0, True, 10, 42.0),  # in the middle of a segment
        (10, 12, 2.0, 24.0, True, 10, 20.0),  # the playlist is shorter than the latency
        (0, 15, 6.006, 24.024, True, 11, 66.066),
    ],
)
def test_start(first: int, last: int, segment: float, latency: float, live: bool, index: int, position: float) -> None:
    assert hls_js.start_index(first, last, segment, latency, live) == index
    assert hls_js.start_position(first, last, segment, latency, live) == pytest.approx(position)


@given(st.integers(0, 10_000), st.integers(1, 100), lengths, st.floats(0.5, 200), st.booleans())
def test_the_first_segment_is_listed_and_holds_the_start(
    first: int, count: int, segment: float, latency: float, live: bool
) -> None:
    last = first + count
    index = hls_js.start_index(first, last, segment, latency, live)
    position = hls_js.start_position(first, last, segment, latency, live)
    assert first <= index < last
    if latency >= segment:
        assert index * segment - 1e-3 <= position < (index + 1) * segment


def test_a_segment_that_left_the_playlist_makes_the_player_start_anew() -> None:
    assert hls_js.next_index(7, 5, 20, 2.0, 8.0, True) == 7
    assert hls_js.next_index(4, 5, 20, 2.0, 8.0, True) == 16
    assert hls_js.next_index(25, 5, 20, 2.0, 8.0, True) == 25


@pytest.mark.parametrize(("ahead", "wants"), [(0.0, True), (14.9, True), (15.0, False), (15.1, False)])
def test_wants_next_below_the_target(ahead: float, wants: bool) -> None:
    assert hls_js.wants_next(100.0, 100.0 + ahead, 15.0) is wants
    assert hls_js.buffer_ahead(100.0, 100.0 + ahead) == pytest.approx(ahead)


@given(seconds, seconds, st.floats(0, 100), st.sampled_from([0.5, 1.0, 2.0]))
def test_the_playhead_stops_where_the_buffer_is_dry(position: float, since: float, ahead: float, rate: float) -> None:
    end = position + ahead
    dry = hls_js.buffer_empty_at(position, since, rate, end)
    assert dry >= since
    assert hls_js.playhead(position, since, dry, rate, end) == pytest.approx(end, rel=1e-9, abs=1e-6)
    assert hls_js.playhead(position, since, dry + 10, rate, end) <= end
    assert hls_js.is_buffer_empty(end, end)
    half = since + (dry - since) / 2
    assert hls_js.playhead(position, since, half, rate, end) == pytest.approx((position + end) / 2, rel=1e-6, abs=1e-6)


def test_reloads_come_sooner_while_there_is_no_news() -> None:
    assert hls_js.reload_delay(4.0, True) == 4.0
    assert hls_js.reload_delay(4.0, False) == 2.0


def test_retries_back_off() -> None:
    assert [hls_js.retry_delay(n) for n in range(1, 6)] == [1.0, 2.0, 4.0, 8.0, 8.0]
    assert not math.isinf(hls_js.retry_delay(0))
