"""Plants errors in a copy of the package, one after the other, and shows that each makes its test fail.

    python -m tests.theory.plant [--only NAME …] [--list]

An error in compiled code is tried interpreted, on a test whose runs are small; a few need the real speed, and their
kernels are compiled anew. Before a test is trusted to fail, it is seen to pass without the error. Exit status 1: a
test did not notice, or an error no longer fits the source.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

__all__ = ["ERRORS", "Error", "How", "main"]

ROOT = Path(__file__).parents[2]


class How(Enum):
    """How the test is run."""

    AS_IT_IS = "Python"
    """The error is in plain Python: compiled kernels stay as they are."""
    INTERPRETED = "interpreted"
    COMPILED = "compiled anew"


@dataclass(frozen=True)
class Error:
    """In `file` the text `old`, found once, becomes `new`; then `test` fails."""

    name: str
    file: str
    old: str
    new: str
    test: str
    how: How = How.AS_IT_IS


POPULATION, ARRIVALS = "p2psim/scenario/population.py", "p2psim/scenario/arrivals.py"
CONTROL, RUN = "p2psim/simulation/control/control.py", "p2psim/simulation/run.py"
SIGNALLING = "p2psim/simulation/control/signalling.py"
LINKS = "p2psim/simulation/kernel/topology.py"
SHARING, TRANSFERS = "p2psim/network/max_min_sharing.py", "p2psim/simulation/kernel/transfers.py"

ERRORS = [
    Error(
        "arrivals at twice the rate", ARRIVALS,
        "rate = viewers.count / viewers.mean_viewing_time * highest",
        "rate = 2 * viewers.count / viewers.mean_viewing_time * highest",
        "test_audience.py::test_time_alone_does_not_depend_on_the_law_of_viewing[1-exponential]",
    ),
    Error(
        "lognormal viewing times with the median for the mean", ARRIVALS,
        "np.log(mean) - sigma**2 / 2 +", "np.log(mean) +",
        "test_audience.py::test_time_alone_does_not_depend_on_the_law_of_viewing[3-lognormal]",
    ),
    Error(
        "viewers stay for half their time", POPULATION,
        "left = joined +", "left = joined + 0.5 *",
        "test_audience.py::test_others_of_a_viewer_are_poisson[exponential]",
    ),
    Error(
        "the tracker counts a newcomer twice", "tracker/p2p_tracker/core/tracker.py",
        "complete, total - complete)", "complete, 1 + total - complete)",
        "test_audience.py::test_a_newcomer_finds_nobody_with_the_same_probability",
    ),
    Error(
        "all channels are liked alike", POPULATION,
        "** -scenario.channels.zipf", "** 0.0",
        "test_audience.py::test_line_up_of_channels[100-1.0-0.587]",
    ),
    Error(
        "announces carry no offers", SIGNALLING,
        "offers = self._offers if has_room else []", "offers: list[Offer] = []",
        "test_audience.py::test_perfect_sharing_sends_one_copy_to_whoever_is_there[exponential]",
    ),
    Error(
        "announcements are not heard", "p2psim/simulation/kernel/announcements.py",
        "    if old == state:\n        return\n", "    return\n",
        "test_swarms.py::test_one_copy_per_swarm[2]", How.INTERPRETED,
    ),
    Error(
        "no attempt to connect fails by chance", SIGNALLING,
        "if failure == 0 or", "if True or",
        "test_swarms.py::test_one_copy_per_component_of_random_links[2-0.7-0.35]",
    ),
    Error(
        "everybody comes in half the time", ARRIVALS,
        "rng.random(viewers.count) * min(", "0.5 * rng.random(viewers.count) * min(",
        "test_swarms.py::test_copies_by_viewers_who_cannot_know_of_each_other[5-0.1]",
    ),
    Error(
        "prefetch with twice the probability", "p2psim/policy/random_prefetch.py",
        "probability = count / viewers", "probability = 2 * count / viewers",
        "test_swarms.py::test_nobody_prefetches_in_a_round[5-0.3277]", How.COMPILED,
    ),
    Error(
        "the window of high demand twice as long", "p2psim/policy/versions/defaults.py",
        "float(policy.highDemandTimeWindow)", "2 * float(policy.highDemandTimeWindow)",
        "test_swarms.py::test_first_segments_come_from_the_origin[2-3]",
    ),
    Error(
        "bytes of the origin booked at half", TRANSFERS,
        "P.seat[v].bytes_http += got", "P.seat[v].bytes_http += got / 2",
        "test_swarms.py::test_first_segments_come_from_the_origin[2-3]", How.INTERPRETED,
    ),
    Error(
        "uplinks carry twice what is lent", LINKS,
        "_interleaved(people.uplink[first],", "_interleaved(2 * people.uplink[first],",
        "test_capacity.py::test_live_offload_stays_below_the_fluid_bound[5-0.25]",
    ),
    Error(
        "the origin is unlimited", LINKS,
        "[np.array([scenario.origin.rate]),", "[np.array([np.inf]),",
        "test_capacity.py::test_nobody_is_served_beyond_the_streaming_capacity[3.0]",
    ),
    Error(
        "the origin is unlimited, for files", LINKS,
        "[np.array([scenario.origin.rate]),", "[np.array([np.inf]),",
        "test_capacity.py::test_a_file_from_a_server_takes_its_distribution_time[40-30-2]",
    ),
    Error(
        "the origin is fifty times as fast", LINKS,
        "[np.array([scenario.origin.rate]),", "[np.array([50 * scenario.origin.rate]),",
        "test_capacity.py::test_peers_do_not_beat_the_distribution_time[2.0-0.5]",
    ),
    Error(
        "who does not share uploads all the same", RUN,
        '["uploads"][:count] = people.uploads', '["uploads"][:count] = True',
        "test_capacity.py::test_recordings_are_shared_in_order_of_arrival",
    ),
    Error(
        "headers cost nothing", TRANSFERS,
        "x.asked / P.s.goodput, cap / P.s.goodput", "x.asked, cap / P.s.goodput",
        "test_transfers.py::test_hop_time_is_bits_over_rate_and_a_round_trip[6-10-3.0]", How.INTERPRETED,
    ),
    Error(
        "requests take no round trip", TRANSFERS,
        "wait = round_trip(P, v, other, x.via == 1) + P.s.request", "wait = P.s.request",
        "test_transfers.py::test_hop_time_is_bits_over_rate_and_a_round_trip[6-10-3.0]", How.INTERPRETED,
    ),
    Error(
        "channels have no window", "p2psim/simulation/kernel/paths.py",
        "P.s.channel_window / rtt if rtt > 0 else math.inf", "math.inf",
        "test_transfers.py::test_a_channel_carries_its_window_per_round_trip[65536-0.2-2.6214]", How.INTERPRETED,
    ),
    Error(
        "the answer needs no hop to the offerer", SIGNALLING,
        "3 * tracker.one_way_delay + network.gather", "2 * tracker.one_way_delay + network.gather",
        "test_transfers.py::test_a_channel_opens_after_its_round_trips",
    ),
    Error(
        "uplinks carry twice what is lent, hop by hop", LINKS,
        "_interleaved(people.uplink[first],", "_interleaved(2 * people.uplink[first],",
        "test_transfers.py::test_a_relayed_segment_takes_as_long_as_its_hops",
    ),
    Error(
        "the rest does not speed up when a flow ends", SHARING,
        "        row.load = row.load - rate if row.flows > 0 else 0.0\n        if saturated:",
        "        row.load = row.load - rate if row.flows > 0 else 0.0\n        if False:",
        "test_transfers.py::test_processor_sharing[0.5-fixed]", How.COMPILED,
    ),
    Error(
        "the heartbeat is twice as long", SIGNALLING,
        "heartbeat_timeout=tracker.heartbeat", "heartbeat_timeout=2 * tracker.heartbeat",
        "test_departures.py::test_stale_entries_follow_the_heartbeat[150-60-1.0]",
    ),
    Error(
        "everybody vanishes without a goodbye", CONTROL,
        "crash=bool(self.population.departure[v] == CRASH)", "crash=True",
        "test_departures.py::test_transfers_end_with_their_uploader[30.0-4.0]",
    ),
    Error(
        "port-restricted and symmetric NATs connect", "p2psim/network/nat.py",
        "        return not _FILTERING_BY_PORT[b]\n", "        return True\n",
        "test_reachability.py::test_share_of_pairs_that_connect[average-0.7784]", How.INTERPRETED,
    ),
    Error(
        "symmetric viewers reach each other", "p2psim/network/nat.py",
        "    if a == BLOCKED or b == BLOCKED:\n        return False", "    if a == b:\n        return True",
        "test_reachability.py::test_a_symmetric_viewer_needs_several_tries[10-0.0374]", How.INTERPRETED,
    ),
    Error(
        "NATs do not matter", SIGNALLING,
        "path = self.reach.path(v, receiver) if", 'path = "host" if',
        "test_reachability.py::test_attempts_succeed_as_the_table_says[average]",
    ),
    Error(
        "whoever has no bottleneck keeps its rate", SHARING,
        "            count = _free_faster(N, f, count)\n", "            pass\n",
        "test_sharing.py::test_finish_times_are_those_of_full_solutions", How.INTERPRETED,
    ),
    Error(
        "caps do not hold", SHARING,
        "        if caps <= share:", "        if caps <= share and size == 0:",
        "test_sharing.py::test_any_graph", How.INTERPRETED,
    ),
    Error(
        "a new capacity does not reach the flows", SHARING,
        "    N.counts[_STAGED] = _free_all(N, link, N.counts[_STAGED])\n\n", "    pass\n\n",
        "test_sharing.py::test_finish_times_are_those_of_full_solutions", How.INTERPRETED,
    ),
    Error(
        "a changed rate counts from the start", SHARING,
        "    flow.since = now\n    flow.rate = rate", "    flow.rate = rate",
        "test_sharing.py::test_bytes_are_conserved", How.INTERPRETED,
    ),
    Error(
        "the first flow of a network gets a head start", SHARING,
        "    flow.bottleneck = NONE\n    for p",
        "    flow.bottleneck = NONE\n    flow.cap = cap if f else 2 * cap\n    for p",
        "test_sharing.py::test_names_and_order_do_not_matter", How.INTERPRETED,
    ),
    Error(
        "wider links make for slower flows", "p2psim/network/flows.py",
        "    network.link[\"capacity\"] = capacity\n",
        "    network.link[\"capacity\"] = capacity / (1 + capacity * capacity)\n",
        "test_sharing.py::test_the_least_rate_grows_with_any_capacity", How.INTERPRETED,
    ),
    Error(
        "peers ask for segments before they are there", "p2psim/policy/peer_choice.py",
        "link.blame <= least and L.slot[link.neighbour, slot].announced == STORED", "link.blame <= least",
        "test_invariants.py::test_every_run", How.COMPILED,
    ),
    Error(
        "uploads of a transfer given up do not count", TRANSFERS,
        "P.seat[x.other].bytes_up += got", "P.seat[x.other].bytes_up += got if outcome == COMPLETED else 0.0",
        "test_invariants.py::test_every_run", How.COMPILED,
    ),
    Error(
        "uplinks beyond 160 kbit/s are of no use", LINKS,
        "_interleaved(people.uplink[first],", "_interleaved(np.minimum(people.uplink[first], 2e4),",
        "test_invariants.py::test_more_uplink_saves_more",
    ),
    Error(
        "the first viewer comes late", CONTROL,
        "arrive(self.plane, v, float(self.env.now))",
        "arrive(self.plane, v, float(self.env.now) + (2.0 if v == 0 else 0.0))",
        "test_invariants.py::test_names_of_viewers_do_not_matter[http-only]",
    ),
    Error(
        "the first viewer keeps all to himself", RUN,
        '["uploads"][:count] = people.uploads', '["uploads"][:count] = (np.arange(count) > 0) & people.uploads',
        "test_invariants.py::test_nobody_is_favoured_by_his_number",
    ),
]  # fmt: skip


def main() -> int:
    """Plant what was asked for, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="errors whose names contain one of these")
    parser.add_argument("--list", action="store_true", help="print the list as a table, and do nothing")
    options = parser.parse_args()
    chosen = [e for e in ERRORS if options.only is None or any(part in e.name for part in options.only)]
    if options.list:
        print("\n".join(f"| {e.name} | {e.test.replace('::', ' ').replace('.py', '')} |" for e in chosen))
        return 0
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = _copied(Path(folder))
        healthy: set[str] = set()
        for error in chosen:
            verdict = _tried(copy, error, healthy)
            missed += verdict != "noticed"
            print(f"{verdict:22} {error.name:52} {error.how.value:14} {error.test}", flush=True)
    return 1 if missed else 0


def _copied(folder: Path) -> Path:
    """Copy what tests need, with the times of files: caches of compiled code stay good."""
    for part in ("p2psim", "tracker", "data", "tests/theory"):
        shutil.copytree(ROOT / part, folder / part, copy_function=shutil.copy2)
    shutil.copy2(ROOT / "pyproject.toml", folder)
    return folder


def _tried(copy: Path, error: Error, healthy: set[str]) -> str:
    path = copy / error.file
    source = path.read_text(encoding="utf-8")
    if source.count(error.old) != 1:
        return "NO LONGER FITS"
    if error.test not in healthy and _fails(copy, error):
        return "FAILS WITHOUT IT"
    healthy.add(error.test)
    before = path.stat()
    path.write_text(source.replace(error.old, error.new), encoding="utf-8")
    if error.how is How.AS_IT_IS:
        _keep_cache(copy, error.file)
    noticed = _fails(copy, error)
    path.write_text(source, encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    if error.how is How.AS_IT_IS:
        _keep_cache(copy, error.file)
    return "noticed" if noticed else "NOT NOTICED"


def _keep_cache(copy: Path, file: str) -> None:
    """Let the stamp of the kernels' sources know the file as it is now (`p2psim.compiled`)."""
    stamp, name = copy / "p2psim/__pycache__/kernels.stamp", file.removeprefix("p2psim/")
    if stamp.exists():
        state = (copy / file).stat()
        lines = stamp.read_text(encoding="utf-8").splitlines()
        fresh = f"{name} {state.st_mtime_ns} {state.st_size}"
        stamp.write_text("\n".join(fresh if line.split(" ")[0] == name else line for line in lines), encoding="utf-8")


def _fails(copy: Path, error: Error) -> bool:
    """Run the test; an interpreted one forgives numpy's warnings about infinite links."""
    interpreted = error.how is How.INTERPRETED
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/theory/{error.test}"]
    found = subprocess.run(
        [*command, *(["-W", "ignore::RuntimeWarning"] if interpreted else [])],
        cwd=copy,
        env={
            **os.environ,
            "NUMBA_DISABLE_JIT": "1" if interpreted else "0",
            "PYTHONPATH": f"{copy}{os.pathsep}{copy / 'tracker'}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode not in (0, 1):
        raise SystemExit(f"{error.name}: pytest ended with status {found.returncode}\n{found.stdout}{found.stderr}")
    return found.returncode == 1


if __name__ == "__main__":
    sys.exit(main())
