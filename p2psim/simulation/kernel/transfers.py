"""Transfers of segments: asked for, flowing, ended; each a row of its viewer and a flow of the network."""

import math

from p2psim.compiled import inner, tiny
from p2psim.network.max_min_sharing import left_at, stage_close, stage_open
from p2psim.policy.interface import on_http_done, on_p2p_done, on_p2p_failed
from p2psim.policy.state import ABSENT, HTTP, NOBODY, P2P, SPOILED
from p2psim.policy.state.neighbours import link_to, set_announced
from p2psim.policy.state.requests import fail, find, succeed
from p2psim.scenario import roles
from p2psim.simulation.kernel.event_queue import BEGIN, CHECK, push
from p2psim.simulation.kernel.http_servers import respond
from p2psim.simulation.kernel.paths import channel_cap, lay_path, round_trip
from p2psim.simulation.kernel.state import (
    BIN_FAR,
    BIN_HTTP,
    BIN_ORIGIN,
    BIN_P2P,
    BIN_RELAYED,
    BIN_SECOND,
    CRASHED,
    N_DIRTY,
    N_ROWS,
    N_SPARE,
    N_TRANSFERS,
    Plane,
)

__all__ = [
    "ABORTED",
    "ASKED",
    "COMPLETED",
    "DRAINING",
    "FAILED",
    "FLOWING",
    "FREE",
    "LATE",
    "LIAR",
    "STALLED",
    "WAITING",
    "ask",
    "begin",
    "book",
    "dry_up",
    "finish",
    "give_up",
    "mark",
    "sync",
    "usable",
]

COMPLETED, ABORTED, STALLED, FAILED, INVALID, LATE = range(6)
"""Outcomes; LATE is what came of a transfer after its end."""

FREE, ASKED, WAITING, FLOWING, DRAINING = range(5)
"""States of a row; draining: given up, but its sender has not heard of it, or has passed bytes on already; waiting:
the answer stands behind such bytes."""
POLLUTER, LIAR, STALLER = (roles.ROLES.index(role) for role in (roles.POLLUTER, roles.LIAR, roles.STALLER))
"""Numbers of the roles that treat others badly."""


@tiny
def mark(P: Plane, v: int) -> None:
    """A queue pass of a viewer is due."""
    if P.seat[v].dirty == 0:
        P.seat[v].dirty = 1
        n = P.counts[N_DIRTY]
        P.dirty[n] = v
        P.counts[N_DIRTY] = n + 1


@inner
def ask(P: Plane, v: int, segment: int, source: int, other: int, first_byte: float, now: float) -> None:
    """Send a request, to the origin or to a neighbour."""
    place = _free_place(P, v, now)
    row = _take_row(P, v, place)
    if P.s.levels > 1 and P.seat[v].busy == 0:
        P.meter[v].since = now
    P.seat[v].busy |= 1 << place
    x = P.xfer[row]
    x.started_at, x.first_byte_at = now, math.nan
    x.asked, x.booked, x.checked = P.size[P.seat[v].level] - first_byte, 0.0, 0.0
    x.segment, x.other, x.first_byte, x.source = segment, other, int(first_byte), source
    x.serial += 1
    x.state = ASKED
    if P.s.events:
        fetch = P.fetch[v, segment % P.fetch.shape[1]]
        fetch.asked_at = now if math.isnan(fetch.asked_at) else fetch.asked_at
    if source == HTTP:
        wait, limit = respond(P, v, row, segment, now), P.o.http_first_byte
    else:
        link = link_to(P.L, v, other)
        x.via = P.L.link[v, link].relayed if link != NOBODY else 0
        wait = round_trip(P, v, other, x.via == 1) + P.s.request
        limit = P.o.p2p_timeout
    push(P, now + wait, BEGIN, v, row, x.serial)
    push(P, now + limit, CHECK, v, row, x.serial)


@inner
def _free_place(P: Plane, v: int, now: float) -> int:
    """Find a place for a transfer; where all are taken, one that drains has to make room."""
    taken, place = P.seat[v].busy | P.seat[v].draining, 0
    while taken & 1:
        place, taken = place + 1, taken >> 1
    if place < P.s.rows:
        return place
    place, draining = 0, P.seat[v].draining
    while not draining & 1:
        place, draining = place + 1, draining >> 1
    dry_up(P, P.row[v, place], now)
    return place


@tiny
def _take_row(P: Plane, v: int, place: int) -> int:
    """Give a viewer's place a row: the one that was left last, if any was."""
    spare = P.counts[N_SPARE]
    if spare > 0:
        P.counts[N_SPARE] = spare - 1
        row = int(P.spare[spare - 1])
    else:
        row = P.counts[N_ROWS]
        P.counts[N_ROWS] = row + 1
    P.row[v, place] = row
    P.N.flow[row].owner, P.N.flow[row].rank = v, place
    return row


@tiny
def _leave_row(P: Plane, row: int) -> None:
    P.xfer[row].state = FREE
    P.spare[P.counts[N_SPARE]] = row
    P.counts[N_SPARE] += 1


@inner
def begin(P: Plane, v: int, row: int, now: float) -> None:
    """The first byte arrives: the flow shares the links from now on."""
    x = P.xfer[row]
    cap = P.s.origin_rate
    if x.source == P2P:
        other = x.other
        if P.seat[other].state == CRASHED or P.seat[other].role == STALLER:
            return  # nobody answers; the check for progress will tell
        if P.L.slot[other, x.segment % P.L.slot.shape[1]].stored == 0:
            if P.s.mutes:
                # what a viewer announced is kept once for all neighbours: this refusal tells the others too, up to
                # its next announcement, where each of them would have been refused for itself
                P.L.slot[other, x.segment % P.L.slot.shape[1]].told = ABSENT
                set_announced(P.L, other, x.segment, ABSENT)
                for k in range(P.L.viewer[other].degree):
                    P.seat[P.L.link[other, k].neighbour].border_at = now  # the next news may matter to them
            give_up(P, v, row, FAILED, now)  # the neighbour has dropped it meanwhile, or never had it
            return
        if _is_draining(P, v, other):
            x.state = WAITING
            return
        cap = channel_cap(P, v, other, x.via == 1)
    lay_path(P, v, row)
    x.first_byte_at = now
    x.state = FLOWING
    stage_open(P.N, row, P.path, x.asked / P.s.goodput, cap / P.s.goodput, now)


@inner
def _is_draining(P: Plane, v: int, other: int) -> bool:
    """Whether late bytes of a neighbour are still to come: a data channel keeps the order."""
    place, draining = 0, P.seat[v].draining
    while draining != 0:
        if draining & 1 and P.xfer[P.row[v, place]].other == other:
            return True
        place, draining = place + 1, draining >> 1
    return False


@inner
def carried(P: Plane, row: int, now: float) -> float:
    """Media bytes that a transfer has brought so far."""
    x = P.xfer[row]
    if x.state < FLOWING:
        return 0.0
    return min(x.asked, max(0.0, x.asked - left_at(P.N, row, now) * P.s.goodput))


@inner
def book(P: Plane, row: int, total: float, now: float) -> None:
    """Enter bytes in the time line as of now."""
    x = P.xfer[row]
    fresh = total - x.booked
    if fresh <= 0.0:
        return
    x.booked = total
    second = max(0, math.ceil(now - 1e-9) - 1)  # what has come by now belongs to the second that ends
    if x.source == HTTP:
        P.bins[second, BIN_HTTP] += fresh
        P.bins[second, BIN_ORIGIN] += fresh
        if P.s.overflow > 0.0 and x.via == P.s.first_edge + P.s.edges:
            P.bins[second, BIN_SECOND] += fresh
    else:
        P.bins[second, BIN_P2P] += fresh
        if x.via == 1:
            P.bins[second, BIN_RELAYED] += fresh
        if P.site[x.other].region != P.site[P.N.flow[row].owner].region:
            P.bins[second, BIN_FAR] += fresh


@inner
def sync(P: Plane, v: int, now: float) -> None:
    """Bring the received bytes of a viewer's requests up to date: a decision may resume from them."""
    place, busy = 0, P.seat[v].busy
    while busy != 0:
        row = P.row[v, place]
        if busy & 1 and P.xfer[row].state == FLOWING:
            i = find(P.L, v, P.xfer[row].segment)
            if i != NOBODY:
                _receive(P, v, i, row, usable(P, row, now))
        place, busy = place + 1, busy >> 1


@inner
def usable(P: Plane, row: int, now: float) -> float:
    """Bytes that can be used: a data channel delivers whole messages, HTTP every byte."""
    got = math.floor(carried(P, row, now))
    if P.xfer[row].source == HTTP or got >= P.xfer[row].asked:
        return got
    return math.floor(got / P.s.chunk) * P.s.chunk


@inner
def finish(P: Plane, row: int, now: float) -> bool:
    """The last byte has come; False if the segment is not valid and its sender is to be dropped."""
    v, x = P.N.flow[row].owner, P.xfer[row]
    if x.state == DRAINING:
        _stop_draining(P, row, x.asked, now)
        return True
    i = find(P.L, v, x.segment)
    _receive(P, v, i, row, x.asked)
    if P.s.validates and P.L.request[i, v].spoiled != 0:
        return _refuse(P, v, i, row, now)
    _end(P, v, row, x.asked, COMPLETED, now)
    link = succeed(P.L, v, i)
    if link != NOBODY:
        on_p2p_done(P.L, P.o, v, link, x.asked, now - x.started_at)
    if P.s.events:
        P.fetch[v, x.segment % P.fetch.shape[1]].done_at = now
    seat = P.seat[v]
    wait = x.first_byte_at - x.started_at
    if x.source == HTTP:
        seat.http_transfers += 1
        seat.http_wait += wait
        seat.http_time += now - x.started_at
    else:
        seat.p2p_transfers += 1
        seat.p2p_wait += wait
        seat.p2p_time += now - x.started_at
    if x.source == HTTP:
        on_http_done(P.L, P.o, v, x.asked, now - x.started_at)
    mark(P, v)
    return True


@inner
def _receive(P: Plane, v: int, i: int, row: int, got: float) -> None:
    """Bring a request's bytes up to date, and with them whether a polluter sent any."""
    x = P.xfer[row]
    P.L.request[i, v].bytes = x.first_byte + got
    if x.source == P2P and got > 0.0:
        slot = x.segment % P.L.slot.shape[1]
        if P.seat[x.other].role == POLLUTER or P.L.slot[x.other, slot].stored == SPOILED:
            P.L.request[i, v].spoiled = 1


@inner
def _refuse(P: Plane, v: int, i: int, row: int, now: float) -> bool:
    """The segment does not have the hash that the origin signed: it is fetched again, from the first byte on."""
    x = P.xfer[row]
    from_peer = x.source == P2P
    _end(P, v, row, x.asked, INVALID, now)
    fail(P.L, v, i, now, False)
    P.L.request[i, v].bytes, P.L.request[i, v].total, P.L.request[i, v].spoiled = 0.0, 0.0, 0
    mark(P, v)
    return not from_peer


@inner
def give_up(P: Plane, v: int, row: int, outcome: int, now: float) -> bool:
    """End a transfer early. True if its neighbour has now timed out too often and is to be dropped.

    ABORTED is the loader's own decision, which has settled the request already; the others are failures.
    """
    x = P.xfer[row]
    got = usable(P, row, now)
    i = find(P.L, v, x.segment)
    if i != NOBODY and P.L.request[i, v].source == x.source and outcome != ABORTED:
        _receive(P, v, i, row, got)
    _end(P, v, row, got, outcome, now)
    if outcome == ABORTED or i == NOBODY:
        return False
    link = fail(P.L, v, i, now, outcome == STALLED)
    mark(P, v)
    return link != NOBODY and on_p2p_failed(P.L, P.o, v, link, outcome == STALLED)


@inner
def _end(P: Plane, v: int, row: int, got: float, outcome: int, now: float) -> None:
    """Close the flow, book its bytes and free the row."""
    x = P.xfer[row]
    here, rate, was_flowing = 0.0, 0.0, x.state == FLOWING
    if was_flowing:
        here, rate = carried(P, row, now), P.N.flow[row].rate * P.s.goodput
        stage_close(P.N, row, now)
    book(P, row, got, now)
    slot = x.segment % P.L.slot.shape[1]
    if x.source == HTTP:
        P.seat[v].bytes_http += got
        P.from_http[v, slot] += got
    else:
        _count(P, v, row, got)
        if P.s.events:
            P.fetch[v, slot].p2p += got
    if P.s.events:
        _log(P, v, row, got, outcome, now)
    P.seat[v].busy &= ~(1 << P.N.flow[row].rank)
    if P.s.levels > 1:
        P.meter[v].got += got
        if P.seat[v].busy == 0:
            P.meter[v].loading += now - P.meter[v].since
    late = was_flowing and x.source == P2P and outcome in (ABORTED, STALLED)
    if not late or not _drain(P, v, row, got, here, rate, now):
        _leave_row(P, row)


@inner
def _count(P: Plane, v: int, row: int, got: float) -> None:
    """Enter bytes of a neighbour into the accounts of both."""
    x = P.xfer[row]
    P.seat[v].bytes_p2p += got
    P.seat[x.other].bytes_up += got
    if x.via == 1:
        P.tally[v].bytes_relayed += got
    if P.site[x.other].region != P.site[v].region:
        P.tally[v].bytes_far += got


@inner
def _drain(P: Plane, v: int, row: int, got: float, here: float, rate: float, now: float) -> bool:
    """Let come what a cancellation is too late for: what is on its way, and the messages that wait to be sent.

    False if there is nothing.

    `got` bytes have been counted, `here` have come, at `rate`; the cancellation is at the sender when one round trip's
    worth more has left it.
    """
    x = P.xfer[row]
    sent = here + rate * round_trip(P, v, x.other, x.via == 1)
    passed = min(x.asked, (math.floor((sent + P.s.backlog) / P.s.chunk) + 1) * P.s.chunk)
    if passed <= got:
        return False
    x.asked, x.checked = passed, got
    x.serial += 1
    x.state = DRAINING
    P.seat[v].draining |= 1 << P.N.flow[row].rank
    lay_path(P, v, row)
    cap = channel_cap(P, v, x.other, x.via == 1)
    stage_open(P.N, row, P.path, max(0.0, passed - here) / P.s.goodput, cap / P.s.goodput, now)
    return True


@inner
def dry_up(P: Plane, row: int, now: float) -> None:
    """Let no more come of what a transfer left behind."""
    _stop_draining(P, row, usable(P, row, now), now)


@inner
def _stop_draining(P: Plane, row: int, total: float, now: float) -> None:
    """Count what came late, and free the row."""
    v, x = P.N.flow[row].owner, P.xfer[row]
    stage_close(P.N, row, now)
    book(P, row, total, now)
    late = max(0.0, total - x.checked)
    _count(P, v, row, late)
    if P.s.events and late > 0.0:
        _log(P, v, row, late, LATE, now)
    _leave_row(P, row)
    P.seat[v].draining &= ~(1 << P.N.flow[row].rank)
    place, busy, other = 0, P.seat[v].busy, x.other
    while busy != 0:
        waiting = P.row[v, place]
        if busy & 1 and P.xfer[waiting].state == WAITING and P.xfer[waiting].other == other:
            begin(P, v, waiting, now)
        place, busy = place + 1, busy >> 1


@inner
def _log(P: Plane, v: int, row: int, got: float, outcome: int, now: float) -> None:
    n = P.counts[N_TRANSFERS]
    P.counts[N_TRANSFERS] = n + 1
    x, entry = P.xfer[row], P.transfers[n]
    entry.viewer, entry.segment, entry.source, entry.other = v, x.segment, x.source, x.other
    entry.started_at, entry.first_byte_at, entry.ended_at = x.started_at, x.first_byte_at, now
    entry.bytes, entry.first_byte, entry.outcome = got, x.first_byte, outcome
    entry.channel, entry.level, entry.via = P.seat[v].channel, P.seat[v].level, x.via
