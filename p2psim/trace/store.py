"""Trace of one run, and its folder: ``manifest.json``, ``scenario.toml`` and a Parquet file for each table."""

import dataclasses
import difflib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from p2psim.errors import ScenarioError, TraceError
from p2psim.scenario import Scenario, bundled
from p2psim.scenario.scenario import load as load_scenario
from p2psim.trace.atomic_files import replace_folder
from p2psim.trace.manifest import FORMAT, Manifest
from p2psim.trace.schema import TABLES, Column, required_columns

__all__ = ["Trace", "table"]

_DTYPES: dict[str, Any] = {"str": "str", "int": np.int64, "float": np.float64, "bool": np.bool_}
_ARROW = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}


def table(name: str, columns: Mapping[str, Sequence[Any] | np.ndarray[Any, Any]] | None = None) -> pd.DataFrame:
    """Return a table of the schema with the given columns, by default an empty one with the required columns.

    A plain text stands for every row. Columns that are not in the schema come last.

    Raises
    ------
    ValueError
        A required column is missing, or a column has another length than the others.
    """
    schema, required = TABLES[name], required_columns(name)
    given = columns if columns is not None else {column: [] for column in required}
    missing = [column for column in required if column not in given]
    if missing:
        raise ValueError(f"table {name}: no column {missing[0]!r}")
    rows = max(len(values) for values in given.values() if not isinstance(values, str))
    whole = {column: [values] * rows if isinstance(values, str) else values for column, values in given.items()}
    for column, values in whole.items():
        if len(values) != rows:
            raise ValueError(f"table {name}: column {column!r} has {len(values)} rows, others {rows}")
    optional = [column for column in whole if column not in required]
    return pd.DataFrame({column: _series(whole[column], schema.get(column)) for column in (*required, *optional)})


def _series(values: Sequence[Any] | np.ndarray[Any, Any], column: Column | None) -> "pd.Series[Any]":
    """Return values in the type of their column; whole numbers of an optional one may be narrower than 64 bits."""
    if column is None or _is_narrow(column, np.asarray(values)):
        return pd.Series(values)
    series: pd.Series[Any] = pd.Series(values, dtype=_DTYPES[column.kind])
    return series


def _is_narrow(column: Column, values: np.ndarray[Any, Any]) -> bool:
    return column.is_optional and column.kind == "int" and values.dtype.kind == "i"


@dataclasses.dataclass(frozen=True, slots=True)
class Trace:
    """Trace of one run: its provenance, its scenario and its tables (see `p2psim.trace.schema.TABLES`)."""

    manifest: Manifest
    scenario: Scenario
    tables: Mapping[str, pd.DataFrame]

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self.tables[name]

    def with_defaults(self, name: str) -> pd.DataFrame:
        """Return a table with all columns of the schema: an optional one that was not recorded has its default."""
        frame = self.tables[name]
        missing = {column: declared for column, declared in TABLES[name].items() if column not in frame}
        return frame.assign(**{column: declared.defaults(len(frame)) for column, declared in missing.items()})

    @property
    def name(self) -> str:
        """Name of the run, or of its scenario."""
        return self.manifest.name or self.scenario.name

    def write(self, folder: str | Path) -> Path:
        """Write the folder in one step, complete or not at all, and return its path; an older trace there is replaced.

        Raises
        ------
        TraceError
            The folder holds anything but a trace.
        """
        target = Path(folder)
        if target.exists() and not (target / "manifest.json").exists() and any(target.iterdir()):
            raise TraceError(f"{target}: the folder is not empty and holds no trace; give a new folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            self._write_files(partial)
            partial.chmod(0o755)
            replace_folder(partial, target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return target

    def _write_files(self, folder: Path) -> None:
        for name, frame in self.tables.items():
            pq.write_table(_arrow(name, frame), folder / f"{name}.parquet", compression="zstd", compression_level=9)
        (folder / "scenario.toml").write_text(self.scenario.to_toml(), encoding="utf-8")
        text = json.dumps(self.manifest.to_dict(), indent=2, sort_keys=True)
        (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")

    @staticmethod
    def read(folder: str | Path) -> "Trace":
        """Return the trace of a folder, or a bundled trace by name.

        Raises
        ------
        TraceError
            The folder is missing, incomplete or corrupt; the message is one line.
        """
        path = _located(folder)
        manifest = _read_manifest(path / "manifest.json")
        scenario = _read_scenario(path / "scenario.toml")
        if manifest.scenario_digest != scenario.digest:
            raise TraceError(
                f"{path}: scenario.toml has the digest {scenario.digest}, but the run {manifest.scenario_digest}: "
                "scenario.toml was changed after the run"
            )
        return Trace(manifest, scenario, {name: _read_table(path / f"{name}.parquet", name) for name in TABLES})


def _arrow(name: str, frame: pd.DataFrame) -> pa.Table:
    columns = {}
    for column in frame.columns:
        declared = TABLES[name].get(column)
        values = frame[column].to_numpy()
        kind = None if declared is None or _is_narrow(declared, values) else _ARROW[declared.kind]
        columns[column] = pa.array(values, type=kind, from_pandas=False)
    return pa.table(columns)


def _located(folder: object) -> Path:
    if not isinstance(folder, str | Path):
        raise TraceError(
            f"a trace or its folder is expected, not a {type(folder).__name__}; two scenarios or results are compared "
            "by difference(a, b)"
        )
    path, by_name = Path(folder), {each.name: each for each in bundled("traces")}
    if path.is_dir():
        return path
    if str(folder) in by_name:
        return by_name[str(folder)]
    nearest = difflib.get_close_matches(str(folder), by_name, n=1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    raise TraceError(f"{path}: no such folder; {hint}give a trace folder (one with a manifest.json)")


def _read_manifest(path: Path) -> Manifest:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror}); a trace folder has a manifest.json") from None
    except ValueError:
        raise TraceError(f"{path}: not JSON; the trace is corrupt") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        version = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise TraceError(f"{path}: format {version!r} is not known; this version reads {FORMAT}")
    fields = {entry.name for entry in dataclasses.fields(Manifest)}
    try:
        return Manifest(**{key: value for key, value in data.items() if key in fields})
    except TypeError as error:
        raise TraceError(f"{path}: {error}") from None


def _read_scenario(path: Path) -> Scenario:
    try:
        return load_scenario(path, recorded=True)
    except ScenarioError as error:
        raise TraceError(str(error)) from None


def _read_table(path: Path, name: str) -> pd.DataFrame:
    try:
        content = pq.read_table(path)
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror or 'no such table'})") from None
    except pa.ArrowInvalid:
        raise TraceError(f"{path}: not a Parquet table; the trace is corrupt") from None
    missing = [column for column in required_columns(name) if column not in content.column_names]
    if missing:
        raise TraceError(f"{path}: no column {missing[0]!r}; the trace is corrupt or of another version")
    try:
        return table(name, {column: content[column].to_pandas() for column in content.column_names})
    except (ValueError, TypeError) as error:
        raise TraceError(f"{path}: values of a column have the wrong kind ({error})") from None
