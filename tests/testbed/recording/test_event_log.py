"""Event logs and digests of segments."""

import json
import math
from pathlib import Path

import pytest

from p2psim.testbed.recording.event_log import EventLog, digest


def test_an_event_is_a_line_and_nan_is_null(tmp_path: Path) -> None:
    with EventLog(tmp_path / "log.jsonl") as log:
        log.write("a", x=1, y=math.nan, z=[1, 2])
        log.write("b", viewer="v0000")
        lines = (tmp_path / "log.jsonl").read_text().splitlines()  # written before the log is closed
    assert [json.loads(line) for line in lines] == [
        {"event": "a", "x": 1, "y": None, "z": [1, 2]},
        {"event": "b", "viewer": "v0000"},
    ]


def test_a_log_that_is_not_open_accepts_no_event(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        EventLog(tmp_path / "log.jsonl").write("a")


def test_digest_is_the_beginning_of_sha256() -> None:
    assert digest(b"abc") == "ba7816bf8f01cfea"  # FIPS 180-4, example
