"""The policy seam: what a loader version decides, as hooks that both worlds call.

The simulator and the real viewers know no rule of any version; they call the functions below, each of which hands over
to the version that the viewer's options name. A version is a module in `p2psim.policy.versions`.

=================  =========================================================================================
hook               meaning
=================  =========================================================================================
queue_pass         tidy the requests, decide what to load next and from whom
after_pass         what follows every pass (an election)
prefetch_delay     seconds until the next prefetch round; inf: there is none
prefetch_round     what runs beside the passes (random HTTP prefetch, an election)
concerns           whether an announcement may change anything (a shortcut: passes without effect are spared)
window_border      playhead position at which a pass may find something new (a shortcut likewise)
wakes_at           time at which the loader must be looked at again, whatever happens
on_http_done       what is learnt from a finished fetch over HTTP
on_p2p_done        what is learnt from a finished download from a neighbour
on_p2p_failed      what is learnt from a failed one, and whether the neighbour is dropped
admits_peer        whether there is room for another neighbour
drops_peer         which neighbour goes where there are too many
live_geometry      windows of a live stream, from the playlist and live latency
option_overrides   options in which the version is different from 2.3
=================  =========================================================================================
"""

from typing import Any

import numpy as np

from p2psim.bundle import records
from p2psim.compiled import entry, inlined
from p2psim.policy import queue_pass as _pass
from p2psim.policy.announcements import announced_state, is_readable
from p2psim.policy.election import peer_hash
from p2psim.policy.facts import Facts
from p2psim.policy.player_events import (
    PASS_INTERVAL,
    abort_all,
    player_requests,
    playhead_moved_unseen,
    playhead_moves,
)
from p2psim.policy.state.commands import COMMAND, Commands
from p2psim.policy.state.options import Options
from p2psim.policy.state.records import Loaders, Timeline
from p2psim.policy.versions import VERSIONS, hook_of, number_of
from p2psim.scenario.policy import Policy

__all__ = [
    "PASS_INTERVAL",
    "abort_all",
    "admits_peer",
    "after_pass",
    "announced_state",
    "command_buffer",
    "concerns",
    "drops_peer",
    "is_readable",
    "loaded_share",
    "on_http_done",
    "on_p2p_done",
    "on_p2p_failed",
    "options",
    "peer_hash",
    "player_requests",
    "playhead_moved_unseen",
    "playhead_moves",
    "prefetch_delay",
    "prefetch_round",
    "queue_pass",
    "wakes_at",
    "window_border",
]


def _hook(name: str) -> Any:
    """Return a compiled function that calls the hook of the version in its second argument, the options."""
    rules = [hook_of(version, name) for version in VERSIONS]
    chosen = rules[0]
    for number, rule in enumerate(rules):
        if rule is not rules[0]:
            chosen = _either(number, rule, chosen)
    return chosen


def _either(number: int, rule: Any, others: Any) -> Any:
    @inlined
    def chosen(L, o, *arguments):  # type: ignore[no-untyped-def]
        if o.version == number:
            return rule(L, o, *arguments)
        return others(L, o, *arguments)

    return chosen


_queue_pass, _after_pass = _hook("queue_pass"), _hook("after_pass")
_prefetch_delay, _prefetch_round = _hook("prefetch_delay"), _hook("prefetch_round")

concerns = _hook("concerns")
"""``concerns(L, o, T, v, segment, state, now)``: True if the announcement of a segment's state may change anything."""
window_border = _hook("window_border")
"""``window_border(L, o, T, v, now)``: playhead position at which a pass may find news; -inf: any, inf: none."""
_wakes_at = _hook("wakes_at")
_admits_peer, _drops_peer = _hook("admits_peer"), _hook("drops_peer")
_on_http_done = _hook("on_http_done")
on_p2p_done = _hook("on_p2p_done")
"""``on_p2p_done(L, o, v, link, bytes, seconds)``: learn from a download that a neighbour has completed."""
_on_p2p_failed = _hook("on_p2p_failed")


@entry
def queue_pass(L: Loaders, o: Options, T: Timeline, v: int, now: float, out: Commands) -> float:
    """Run a queue pass; return the share of the queue that is loaded. Commands stand in `out`."""
    return float(_queue_pass(L, o, T, v, now, out))


@entry
def after_pass(L: Loaders, o: Options, T: Timeline, v: int, now: float, out: Commands) -> None:
    """Run what follows every pass, once its commands are carried out."""
    _after_pass(L, o, T, v, now, out)


@entry
def prefetch_delay(L: Loaders, o: Options, v: int) -> float:
    """Return the seconds until the next prefetch round; inf: there is none."""
    return float(_prefetch_delay(L, o, v))


@entry
def prefetch_round(L: Loaders, o: Options, T: Timeline, v: int, now: float, out: Commands) -> None:
    """Run a prefetch round."""
    _prefetch_round(L, o, T, v, now, out)


@entry
def wakes_at(L: Loaders, o: Options, v: int, now: float) -> float:
    """Return the time at which the loader must be looked at again; inf: none."""
    return float(_wakes_at(L, o, v, now))


@entry
def on_http_done(L: Loaders, o: Options, v: int, count: float, seconds: float) -> None:
    """Learn from a completed fetch of `count` bytes over HTTP."""
    _on_http_done(L, o, v, count, seconds)


@entry
def on_p2p_failed(L: Loaders, o: Options, v: int, link: int, timed_out: bool) -> bool:
    """Learn from a failed download; True if the neighbour is to be dropped."""
    return bool(_on_p2p_failed(L, o, v, link, timed_out))


@entry
def admits_peer(L: Loaders, o: Options, v: int) -> bool:
    """Return whether there is room for another neighbour."""
    return bool(_admits_peer(L, o, v))


@entry
def drops_peer(L: Loaders, o: Options, v: int) -> int:
    """Return the place of a neighbour that is to be dropped because there are too many, or NOBODY."""
    return int(_drops_peer(L, o, v))


@entry
def loaded_share(L: Loaders, o: Options, T: Timeline, v: int) -> float:
    """Return the share of the queue that is loaded now."""
    return _pass.loaded_share(L, o, T, v)


def command_buffer(requests: int, slots: int) -> Commands:
    """Return an empty list of commands that no pass overflows."""
    return Commands(
        count=np.zeros(1, np.int64),
        row=records(4 * (requests + slots) + 16, COMMAND),
        facts=np.zeros(len(Facts._fields)),
        order=np.zeros(2 * slots + 16, np.int64),
    )


def options(policy: Policy, live: bool, segment: float = 0.0, latency: float = 0.0) -> Options:
    """Return a scenario's policy in canonical numbers, as it holds for its main stream.

    Length of a segment and live latency (seconds) may bear on the windows of a live stream.
    """
    policy = policy.of_stream("main")
    number = number_of(policy)
    http_timeout = policy.httpNotReceivingBytesTimeoutMs / 1000
    demand = float(policy.highDemandTimeWindow)
    if live:
        demand = hook_of(VERSIONS[number], "live_geometry")(policy, segment, latency).high_demand_window
    values: dict[str, Any] = {
        "version": number,
        "high_demand_window": demand,
        "http_window": float(policy.httpDownloadTimeWindow),
        "p2p_window": float(policy.p2pDownloadTimeWindow),
        "http_slots": policy.simultaneousHttpDownloads,
        "p2p_slots": policy.simultaneousP2PDownloads,
        "http_hold": policy.httpDownloadInitialTimeoutMs / 1000,
        "http_timeout": http_timeout,
        "http_first_byte": http_timeout,
        "p2p_timeout": policy.p2pNotReceivingBytesTimeoutMs / 1000,
        "http_retries": policy.httpErrorRetries,
        "p2p_retries": policy.p2pErrorRetries,
        "live": live,
        "whole_blocks": policy.announcementBlocks == "upstream",
        "reputation": policy.reputation,
        "from_playhead": policy.queueStart == "fixed",
        "decide": 0,
    }
    return Options(**values | hook_of(VERSIONS[number], "option_overrides")(policy))
