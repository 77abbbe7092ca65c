"""Transfers: what becomes of the bytes that a cancellation is too late for."""

from typing import Any

import pandas as pd
import pytest

from p2psim.scenario import Scenario
from tests.simulation.audience import play

THIN: dict[str, Any] = {"access.uplink": "1 Mbit/s", "stream.live_latency": "24 s"}


def transfers(changes: dict[str, Any]) -> pd.DataFrame:
    trace = play(changes).trace
    assert trace is not None
    return trace["transfers"].query("source == 'p2p'")


@pytest.mark.parametrize(("backlog", "messages"), [(65_536.0, 2), (0.0, 1)])
def test_what_waits_in_a_channel_comes_after_a_cancellation(backlog: float, messages: int) -> None:
    late = transfers({**THIN, "network.backlog": backlog}).query("outcome == 'aborted'")["late_bytes"]
    assert late.max() == (messages + 1) * 65_535, "one of them may be half there already"
    assert late[late > 0].mode().tolist() == [messages * 65_535]


def test_the_answer_to_the_next_request_stands_behind_it() -> None:
    """A data channel keeps the order: the first byte comes later than a round trip where bytes were on their way."""
    rows = transfers(THIN)
    waited = rows["first_byte_at"] - rows["started_at"]
    assert waited.min() == pytest.approx(Scenario().network.rtt)
    assert waited.max() > 0.1
