"""Collector of rows: complete rows alone, in the order of time."""

import pytest

from p2psim.trace import Recorder


def test_recorder_refuses_an_incomplete_row_and_sorts_by_time() -> None:
    rows = Recorder()
    with pytest.raises(ValueError, match="playback: no column"):
        rows.add("playback", viewer="a", at=0.0)
    for at in (3.0, 1.0, 2.0):
        rows.add("playback", viewer="a", at=at, state="playing", position=0.0, buffer=0.0, latency=0.0)
    assert rows.tables()["playback"]["at"].tolist() == [1.0, 2.0, 3.0]
    assert rows.tables(sort=False)["playback"]["at"].tolist() == [3.0, 1.0, 2.0]
    assert len(rows.tables()["origin"]) == 0
