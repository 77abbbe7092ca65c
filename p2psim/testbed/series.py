"""Series of measurements: scenarios, each repeated with other seeds; finished ones are not repeated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from p2psim.errors import ScenarioError, TraceError
from p2psim.scenario import Scenario
from p2psim.testbed.feasibility import check_feasible
from p2psim.trace import Trace

__all__ = ["Recording", "plan_series"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One measurement of a series."""

    scenario: Scenario
    seed: int
    folder: Path

    def finished(self) -> Trace | None:
        """Return the trace, or None if it has not been recorded.

        Raises
        ------
        TraceError
            The folder holds another trace.
        """
        if not (self.folder / "manifest.json").exists():
            return None
        trace = Trace.read(self.folder)
        manifest = trace.manifest
        if (manifest.world, manifest.scenario_digest, manifest.seed) != ("measured", self.scenario.digest, self.seed):
            raise TraceError(
                f"{self.folder}: there is a trace of scenario {manifest.scenario_digest} with seed {manifest.seed}, "
                f"not of {self.scenario.digest} with seed {self.seed}; give another folder, or remove this one"
            )
        return trace


def plan_series(
    scenarios: Sequence[Scenario], repeat: int, seed: int, folder: str | Path, *, in_lab: bool = False
) -> list[Recording]:
    """Return the recordings of each scenario, `repeat` times with consecutive seeds: folder/NAME-SEED.

    All scenarios are recorded once before any is repeated, so that a series that ends early has each of them.

    Raises
    ------
    ScenarioError, TraceError
        A scenario cannot be measured, two have the same name, or a folder holds another trace.
    """
    names = [scenario.name for scenario in scenarios]
    for name in names:
        if names.count(name) > 1:
            raise ScenarioError(
                f"{name!r} is the name of {names.count(name)} scenarios of the series; each needs a name of its own"
            )
    for scenario in scenarios:
        check_feasible(scenario, in_lab=in_lab)
    recordings = [
        Recording(scenario=scenario, seed=number, folder=Path(folder) / f"{scenario.name}-{number}")
        for number in range(seed, seed + repeat)
        for scenario in scenarios
    ]
    for recording in recordings:
        recording.finished()
    return recordings
