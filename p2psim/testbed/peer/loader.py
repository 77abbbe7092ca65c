"""A real viewer's loader: the policy's decisions carried out over HTTP and data channels, on any clock.

It keeps the bytes; `single_loader` keeps the state that decides.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p2psim.policy.state import HTTP, P2P, Options, commands
from p2psim.policy.state.bandwidth import player_figure
from p2psim.testbed.loader_config import LoaderConfig
from p2psim.testbed.peer.http_transfer import HttpAttempt
from p2psim.testbed.peer.interfaces import Channel, Clock, Fetcher, Observer, Timer
from p2psim.testbed.peer.p2p_transfer import Exchange
from p2psim.testbed.peer.single_loader import Agent, Command
from p2psim.wire import SegmentsAnnouncement

__all__ = ["Loader"]

SOURCES = {HTTP: "http", P2P: "p2p"}

Delivery = Callable[[bytes, float], None]
Refusal = Callable[[str], None]


@dataclass(slots=True)
class _Wish:
    segment: int
    delivered: Delivery
    refused: Refusal


class Loader:
    """Loads the segments of one stream for one viewer.

    `page` lists the loaders of one
    viewer, of other qualities or of sound, whose storage is one; `predecessor` loaded another quality so far (see
    `take_over`).
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
        self.agent = Agent(
            options,
            random,
            now=clock.now(),
            capacity=config.capacity,
            neighbours=config.neighbours,
            uploads=config.uploads,
            storage=config.storage,
            page_opened_at=config.page_opened_at,
            meters=config.meters,
            name=config.name,
        )
        self.storage: dict[int, bytes] = {}
        self.level_bitrate = 0.0
        self.level_changed_at = float("-inf")
        self._fetcher = fetcher
        self._validators = {P2P: config.validate_p2p, HTTP: config.validate_http}
        self._conduct = config.conduct
        self._from_peers: set[int] = set()
        self._partial: dict[int, bytearray] = {}
        self._http: dict[int, HttpAttempt] = {}
        self._exchanges: dict[str, Exchange] = {}
        self._wish: _Wish | None = None
        self._pass_due = False
        self._wake_timer: Timer | None = None
        self._closed = False
        self._heir: Loader | None = None
        self._outgoing: Loader | None = None
        self._prefetch_timer: Timer | None = None
        self._page = [] if page is None else page
        self._page.append(self)
        if predecessor is None:
            self._await_prefetch()
        else:
            self.take_over(predecessor)

    # -- the player ---------------------------------------------------------------------------------------------

    def playlist(self, segments: Sequence[tuple[int, float, float]]) -> None:
        """Take the playlist as it is now: (id, start, end) on the media time line, in order."""
        self.agent.playlist(segments)
        self.request_pass()

    def load(self, segment: int, delivered: Delivery, refused: Refusal) -> None:
        """Ask for a segment: `delivered(data, bytes_per_s)` or `refused(why)` will be called once."""
        wish = _Wish(segment, delivered, refused)
        if self.agent.player_requests(segment):
            self.clock.call_soon(self._deliver_stored, wish)
            return
        if self._wish is not None:
            self._wish.refused("aborted")
        self._wish = wish
        self.request_pass()

    def abort(self, segment: int) -> None:
        """The player gives up waiting for a segment."""
        if self._wish is not None and self._wish.segment == segment:
            wish, self._wish = self._wish, None
            self.agent.player_aborts(segment)
            wish.refused("aborted")
            self.request_pass()

    def playhead(self, position: float, rate: float) -> None:
        """Report the playhead."""
        if self.agent.playhead_moves(position, rate, self.clock.now()):
            self.request_pass()

    def _deliver_stored(self, wish: _Wish) -> None:
        wish.delivered(self.storage[wish.segment], self._figure(self.agent.current_share()))
        self.request_pass()

    def _figure(self, share: float) -> float:
        return player_figure(
            self.agent.all, self.agent.http, share, self.level_bitrate, self.level_changed_at, self.clock.milliseconds()
        )

    # -- decisions ----------------------------------------------------------------------------------------------

    def request_pass(self) -> None:
        """Run a queue pass soon; several wishes for one before it comes are one."""
        if not self._pass_due and not self._closed and self._heir is None:
            self._pass_due = True
            self.clock.call_soon(self._pass)

    def _pass(self) -> None:
        try:
            if not self._closed and self._heir is None:
                self._settle()
                self._carry_out(self.agent.queue_pass(self.clock.now()))
                self._set_wake_up()
        finally:
            self._pass_due = False

    def _set_wake_up(self) -> None:
        now = self.clock.now()
        at = self.agent.wakes_at(now)
        if at < math.inf and self._wake_timer is None:
            self._wake_timer = self.clock.call_later(at - now, self._wake_up)

    def _wake_up(self) -> None:
        self._wake_timer = None
        self._at_work().request_pass()

    def _await_prefetch(self) -> None:
        delay = self.agent.prefetch_delay()
        if delay < math.inf:
            self._prefetch_timer = self.clock.call_later(delay, self._prefetch)

    def _prefetch(self) -> None:
        at_work = self._at_work()
        at_work._carry_out(at_work.agent.prefetch_round(self.clock.now()))
        at_work._await_prefetch()

    def _carry_out(self, orders: list[Command]) -> None:
        for order in orders:
            match order.kind:
                case commands.START_HTTP:
                    self._start_http(order.segment, order.first_byte)
                case commands.START_P2P:
                    self._start_p2p(order)
                case commands.ABORT_HTTP:
                    self._http.pop(order.segment).cancel()
                    self._aborted(order.segment, HTTP, "")
                case commands.ABORT_P2P:
                    self._exchanges[order.neighbour].cancel()
                    self._aborted(order.segment, P2P, order.neighbour)
                case commands.DELIVER:
                    self._deliver(order.segment)
                case commands.REJECT:
                    self._reject()
                case commands.STORE:
                    self._store(order.segment)
                case commands.COMPLETE:
                    self._take_complete(order)
                case commands.ANNOUNCE:
                    self.clock.call_soon(self._announce)

    def _take_complete(self, order: Command) -> None:
        """All bytes were there before the attempt began: no verdict can be waited for."""
        segment, source, peer = order.segment, SOURCES[order.source], order.neighbour
        self.observer.attempt_started(segment, source, peer, len(self._partial.get(segment, b"")))
        verdicts: list[bool] = []
        self.judge(segment, order.source, verdicts.append)
        if verdicts == [True]:
            self.observer.attempt_ended(segment, source, peer, "loaded")
        else:
            self.clear_bytes(segment)
            self.agent.failed(segment, self.clock.now())
            self.observer.attempt_ended(segment, source, peer, f"{source}-segment-validation-failed")
        self.request_pass()

    def _start_http(self, segment: int, first_byte: int) -> None:
        self._forget_unless_resumed(segment, first_byte)
        self.agent.started(HTTP, self.clock.milliseconds())
        attempt = HttpAttempt(self, segment, first_byte)
        self._http[segment] = attempt
        self.observer.attempt_started(segment, "http", "", first_byte)
        self.clock.call_soon(attempt.begin, self._fetcher)

    def _start_p2p(self, order: Command) -> None:
        self._forget_unless_resumed(order.segment, order.first_byte)
        self.agent.started(P2P, self.clock.milliseconds(), order.neighbour)
        self.observer.attempt_started(order.segment, "p2p", order.neighbour, order.first_byte)
        self._exchanges[order.neighbour].request(order.segment, order.first_byte)

    def _forget_unless_resumed(self, segment: int, first_byte: int) -> None:
        if first_byte == 0:
            self._partial.pop(segment, None)
            self._from_peers.discard(segment)

    def _aborted(self, segment: int, source: int, peer: str) -> None:
        self.agent.stopped(source, self.clock.milliseconds(), peer)
        self.observer.attempt_ended(segment, SOURCES[source], peer, "abort")

    def _deliver(self, segment: int) -> None:
        wish, self._wish = self._wish, None
        if wish is not None:
            wish.delivered(bytes(self._partial.get(segment, b"")), self._figure(self.agent.loaded_share))

    def _reject(self) -> None:
        wish, self._wish = self._wish, None
        if wish is not None:
            wish.refused("failed")

    def _store(self, segment: int) -> None:
        self.storage[segment] = bytes(self._partial.pop(segment, b""))
        self._from_peers.discard(segment)
        self._forget_evicted()
        for other in self._page:
            if other is not self:
                other._evict(self.agent)

    def _evict(self, at_work: Agent) -> None:
        if self.agent.evict(at_work):
            self._forget_evicted()
            self.clock.call_soon(self._announce)

    def _forget_evicted(self) -> None:
        for old in [old for old in self.storage if not self.agent.holds(old)]:
            del self.storage[old]

    # -- changes of quality ---------------------------------------------------------------------------------------

    def take_over(self, old: "Loader") -> None:
        """Load in the place of another quality's loader, which from now on only serves what it has stored.

        Its attempts are aborted as part of the next pass; playhead, timers and the first hold of HTTP go on.
        """
        self._heir, old._heir = None, self
        self._wake_timer = old._wake_timer
        self.level_bitrate, self.level_changed_at = old.level_bitrate, old.level_changed_at
        self.agent.continue_after(old.agent)
        wish, old._wish = old._wish, None
        if wish is not None:
            wish.refused("aborted")
        old._settle()
        self._outgoing = old

    def _at_work(self) -> "Loader":
        """Return the loader that loads now, however many changes of quality ago this one did."""
        at_work = self
        while at_work._heir is not None:
            at_work = at_work._heir
        return at_work

    def _settle(self) -> None:
        outgoing, self._outgoing = self._outgoing, None
        if outgoing is not None:
            outgoing._give_up()

    def _give_up(self) -> None:
        if self._heir is not None:
            self._carry_out(self.agent.give_up())
            self._partial.clear()
            self._from_peers.clear()

    def disband(self) -> None:
        """Close every channel, and keep what is stored."""
        for exchange in list(self._exchanges.values()):
            exchange.close()

    # -- transfers, told by attempts and exchanges ----------------------------------------------------------------

    def set_total(self, segment: int, total: int) -> None:
        """The size of a segment has become known."""
        self.agent.set_total(segment, total)

    def clear_bytes(self, segment: int) -> None:
        """Drop partial bytes that are not to be trusted."""
        self._partial.pop(segment, None)
        self._from_peers.discard(segment)
        self.agent.clear_bytes(segment)

    def take_bytes(self, segment: int, data: bytes, source: int, peer: str) -> None:
        """Bytes came for a segment."""
        self._partial.setdefault(segment, bytearray()).extend(data)
        if source == P2P:
            self._from_peers.add(segment)
        self.agent.received(segment, len(data), source, self.clock.milliseconds(), peer)
        self.observer.bytes_received(segment, SOURCES[source], peer, len(data))

    def note_waste(self, peer: str, count: int) -> None:
        """Bytes came that belong to no download: late, or never asked for."""
        self.observer.bytes_received(-1, "p2p", peer, count)

    def judge(self, segment: int, source: int, verdict: Callable[[bool], None]) -> None:
        """Judge a complete segment; one with a peer's bytes in it by the rule for peers, whoever sent the last of them.

        Upstream asks the rule of the last source alone, so that a peer can spoil what HTTP completes.
        """
        validator = self._validators[P2P if segment in self._from_peers else source]
        if validator is None:
            verdict(True)
        else:
            validator(segment, bytes(self._partial.get(segment, b"")), verdict)

    def served(self, segment: int) -> bytes | None:
        """Bytes to send to a peer that asks for a stored segment; None: it gets no answer."""
        return self._conduct.served(self.storage[segment])

    def succeed(self, segment: int, source: int, peer: str) -> None:
        """A segment is complete."""
        self._http.pop(segment, None)
        self.agent.stopped(source, self.clock.milliseconds(), peer)
        self.agent.succeeded(segment)
        self.observer.attempt_ended(segment, SOURCES[source], peer, "loaded")
        self.request_pass()

    def fail_quietly(self, segment: int, source: int, peer: str, *, timed_out: bool = False) -> bool:
        """An attempt failed; True if its peer has timed out too often."""
        self._http.pop(segment, None)
        self.agent.stopped(source, self.clock.milliseconds(), peer)
        return self.agent.failed(segment, self.clock.now(), timed_out=timed_out)

    def report_failure(self, segment: int, source: int, peer: str, error: str) -> None:
        """Note a failure and decide anew."""
        self.observer.attempt_ended(segment, SOURCES[source], peer, error)
        self.request_pass()

    # -- neighbours ---------------------------------------------------------------------------------------------

    def channel_opened(self, channel: Channel) -> bool:
        """A channel is open; False (and it is closed) if the peer is connected already or there is no room."""
        if self._closed or channel.peer in self._exchanges or not self.agent.connect(channel.peer):
            channel.close()
            return False
        exchange = self._exchanges[channel.peer] = Exchange(self, channel)
        if self.uploads:
            exchange.say(self._announcement(*self.agent.peek_announcement()))
        surplus = self.agent.surplus_neighbour
        if surplus is not None:
            self._exchanges[surplus].close()
        return True

    def channel_message(self, peer: str, message: bytes) -> None:
        """A message came."""
        exchange = self._exchanges.get(peer)
        if exchange is not None:
            exchange.receive(message)

    def channel_drained(self, peer: str) -> None:
        """A channel takes segment data again."""
        exchange = self._exchanges.get(peer)
        if exchange is not None:
            exchange.drained()

    def channel_closed(self, peer: str) -> None:
        """A channel was closed, by the other side or by a failing network."""
        exchange = self._exchanges.get(peer)
        if exchange is not None:
            exchange.close()

    def peer_gone(self, exchange: Exchange) -> None:
        """An exchange has ended."""
        self._exchanges.pop(exchange.peer, None)
        self.agent.disconnect(exchange.peer)
        self.observer.peer_closed(exchange.peer)

    @property
    def is_closed(self) -> bool:
        """Whether it has stopped for good."""
        return self._closed

    @property
    def peers(self) -> list[str]:
        """Ids of the connected peers."""
        return list(self._exchanges)

    def _announce(self) -> None:
        message = self._announcement(*self.agent.announcement())
        for exchange in list(self._exchanges.values()):
            exchange.say(message)

    def _announcement(self, stored: list[int], fetching: list[int]) -> SegmentsAnnouncement:
        return SegmentsAnnouncement(tuple(self._conduct.stored(stored, self.agent.listing)), tuple(fetching))

    def close(self) -> None:
        """Stop everything: attempts are aborted, channels closed."""
        self.stop()
        self.disband()

    def stop(self) -> None:
        """Load nothing more, and accept no channel."""
        if self._closed:
            return
        self._closed = True
        for timer in (self._prefetch_timer, self._wake_timer):
            if timer is not None:
                timer.cancel()
        wish, self._wish = self._wish, None
        if wish is not None:
            wish.refused("aborted")
        self._settle()
        self._carry_out(self.agent.abort_all())
