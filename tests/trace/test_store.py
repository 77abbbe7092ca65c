"""Trace folders: round trip, atomic replacement, and messages about damaged files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from p2psim.errors import TraceError
from p2psim.trace import TABLES, Trace, required_columns, table
from tests.traces import duet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return duet().write(tmp_path / "trace")


def test_round_trip(folder: Path) -> None:
    trace, again = duet(), Trace.read(folder)
    assert again.manifest == trace.manifest
    assert again.scenario == trace.scenario
    for name in TABLES:
        pd.testing.assert_frame_equal(again[name], trace[name])
    assert again.name == "duet"


def test_folder_has_the_documented_files(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        "scenario.toml",
        *(f"{name}.parquet" for name in TABLES),
    }
    for name in TABLES:
        assert pq.read_schema(folder / f"{name}.parquet").names == required_columns(name)


def test_columns_beyond_the_schema_are_written_and_read(tmp_path: Path) -> None:
    trace = duet()
    trace["viewers"]["city"] = ["x", "y"]
    assert Trace.read(trace.write(tmp_path / "t"))["viewers"]["city"].tolist() == ["x", "y"]


def test_writing_replaces_an_older_trace_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    duet().write(folder)
    assert Trace.read(folder).name == "duet"
    other = tmp_path / "photos"
    other.mkdir()
    (other / "me.jpg").write_bytes(b"x")
    with pytest.raises(TraceError, match="not empty and holds no trace"):
        duet().write(other)
    assert (other / "me.jpg").exists()


def test_a_failed_write_leaves_the_older_trace_and_no_other_file(folder: Path, tmp_path: Path) -> None:
    broken = duet()
    object.__setattr__(broken, "tables", {**broken.tables, "viewers": pd.DataFrame({"viewer": [object()]})})
    with pytest.raises(Exception, match="object"):
        broken.write(folder)
    assert Trace.read(folder).name == "duet"
    assert [path.name for path in tmp_path.iterdir()] == ["trace"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "manifest.json").unlink(), "cannot be read"),
        (lambda f: (f / "manifest.json").write_text("{"), "not JSON"),
        (lambda f: (f / "manifest.json").write_text("[]"), "format 'list'"),
        (lambda f: (f / "manifest.json").write_text('{"format": 99}'), "format 99 is not known"),
        (lambda f: (f / "manifest.json").write_text('{"format": 1}'), "missing"),
        (lambda f: (f / "scenario.toml").unlink(), "cannot be read"),
        (lambda f: (f / "scenario.toml").write_text('duration = "7 s"'), "was changed after the run"),
        (lambda f: (f / "viewers.parquet").unlink(), "cannot be read"),
        (lambda f: (f / "viewers.parquet").write_bytes(b"PAR1 rubbish"), "not a Parquet table"),
        (lambda f: (f / "viewers.parquet").write_bytes((f / "viewers.parquet").read_bytes()[:200]), "not a Parquet"),
        (lambda f: (f / "viewers.parquet").write_bytes(b""), "not a Parquet table"),
        (lambda f: pd.DataFrame({"viewer": ["a"]}).to_parquet(f / "viewers.parquet"), "no column 'joined_at'"),
        (
            lambda f: pd.read_parquet(f / "viewers.parquet").assign(uplink="fast").to_parquet(f / "viewers.parquet"),
            "wrong kind",
        ),
    ],
)
def test_damage_is_named_in_one_line(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder)
    with pytest.raises(TraceError) as raised:
        Trace.read(folder)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert str(folder) in str(raised.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no such folder"):
        Trace.read(tmp_path / "none")


def test_an_empty_table_has_the_required_columns() -> None:
    empty = table("transfers")
    assert list(empty.columns) == required_columns("transfers")
    assert empty["bytes"].dtype == np.int64
    assert empty["relayed"].dtype == np.bool_
    with pytest.raises(ValueError, match="no column 'at'"):
        table("origin", {"viewer": []})


def test_columns_of_a_table_have_one_length() -> None:
    columns: dict[str, Any] = {name: [0.0, 1.0] for name in TABLES["playback"]}
    made = table("playback", {**columns, "viewer": ["a", "b"], "state": "playing"})
    assert made["state"].tolist() == ["playing", "playing"]
    with pytest.raises(ValueError, match="column 'at' has 1 rows, others 2"):
        table("playback", {**columns, "viewer": ["a", "b"], "state": "playing", "at": [0.0]})
