"""The control plane: SimPy owns the clock and everything that a person would call a happening.

Viewers come and go, announce themselves to the real tracker's core, and meet whom it offers them to. The data plane
runs between the events.

A behaviour of one's own is a SimPy process: a generator that waits (``yield control.env.timeout(30)``) and then acts,
by the verbs of `Control`: `zap`, `leave`, `set_uplink`, `disconnect`, `switch_p2p`, `set_origin` and so on. It is
started before the clock is::

    def break_at_half_time(control):
        def break_():
            yield control.env.timeout(300)
            for viewer in control.viewers():
                control.zap(viewer, channel=1)
        control.env.process(break_())

    run(scenario, prepare=break_at_half_time)

What is built in here schedules itself with `Clock.after` or `Clock.at`, a method and its arguments: a run can be
saved at any time because all that is still to come is data (`p2psim.simulation.checkpoint`). A generator is not, so a
run with a process of one's own cannot be saved, unless that too uses ``control.env.after``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from p2p_tracker.config.options import TICK, ServerOptions

from p2psim.errors import ScenarioError
from p2psim.rng import stream
from p2psim.scenario import Population, Scenario
from p2psim.scenario.population import CLEAN, CRASH, region_names
from p2psim.scenario.zapping import next_channel, zapping_stream
from p2psim.simulation.control import faults, hybrid
from p2psim.simulation.control.clock import Clock
from p2psim.simulation.control.commands import (
    arrive,
    change_capacity,
    depart,
    disconnect_all,
    disconnect_pair,
    switch_channel,
)
from p2psim.simulation.control.signalling import Signalling
from p2psim.simulation.control.timer_queue import TimerQueue
from p2psim.simulation.kernel.http_servers import ORIGIN_RATE
from p2psim.simulation.kernel.state import AWAY, CRASHED, GONE, N_SWITCHED, KernelState
from p2psim.wire.tracker_messages import reconnect_delay

__all__ = ["Control"]

_PING = ServerOptions().ping_interval
"""Seconds between the tracker's pings; a viewer that is there answers."""


@dataclass(slots=True)
class Control:
    """Viewers and tracker in virtual time."""

    scenario: Scenario
    population: Population
    kernel: KernelState
    seed: int
    replication: int
    keep: bool = False
    """Keep a record of every attempt to connect, and of every announce."""
    env: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self._shares = self.scenario.policy.of_stream("main").shares
        self._states, self._degrees = self.kernel.viewer["state"], self.kernel.L.viewer["degree"]
        self.signalling = Signalling(
            self.scenario, self.population, self.kernel, self.env, self.seed, self.replication, self.keep
        )
        self._client_runs = np.zeros(len(self.population), np.int32)
        self._announce_timers = TimerQueue()
        self._schedule_viewers()
        if self._shares:
            self.env.after(TICK, self._run_housekeeping, _PING)
            hybrid.schedule(self)
        faults.schedule(self)

    signalling: Signalling = field(init=False)
    p2p_on: bool = field(init=False, default=True)
    tracker_up: bool = field(init=False, default=True)
    _shares: bool = field(init=False)
    _client_runs: Any = field(init=False)
    """How often a viewer's tracker client was started or stopped: tells what was scheduled by which."""
    _announce_timers: TimerQueue = field(init=False)
    """Whose next announce is due when."""
    _zapping: dict[int, np.random.Generator] = field(init=False, default_factory=dict)
    _states: Any = field(init=False)
    _degrees: Any = field(init=False)

    # -- happenings ---------------------------------------------------------------------------------------------

    def _schedule_viewers(self) -> None:
        """Let viewers come, before all else that happens at their time, and go."""
        people = self.population
        self._schedule_next(TimerQueue(people.joined_at), self._join, True)
        stay = np.maximum(0.0, people.left_at - people.joined_at)
        ends = np.where(people.left_at < self.scenario.duration, people.joined_at + stay, np.inf)
        self._schedule_next(TimerQueue(ends), self._depart, False)

    def _schedule_next(self, timers: TimerQueue, action: Callable[[int, int], None], first: bool) -> None:
        if timers.next < math.inf:
            self.env.at(timers.next, self._run_next, timers, action, first, first=first)

    def _run_next(self, timers: TimerQueue, action: Callable[[int, int], None], first: bool) -> None:
        """Do the first thing on an agenda, and wait for the next."""
        v, client_run = timers.take()
        self._schedule_next(timers, action, first)
        action(v, client_run)

    def _join(self, v: int, _: int) -> None:
        """A viewer comes, will announce itself, and may zap."""
        arrive(self.kernel, v, float(self.env.now))
        if np.isfinite(self.scenario.channels.mean_time_on_channel):
            self._zapping[v] = zapping_stream(self.seed, self.replication, v)
            self.env.after(
                self._zapping[v].exponential(self.scenario.channels.mean_time_on_channel), self._zap_again, v
            )
        self._start_announcing(v)

    def _depart(self, v: int, _: int) -> None:
        if self._states.item(v) < GONE:
            self.leave(v, crash=bool(self.population.departure[v] == CRASH))

    def _zap_again(self, v: int) -> None:
        """A viewer turns to another channel, chosen by popularity, and will do so again."""
        if not self.is_present(v):
            return
        rng = self._zapping[v]
        self.zap(v, next_channel(self.scenario, self.channel_of(v), rng))
        self.env.after(rng.exponential(self.scenario.channels.mean_time_on_channel), self._zap_again, v)

    def _start_announcing(self, v: int) -> None:
        """The tracker client starts with the first segment request."""
        self._client_runs[v] += 1
        if self.shares(v):
            response = self.scenario.origin.time_to_first_byte + self.scenario.network.http_request
            self.env.after(2 * response, self._make_offers, v, "started", int(self._client_runs[v]))

    def _stop_announcing(self, v: int) -> None:
        """The tracker client says goodbye."""
        self._client_runs[v] += 1
        if self.tracker_up:
            self.signalling.send_stopped(v)

    def _make_offers(self, v: int, event: str, client_run: int) -> None:
        """The tracker client prepares its offers, and sends them."""
        if self.is_present(v) and client_run == self._client_runs[v]:
            wait = self.scenario.network.gather + self.scenario.tracker.one_way_delay
            self.env.after(wait, self._arrive_at_tracker, v, event, client_run, self.env.now)

    def _arrive_at_tracker(self, v: int, event: str, client_run: int, began: float) -> None:
        """An announce reaches the tracker, which says when the next is due."""
        if not self.is_present(v) or client_run != self._client_runs[v]:
            return
        if not self.tracker_up:
            self._reconnect(v, client_run, 0)
            return
        interval = self.signalling.announce(v, event, began)
        self._schedule_announce(v, client_run, max(0.0, interval - self.scenario.network.gather))

    def _schedule_announce(self, v: int, client_run: int, wait: float) -> None:
        idle = self._announce_timers.next == math.inf
        if not self._announce_timers.add(self.env.now + wait, v, client_run):
            self.env.after(wait, self._announce_again, v, client_run)
        elif idle:
            self._schedule_next(self._announce_timers, self._announce_again, False)

    def _announce_again(self, v: int, client_run: int) -> None:
        self._make_offers(v, "", client_run)

    def _reconnect(self, v: int, client_run: int, tries: int) -> None:
        """The tracker client has lost its connection and will try again."""
        wait = reconnect_delay(tries, stream(self.seed, self.replication, "reconnect", v, client_run, tries))
        self.env.after(wait, self._connect_again, v, client_run, tries + 1)

    def _connect_again(self, v: int, client_run: int, tries: int) -> None:
        if not self.is_present(v) or client_run != self._client_runs[v]:
            return
        if self.tracker_up:
            self._make_offers(v, "started", client_run)
        else:
            self._reconnect(v, client_run, tries)

    def _run_housekeeping(self, next_ping: float) -> None:
        """The tracker pings its clients and drops the silent ones."""
        if self.env.now >= next_ping and self.tracker_up:
            next_ping += _PING
            for v in np.flatnonzero((self._states != AWAY) & (self._states < GONE)).tolist():
                self.signalling.tracker.keep_alive(v, self.env.now)
        self.signalling.tracker.expire(self.env.now)
        self.env.after(TICK, self._run_housekeeping, next_ping)

    # -- verbs --------------------------------------------------------------------------------------------------

    def viewers(self) -> list[int]:
        """List who is watching now."""
        people, now = self.population, self.env.now
        here = (people.joined_at <= now) & (now < people.left_at) & (self._states < GONE)
        present: list[int] = np.flatnonzero(here).tolist()
        return present

    def is_present(self, v: int) -> bool:
        """Whether a viewer has not left."""
        return bool(self._states.item(v) < GONE and self.env.now < self.population.left_at.item(v))

    def replace_kernel(self, kernel: KernelState) -> None:
        """Go on with a data plane whose arrays have other sizes."""
        self.kernel = self.signalling.kernel = kernel

    def retire(self) -> None:
        """The run is over: nobody is there any more, and verbs about viewers do nothing."""
        self._states, self._degrees = np.full_like(self._states, GONE), np.zeros_like(self._degrees)

    def neighbours(self, v: int) -> list[int]:
        """List to whom a viewer is connected."""
        connected: list[int] = self.kernel.L.link["neighbour"][v, : int(self._degrees[v])].tolist()
        return connected

    def channel_of(self, v: int) -> int:
        """Channel that a viewer watches."""
        return int(self.kernel.viewer["channel"][v])

    def shares(self, v: int) -> bool:
        """Whether a viewer takes part in peer-to-peer now."""
        return self._shares and self.p2p_on and bool(self.population.p2p[v])

    def zap(self, v: int, channel: int) -> None:
        """Let a viewer turn to another channel: it leaves one swarm, and joins another after the playlist has come."""
        if not 0 <= channel < self.scenario.channels.count:
            raise ScenarioError(
                f"channel {channel}: 0 to {self.scenario.channels.count - 1} are there (channels.count)"
            )
        if self.is_present(v):
            self._stop_announcing(v)
            switch_channel(self.kernel, int(v), int(channel), float(self.env.now))
            self._start_announcing(v)

    def leave(self, v: int, crash: bool = False) -> None:
        """Let a viewer leave, with a goodbye or without."""
        if self._states[v] >= GONE:
            return
        now = float(self.env.now)
        depart(self.kernel, int(v), bool(crash), now)
        self._client_runs[v] += 1
        if now < self.population.left_at[v]:
            self.population.left_at[v] = now
            self.population.departure[v] = CRASH if crash else CLEAN
        if not crash:
            self.signalling.tracker.disconnect(v, now)

    def disconnect(self, a: int, b: int) -> None:
        """Break the connection of two viewers."""
        if max(self._states[a], self._states[b]) < GONE:
            disconnect_pair(self.kernel, int(a), int(b), float(self.env.now))

    def set_uplink(self, v: int, rate: float) -> None:
        """Change what the uplink of a viewer's home carries, bytes/s."""
        if self._states[v] != CRASHED:
            self._set_link(int(self.kernel.location["up"][v]), rate)

    def set_downlink(self, v: int, rate: float) -> None:
        """Change what the downlink of a viewer's home carries, bytes/s."""
        self._set_link(int(self.kernel.location["down"][v]), rate)

    def set_origin(self, rate: float) -> None:
        """Change what the origin carries, bytes/s: to viewers, or to edges where there are any."""
        self.kernel.clock[ORIGIN_RATE] = rate
        if self.kernel.s.edges == 0:
            self._set_link(self.kernel.s.origin, rate)

    def set_edges(self, rate: float) -> None:
        """Change what each edge carries, bytes/s."""
        for edge in range(self.kernel.s.edges):
            self._set_link(self.kernel.s.first_edge + edge, rate)

    def set_relay(self, rate: float) -> None:
        """Change what the relay carries, bytes/s."""
        self._set_link(self.kernel.s.relay, rate)

    def stop_tracker(self) -> None:
        """Let the tracker go down; it forgets everybody, and its clients lose their connections."""
        self.tracker_up = False
        self.signalling.restart_tracker()
        for v in self.viewers():
            self._client_runs[v] += 1
            if self.shares(v):
                self._reconnect(v, int(self._client_runs[v]), 0)

    def start_tracker(self) -> None:
        """Let the tracker come back; clients reconnect when they next try."""
        self.tracker_up = True

    def isolate(self, region: str) -> None:
        """Cut a region off: viewers there and elsewhere lose each other."""
        reach = self.signalling.reach
        reach.isolated.add(self._region(region))
        for v in self.viewers():
            for other in self.neighbours(v):
                if reach.is_cut(v, other):
                    self.disconnect(v, other)

    def rejoin(self, region: str) -> None:
        """Let a region that was cut off reach the others again."""
        self.signalling.reach.isolated.discard(self._region(region))

    def switch_p2p(self, on: bool) -> None:
        """Switch peer-to-peer on or off for everybody; off, all connections are closed."""
        if on == self.p2p_on:
            return
        self.p2p_on = on
        for v in self.viewers():
            if on:
                self._start_announcing(v)
            else:
                self._stop_announcing(v)
                disconnect_all(self.kernel, v, float(self.env.now))

    def announce_level_changes(self) -> None:
        """Take note of who changed to another quality, which is another swarm."""
        count = int(self.kernel.counts[N_SWITCHED])
        self.kernel.counts[N_SWITCHED] = 0
        ahead = float(self.kernel.clock[0]) - self.env.now
        for v in dict.fromkeys(self.kernel.switched[:count].tolist()):
            self._stop_announcing(v)
            if self.shares(v):
                self.env.after(max(0.0, ahead), self._make_offers, v, "started", int(self._client_runs[v]))

    def _region(self, name: str) -> int:
        names = region_names(self.scenario)
        if name not in names:
            raise ScenarioError(f"region {name!r}: accepted: {', '.join(names)}")
        return names.index(name)

    def _set_link(self, link: int, rate: float) -> None:
        if link < len(self.kernel.N.link):  # a run that is over has given its links back
            change_capacity(self.kernel, link, float(rate), float(self.env.now))
