"""One replication of a scenario, from seed to tables."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from p2psim.bundle import records
from p2psim.errors import CheckpointError
from p2psim.network import max_min_sharing
from p2psim.policy.state import allocate
from p2psim.scenario import Scenario, populate
from p2psim.simulation import tables
from p2psim.simulation.checkpoint import Checkpoint, read_saved, write_state
from p2psim.simulation.control import faults, hybrid
from p2psim.simulation.control.control import Control
from p2psim.simulation.initial_state import kernel_state
from p2psim.simulation.kernel.event_queue import BLOCK
from p2psim.simulation.kernel.loop import DONE, LEVELS_CHANGED, advance, close_run, start_clock
from p2psim.simulation.kernel.state import (
    CONNECTION_LOG,
    EVENT,
    HEAP_EVENT,
    N_BLOCKS_HELD,
    N_CONNECTIONS,
    N_EVENTS,
    N_HANDLED,
    N_PLAYED,
    N_STATES,
    N_TRANSFERS,
    PLAYED_LOG,
    STATE_LOG,
    TRANSFER,
    TRANSFER_LOG,
)
from p2psim.trace import Manifest, Trace, versions
from p2psim.trace.totals import Totals

__all__ = ["Run", "Simulation", "run"]

_LOGS = {"transfer_log": N_TRANSFERS, "played_log": N_PLAYED, "state_log": N_STATES, "connection_log": N_CONNECTIONS}


@dataclass(frozen=True, slots=True)
class Run:
    """Result of one replication."""

    totals: Totals
    trace: Trace | None
    stale_offers: int = 0
    """Offers that the tracker forwarded to viewers that had left already."""
    live_offers: int = 0
    """Offers that reached a present viewer."""
    events: int = 0
    """Events that the kernel handled."""


def run(
    scenario: Scenario,
    *,
    seed: int = 1,
    replication: int = 0,
    events: bool = False,
    progress: Callable[[float], None] | None = None,
    prepare: Callable[[Control], object] | None = None,
    checkpoint: Checkpoint | None = None,
    viewers: tuple[int, int] | None = None,
) -> Run:
    """Simulate one replication.

    Parameters
    ----------
    seed, replication
        Seeds of all random streams: the same pair gives the same tables, bit for bit.
    events
        Keep every event, for `Run.trace`.
    progress
        Called with the completed share of the run, 0 to 1.
    prepare
        Called before the clock starts, to add user-defined SimPy processes to `Control.env`.
    checkpoint
        File in which the run is saved periodically. A run saved there before is continued without calling `prepare`.
        The file is kept at the end.
    viewers
        Seed and replication of the population (links, NATs, devices, times), so that only the rest is random; default:
        those of `seed` and `replication`.

    Raises
    ------
    CheckpointError
        The saved run is damaged or belongs to another run, or the run cannot be saved.
    """
    simulation = None if checkpoint is None else _saved(checkpoint, scenario, seed, replication, events)
    if simulation is None:
        simulation = Simulation(scenario, seed, replication, events, viewers)
        if prepare is not None:
            prepare(simulation.control)
    simulation.run_until(scenario.duration, progress, checkpoint)
    return simulation.result()


def _saved(
    checkpoint: Checkpoint, scenario: Scenario, seed: int, replication: int, events: bool
) -> "Simulation | None":
    if not checkpoint.path.exists():
        return None
    simulation = read_saved(checkpoint.path, Simulation)
    control = simulation.control
    found = (control.scenario.digest, control.seed, control.replication, control.keep)
    if found != (scenario.digest, seed, replication, events):
        raise CheckpointError(
            f"{checkpoint.path}: of another run (scenario {found[0]}, seed {found[1]}, run {found[2]})"
        )
    return simulation


class Simulation:
    """Run in progress: control plane and kernel advance in step, and full logs are emptied."""

    def __init__(
        self, scenario: Scenario, seed: int, replication: int, events: bool, viewers: tuple[int, int] | None = None
    ) -> None:
        people = populate(scenario, *(viewers or (seed, replication)))
        kernel = kernel_state(scenario, people, seed, replication, events)
        self.control = Control(scenario, people, kernel, seed, replication, keep=events)
        hybrid.schedule(self.control)
        faults.schedule(self.control)
        self._log_pages: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in _LOGS}
        start_clock(self.control.kernel)

    @property
    def now(self) -> float:
        """Simulated time, seconds."""
        return float(self.control.env.now)

    def run_until(
        self, end: float, progress: Callable[[float], None] | None = None, checkpoint: Checkpoint | None = None
    ) -> None:
        """Advance to a time, saving the run between two events of the control plane."""
        env = self.control.env
        reported = saved = float(env.now)
        while True:
            at = min(float(env.peek()), end)
            is_pause = checkpoint is not None and at < end and at > saved + 2 * checkpoint.every
            if not self._advance(saved + checkpoint.every if checkpoint is not None and is_pause else at):
                continue  # a new event may come first
            if at >= end:
                break
            if not is_pause:
                env.step()
            if progress is not None and env.now - reported > end / 200:
                reported = float(env.now)
                progress(reported / end)
            if checkpoint is not None and (is_pause or env.now - saved >= checkpoint.every):
                saved = saved + checkpoint.every if is_pause else float(env.now)
                write_state(self, checkpoint.path)
        if progress is not None:
            progress(1.0)

    def _advance(self, until: float) -> bool:
        """Advance the kernel; return False if it has scheduled an event that may come before `until`."""
        while (found := advance(self.control.kernel, float(until))) != DONE:
            if found == LEVELS_CHANGED:
                self.control.announce_level_changes()
                return False
            self._empty_logs()
            self._enlarge()
        return True

    def _enlarge(self) -> None:
        kernel = self.control.kernel
        if max(kernel.counts[N_EVENTS], kernel.counts[N_BLOCKS_HELD] * BLOCK) > len(kernel.event_blocks) // 2:
            larger = records(2 * len(kernel.event_blocks), EVENT)
            larger[: len(kernel.event_blocks)] = kernel.event_blocks
            event_heap = records(len(larger), HEAP_EVENT)
            event_heap[: len(kernel.event_heap)] = kernel.event_heap
            self.control.replace_kernel(replace(kernel, event_blocks=larger, event_heap=event_heap))

    def _empty_logs(self) -> None:
        kernel = self.control.kernel
        for name, place in _LOGS.items():
            count = int(kernel.counts[place])
            if count:
                self._log_pages[name].append(np.array(getattr(kernel, name)[:count]))
                kernel.counts[place] = 0

    def logs(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return all log entries."""
        self._empty_logs()
        dtypes = {
            "transfer_log": TRANSFER_LOG,
            "played_log": PLAYED_LOG,
            "state_log": STATE_LOG,
            "connection_log": CONNECTION_LOG,
        }
        return {
            name: np.concatenate(pages) if pages else np.zeros(0, dtypes[name])
            for name, pages in self._log_pages.items()
        }

    def result(self) -> Run:
        """Return the result at the end of the scenario."""
        control = self.control
        scenario, people, kernel = control.scenario, control.population, control.kernel
        closed = 0
        while (closed := close_run(control.kernel, closed, float(scenario.duration))) < len(people):
            self._empty_logs()
        kernel.viewer["left_at"] = np.where(kernel.viewer["left_at"] > 0, kernel.viewer["left_at"], np.nan)
        self._free_arrays()
        kernel = control.kernel
        totals = tables.totals(scenario, people, kernel, control.seed, control.replication)
        trace = None
        if control.keep:
            manifest = Manifest(
                world="simulated",
                scenario_digest=scenario.digest,
                seed=control.seed,
                replication=control.replication,
                duration=scenario.duration,
                name=scenario.name,
                versions=versions(),
            )
            signalling = control.signalling
            event_tables = tables.tables(
                scenario, people, kernel, self.logs(), signalling.attempts, signalling.announcements
            )
            trace = Trace(manifest, scenario, event_tables)
        offers = control.signalling.stale_offers, control.signalling.live_offers
        return Run(totals, trace, *offers, int(kernel.counts[N_HANDLED]))

    def _free_arrays(self) -> None:
        """Free kernel arrays before the tables are built, to limit peak memory."""
        self.control.retire()
        self.control.replace_kernel(
            replace(
                self.control.kernel,
                L=allocate(1, 1, 1, 1),
                N=max_min_sharing.allocate(np.zeros(1), 1),
                transfer=records(1, TRANSFER),
                http_bytes=np.zeros((1, 1), np.float32),
                event_blocks=records(1, EVENT),
                event_heap=records(1, HEAP_EVENT),
            )
        )
