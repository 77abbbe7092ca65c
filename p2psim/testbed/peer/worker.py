"""A process that runs some of a scenario's viewers: ``python -m p2psim.testbed.peer.worker``.

Its task comes as one line of JSON on standard input. It says ``{"ready": …}`` on standard output, waits there for a
second line with the monotonic time at which the run's clock is 0, runs its viewers, and says ``{"done": …}``. It ends
early when standard input is closed: whoever started it is gone.
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
from p2psim.testbed.peer.config import Surroundings, ViewerPlan
from p2psim.testbed.peer.connection import confine
from p2psim.testbed.peer.single_loader import Agent
from p2psim.testbed.peer.viewer import Viewer
from p2psim.testbed.recording.event_log import EventLog as Journal

__all__ = ["Task", "main", "prepare"]

_ANSWERED_AT_ONCE: Final = 4


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has to do."""

    scenario: str
    """Path of the scenario's file."""
    seed: int
    viewers: list[ViewerPlan]
    master: str
    trackers: tuple[str, ...]
    journal: str
    ice: str = ""
    """Address of the list of STUN and TURN servers; none without it."""
    is_confined: bool = True
    """Whether peers are on the loopback; else they have the addresses of their machine."""


def main() -> int:
    """Work; return the exit status."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it decides
    task = msgspec.json.decode(sys.stdin.readline(), type=Task)
    scenario = Scenario.load(task.scenario)
    if task.is_confined:
        confine()
    prepare(scenario)
    _say({"ready": len(task.viewers)})
    started = json.loads(sys.stdin.readline() or "null")
    if started is None:
        return 1
    try:
        errors = asyncio.run(_run(task, scenario, float(started["start"])))
    except P2PSimError as error:
        print(error, file=sys.stderr)
        return 2
    _say({"done": len(task.viewers), "errors": errors, "cpu": time.process_time()})
    return 0


def _say(words: dict[str, object]) -> None:
    print(json.dumps(words), flush=True)


def prepare(scenario: Scenario) -> None:
    """Compile the policy, or load it from the cache, before time matters."""
    agent = Agent(options(scenario.policy, True), constant_streams(0.5, 1)[0])
    agent.playlist([(number, number * 4.0, number * 4.0 + 4.0) for number in range(15)])
    agent.start_at(0.0)
    agent.connect("somebody")
    agent.announced("somebody", [12], [13])
    agent.player_requests(0)
    for command in agent.queue_pass(0.0):
        agent.started(command.source, 0.0, command.neighbour)
    agent.playhead_moves(1.0, 1.0, 1.0)
    agent.prefetch_delay()
    agent.prefetch_round(2.0)
    agent.lacks("somebody", 12)
    agent.received(0, 100, 1, 2.5)
    agent.failed(0, 3.0)
    agent.queue_pass(3.5)
    agent.succeeded(0)
    agent.queue_pass(4.0)
    agent.announcement()
    agent.abort_all()
    agent.disconnect("somebody")


async def _run(task: Task, scenario: Scenario, started_at: float) -> int:
    """Run all viewers to their end; gives how many errors nobody caught."""
    loop = asyncio.get_running_loop()
    unhandled: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: _note_error(unhandled, context))
    loop.add_reader(sys.stdin.fileno(), _orphaned)
    with Journal(Path(task.journal)) as journal:
        around = Surroundings(
            scenario=scenario,
            seed=task.seed,
            master=task.master,
            trackers=task.trackers,
            clock=RunClock(started_at),
            journal=journal,
            gate=asyncio.Semaphore(_ANSWERED_AT_ONCE),
            ice=task.ice,
        )
        async with asyncio.TaskGroup() as viewers:
            for plan in task.viewers:
                viewers.create_task(Viewer(plan, around).watch(), name=plan.name)
        for session in around.graves:
            await session.close()
    return len(unhandled)


def _orphaned() -> NoReturn:
    raise SystemExit(1)


def _note_error(unhandled: list[dict[str, object]], context: dict[str, object]) -> None:
    unhandled.append(context)
    error = context.get("exception")
    logging.getLogger(__name__).error(
        "%s", context.get("message"), exc_info=error if isinstance(error, BaseException) else None
    )


if __name__ == "__main__":
    sys.exit(main())
