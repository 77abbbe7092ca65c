"""Rate limits: the rate is kept, shared alike, and can be changed."""

import asyncio
import time

import pytest

from p2psim.testbed.origin.rate_limit import RateLimit


def timed(limit: RateLimit, *sizes: int) -> list[float]:
    """Return the seconds after which senders of given sizes, started together, have sent all."""

    async def send(size: int) -> float:
        sent = 0
        while sent < size:
            step = min(limit.piece, size - sent)
            await limit.acquire(step)
            sent += step
        return time.perf_counter() - start

    async def all_at_once() -> list[float]:
        return await asyncio.gather(*(send(size) for size in sizes))

    start = time.perf_counter()
    return asyncio.run(all_at_once())


@pytest.mark.slow
@pytest.mark.parametrize("rate", [20_000.0, 1_000_000.0, 20_000_000.0])
def test_rate_is_kept(rate: float) -> None:
    (elapsed,) = timed(RateLimit(rate), int(rate / 2))
    assert elapsed == pytest.approx(0.5, rel=0.1)


def test_senders_share_alike() -> None:
    first, second, third = timed(RateLimit(400_000.0), 20_000, 40_000, 80_000)
    assert first == pytest.approx(0.15, rel=0.2)
    assert second == pytest.approx(0.25, rel=0.2)
    assert third == pytest.approx(0.35, rel=0.2)


@pytest.mark.slow
def test_idle_time_gives_no_credit() -> None:
    limit = RateLimit(100_000.0)
    time.sleep(0.3)
    (elapsed,) = timed(limit, 20_000)
    assert elapsed == pytest.approx(0.2, rel=0.1)


def test_no_limit() -> None:
    (elapsed,) = timed(RateLimit(None), 10**9)
    assert elapsed < 0.5


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_not_above_0_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        RateLimit(rate)


@pytest.mark.slow
def test_at_rate_0_senders_wait_for_a_change() -> None:
    async def send() -> float:
        limit = RateLimit(100_000.0)
        limit.set_rate(0.0)
        sending = asyncio.create_task(limit.acquire(10_000))
        await asyncio.sleep(0.1)
        assert not sending.done()
        limit.set_rate(20_000.0)
        changed_at = time.monotonic()
        await sending
        return time.monotonic() - changed_at

    assert asyncio.run(send()) >= 0.49
    with pytest.raises(ValueError, match="rate of -1"):
        RateLimit(None).set_rate(-1.0)
