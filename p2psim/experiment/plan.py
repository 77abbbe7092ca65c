"""Capacity plan in one call."""

import dataclasses
from typing import Any

from p2psim.analysis.planning import Effort, Plan, PlanInputs, make_plan, read_inputs
from p2psim.analysis.runs import Runs
from p2psim.errors import InputError, at_least, one_of
from p2psim.experiment.progress_bar import Bar

__all__ = ["plan"]

_KNOWN = tuple(field.name for field in dataclasses.fields(PlanInputs))


def plan(
    viewers: float | str | None = None,
    *,
    replications: int | None = None,
    seed: int = 1,
    jobs: int | None = None,
    quick: bool = False,
    progress: bool = True,
    session: Runs | None = None,
    **inputs: Any,
) -> Plan:
    """Plan the capacity for an audience: rates of the origin, saving and bill, each with its 95 % interval.

    Parameters
    ----------
    viewers
        Number of concurrent viewers (of an event: at its peak).
    replications
        Replications of everything that is simulated; None: 8 (with `quick`, 4 of each changed input).
    quick
        Smaller swarms and shorter runs, for an answer in seconds.
    session
        Simulates the runs and keeps them, instead of `jobs`: a later plan with the same session simulates only what is
        new, nothing if only prices change.
    inputs
        Quantities with units, or in canonical units (bytes/s, seconds, shares from 0 to 1). Audience: ``event`` (a name
        of data/presets/events.toml) or ``csv`` (time and viewers), ``channels``, ``zipf``, ``viewing``. Stream:
        ``bitrate`` or ``ladder``, ``latency``, ``segment``. Network: ``country`` or ``access``, ``nat``, ``mobile``,
        ``lent``, ``relay``. ``changes``: other fields of a scenario by dotted name, for example ``policy.maxPeers``.
        Prices in dollars: ``prices`` (a name of data/presets/prices.toml), ``cdn_price`` (a gigabyte), ``p95_price``
        (a Mbit/s and month), ``fee_hour``, ``fee_gb``, ``turn_price``; ``hours`` (of a constant audience) and
        ``times`` (of one over time) say what is billed.

    Raises
    ------
    InputError
        Before anything is simulated, with the value and what is accepted.
    """
    for name in inputs:
        one_of("input", name, _KNOWN)
    read = read_inputs(PlanInputs(viewers=viewers, **inputs))
    count = 8 if replications is None else replications
    if not 2 <= at_least("replications", count, 0) <= 1000:
        raise InputError(f"replications = {replications!r}: 2 to 1000 are accepted; one has no interval")
    at_least("seed", seed, 0)
    if session is not None and jobs is not None:
        raise InputError("jobs, session: one of them is accepted; Runs(jobs) makes a session of so many processes")
    runs = Runs(jobs) if session is None else session
    with Bar("planning", quiet=not progress) as bar:
        runs.progress = bar
        return make_plan(read, runs, seed, Effort.of(read.audience, count, quick))
