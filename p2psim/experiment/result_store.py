"""Finished runs of a sweep in a folder, one small file each.

The name of a file is what determines the run (scenario, seed, replication), so that a sweep that was stopped, or a
design that has grown, continues with the missing runs. Files are written atomically, and are on disk before a run
counts as finished. Several processes may share a folder if each works on another part of the design.
"""

import fcntl
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from p2psim.analysis.runs import Job, Key
from p2psim.errors import DesignError
from p2psim.simulation.checkpoint import fingerprint
from p2psim.trace import versions
from p2psim.trace.atomic_files import PARTIAL_SUFFIX, atomic_write

__all__ = ["Outcome", "Store"]

_KIND = "p2psim sweep"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of a run: its sums, or the reason of its failure."""

    sums: Mapping[str, float] | None
    reason: str = ""

    @property
    def status(self) -> str:
        """``ok`` or ``failed``."""
        return "failed" if self.sums is None else "ok"


class Store:
    """Outcomes by run, in a folder, or in memory if there is none."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self._known: dict[Key, Outcome] = {}
        self._lock: IO[bytes] | None = None

    def open(self, part: str = "all") -> None:
        """Lock a part of the folder for this process; raises DesignError if it is locked, or the folder is no store."""
        if self.folder is None:
            return
        self._check()
        (self.folder / "runs").mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / f".lock-{part}").open("wb")
        try:
            # the system unlocks it when this process ends, however it ends; forked workers do not inherit the lock
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise DesignError(f"{self.folder}: another process is using it; wait for it or end it") from None
        if not (self.folder / "manifest.json").exists():
            head = {"kind": _KIND, "format": _FORMAT, "fingerprint": fingerprint(), "versions": versions()}
            self.write("manifest.json", json.dumps(head, indent=2) + "\n")

    def close(self) -> None:
        """Unlock the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def get(self, job: Job) -> Outcome | None:
        """Return the outcome of a run, None if it is not finished."""
        if job.key not in self._known and self.folder is not None:
            outcome = _read(self._path(job))
            if outcome is not None:
                self._known[job.key] = outcome
        return self._known.get(job.key)

    def put(self, job: Job, outcome: Outcome) -> None:
        """Store an outcome."""
        self._known[job.key] = outcome
        if self.folder is not None:
            sums = (
                None if outcome.sums is None else {name: _json_number(number) for name, number in outcome.sums.items()}
            )
            record = {"status": outcome.status, "reason": outcome.reason, "sums": sums}
            with atomic_write(self._path(job)) as file:
                file.write(json.dumps(record).encode() + b"\n")

    def forget(self, job: Job) -> None:
        """Delete an outcome, so that the run is repeated."""
        self._known.pop(job.key, None)
        if self.folder is not None:
            self._path(job).unlink(missing_ok=True)

    def write(self, name: str, text: str) -> None:
        """Write a file beside the runs."""
        if self.folder is not None:
            with atomic_write(self.folder / name) as file:
                file.write(text.encode())

    def tidy(self) -> None:
        """Remove partial files of killed processes; only while the whole folder is locked."""
        if self.folder is not None:
            for partial in (*self.folder.glob(f".*{PARTIAL_SUFFIX}"), *self.folder.glob(f"runs/.*{PARTIAL_SUFFIX}")):
                partial.unlink(missing_ok=True)

    def _path(self, job: Job) -> Path:
        assert self.folder is not None
        return self.folder / "runs" / f"{job.scenario.digest}-{job.seed}-{job.replication}.json"

    def _check(self) -> None:
        assert self.folder is not None
        try:
            head = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            names = [path.name for path in self.folder.iterdir()] if self.folder.exists() else []
            if any(not name.startswith(".") and name != "runs" for name in names):
                raise DesignError(
                    f"{self.folder}: not empty and not the folder of a sweep; give a new folder"
                ) from None
            return
        except (OSError, ValueError):
            head = {}
        if not isinstance(head, dict) or head.get("kind") != _KIND:
            raise DesignError(f"{self.folder}: not the folder of a sweep; give a new folder")
        if (head.get("format"), head.get("fingerprint")) != (_FORMAT, fingerprint()):
            raise DesignError(
                f"{self.folder}: begun with another version of p2psim; finish it with that one, or give a new folder"
            )


def _read(path: Path) -> Outcome | None:
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        if record["status"] == "failed":
            return Outcome(None, str(record["reason"]))
        return Outcome({name: math.nan if number is None else float(number) for name, number in record["sums"].items()})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # a damaged file: the run is repeated


def _json_number(number: float) -> float | None:
    return None if math.isnan(number) else float(number)
