import asyncio
import time

import pytest

from p2psim.testbed.peer.clock import RunClock

pytestmark = pytest.mark.asyncio


async def test_the_clock_counts_from_the_moment_agreed_on():
    clock = RunClock(time.monotonic() + 100)
    assert -100 <= clock.now() < -99


async def test_callbacks_come_in_order_and_can_be_cancelled():
    clock, done, heard = RunClock(time.monotonic()), asyncio.Event(), []
    clock.call_later(0.0, heard.append, "never").cancel()
    clock.call_soon(heard.append, "first")
    clock.call_soon(heard.append, "second")
    clock.call_later(0.01, done.set)
    await asyncio.wait_for(done.wait(), 5)
    assert heard == ["first", "second"]


async def test_sleeps_until_a_time_of_the_run():
    clock = RunClock(time.monotonic())
    await asyncio.wait_for(clock.sleep_until(0.05), 5)
    assert clock.now() >= 0.05
    await asyncio.wait_for(clock.sleep_until(-1), 5)
