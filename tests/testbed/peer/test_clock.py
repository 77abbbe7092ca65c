"""Tests of a run's clock on the event loop."""

import asyncio
import time

import pytest

from p2psim.testbed.peer.clock import RunClock

pytestmark = pytest.mark.asyncio


async def test_the_clock_counts_from_the_start_of_the_run() -> None:
    clock = RunClock(time.monotonic() + 100)
    assert -100 <= clock.now() < -99


async def test_callbacks_run_in_order_and_can_be_cancelled() -> None:
    clock, done = RunClock(time.monotonic()), asyncio.Event()
    called: list[str] = []
    clock.call_later(0.0, called.append, "never").cancel()
    clock.call_soon(called.append, "first")
    clock.call_soon(called.append, "second")
    clock.call_later(0.01, done.set)
    await asyncio.wait_for(done.wait(), 5)
    assert called == ["first", "second"]


async def test_sleep_until_waits_for_a_time_of_the_run() -> None:
    clock = RunClock(time.monotonic())
    await asyncio.wait_for(clock.sleep_until(0.05), 5)
    assert clock.now() >= 0.05
    await asyncio.wait_for(clock.sleep_until(-1), 5)
