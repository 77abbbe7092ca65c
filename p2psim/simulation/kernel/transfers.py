"""Transfers of segments, from the request to the last byte; each is a row of its viewer and a flow of the network."""

import math

from p2psim.compiled import inner, tiny
from p2psim.network.max_min_sharing import left_at, stage_close, stage_open
from p2psim.policy.interface import on_http_done, on_p2p_done, on_p2p_failed
from p2psim.policy.state import ABSENT, HTTP, NOBODY, P2P, SPOILED
from p2psim.policy.state.neighbours import link_to, set_announced
from p2psim.policy.state.requests import fail, find, succeed
from p2psim.scenario import roles
from p2psim.simulation.kernel.event_queue import FIRST_BYTE, PROGRESS_CHECK, push
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
    N_FREE_ROWS,
    N_PASSES_DUE,
    N_TRANSFER_ROWS,
    N_TRANSFERS,
    KernelState,
)

__all__ = [
    "ABORTED",
    "COMPLETED",
    "FAILED",
    "FLOWING",
    "FREE",
    "LATE",
    "LIAR",
    "RECEIVING_LATE",
    "REQUESTED",
    "STALLED",
    "WAITING",
    "begin",
    "book_bytes",
    "discard_late_bytes",
    "end_transfer",
    "finish",
    "schedule_pass",
    "start_transfer",
    "update_requests",
    "usable_bytes",
]

COMPLETED, ABORTED, STALLED, FAILED, INVALID, LATE = range(6)
"""Outcomes of transfers; LATE: bytes that arrived after the end of a transfer."""

FREE, REQUESTED, WAITING, FLOWING, RECEIVING_LATE = range(5)
"""States of a row. RECEIVING_LATE: cancelled, but its sender does not know yet or has passed on bytes already. WAITING:
the response is queued behind such bytes."""
POLLUTER, LIAR, STALLER = (roles.ROLES.index(role) for role in (roles.POLLUTER, roles.LIAR, roles.STALLER))
"""Numbers of the adversarial roles."""


@tiny
def schedule_pass(P: KernelState, v: int) -> None:
    """Schedule a queue pass of a viewer, unless one is due already."""
    if P.viewer[v].pass_due == 0:
        P.viewer[v].pass_due = 1
        n = P.counts[N_PASSES_DUE]
        P.pass_queue[n] = v
        P.counts[N_PASSES_DUE] = n + 1


@inner
def start_transfer(
    P: KernelState, v: int, segment: int, source: int, other: int, first_byte: float, now: float
) -> None:
    """Request a segment from an HTTP server or from a neighbour."""
    place = _free_place(P, v, now)
    row = _allocate_row(P, v, place)
    if P.s.levels > 1 and P.viewer[v].busy == 0:
        P.bandwidth_meter[v].since = now
    P.viewer[v].busy |= 1 << place
    x = P.transfer[row]
    x.started_at, x.first_byte_at = now, math.nan
    x.requested_bytes, x.booked_bytes, x.checked_bytes = P.size[P.viewer[v].level] - first_byte, 0.0, 0.0
    x.segment, x.other, x.first_byte, x.source = segment, other, int(first_byte), source
    x.serial += 1
    x.state = REQUESTED
    if P.s.events:
        fetch = P.fetch[v, segment % P.fetch.shape[1]]
        fetch.requested_at = now if math.isnan(fetch.requested_at) else fetch.requested_at
    if source == HTTP:
        wait, limit = respond(P, v, row, segment, now), P.o.http_first_byte
    else:
        link = link_to(P.L, v, other)
        x.via = P.L.link[v, link].relayed if link != NOBODY else 0
        wait = round_trip(P, v, other, x.via == 1) + P.s.request
        limit = P.o.p2p_timeout
    push(P, now + wait, FIRST_BYTE, v, row, x.serial)
    push(P, now + limit, PROGRESS_CHECK, v, row, x.serial)


@inner
def _free_place(P: KernelState, v: int, now: float) -> int:
    """Return a free place for a transfer; if none is free, discard the late bytes of a cancelled transfer."""
    occupied, place = P.viewer[v].busy | P.viewer[v].late_places, 0
    while occupied & 1:
        place, occupied = place + 1, occupied >> 1
    if place < P.s.rows:
        return place
    place, late_places = 0, P.viewer[v].late_places
    while not late_places & 1:
        place, late_places = place + 1, late_places >> 1
    discard_late_bytes(P, P.row[v, place], now)
    return place


@tiny
def _allocate_row(P: KernelState, v: int, place: int) -> int:
    """Return a row for the place of a viewer: the row freed last, if there is one."""
    free_rows = P.counts[N_FREE_ROWS]
    if free_rows > 0:
        P.counts[N_FREE_ROWS] = free_rows - 1
        row = int(P.free_rows[free_rows - 1])
    else:
        row = P.counts[N_TRANSFER_ROWS]
        P.counts[N_TRANSFER_ROWS] = row + 1
    P.row[v, place] = row
    P.N.flow[row].owner, P.N.flow[row].rank = v, place
    return row


@tiny
def _free_row(P: KernelState, row: int) -> None:
    P.transfer[row].state = FREE
    P.free_rows[P.counts[N_FREE_ROWS]] = row
    P.counts[N_FREE_ROWS] += 1


@inner
def begin(P: KernelState, v: int, row: int, now: float) -> None:
    """Start the flow of a transfer, whose first byte arrives now."""
    x = P.transfer[row]
    cap = P.s.origin_rate
    if x.source == P2P:
        other = x.other
        if P.viewer[other].state == CRASHED or P.viewer[other].role == STALLER:
            return  # no response: the check for progress times the transfer out
        if P.L.slot[other, x.segment % P.L.slot.shape[1]].stored == 0:
            if P.s.mutes:
                # an announced state is stored once for all neighbours: this refusal corrects it for the others too
                # until the next announcement, where each real neighbour would get a refusal of its own
                P.L.slot[other, x.segment % P.L.slot.shape[1]].announcing = ABSENT
                set_announced(P.L, other, x.segment, ABSENT)
                for k in range(P.L.viewer[other].degree):
                    P.viewer[P.L.link[other, k].neighbour].border_at = now  # the next announcement may matter to them
            end_transfer(P, v, row, FAILED, now)  # the neighbour has evicted it meanwhile, or never had it
            return
        if _has_late_bytes_due(P, v, other):
            x.state = WAITING
            return
        cap = channel_cap(P, v, other, x.via == 1)
    lay_path(P, v, row)
    x.first_byte_at = now
    x.state = FLOWING
    stage_open(P.N, row, P.path, x.requested_bytes / P.s.goodput, cap / P.s.goodput, now)


@inner
def _has_late_bytes_due(P: KernelState, v: int, other: int) -> bool:
    """Return whether late bytes of a neighbour are due, which an ordered data channel delivers first."""
    place, late_places = 0, P.viewer[v].late_places
    while late_places != 0:
        if late_places & 1 and P.transfer[P.row[v, place]].other == other:
            return True
        place, late_places = place + 1, late_places >> 1
    return False


@inner
def received_bytes(P: KernelState, row: int, now: float) -> float:
    """Return the media bytes of a transfer received so far."""
    x = P.transfer[row]
    if x.state < FLOWING:
        return 0.0
    return min(x.requested_bytes, max(0.0, x.requested_bytes - left_at(P.N, row, now) * P.s.goodput))


@inner
def book_bytes(P: KernelState, row: int, total: float, now: float) -> None:
    """Count the bytes received since the last call in the time line."""
    x = P.transfer[row]
    added = total - x.booked_bytes
    if added <= 0.0:
        return
    x.booked_bytes = total
    second = max(0, math.ceil(now - 1e-9) - 1)  # bytes received by now belong to the second that ends
    if x.source == HTTP:
        P.bins[second, BIN_HTTP] += added
        P.bins[second, BIN_ORIGIN] += added
        if P.s.overflow > 0.0 and x.via == P.s.first_edge + P.s.edges:
            P.bins[second, BIN_SECOND] += added
    else:
        P.bins[second, BIN_P2P] += added
        if x.via == 1:
            P.bins[second, BIN_RELAYED] += added
        if P.location[x.other].region != P.location[P.N.flow[row].owner].region:
            P.bins[second, BIN_FAR] += added


@inner
def update_requests(P: KernelState, v: int, now: float) -> None:
    """Update the received bytes of the requests of a viewer, from which a decision may resume."""
    place, busy = 0, P.viewer[v].busy
    while busy != 0:
        row = P.row[v, place]
        if busy & 1 and P.transfer[row].state == FLOWING:
            i = find(P.L, v, P.transfer[row].segment)
            if i != NOBODY:
                _receive(P, v, i, row, usable_bytes(P, row, now))
        place, busy = place + 1, busy >> 1


@inner
def usable_bytes(P: KernelState, row: int, now: float) -> float:
    """Return the usable bytes of a transfer: whole messages of a data channel, every byte over HTTP."""
    received = math.floor(received_bytes(P, row, now))
    if P.transfer[row].source == HTTP or received >= P.transfer[row].requested_bytes:
        return received
    return math.floor(received / P.s.chunk) * P.s.chunk


@inner
def finish(P: KernelState, row: int, now: float) -> bool:
    """Complete a transfer; return False if the segment is invalid and its sender is to be dropped."""
    v, x = P.N.flow[row].owner, P.transfer[row]
    if x.state == RECEIVING_LATE:
        _end_late_transfer(P, row, x.requested_bytes, now)
        return True
    i = find(P.L, v, x.segment)
    _receive(P, v, i, row, x.requested_bytes)
    if P.s.validates and P.L.request[i, v].spoiled != 0:
        return _reject_invalid(P, v, i, row, now)
    _end(P, v, row, x.requested_bytes, COMPLETED, now)
    link = succeed(P.L, v, i)
    if link != NOBODY:
        on_p2p_done(P.L, P.o, v, link, x.requested_bytes, now - x.started_at)
    if P.s.events:
        P.fetch[v, x.segment % P.fetch.shape[1]].done_at = now
    viewer = P.viewer[v]
    wait = x.first_byte_at - x.started_at
    if x.source == HTTP:
        viewer.http_transfers += 1
        viewer.http_wait += wait
        viewer.http_time += now - x.started_at
    else:
        viewer.p2p_transfers += 1
        viewer.p2p_wait += wait
        viewer.p2p_time += now - x.started_at
    if x.source == HTTP:
        on_http_done(P.L, P.o, v, x.requested_bytes, now - x.started_at)
    schedule_pass(P, v)
    return True


@inner
def _receive(P: KernelState, v: int, i: int, row: int, received: float) -> None:
    """Update the received bytes of a request, and mark it as spoiled if a polluter sent any of them."""
    x = P.transfer[row]
    P.L.request[i, v].bytes = x.first_byte + received
    if x.source == P2P and received > 0.0:
        slot = x.segment % P.L.slot.shape[1]
        if P.viewer[x.other].role == POLLUTER or P.L.slot[x.other, slot].stored == SPOILED:
            P.L.request[i, v].spoiled = 1


@inner
def _reject_invalid(P: KernelState, v: int, i: int, row: int, now: float) -> bool:
    """Discard a segment whose hash is not the one that the origin signed; return whether its sender may stay."""
    x = P.transfer[row]
    from_peer = x.source == P2P
    _end(P, v, row, x.requested_bytes, INVALID, now)
    fail(P.L, v, i, now, False)
    P.L.request[i, v].bytes, P.L.request[i, v].total, P.L.request[i, v].spoiled = 0.0, 0.0, 0
    schedule_pass(P, v)
    return not from_peer


@inner
def end_transfer(P: KernelState, v: int, row: int, outcome: int, now: float) -> bool:
    """End a transfer early; return True if its neighbour has timed out too often and is to be dropped.

    ABORTED is a decision of the loader, which has settled the request already; other outcomes are failures.
    """
    x = P.transfer[row]
    usable = usable_bytes(P, row, now)
    i = find(P.L, v, x.segment)
    if i != NOBODY and P.L.request[i, v].source == x.source and outcome != ABORTED:
        _receive(P, v, i, row, usable)
    _end(P, v, row, usable, outcome, now)
    if outcome == ABORTED or i == NOBODY:
        return False
    link = fail(P.L, v, i, now, outcome == STALLED)
    schedule_pass(P, v)
    return link != NOBODY and on_p2p_failed(P.L, P.o, v, link, outcome == STALLED)


@inner
def _end(P: KernelState, v: int, row: int, usable: float, outcome: int, now: float) -> None:
    """Close the flow, count its usable bytes and free the row, unless late bytes will arrive."""
    x = P.transfer[row]
    arrived, rate, was_flowing = 0.0, 0.0, x.state == FLOWING
    if was_flowing:
        arrived, rate = received_bytes(P, row, now), P.N.flow[row].rate * P.s.goodput
        stage_close(P.N, row, now)
    book_bytes(P, row, usable, now)
    slot = x.segment % P.L.slot.shape[1]
    if x.source == HTTP:
        P.viewer[v].bytes_http += usable
        P.http_bytes[v, slot] += usable
    else:
        _count_p2p_bytes(P, v, row, usable)
        if P.s.events:
            P.fetch[v, slot].p2p += usable
    if P.s.events:
        _log(P, v, row, usable, outcome, now)
    P.viewer[v].busy &= ~(1 << P.N.flow[row].rank)
    if P.s.levels > 1:
        P.bandwidth_meter[v].received += usable
        if P.viewer[v].busy == 0:
            P.bandwidth_meter[v].loading += now - P.bandwidth_meter[v].since
    may_be_late = was_flowing and x.source == P2P and outcome in (ABORTED, STALLED)
    if not may_be_late or not _receive_late(P, v, row, usable, arrived, rate, now):
        _free_row(P, row)


@inner
def _count_p2p_bytes(P: KernelState, v: int, row: int, count: float) -> None:
    """Add bytes from a neighbour to the totals of both viewers."""
    x = P.transfer[row]
    P.viewer[v].bytes_p2p += count
    P.viewer[x.other].bytes_up += count
    if x.via == 1:
        P.viewer_totals[v].bytes_relayed += count
    if P.location[x.other].region != P.location[v].region:
        P.viewer_totals[v].bytes_far += count


@inner
def _receive_late(P: KernelState, v: int, row: int, usable: float, arrived: float, rate: float, now: float) -> bool:
    """Start to receive the bytes that the cancellation of a transfer is too late for; return False if there are none.

    They are the bytes in flight, and the messages queued at the sender. `usable` bytes have been counted, `arrived`
    bytes have arrived, at `rate`; the cancellation reaches the sender after it has sent for one more round trip.
    """
    x = P.transfer[row]
    sent = arrived + rate * round_trip(P, v, x.other, x.via == 1)
    total = min(x.requested_bytes, (math.floor((sent + P.s.backlog) / P.s.chunk) + 1) * P.s.chunk)
    if total <= usable:
        return False
    x.requested_bytes, x.checked_bytes = total, usable
    x.serial += 1
    x.state = RECEIVING_LATE
    P.viewer[v].late_places |= 1 << P.N.flow[row].rank
    lay_path(P, v, row)
    cap = channel_cap(P, v, x.other, x.via == 1)
    stage_open(P.N, row, P.path, max(0.0, total - arrived) / P.s.goodput, cap / P.s.goodput, now)
    return True


@inner
def discard_late_bytes(P: KernelState, row: int, now: float) -> None:
    """Discard the late bytes of a transfer that have not arrived yet."""
    _end_late_transfer(P, row, usable_bytes(P, row, now), now)


@inner
def _end_late_transfer(P: KernelState, row: int, total: float, now: float) -> None:
    """Count the late bytes of a transfer, free its row, and start the responses queued behind them."""
    v, x = P.N.flow[row].owner, P.transfer[row]
    stage_close(P.N, row, now)
    book_bytes(P, row, total, now)
    late = max(0.0, total - x.checked_bytes)
    _count_p2p_bytes(P, v, row, late)
    if P.s.events and late > 0.0:
        _log(P, v, row, late, LATE, now)
    _free_row(P, row)
    P.viewer[v].late_places &= ~(1 << P.N.flow[row].rank)
    place, busy, other = 0, P.viewer[v].busy, x.other
    while busy != 0:
        waiting = P.row[v, place]
        if busy & 1 and P.transfer[waiting].state == WAITING and P.transfer[waiting].other == other:
            begin(P, v, waiting, now)
        place, busy = place + 1, busy >> 1


@inner
def _log(P: KernelState, v: int, row: int, count: float, outcome: int, now: float) -> None:
    n = P.counts[N_TRANSFERS]
    P.counts[N_TRANSFERS] = n + 1
    x, entry = P.transfer[row], P.transfer_log[n]
    entry.viewer, entry.segment, entry.source, entry.other = v, x.segment, x.source, x.other
    entry.started_at, entry.first_byte_at, entry.ended_at = x.started_at, x.first_byte_at, now
    entry.bytes, entry.first_byte, entry.outcome = count, x.first_byte, outcome
    entry.channel, entry.level, entry.via = P.viewer[v].channel, P.viewer[v].level, x.via
