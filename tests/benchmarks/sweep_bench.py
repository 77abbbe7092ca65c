"""How much faster two workers make a sweep: ``python tests/benchmarks/sweep_bench.py [rounds]``.

Each round runs the same sweep with one worker and with two, as a user would (`p2psim sweep`, start-up included), and
compares the tables. Other work on the machine spoils the ratio: the load is printed beside it, and what the ratio
would be without, from processor times: what cannot be shared (start-up, gathering) is the time of the same command
when all runs are there.
"""

import filecmp
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DESIGN = """
scenario = "c05-thousand"
replications = 12
metrics = ["p2p_ratio"]
[set]
"viewers.count" = 1000
[grid]
"stream.live_latency" = ["20 s", "24 s", "28 s"]
"""


def main(rounds: int) -> None:
    """Print seconds and ratio of each round."""
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        design = Path(folder) / "design.toml"
        design.write_text(DESIGN, encoding="utf-8")
        _sweep(design, Path(folder) / "warm", jobs=1)  # compiles, if nobody has
        for number in range(rounds):
            outs = [Path(folder) / f"{jobs}-{number}" for jobs in (1, 2)]
            (one, one_cpu), (two, two_cpu) = (_sweep(design, out, jobs) for jobs, out in zip((1, 2), outs, strict=True))
            _, alone = _sweep(design, outs[1], jobs=2)
            same = filecmp.cmp(outs[0] / "runs.csv", outs[1] / "runs.csv", shallow=False)
            ratios.append(one / two)
            undisturbed = one_cpu / (alone + (two_cpu - alone) / 2)
            print(
                f"one {one:.1f} s ({one_cpu:.1f} s CPU)  two {two:.1f} s ({two_cpu:.1f} s CPU, {alone:.1f} s alone)  "
                f"ratio {one / two:.2f}  by CPU {undisturbed:.2f}  same bits {same}  load {os.getloadavg()[0]:.1f}"
            )
    print(f"median ratio {statistics.median(ratios):.2f}")


def _sweep(design: Path, out: Path, jobs: int) -> tuple[float, float]:
    """Sweep; give seconds, and seconds of processors."""
    command = [sys.executable, "-m", "p2psim", "sweep", str(design), "--out", str(out), "--jobs", str(jobs), "--quiet"]
    began, used = time.perf_counter(), _used()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began, _used() - used


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
