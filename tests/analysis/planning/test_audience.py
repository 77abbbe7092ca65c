"""Audiences: curves, files, and that as many viewers are present as the curve says."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2psim.analysis.planning.audience import channel_sizes, constant, draw_stays, event, read_csv
from p2psim.errors import InputError


def _present(visits: tuple[tuple[float, ...], tuple[float, ...]], at: float) -> int:
    joins, stays = map(np.array, visits)
    return int(((joins <= at) & (at < joins + stays)).sum())


def test_a_match_doubles_at_kick_off() -> None:
    match = event("match", 20_000)
    assert match.peak == 20_000
    assert match.present(33 * 60.0) == pytest.approx(2 * match.present(30 * 60.0))


def test_an_unknown_event_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'match'"):
        event("mach", 100)


def test_channels_follow_zipf() -> None:
    shares = channel_sizes(constant(100, channels=3, zipf=1.0))
    assert shares.tolist() == pytest.approx([6 / 11, 3 / 11, 2 / 11])


@given(st.integers(0, 2**32), st.sampled_from([60.0, 600.0, 5000.0]), st.sampled_from([0.0, 1.4]))
def test_as_many_are_present_as_the_curve_says(seed: int, viewing: float, spread: float) -> None:
    at, viewers = (0.0, 300.0, 600.0), (20.0, 60.0, 10.0)
    visits = draw_stays(at, viewers, 600.0, viewing, spread, np.random.default_rng(seed))
    for now in (100.0, 250.0, 300.0, 500.0, 595.0):
        # the curve moves by 0.25 viewers a second and is looked at every five
        assert abs(_present(visits, now) - np.interp(now, at, viewers)) <= 3


def test_viewing_times_have_their_mean() -> None:
    # all who join after the beginning and would leave before the end: the mean of a lognormal, whatever its sigma
    rng = np.random.default_rng(3)
    joins, stays = map(np.array, draw_stays((0.0,), (200.0,), 50_000.0, 300.0, 0.8, rng))
    whole = stays[(joins > 60.0) & (joins < 40_000.0)]
    # a visit ends at the next look at the curve at the earliest: half a step of 5 s longer
    assert whole.mean() == pytest.approx(300.0, rel=0.03)


def test_a_file_of_viewers_over_time(tmp_path: Path) -> None:
    path = tmp_path / "evening.csv"
    path.write_text("time,viewers\n0,100\n10 min,300\n1 h,50\n")
    audience = read_csv(path)
    assert (audience.at, audience.viewers) == ((0.0, 600.0, 3600.0), (100.0, 300.0, 50.0))
    assert audience.mean == pytest.approx((200 * 600 + 175 * 3000) / 3600)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,viewers\n0,100\n", "at least two lines"),
        ("0,100\n60,x\n", "line 2.*viewers = 'x': a number is expected"),
        ("0,100\n60,100,3\n", "two columns"),
        ("0,100\n60,-1\n", "at least 0"),
        ("60,100\n60,100\n", "line 2.*is not after"),
        ("noon,100\n60,100\n", "line 1.*'noon' is not a time"),
        ("0,0\n60,0\n", "never 1 or more"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_csv(path)
