"""Control plane of the simulation: viewers, tracker, faults and user-defined behaviours, on a SimPy clock.

Viewers join and leave, announce themselves to the core of the real tracker, and connect to the peers that it offers.
The kernel runs between the events of this clock.

A user-defined behaviour is a SimPy process: a generator that waits (``yield control.env.timeout(30)``) and then calls
methods of `Control`: `zap`, `leave`, `set_uplink`, `disconnect`, `switch_p2p`, `set_origin` and so on. It is
started before the clock::

    def break_at_half_time(control):
        def break_():
            yield control.env.timeout(300)
            for viewer in control.viewers():
                control.zap(viewer, channel=1)
        control.env.process(break_())

    run(scenario, prepare=break_at_half_time)

Built-in behaviours are scheduled with `Clock.after` or `Clock.at`, a method and its arguments: a run can be
saved at any time because scheduled calls are data (`p2psim.simulation.checkpoint`). A generator is not, so a
run with a user-defined process cannot be saved, unless that too uses ``control.env.after``.
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
"""Seconds between pings of the tracker, which every present viewer answers."""


@dataclass(slots=True)
class Control:
    """Viewers and tracker in virtual time."""

    scenario: Scenario
    population: Population
    kernel: KernelState
    seed: int
    replication: int
    keep: bool = False
    """Record every attempt to connect and every announce."""
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

    signalling: Signalling = field(init=False)
    p2p_on: bool = field(init=False, default=True)
    tracker_up: bool = field(init=False, default=True)
    _shares: bool = field(init=False)
    _client_runs: Any = field(init=False)
    """Starts and stops of each viewer's tracker client: calls scheduled by an earlier run of it are ignored."""
    _announce_timers: TimerQueue = field(init=False)
    """Times of the next announces."""
    _zapping: dict[int, np.random.Generator] = field(init=False, default_factory=dict)
    _states: Any = field(init=False)
    _degrees: Any = field(init=False)

    # -- scheduled calls ----------------------------------------------------------------------------------------

    def _schedule_viewers(self) -> None:
        """Schedule arrivals, before all other events of their time, and departures."""
        people = self.population
        self._schedule_next(TimerQueue(people.joined_at), self._join, True)
        stay = np.maximum(0.0, people.left_at - people.joined_at)
        ends = np.where(people.left_at < self.scenario.duration, people.joined_at + stay, np.inf)
        self._schedule_next(TimerQueue(ends), self._depart, False)

    def _schedule_next(self, timers: TimerQueue, action: Callable[[int, int], None], first: bool) -> None:
        if timers.next < math.inf:
            self.env.at(timers.next, self._run_next, timers, action, first, first=first)

    def _run_next(self, timers: TimerQueue, action: Callable[[int, int], None], first: bool) -> None:
        """Run the first entry of a timer queue, and schedule the next."""
        v, client_run = timers.take()
        self._schedule_next(timers, action, first)
        action(v, client_run)

    def _join(self, v: int, _: int) -> None:
        """Add a viewer, start its tracker client, and schedule its first zap."""
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
        """Switch a viewer to another channel, chosen by popularity, and schedule the next zap."""
        if not self.is_present(v):
            return
        rng = self._zapping[v]
        self.zap(v, next_channel(self.scenario, self.channel_of(v), rng))
        self.env.after(rng.exponential(self.scenario.channels.mean_time_on_channel), self._zap_again, v)

    def _start_announcing(self, v: int) -> None:
        """Start the tracker client, with the first segment request."""
        self._client_runs[v] += 1
        if self.shares(v):
            response = self.scenario.origin.time_to_first_byte + self.scenario.network.http_request
            self.env.after(2 * response, self._make_offers, v, "started", int(self._client_runs[v]))

    def _stop_announcing(self, v: int) -> None:
        """Stop the tracker client, which sends `stopped`."""
        self._client_runs[v] += 1
        if self.tracker_up:
            self.signalling.send_stopped(v)

    def _make_offers(self, v: int, event: str, client_run: int) -> None:
        """Prepare offers and send an announce with them."""
        if self.is_present(v) and client_run == self._client_runs[v]:
            wait = self.scenario.network.gather + self.scenario.tracker.one_way_delay
            self.env.after(wait, self._arrive_at_tracker, v, event, client_run, self.env.now)

    def _arrive_at_tracker(self, v: int, event: str, client_run: int, began: float) -> None:
        """Process an announce at the tracker, whose reply sets the time of the next."""
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
        """Schedule a reconnect of a tracker client that has lost its connection."""
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
        """Ping the clients of the tracker and expire the silent ones."""
        if self.env.now >= next_ping and self.tracker_up:
            next_ping += _PING
            for v in np.flatnonzero((self._states != AWAY) & (self._states < GONE)).tolist():
                self.signalling.tracker.keep_alive(v, self.env.now)
        self.signalling.tracker.expire(self.env.now)
        self.env.after(TICK, self._run_housekeeping, next_ping)

    # -- actions ------------------------------------------------------------------------------------------------

    def viewers(self) -> list[int]:
        """Return the viewers that are watching now."""
        people, now = self.population, self.env.now
        here = (people.joined_at <= now) & (now < people.left_at) & (self._states < GONE)
        present: list[int] = np.flatnonzero(here).tolist()
        return present

    def is_present(self, v: int) -> bool:
        """Return whether a viewer has not left."""
        return bool(self._states.item(v) < GONE and self.env.now < self.population.left_at.item(v))

    def replace_kernel(self, kernel: KernelState) -> None:
        """Continue with a kernel state whose arrays have other sizes."""
        self.kernel = self.signalling.kernel = kernel

    def retire(self) -> None:
        """End the run: no viewer is present any more, and actions on viewers do nothing."""
        self._states, self._degrees = np.full_like(self._states, GONE), np.zeros_like(self._degrees)

    def neighbours(self, v: int) -> list[int]:
        """Return the viewers to which a viewer is connected."""
        connected: list[int] = self.kernel.L.link["neighbour"][v, : int(self._degrees[v])].tolist()
        return connected

    def channel_of(self, v: int) -> int:
        """Return the channel that a viewer watches."""
        return int(self.kernel.viewer["channel"][v])

    def shares(self, v: int) -> bool:
        """Return whether a viewer takes part in peer-to-peer delivery now."""
        return self._shares and self.p2p_on and bool(self.population.p2p[v])

    def zap(self, v: int, channel: int) -> None:
        """Switch a viewer to another channel: it leaves one swarm and joins another when the playlist has arrived."""
        if not 0 <= channel < self.scenario.channels.count:
            raise ScenarioError(
                f"channel {channel}: 0 to {self.scenario.channels.count - 1} are there (channels.count)"
            )
        if self.is_present(v):
            self._stop_announcing(v)
            switch_channel(self.kernel, int(v), int(channel), float(self.env.now))
            self._start_announcing(v)

    def leave(self, v: int, crash: bool = False) -> None:
        """Remove a viewer; after a crash, the tracker and the peers are not notified."""
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
        """Close the connection of two viewers."""
        if max(self._states[a], self._states[b]) < GONE:
            disconnect_pair(self.kernel, int(a), int(b), float(self.env.now))

    def set_uplink(self, v: int, rate: float) -> None:
        """Set the capacity of the uplink of a viewer's home, bytes/s."""
        if self._states[v] != CRASHED:
            self._set_link(int(self.kernel.location["up"][v]), rate)

    def set_downlink(self, v: int, rate: float) -> None:
        """Set the capacity of the downlink of a viewer's home, bytes/s."""
        self._set_link(int(self.kernel.location["down"][v]), rate)

    def set_origin(self, rate: float) -> None:
        """Set the capacity of the origin, bytes/s: to viewers, or to edges where there are any."""
        self.kernel.clock[ORIGIN_RATE] = rate
        if self.kernel.s.edges == 0:
            self._set_link(self.kernel.s.origin, rate)

    def set_edges(self, rate: float) -> None:
        """Set the capacity of each edge, bytes/s."""
        for edge in range(self.kernel.s.edges):
            self._set_link(self.kernel.s.first_edge + edge, rate)

    def set_relay(self, rate: float) -> None:
        """Set the capacity of the relay, bytes/s."""
        self._set_link(self.kernel.s.relay, rate)

    def stop_tracker(self) -> None:
        """Stop the tracker: it loses its state, and its clients lose their connections."""
        self.tracker_up = False
        self.signalling.restart_tracker()
        for v in self.viewers():
            self._client_runs[v] += 1
            if self.shares(v):
                self._reconnect(v, int(self._client_runs[v]), 0)

    def start_tracker(self) -> None:
        """Start the tracker again; clients reconnect at their next attempt."""
        self.tracker_up = True

    def isolate(self, region: str) -> None:
        """Partition a region from all others: connections across its border close."""
        reach = self.signalling.reach
        reach.isolated.add(self._region(region))
        for v in self.viewers():
            for other in self.neighbours(v):
                if reach.is_cut(v, other):
                    self.disconnect(v, other)

    def rejoin(self, region: str) -> None:
        """End the partition of a region."""
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
        """Announce the viewers that changed to another quality to its swarm."""
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
        if link < len(self.kernel.N.link):  # the links are freed at the end of a run
            change_capacity(self.kernel, link, float(rate), float(self.env.now))
