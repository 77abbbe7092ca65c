"""Loader of a real viewer: executes the policy's commands over HTTP and data channels, on any clock.

This module holds the bytes of segments; `single_loader` holds the state on which the policy decides.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p2psim.policy.state import HTTP, P2P, Options, commands
from p2psim.policy.state.bandwidth import player_figure
from p2psim.testbed.loader_config import LoaderConfig
from p2psim.testbed.peer.http_transfer import HttpTransfer
from p2psim.testbed.peer.interfaces import Channel, Clock, Fetcher, Observer, Timer
from p2psim.testbed.peer.p2p_transfer import P2PTransfers
from p2psim.testbed.peer.single_loader import Command, SingleLoader
from p2psim.wire import SegmentsAnnouncement

__all__ = ["Loader"]

SOURCES = {HTTP: "http", P2P: "p2p"}

Delivery = Callable[[bytes, float], None]
Refusal = Callable[[str], None]


@dataclass(slots=True)
class _PlayerRequest:
    segment: int
    delivered: Delivery
    refused: Refusal


class Loader:
    """Loader of one stream of one viewer.

    `page` lists the loaders of the viewer's page (other qualities, audio), which share one storage; `predecessor` is
    the loader of the quality that was loaded until now (see `take_over`).
    """

    def __init__(
        self,
        options: Options,
        clock: Clock,
        fetcher: Fetcher,
        observer: Observer,
        random: NDArray[np.int64],
        config: LoaderConfig | None = None,
        *,
        page: "list[Loader] | None" = None,
        predecessor: "Loader | None" = None,
    ) -> None:
        config = config or LoaderConfig()
        self.options, self.clock, self.observer = options, clock, observer
        self.uploads, self.max_message_size = config.uploads, config.max_message_size
        self.answers_unknown, self.upstream_faults = config.answers_unknown, config.upstream_faults
        self.core = SingleLoader(
            options,
            random,
            limits=config,
            now=clock.now(),
            uploads=config.uploads,
            page_opened_at=config.page_opened_at,
            meters=config.meters,
            name=config.name,
        )
        self.storage: dict[int, bytes] = {}
        self.level_bitrate = 0.0
        self.level_changed_at = float("-inf")
        self._fetcher = fetcher
        self._validators = {P2P: config.validate_p2p, HTTP: config.validate_http}
        self._behaviour = config.behaviour
        self._from_peers: set[int] = set()
        self._partial: dict[int, bytearray] = {}
        self._http: dict[int, HttpTransfer] = {}
        self._p2p: dict[str, P2PTransfers] = {}
        self._request: _PlayerRequest | None = None
        self._pass_due = False
        self._wake_timer: Timer | None = None
        self._closed = False
        self._successor: Loader | None = None
        self._replaced: Loader | None = None
        self._prefetch_timer: Timer | None = None
        self._page = [] if page is None else page
        self._page.append(self)
        if predecessor is None:
            self._schedule_prefetch()
        else:
            self.take_over(predecessor)

    # -- the player ---------------------------------------------------------------------------------------------

    def playlist(self, segments: Sequence[tuple[int, float, float]]) -> None:
        """Update the playlist: consecutive (id, start, end) on the media time line."""
        self.core.playlist(segments)
        self.request_pass()

    def load(self, segment: int, delivered: Delivery, refused: Refusal) -> None:
        """Request a segment; either `delivered(data, bytes_per_s)` or `refused(reason)` will be called, once."""
        request = _PlayerRequest(segment, delivered, refused)
        if self.core.player_requests(segment):
            self.clock.call_soon(self._deliver_stored, request)
            return
        if self._request is not None:
            self._request.refused("aborted")
        self._request = request
        self.request_pass()

    def abort(self, segment: int) -> None:
        """Abort the player's request for a segment."""
        if self._request is not None and self._request.segment == segment:
            request, self._request = self._request, None
            self.core.player_aborts(segment)
            request.refused("aborted")
            self.request_pass()

    def playhead(self, position: float, rate: float) -> None:
        """Report the playhead."""
        if self.core.playhead_moves(position, rate, self.clock.now()):
            self.request_pass()

    def _deliver_stored(self, request: _PlayerRequest) -> None:
        request.delivered(self.storage[request.segment], self._bandwidth_figure(self.core.current_share()))
        self.request_pass()

    def _bandwidth_figure(self, share: float) -> float:
        return player_figure(
            self.core.all, self.core.http, share, self.level_bitrate, self.level_changed_at, self.clock.milliseconds()
        )

    # -- decisions ----------------------------------------------------------------------------------------------

    def request_pass(self) -> None:
        """Schedule a queue pass in the next round of the clock; requests until then are served by that one pass."""
        if not self._pass_due and not self._closed and self._successor is None:
            self._pass_due = True
            self.clock.call_soon(self._pass)

    def _pass(self) -> None:
        try:
            if not self._closed and self._successor is None:
                self._abort_replaced()
                self._execute(self.core.queue_pass(self.clock.now()))
                self._set_wake_up()
        finally:
            self._pass_due = False

    def _set_wake_up(self) -> None:
        now = self.clock.now()
        at = self.core.wakes_at(now)
        if at < math.inf and self._wake_timer is None:
            self._wake_timer = self.clock.call_later(at - now, self._wake_up)

    def _wake_up(self) -> None:
        self._wake_timer = None
        self._active_loader().request_pass()

    def _schedule_prefetch(self) -> None:
        delay = self.core.prefetch_delay()
        if delay < math.inf:
            self._prefetch_timer = self.clock.call_later(delay, self._prefetch)

    def _prefetch(self) -> None:
        active = self._active_loader()
        active._execute(active.core.prefetch_round(self.clock.now()))
        active._schedule_prefetch()

    def _execute(self, issued: list[Command]) -> None:
        for command in issued:
            match command.kind:
                case commands.START_HTTP:
                    self._start_http(command.segment, command.first_byte)
                case commands.START_P2P:
                    self._start_p2p(command)
                case commands.ABORT_HTTP:
                    self._http.pop(command.segment).cancel()
                    self._aborted(command.segment, HTTP, "")
                case commands.ABORT_P2P:
                    self._p2p[command.neighbour].cancel()
                    self._aborted(command.segment, P2P, command.neighbour)
                case commands.DELIVER:
                    self._deliver(command.segment)
                case commands.REJECT:
                    self._reject()
                case commands.STORE:
                    self._store(command.segment)
                case commands.COMPLETE:
                    self._take_complete(command)
                case commands.ANNOUNCE:
                    self.clock.call_soon(self._announce)

    def _take_complete(self, command: Command) -> None:
        """Complete a segment whose bytes were all loaded before the attempt: its validation must end at once."""
        segment, source, peer = command.segment, SOURCES[command.source], command.neighbour
        self.observer.attempt_started(segment, source, peer, len(self._partial.get(segment, b"")))
        verdicts: list[bool] = []
        self.validate(segment, command.source, verdicts.append)
        if verdicts == [True]:
            self.observer.attempt_ended(segment, source, peer, "loaded")
        else:
            self.clear_bytes(segment)
            self.core.failed(segment, self.clock.now())
            self.observer.attempt_ended(segment, source, peer, f"{source}-segment-validation-failed")
        self.request_pass()

    def _start_http(self, segment: int, first_byte: int) -> None:
        self._drop_bytes_unless_resumed(segment, first_byte)
        self.core.started(HTTP, self.clock.milliseconds())
        transfer = HttpTransfer(self, segment, first_byte)
        self._http[segment] = transfer
        self.observer.attempt_started(segment, "http", "", first_byte)
        self.clock.call_soon(transfer.begin, self._fetcher)

    def _start_p2p(self, command: Command) -> None:
        self._drop_bytes_unless_resumed(command.segment, command.first_byte)
        self.core.started(P2P, self.clock.milliseconds(), command.neighbour)
        self.observer.attempt_started(command.segment, "p2p", command.neighbour, command.first_byte)
        self._p2p[command.neighbour].request(command.segment, command.first_byte)

    def _drop_bytes_unless_resumed(self, segment: int, first_byte: int) -> None:
        if first_byte == 0:
            self._partial.pop(segment, None)
            self._from_peers.discard(segment)

    def _aborted(self, segment: int, source: int, peer: str) -> None:
        self.core.stopped(source, self.clock.milliseconds(), peer)
        self.observer.attempt_ended(segment, SOURCES[source], peer, "abort")

    def _deliver(self, segment: int) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.delivered(bytes(self._partial.get(segment, b"")), self._bandwidth_figure(self.core.loaded_share))

    def _reject(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.refused("failed")

    def _store(self, segment: int) -> None:
        self.storage[segment] = bytes(self._partial.pop(segment, b""))
        self._from_peers.discard(segment)
        self._drop_evicted()
        for other in self._page:
            if other is not self:
                other._evict(self.core)

    def _evict(self, active: SingleLoader) -> None:
        if self.core.evict(active):
            self._drop_evicted()
            self.clock.call_soon(self._announce)

    def _drop_evicted(self) -> None:
        for old in [old for old in self.storage if not self.core.holds(old)]:
            del self.storage[old]

    # -- changes of quality ---------------------------------------------------------------------------------------

    def take_over(self, old: "Loader") -> None:
        """Replace the loader of another quality, which from now on only serves its stored segments.

        The attempts of the replaced loader are aborted in the next pass; this loader continues with its playhead, its
        timers and its initial hold of HTTP.
        """
        self._successor, old._successor = None, self
        self._wake_timer = old._wake_timer
        self.level_bitrate, self.level_changed_at = old.level_bitrate, old.level_changed_at
        self.core.continue_after(old.core)
        request, old._request = old._request, None
        if request is not None:
            request.refused("aborted")
        old._abort_replaced()
        self._replaced = old

    def _active_loader(self) -> "Loader":
        """Return the loader that has replaced this one, directly or through further changes of quality, or itself."""
        active = self
        while active._successor is not None:
            active = active._successor
        return active

    def _abort_replaced(self) -> None:
        replaced, self._replaced = self._replaced, None
        if replaced is not None:
            replaced._abort_attempts()

    def _abort_attempts(self) -> None:
        if self._successor is not None:
            self._execute(self.core.abort_and_forget())
            self._partial.clear()
            self._from_peers.clear()

    def close_channels(self) -> None:
        """Close all data channels; stored segments are kept."""
        for transfers in list(self._p2p.values()):
            transfers.close()

    # -- progress of transfers ------------------------------------------------------------------------------------

    def set_total(self, segment: int, total: int) -> None:
        """Set the size of a segment, bytes."""
        self.core.set_total(segment, total)

    def clear_bytes(self, segment: int) -> None:
        """Drop the partial bytes of a segment, which may be wrong."""
        self._partial.pop(segment, None)
        self._from_peers.discard(segment)
        self.core.clear_bytes(segment)

    def take_bytes(self, segment: int, data: bytes, source: int, peer: str) -> None:
        """Append received bytes to a segment."""
        self._partial.setdefault(segment, bytearray()).extend(data)
        if source == P2P:
            self._from_peers.add(segment)
        self.core.received(segment, len(data), source, self.clock.milliseconds(), peer)
        self.observer.bytes_received(segment, SOURCES[source], peer, len(data))

    def count_unusable(self, peer: str, count: int) -> None:
        """Count segment bytes that belong to no download: they are late, or were never requested."""
        self.observer.bytes_received(-1, "p2p", peer, count)

    def validate(self, segment: int, source: int, verdict: Callable[[bool], None]) -> None:
        """Validate a complete segment, by the validator for peers if any of its bytes came from a peer.

        Upstream applies the validator of the last source only, so a peer can corrupt a segment that HTTP completes.
        """
        validator = self._validators[P2P if segment in self._from_peers else source]
        if validator is None:
            verdict(True)
        else:
            validator(segment, bytes(self._partial.get(segment, b"")), verdict)

    def served(self, segment: int) -> bytes | None:
        """Return the bytes to send to a peer that requests a stored segment; None: the peer gets no response."""
        return self._behaviour.served(self.storage[segment])

    def succeed(self, segment: int, source: int, peer: str) -> None:
        """Complete the request for a segment."""
        self._http.pop(segment, None)
        self.core.stopped(source, self.clock.milliseconds(), peer)
        self.core.succeeded(segment)
        self.observer.attempt_ended(segment, SOURCES[source], peer, "loaded")
        self.request_pass()

    def mark_failed(self, segment: int, source: int, peer: str, *, timed_out: bool = False) -> bool:
        """Record a failed attempt in the loader's state; return True if its peer has timed out too often."""
        self._http.pop(segment, None)
        self.core.stopped(source, self.clock.milliseconds(), peer)
        return self.core.failed(segment, self.clock.now(), timed_out=timed_out)

    def report_failure(self, segment: int, source: int, peer: str, error: str) -> None:
        """Report a failed attempt to the observer, and request a pass."""
        self.observer.attempt_ended(segment, SOURCES[source], peer, error)
        self.request_pass()

    # -- neighbours ---------------------------------------------------------------------------------------------

    def channel_opened(self, channel: Channel) -> bool:
        """Add a peer; return False, and close the channel, if the peer is connected already or there is no room."""
        if self._closed or channel.peer in self._p2p or not self.core.connect(channel.peer):
            channel.close()
            return False
        transfers = self._p2p[channel.peer] = P2PTransfers(self, channel)
        if self.uploads:
            transfers.send_command(self._announcement(*self.core.peek_announcement()))
        surplus = self.core.surplus_neighbour
        if surplus is not None:
            self._p2p[surplus].close()
        return True

    def channel_message(self, peer: str, message: bytes) -> None:
        """Handle a message of a peer."""
        transfers = self._p2p.get(peer)
        if transfers is not None:
            transfers.receive(message)

    def channel_drained(self, peer: str) -> None:
        """Continue an upload, because the channel accepts segment data again."""
        transfers = self._p2p.get(peer)
        if transfers is not None:
            transfers.drained()

    def channel_closed(self, peer: str) -> None:
        """Handle the end of a channel, closed by the peer or lost by the network."""
        transfers = self._p2p.get(peer)
        if transfers is not None:
            transfers.close()

    def forget_peer(self, transfers: P2PTransfers) -> None:
        """Forget a peer, whose transfers have ended."""
        self._p2p.pop(transfers.peer, None)
        self.core.disconnect(transfers.peer)
        self.observer.peer_closed(transfers.peer)

    @property
    def peers(self) -> list[str]:
        """Ids of the connected peers."""
        return list(self._p2p)

    def _announce(self) -> None:
        message = self._announcement(*self.core.announcement())
        for transfers in list(self._p2p.values()):
            transfers.send_command(message)

    def _announcement(self, stored: list[int], fetching: list[int]) -> SegmentsAnnouncement:
        return SegmentsAnnouncement(tuple(self._behaviour.stored(stored, self.core.listing)), tuple(fetching))

    def close(self) -> None:
        """Abort all attempts and close all channels."""
        self.stop()
        self.close_channels()

    def stop(self) -> None:
        """Abort all attempts; from now on nothing is loaded and no channel is accepted."""
        if self._closed:
            return
        self._closed = True
        for timer in (self._prefetch_timer, self._wake_timer):
            if timer is not None:
                timer.cancel()
        request, self._request = self._request, None
        if request is not None:
            request.refused("aborted")
        self._abort_replaced()
        self._execute(self.core.abort_all())
