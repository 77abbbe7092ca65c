import json
import math
from pathlib import Path

import pytest

from p2psim.testbed.recording.event_log import EventLog, digest


def test_one_line_per_event_and_null_for_no_number(tmp_path: Path) -> None:
    with EventLog(tmp_path / "j.jsonl") as journal:
        journal.write("a", x=1, y=math.nan, z=[1, 2])
        journal.write("b", viewer="v0000")
        lines = (tmp_path / "j.jsonl").read_text().splitlines()  # there before the end
    assert [json.loads(line) for line in lines] == [
        {"event": "a", "x": 1, "y": None, "z": [1, 2]},
        {"event": "b", "viewer": "v0000"},
    ]


def test_a_journal_that_is_not_open_takes_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        EventLog(tmp_path / "j.jsonl").write("a")


def test_digest_is_the_beginning_of_sha256() -> None:
    assert digest(b"abc") == "ba7816bf8f01cfea"  # FIPS 180-4, example
