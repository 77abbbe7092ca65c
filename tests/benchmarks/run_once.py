"""One simulated run in a process of its own: how long it takes and how much memory; one JSON object per line.

    python -m tests.benchmarks.run_once SCENARIO [CHANGES]

CHANGES is a JSON object. The first line comes after a small run that loads or compiles the kernels; then lines of
progress; the last line is the result. Seconds are of the processor.
"""

import json
import resource
import sys
import time

from p2psim.scenario import Scenario
from p2psim.simulation import run

__all__ = ["main"]

_WARM = {"viewers.count": 20, "duration": "30 s", "warmup": "0 s", "viewers.arrival_period": "2 s"}


def main(arguments: list[str]) -> None:
    """Run it."""
    scenario = Scenario.load(arguments[0]).replace(json.loads(arguments[1]) if arguments[1:] else {})
    began = time.process_time()
    run(scenario.replace(_WARM))
    _say(step="warm", seconds=time.process_time() - began, memory=_peak())
    before, cpu, wall = _peak(), time.process_time(), time.perf_counter()

    def progress(share: float) -> None:
        _say(step="progress", share=share, seconds=time.process_time() - cpu, memory=_peak())

    result = run(scenario, progress=progress)
    viewers = result.totals.viewers
    _say(
        step="done",
        seconds=time.process_time() - cpu,
        wall=time.perf_counter() - wall,
        memory=_peak(),
        grown=_peak() - before,
        viewers=len(viewers),
        viewer_seconds=float(viewers["watched"].sum()),
        events=result.events,
        p2p=float(viewers["bytes_p2p"].sum() / (viewers["bytes_p2p"].sum() + viewers["bytes_http"].sum())),
    )


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _say(**values: object) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
