"""Design of a sweep: a base scenario, changes of it, and the number of replications of each.

A design file is TOML::

    schema = 1
    name = "latency"
    scenario = "live-24s"                 # a bundled scenario, or a file beside this one
    replications = 5
    seed = 1
    metrics = ["p2p_ratio", "origin_saving"]   # default: all that do not compare with http-only

    [set]                                 # changes at all points
    "viewers.count" = 30

    [grid]                                # all combinations
    "stream.live_latency" = ["8 s", "24 s"]
    "nat.mix" = ["open", "average"]

    [[points]]                            # or single points
    "access.uplink" = "2 Mbit/s"

    [sample]                              # or random points
    method = "latin-hypercube"            # random, latin-hypercube, sobol, halton
    count = 16
    [sample.factors]
    "access.uplink" = { low = "1 Mbit/s", high = "20 Mbit/s", scale = "log" }
    "policy.maxPeers" = { low = 2, high = 50 }
    "nat.mix" = ["open", "average"]

If several of these are given, all their combinations are points. All points see the same viewers (common random
numbers): replication *i* of each has the same seed.
"""

import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p2psim.analysis.metrics import METRICS
from p2psim.analysis.runs import BASELINE, Job
from p2psim.errors import DesignError, ScenarioError, no_such
from p2psim.experiment.design_points import Changes, flat, grid_points, listed_points, sampled_points, say_changes
from p2psim.scenario import Scenario, bundled
from p2psim.scenario.toml_io import replaced

__all__ = ["Design", "Point", "baseline"]

SCHEMA = 1
_KEYS = ("schema", "name", "scenario", "replications", "seed", "metrics", "set", "grid", "points", "sample")
_MOST_RUNS = 1_000_000


@dataclass(frozen=True, slots=True)
class Point:
    """One scenario of a design; `changes` are its differences from the base, in canonical units."""

    changes: Mapping[str, Any]
    scenario: Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Points of a sweep, and how each is run."""

    points: Sequence[Point]
    replications: int = 5
    seed: int = 1
    metrics: Sequence[str] = field(default_factory=lambda: [name for name, each in METRICS.items() if not each.paired])
    name: str = "sweep"
    text: str = ""
    """Text of the file that the design was read from."""

    def __post_init__(self) -> None:
        if not self.points:
            raise DesignError("the design has no points: give [grid], [[points]] or [sample]")
        for name, least in (("replications", 1), ("seed", 0)):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, int) or number < least:
                raise DesignError(f"{name} = {number!r}: a whole number of at least {least} is expected")
        for name in self.metrics:
            if name not in METRICS:
                raise DesignError(f"metrics: {name!r} is not known; accepted: {', '.join(METRICS)}")
        if len(self.points) * self.replications > _MOST_RUNS:
            raise DesignError(
                f"{len(self.points)} points x {self.replications} runs: at most {_MOST_RUNS:,} are accepted"
            )

    @property
    def factors(self) -> list[str]:
        """Names of the fields that differ between points, in the order of the design."""
        return list(dict.fromkeys(name for point in self.points for name in point.changes))

    @property
    def is_paired(self) -> bool:
        """True if a metric needs the same viewers with http-only."""
        return any(METRICS[name].paired for name in self.metrics)

    def jobs(self) -> list[Job]:
        """Return all different runs, those that take longest first, so that workers end together."""
        scenarios = [point.scenario for point in self.points]
        if self.is_paired:
            scenarios += [baseline(scenario) for scenario in scenarios]
        every = [Job(scenario, self.seed, i) for scenario in scenarios for i in range(self.replications)]
        return sorted({job.key: job for job in every}.values(), key=_cost, reverse=True)

    @staticmethod
    def of(
        scenario: Scenario | str | Path,
        *,
        grid: Mapping[str, Any] | None = None,
        points: Sequence[Mapping[str, Any]] | None = None,
        sample: Mapping[str, Any] | None = None,
        canonical: bool = True,
        **more: Any,
    ) -> "Design":
        """Return a design; the arguments are the parts of a file, `more` the fields of this class.

        With `canonical`, numbers without unit are in canonical units (seconds, bytes, bytes/s), otherwise refused.
        """
        base = scenario if isinstance(scenario, Scenario) else Scenario.load(str(scenario))
        seed = more.get("seed", 1)
        kinds = [grid_points(grid or {}, canonical), listed_points(points or [], canonical)]
        kinds.append(sampled_points(sample, seed, canonical) if sample else [])
        crossed = itertools.product(*(kind for kind in kinds if kind)) if any(kinds) else ()
        return Design(points=[_point(base, parts) for parts in crossed], **more)

    @staticmethod
    def load(path: str | Path) -> "Design":
        """Read a design file, or a bundled design by name; raises DesignError or ScenarioError in one line."""
        if not isinstance(path, str | Path):
            raise DesignError(f"a Design, the path of one or a bundled name is expected, not a {type(path).__name__}")
        file = Path(path)
        if not file.exists() and not file.suffix and len(file.parts) == 1:
            known = {path.stem: path for path in bundled("designs")}
            if file.name not in known:
                raise DesignError(f"{path}: {no_such('file and no bundled design', file.name, known)}")
            file = known[file.name]
        try:
            text = file.read_text(encoding="utf-8")
            data = tomllib.loads(text)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise DesignError(f"{path}: cannot be read ({reason}); give the path of a design in TOML") from None
        except tomllib.TOMLDecodeError as error:
            raise DesignError(f"{path}: not TOML: {error}") from None
        try:
            return _parsed(data, file, text)
        except (DesignError, ScenarioError) as error:
            raise type(error)(f"{path}: {error}") from None


def baseline(scenario: Scenario) -> Scenario:
    """Return the scenario with the policy http-only."""
    return scenario.replace({"policy.name": BASELINE})


def _cost(job: Job) -> float:
    return job.scenario.viewers.count * job.scenario.duration


def _parsed(data: dict[str, Any], file: Path, text: str) -> Design:
    for key in data:
        if key not in _KEYS:
            raise DesignError(f"{key}: not known; accepted: {', '.join(_KEYS)}")
    if data.pop("schema", SCHEMA) != SCHEMA:
        raise DesignError(f"schema: this version of p2psim reads {SCHEMA} only")
    metrics = data.get("metrics", [])
    if not isinstance(metrics, list):
        raise DesignError(f"metrics = {metrics!r}: a list of names is expected")
    fixed, base = flat(data.pop("set", {}), "set"), _base(data.pop("scenario", None), file.parent)
    data.setdefault("name", file.stem)
    return Design.of(replaced(base, fixed, canonical=False), canonical=False, text=text, **data)


def _base(name: object, folder: Path) -> Scenario:
    if not isinstance(name, str):
        raise DesignError("scenario: the name of a bundled scenario, or the path of a file, is expected")
    beside = folder / name
    return Scenario.load(str(beside) if beside.is_file() else name)


def _point(base: Scenario, parts: Sequence[Changes]) -> Point:
    changes = {name: value for part in parts for name, value in part.items()}
    try:
        return Point(changes, base.replace(changes))
    except ScenarioError as error:
        raise ScenarioError(f"the point {say_changes(changes)}: {error}") from None
