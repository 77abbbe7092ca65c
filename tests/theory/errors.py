"""Errors that are planted to show that a test fails: each replaces one function by a wrong one."""

import dataclasses
import math
from typing import Any

import msgspec
import numpy as np

from p2psim.compiled import inner, tiny
from p2psim.network.flows import STAGED, Network
from p2psim.policy.state import P2P, Loaders
from p2psim.scenario import NAT_KINDS
from p2psim.simulation.kernel.state import KernelState
from p2psim.simulation.kernel.transfers import COMPLETED
from tests.theory.planting import Error, Function, How, Wrong

__all__ = ["ERRORS"]

POPULATION, ARRIVALS = "p2psim.scenario.population", "p2psim.scenario.arrivals"
CONTROL, SIGNALLING = "p2psim.simulation.control.control", "p2psim.simulation.control.signalling"
RUN, INITIAL, KERNEL = "p2psim.simulation.run", "p2psim.simulation.initial_state", "p2psim.simulation.kernel"
SHARING, NAT = "p2psim.network.max_min_sharing", "p2psim.network.nat"


def _with_scenario(**factors: float) -> Wrong:
    """Return a maker of functions whose scenario has each field (__ for a dot) multiplied by a factor."""

    def wrong(right: Function) -> Function:
        def call(scenario: Any, *rest: Any, **more: Any) -> Any:
            return right(_scaled(scenario, factors), *rest, **more)

        return call

    return wrong


def _scaled(scenario: Any, factors: dict[str, float]) -> Any:
    changes = {}
    for name, factor in factors.items():
        section, _, field = name.partition("__")
        value = getattr(getattr(scenario, section), field)
        changes[f"{section}.{field}"] = value * factor if math.isfinite(factor) else factor
    return scenario.replace(changes)


def _signalling_with(**factors: float) -> Wrong:
    """Return a maker of constructors of Signalling whose scenario has each field multiplied by a factor."""

    def wrong(right: Function) -> Function:
        def init(self: Any, scenario: Any, *rest: Any, **more: Any) -> None:
            right(self, _scaled(scenario, factors), *rest, **more)

        return init

    return wrong


def _with_people(field: str, change: Function) -> Wrong:
    """Return a maker of functions of a scenario and its viewers, who have another value in a field."""

    def wrong(right: Function) -> Function:
        def call(scenario: Any, people: Any, *rest: Any, **more: Any) -> Any:
            changed = dataclasses.replace(people, **{field: change(getattr(people, field))})
            return right(scenario, changed, *rest, **more)

        return call

    return wrong


def _times(factor: float) -> Wrong:
    """Return a maker of functions whose result is multiplied by a factor."""
    return lambda right: lambda *arguments: factor * right(*arguments)


def _median_for_mean(viewing_times: Function) -> Function:
    def wrong(viewers: Any, draws: Any) -> Any:
        return viewing_times(viewers, draws) * np.exp(viewers.spread**2 / 2)

    return wrong


def _one_too_many(reply: Function) -> Function:
    def wrong(self: Any, *rest: Any) -> Any:
        right = reply(self, *rest)
        return msgspec.structs.replace(right, incomplete=right.incomplete + 1)

    return wrong


def _doubled_window(options: Function) -> Function:
    def wrong(policy: Any, *rest: Any) -> Any:
        doubled = dataclasses.replace(policy, highDemandTimeWindow=2 * policy.highDemandTimeWindow)
        return options(doubled, *rest)

    return wrong


def _half_booked(end: Function) -> Function:
    def wrong(P: Any, v: int, *rest: Any) -> None:
        before = P.viewer[v].bytes_http
        end(P, v, *rest)
        P.viewer[v].bytes_http -= (P.viewer[v].bytes_http - before) / 2

    return wrong


def _no_last_hop(handshake: Function) -> Function:
    return lambda self, *rest: handshake(self, *rest) - self.scenario.tracker.latency


def _leave_without_goodbye(leave: Function) -> Function:
    return lambda self, v, crash: leave(self, v, crash=True)


def _late_first(arrive: Function) -> Function:
    return lambda kernel, v, now: arrive(kernel, v, now + (2.0 if v == 0 else 0.0))


def _hardest_connect(connects: Function) -> Function:
    hard = {NAT_KINDS.index("port-restricted"), NAT_KINDS.index("symmetric")}
    return lambda a, b: {a, b} == hard or connects(a, b)


def _equals_connect(connects: Function) -> Function:
    return lambda a, b: a == b or connects(a, b)


def _kept_rates(stage_close: Function) -> Function:
    @inner
    def wrong(N: Network, f: int, now: float) -> float:
        before = N.counts[STAGED]
        left = stage_close(N, f, now)
        for i in range(before, N.counts[STAGED]):
            N.flow[N.members[i]].free = 0
        N.counts[STAGED] = min(before, N.counts[STAGED])
        return float(left)

    return wrong


def _kept_capacity(_: Function) -> Function:
    def wrong(N: Any, link: int, capacity: float) -> None:
        N.link[link].capacity = capacity

    return wrong


def _counted_from_the_start(set_rate: Function) -> Function:
    def wrong(N: Any, f: int, *rest: Any) -> None:
        since = N.flow[f].since
        set_rate(N, f, *rest)
        N.flow[f].since = since

    return wrong


def _head_start(stage_open: Function) -> Function:
    return lambda N, f, path, size, cap, now: stage_open(N, f, path, size, cap if f else 2 * cap, now)


def _slower_when_wider(allocate: Function) -> Function:
    return lambda capacity, *rest: allocate(1 / (1 + capacity), *rest)


def _serves_what_it_lacks(_: Function) -> Function:
    @tiny
    def wrong(L: Loaders, v: int, k: int, slot: int, least: int) -> bool:
        return bool(L.link[v, k].busy == 0 and L.link[v, k].blame <= least)

    return wrong


def _uncounted_upload(end: Function) -> Function:
    @inner
    def wrong(P: KernelState, v: int, row: int, got: float, outcome: int, now: float) -> None:
        source, other = P.transfer[row].source, P.transfer[row].other
        before = P.viewer[other].bytes_up
        end(P, v, row, got, outcome, now)
        if source == P2P and outcome != COMPLETED:
            P.viewer[other].bytes_up = before

    return wrong


def _halved(uniform: Function) -> Function:
    @inner
    def wrong(states: Any, row: int) -> float:
        return 0.5 * float(uniform(states, row))

    return wrong


ERRORS = [
    Error(
        "arrivals at twice the rate", f"{ARRIVALS}:arrival_times", _with_scenario(viewers__viewing=0.5),
        "test_audience.py::test_time_alone_does_not_depend_on_the_law_of_viewing[1-exponential]",
    ),
    Error(
        "lognormal viewing times with the median for the mean", f"{ARRIVALS}:viewing_times", _median_for_mean,
        "test_audience.py::test_time_alone_does_not_depend_on_the_law_of_viewing[3-lognormal]",
    ),
    Error(
        "viewers stay for half their time", f"{ARRIVALS}:viewing_times", _times(0.5),
        "test_audience.py::test_others_of_a_viewer_are_poisson[exponential]",
    ),
    Error(
        "the tracker counts a newcomer twice", "p2p_tracker.core.tracker:Tracker._reply", _one_too_many,
        "test_audience.py::test_a_newcomer_finds_nobody_with_the_same_probability",
    ),
    Error(
        "all channels are liked alike", f"{POPULATION}:channel_shares", _with_scenario(channels__zipf=0.0),
        "test_audience.py::test_line_up_of_channels[100-1.0-0.587]",
    ),
    Error(
        "announces carry no offers", f"{SIGNALLING}:Signalling.__init__", _signalling_with(tracker__offers=0),
        "test_audience.py::test_perfect_sharing_sends_one_copy_to_whoever_is_there[exponential]",
    ),
    Error(
        "announcements are not heard", f"{KERNEL}.announcements:receive_announcement", lambda _: lambda *_: None,
        "test_swarms.py::test_one_copy_per_swarm[2]", How.INTERPRETED,
    ),
    Error(
        "no attempt to connect fails by chance", f"{SIGNALLING}:Signalling.__init__",
        _signalling_with(nat__failure=0.0),
        "test_swarms.py::test_one_copy_per_component_of_random_links[2-0.7-0.35]",
    ),
    Error(
        "everybody comes in half the time", f"{ARRIVALS}:arrival_times", _times(0.5),
        "test_swarms.py::test_copies_by_viewers_who_cannot_know_of_each_other[5-0.1]",
    ),
    Error(
        "prefetch with twice the probability", "p2psim.rng:uniform", _halved,
        "test_swarms.py::test_nobody_prefetches_in_a_round[5-0.3277]", How.COMPILED, "p2psim.policy.random_prefetch",
    ),
    Error(
        "the window of high demand twice as long", "p2psim.policy.interface:options", _doubled_window,
        "test_swarms.py::test_first_segments_come_from_the_origin[2-3]",
    ),
    Error(
        "bytes of the origin booked at half", f"{KERNEL}.transfers:_end", _half_booked,
        "test_swarms.py::test_first_segments_come_from_the_origin[2-3]", How.INTERPRETED,
    ),
    Error(
        "uplinks carry twice what is lent", f"{KERNEL}.topology:lay_links",
        _with_people("uplink", lambda rates: 2 * rates),
        "test_capacity.py::test_live_offload_stays_below_the_fluid_bound[5-0.25]",
    ),
    Error(
        "the origin is unlimited", f"{KERNEL}.topology:lay_links", _with_scenario(origin__rate=math.inf),
        "test_capacity.py::test_nobody_is_served_beyond_the_streaming_capacity[3.0]",
    ),
    Error(
        "the origin is unlimited, for files", f"{KERNEL}.topology:lay_links", _with_scenario(origin__rate=math.inf),
        "test_capacity.py::test_a_file_from_a_server_takes_its_distribution_time[40-30-2]",
    ),
    Error(
        "the origin is fifty times as fast", f"{KERNEL}.topology:lay_links", _with_scenario(origin__rate=50.0),
        "test_capacity.py::test_peers_do_not_beat_the_distribution_time[2.0-0.5]",
    ),
    Error(
        "who does not share uploads all the same", f"{RUN}:kernel_state", _with_people("uploads", np.ones_like),
        "test_capacity.py::test_recordings_are_shared_in_order_of_arrival",
    ),
    Error(
        "headers cost nothing", f"{INITIAL}:_settings", _with_scenario(network__goodput=1 / 0.97),
        "test_transfers.py::test_hop_time_is_bits_over_rate_and_a_round_trip[6-10-3.0]",
    ),
    Error(
        "requests take no round trip", f"{KERNEL}.paths:round_trip", lambda _: lambda *_: 0.0,
        "test_transfers.py::test_hop_time_is_bits_over_rate_and_a_round_trip[6-10-3.0]", How.INTERPRETED,
        f"{KERNEL}.transfers",
    ),
    Error(
        "channels have no window", f"{KERNEL}.paths:channel_cap", lambda _: lambda P, *_: float(P.s.channel_rate),
        "test_transfers.py::test_a_channel_carries_its_window_per_round_trip[65536-0.2-2.6214]", How.INTERPRETED,
    ),
    Error(
        "the answer needs no hop to the offerer", f"{SIGNALLING}:Signalling._handshake", _no_last_hop,
        "test_transfers.py::test_a_channel_opens_after_its_round_trips",
    ),
    Error(
        "uplinks carry twice what is lent, hop by hop", f"{KERNEL}.topology:lay_links",
        _with_people("uplink", lambda rates: 2 * rates),
        "test_transfers.py::test_a_relayed_segment_takes_as_long_as_its_hops",
    ),
    Error(
        "the rest does not speed up when a flow ends", f"{SHARING}:stage_close", _kept_rates,
        "test_transfers.py::test_processor_sharing[0.5-fixed]", How.COMPILED,
    ),
    Error(
        "the heartbeat is twice as long", f"{SIGNALLING}:Signalling.__init__", _signalling_with(tracker__heartbeat=2.0),
        "test_departures.py::test_stale_entries_follow_the_heartbeat[150-60-1.0]",
    ),
    Error(
        "everybody vanishes without a goodbye", f"{CONTROL}:Control.leave", _leave_without_goodbye,
        "test_departures.py::test_transfers_end_with_their_uploader[30.0-4.0]",
    ),
    Error(
        "port-restricted and symmetric NATs connect", f"{NAT}:connects", _hardest_connect,
        "test_reachability.py::test_share_of_pairs_that_connect[average-0.7784]", How.INTERPRETED,
    ),
    Error(
        "symmetric viewers reach each other", f"{NAT}:connects", _equals_connect,
        "test_reachability.py::test_a_symmetric_viewer_needs_several_tries[10-0.0374]", How.INTERPRETED,
    ),
    Error(
        "NATs do not matter", "p2psim.simulation.control.reachability:Reachability.path", lambda _: lambda *_: "host",
        "test_reachability.py::test_attempts_succeed_as_the_table_says[average]",
    ),
    Error(
        "whoever has no bottleneck keeps its rate", f"{SHARING}:_free_faster", lambda _: lambda N, f, count: count,
        "test_sharing.py::test_finish_times_are_those_of_full_solutions", How.INTERPRETED,
    ),
    Error(
        "caps do not hold", f"{SHARING}:_lowest_cap", lambda _: lambda *_: math.inf,
        "test_sharing.py::test_any_graph", How.INTERPRETED,
    ),
    Error(
        "a new capacity does not reach the flows", f"{SHARING}:stage_capacity", _kept_capacity,
        "test_sharing.py::test_finish_times_are_those_of_full_solutions", How.INTERPRETED,
    ),
    Error(
        "a changed rate counts from the start", f"{SHARING}:_set_rate", _counted_from_the_start,
        "test_sharing.py::test_bytes_are_conserved", How.INTERPRETED,
    ),
    Error(
        "the first flow of a network gets a head start", f"{SHARING}:stage_open", _head_start,
        "test_sharing.py::test_names_and_order_do_not_matter", How.INTERPRETED,
    ),
    Error(
        "wider links make for slower flows", "p2psim.network.flows:allocate", _slower_when_wider,
        "test_sharing.py::test_the_least_rate_grows_with_any_capacity",
    ),
    Error(
        "peers ask for segments before they are there", "p2psim.policy.peer_choice:_can_serve", _serves_what_it_lacks,
        "test_invariants.py::test_every_run", How.COMPILED,
    ),
    Error(
        "uploads of a transfer given up do not count", f"{KERNEL}.transfers:_end", _uncounted_upload,
        "test_invariants.py::test_every_run", How.COMPILED,
    ),
    Error(
        "uplinks beyond 160 kbit/s are of no use", f"{KERNEL}.topology:lay_links",
        _with_people("uplink", lambda rates: np.minimum(rates, 2e4)),
        "test_invariants.py::test_more_uplink_saves_more",
    ),
    Error(
        "the first viewer comes late", "p2psim.simulation.control.commands:arrive", _late_first,
        "test_invariants.py::test_names_of_viewers_do_not_matter[http-only]", only_in=CONTROL,
    ),
    Error(
        "the first viewer keeps all to himself", f"{RUN}:kernel_state",
        _with_people("uploads", lambda uploads: uploads & (np.arange(len(uploads)) > 0)),
        "test_invariants.py::test_nobody_is_favoured_by_his_number",
    ),
]  # fmt: skip
