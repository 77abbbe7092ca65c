"""The model of transfers as plain SimPy: a process for each, told to think again whenever its rate changes.

What one would write first; the baseline that the compiled kernel is measured against. `full` solves max-min sharing
anew at every event, `local` gives each transfer the smaller of its shares of two links, which is fast and not right.
"""

from collections.abc import Generator
from typing import Literal

import numpy as np
import simpy
from numpy.typing import NDArray

from tests.benchmarks.flows import Outcome, Transfers

__all__ = ["by_simpy"]

Rule = Literal["full", "local"]


class Transfer:
    """One transfer under way."""

    def __init__(self, path: tuple[int, int], left: float) -> None:
        self.path, self.left, self.rate, self.since = path, left, 0.0, 0.0
        self.process: simpy.Process | None = None


class Links:
    """Links and the transfers on them."""

    def __init__(self, env: simpy.Environment, capacity: NDArray[np.float64], rule: Rule) -> None:
        self.env, self.capacity, self.rule = env, capacity.tolist(), rule
        self.users: list[dict[Transfer, None]] = [{} for _ in capacity]
        self.active: dict[Transfer, None] = {}
        self.changes = 0

    def move(self, path: tuple[int, int], size: float) -> Generator[simpy.Event, None, float]:
        """Carry a transfer to its end; gives the time of it."""
        transfer = Transfer(path, size)
        transfer.process, transfer.since = self.env.active_process, self.env.now
        self.active[transfer] = None
        for link in path:
            self.users[link][transfer] = None
        self._share(path, transfer)
        while True:
            try:
                yield self.env.timeout(transfer.left / transfer.rate)
                break
            except simpy.Interrupt:
                pass
        del self.active[transfer]
        for link in path:
            del self.users[link][transfer]
        self._share(path, transfer)
        return float(self.env.now)

    def _share(self, path: tuple[int, int], own: Transfer) -> None:
        rates = self._solution() if self.rule == "full" else self._shares(path)
        for transfer, rate in rates.items():
            if rate == transfer.rate:
                continue
            self.changes += 1
            transfer.left = max(0.0, transfer.left - transfer.rate * (self.env.now - transfer.since))
            transfer.since, transfer.rate = self.env.now, rate
            if transfer is not own and transfer.process is not None:
                transfer.process.interrupt()

    def _shares(self, path: tuple[int, int]) -> dict[Transfer, float]:
        touched = self.users[path[0]] | self.users[path[1]]
        return {t: min(self.capacity[link] / len(self.users[link]) for link in t.path) for t in touched}

    def _solution(self) -> dict[Transfer, float]:
        """Progressive filling: the link with the least share is full first, then the next."""
        left = {link: self.capacity[link] for t in self.active for link in t.path}
        waiting = {link: set(self.users[link]) for link in left}
        rates: dict[Transfer, float] = {}
        while len(rates) < len(self.active):
            tightest = min((link for link in left if waiting[link]), key=lambda link: left[link] / len(waiting[link]))
            share = left[tightest] / len(waiting[tightest])
            for transfer in list(waiting[tightest]):
                rates[transfer] = share
                for link in transfer.path:
                    left[link] -= share
                    waiting[link].discard(transfer)
        return rates


def by_simpy(work: Transfers, rule: Rule = "full") -> Outcome:
    """Play it in SimPy."""
    env = simpy.Environment()
    links = Links(env, np.concatenate([work.uplink, work.downlink]), rule)
    ended = np.zeros(len(work.at))

    def follow(i: int, path: tuple[int, int]) -> Generator[simpy.Event, None, None]:
        ended[i] = yield from links.move(path, float(work.size[i]))

    def arrive() -> Generator[simpy.Event, None, None]:
        for i, at in enumerate(work.at.tolist()):
            yield env.timeout(at - env.now)
            env.process(follow(i, (int(work.source[i]), len(work.uplink) + int(work.sink[i]))))

    env.process(arrive())
    env.run()
    return Outcome(ended, links.changes / (2 * len(ended)))
