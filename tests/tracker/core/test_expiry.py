import math

import hypothesis.strategies as st
from hypothesis import given
from p2p_tracker.core.expiry import Deadlines, Expiring


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=30), st.floats(0.1, 10))
def test_items_expire_once_not_early_and_at_most_a_granule_late(
    plans: list[tuple[float, float]], granule: float
) -> None:
    deadlines: Deadlines[Expiring] = Deadlines(granule)
    items = [Expiring(first) for first, _ in plans]
    for item in items:
        deadlines.add(item)
    for item, (_, extension) in zip(items, plans, strict=True):
        item.expires += extension
    expired: list[Expiring] = []
    now = last = 0.0
    while (wake := deadlines.next()) is not None:
        assert wake >= now
        last, now = now, wake
        for item in deadlines.due(now):
            assert last - granule < item.expires <= now
            expired.append(item)
    assert len(expired) == len(set(expired)) == len(items)


@given(st.lists(st.floats(0, 100), max_size=30), st.lists(st.floats(0, 30), max_size=20))
def test_due_returns_exactly_the_expired_items_at_any_time(times: list[float], pauses: list[float]) -> None:
    deadlines: Deadlines[Expiring] = Deadlines(10.0)
    items = [Expiring(at) for at in times]
    for item in items:
        deadlines.add(item)
    now = 0.0
    for pause in pauses:
        now += pause
        assert deadlines.due(now) == sorted((i for i in items if i.expires <= now), key=lambda item: item.expires)
        items = [item for item in items if item.expires > now]


def test_discarded_and_endless_items_never_expire() -> None:
    deadlines: Deadlines[Expiring] = Deadlines()
    kept, discarded, endless = Expiring(1.0), Expiring(1.0), Expiring(math.inf)
    for item in (kept, discarded, endless):
        deadlines.add(item)
    deadlines.discard(discarded)
    deadlines.discard(endless)
    assert deadlines.due(10.0) == [kept]
    assert deadlines.next() is None


def test_items_with_equal_deadlines_keep_their_order() -> None:
    deadlines: Deadlines[Expiring] = Deadlines()
    items = [Expiring(1.0) for _ in range(100)]
    for item in items:
        deadlines.add(item)
    assert deadlines.due(2.0) == items
