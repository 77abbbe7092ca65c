"""Worker process that runs some of a scenario's viewers: ``python -m p2psim.testbed.peer.worker``.

The worker reads its task, one line of JSON, from standard input and writes ``{"ready": …}`` to standard output. It then
reads a second line with the monotonic time at which the run's clock is 0, runs its viewers, and writes ``{"done": …}``.
It ends early when standard input is closed, because the process that started it has ended.
"""

import asyncio
import json
import logging
import signal
import sys
import time
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from p2psim.errors import P2PSimError
from p2psim.policy.interface import options
from p2psim.rng import constant_streams
from p2psim.scenario import Scenario
from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.peer.config import RunEnvironment, ViewerPlan
from p2psim.testbed.peer.connection import confine
from p2psim.testbed.peer.single_loader import SingleLoader
from p2psim.testbed.peer.viewer import Viewer
from p2psim.testbed.recording.event_log import EventLog

__all__ = ["Task", "main", "prepare"]

_CONCURRENT_ANSWERS: Final = 4
"""Number of connections that are being answered at a time."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Task of a worker."""

    scenario: str
    """Path of the scenario file."""
    seed: int
    viewers: list[ViewerPlan]
    master: str
    trackers: tuple[str, ...]
    event_log: str
    ice: str = ""
    """URL of the list of STUN and TURN servers; "": no servers."""
    is_confined: bool = True
    """True: viewers offer the loopback to their peers; False: the addresses of their machine."""


def main() -> int:
    """Run the worker; return the exit status."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started the worker decides when it ends
    task = msgspec.json.decode(sys.stdin.readline(), type=Task)
    scenario = Scenario.load(task.scenario)
    if task.is_confined:
        confine()
    prepare(scenario)
    _write_status({"ready": len(task.viewers)})
    started = json.loads(sys.stdin.readline() or "null")
    if started is None:
        return 1
    try:
        errors = asyncio.run(_run(task, scenario, float(started["start"])))
    except P2PSimError as error:
        print(error, file=sys.stderr)
        return 2
    _write_status({"done": len(task.viewers), "errors": errors, "cpu": time.process_time()})
    return 0


def _write_status(status: dict[str, object]) -> None:
    print(json.dumps(status), flush=True)


def prepare(scenario: Scenario) -> None:
    """Compile the policy, or load it from the cache, before the run starts."""
    loader = SingleLoader(options(scenario.policy, True), constant_streams(0.5, 1)[0])
    loader.playlist([(number, number * 4.0, number * 4.0 + 4.0) for number in range(15)])
    loader.start_at(0.0)
    loader.connect("neighbour")
    loader.announced("neighbour", [12], [13])
    loader.player_requests(0)
    for command in loader.queue_pass(0.0):
        loader.started(command.source, 0.0, command.neighbour)
    loader.playhead_moves(1.0, 1.0, 1.0)
    loader.prefetch_delay()
    loader.prefetch_round(2.0)
    loader.lacks("neighbour", 12)
    loader.received(0, 100, 1, 2.5)
    loader.failed(0, 3.0)
    loader.queue_pass(3.5)
    loader.succeeded(0)
    loader.queue_pass(4.0)
    loader.announcement()
    loader.abort_all()
    loader.disconnect("neighbour")


async def _run(task: Task, scenario: Scenario, started_at: float) -> int:
    """Run all viewers to their end; return the number of uncaught errors."""
    loop = asyncio.get_running_loop()
    unhandled: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: _record_error(unhandled, context))
    loop.add_reader(sys.stdin.fileno(), _exit_as_orphan)
    with EventLog(Path(task.event_log)) as event_log:
        environment = RunEnvironment(
            scenario=scenario,
            seed=task.seed,
            master=task.master,
            trackers=task.trackers,
            clock=RunClock(started_at),
            event_log=event_log,
            gate=asyncio.Semaphore(_CONCURRENT_ANSWERS),
            ice=task.ice,
        )
        async with asyncio.TaskGroup() as viewers:
            for plan in task.viewers:
                viewers.create_task(Viewer(plan, environment).watch(), name=plan.name)
        for session in environment.abandoned_sessions:
            await session.close()
    return len(unhandled)


def _exit_as_orphan() -> NoReturn:
    raise SystemExit(1)


def _record_error(unhandled: list[dict[str, object]], context: dict[str, object]) -> None:
    unhandled.append(context)
    error = context.get("exception")
    logging.getLogger(__name__).error(
        "%s", context.get("message"), exc_info=error if isinstance(error, BaseException) else None
    )


if __name__ == "__main__":
    sys.exit(main())
