"""Tracker client of a viewer over WebSocket, which behaves like bittorrent-tracker 11.2 in a browser.

The network's latency to the tracker is made here: a loopback has none.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

import aiohttp
import numpy as np

from p2psim.testbed.peer.interfaces import Clock
from p2psim.wire.tracker_messages import (
    AnnounceEvent,
    AnnounceTimer,
    AnswerReceived,
    ConnectionBroken,
    IntervalChanged,
    Offer,
    OfferReceived,
    SwarmCounted,
    TrackerIdGiven,
    TrackerWarned,
    encode_announce,
    encode_answer,
    read_message,
    reconnect_delay,
)

__all__ = ["AnnounceObserver", "Member", "Signalling", "TrackerClient"]

_GOODBYE_TIMEOUT: Final = 1.0
_LARGEST_MESSAGE: Final = 1 << 20

_log = logging.getLogger(__name__)


class Signalling(Protocol):
    """Source of offers and answers (see `p2psim.testbed.peer.connection_pool.ConnectionPool`)."""

    async def make_offers(self, count: int) -> list[Offer]:
        """Return new offers."""

    async def take_offer(self, peer: str, offer: str) -> str | None:
        """Return the answer to an offer; None: it is refused."""

    async def take_answer(self, peer: str, offer_id: str, answer: str) -> None:
        """Complete one of our offers with its answer."""


class AnnounceObserver(Protocol):
    """Observer of announces."""

    def announced(self, event: str, offers: int) -> None:
        """Record an announce."""

    def tracker_sent(self, kind: str, count: int = 1) -> None:
        """Record an "offer", an "answer" or a number of "peers" from the tracker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a swarm, as a tracker knows it."""

    url: str
    """Address of the tracker."""
    info_hash: str
    """The swarm."""
    peer_id: str
    offers: int
    """Made with each announce."""
    one_way_delay: float
    """Seconds to the tracker, one way."""


class TrackerClient:
    """Keeps a member announced: `run` until cancelled, then `leave` or be silent."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        member: Member,
        signalling: Signalling,
        observer: AnnounceObserver,
        clock: Clock,
        rng: np.random.Generator,
    ) -> None:
        self._session, self._url = session, member.url
        self._info_hash, self._peer_id = member.info_hash, member.peer_id
        self._signalling, self._observer, self._clock, self._rng = signalling, observer, clock, rng
        self._offers, self._latency = member.offers, member.one_way_delay
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._timer = AnnounceTimer()
        self._rearmed = asyncio.Event()
        self._tracker_id: str | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Announce periodically; reconnect after a lost connection with the delays of a browser."""
        event: AnnounceEvent | None = "started"
        retries = 0
        while True:
            try:
                await self._talk(event)
                retries = 0
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                _log.debug("tracker: %s", error)
            self._timer = self._timer.disconnected()
            event = None
            await asyncio.sleep(reconnect_delay(retries, self._rng))
            retries += 1

    async def _talk(self, event: AnnounceEvent | None) -> None:
        await asyncio.sleep(self._latency)
        self._socket = await self._session.ws_connect(self._url, max_msg_size=_LARGEST_MESSAGE, autoping=True)
        announcing = asyncio.get_running_loop().create_task(self._announce_on(event))
        try:
            await self._listen(self._socket)
        finally:
            announcing.cancel()

    # -- announces ----------------------------------------------------------------------------------------------

    async def _announce_on(self, event: AnnounceEvent | None) -> None:
        if event == "started":
            self._timer = self._timer.started(self._clock.now())
        await self._announce(event)
        while True:
            self._rearmed.clear()
            due = self._timer.due_at
            try:
                await asyncio.wait_for(self._rearmed.wait(), None if due is None else max(0.0, due - self._clock.now()))
            except TimeoutError:
                await self._announce(None)
                self._timer = self._timer.fired()

    async def _announce(self, event: AnnounceEvent | None) -> None:
        offers = await self._signalling.make_offers(self._offers)
        self._observer.announced(event or "", len(offers))
        await self._send(
            encode_announce(self._info_hash, self._peer_id, offers, event=event, tracker_id=self._tracker_id)
        )

    async def _send(self, text: str) -> None:
        await asyncio.sleep(self._latency)
        if self._socket is None or self._socket.closed:
            return
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, OSError) as error:
            _log.debug("message to the tracker: %s", error)

    async def leave(self) -> None:
        """Send `stopped` and disconnect."""
        self._stop_talks()
        socket = self._socket
        if socket is None or socket.closed:
            return
        self._observer.announced("stopped", 0)
        message = encode_announce(self._info_hash, self._peer_id, event="stopped", tracker_id=self._tracker_id)
        try:
            async with asyncio.timeout(_GOODBYE_TIMEOUT):
                await socket.send_str(message)
                await socket.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.debug("goodbye to the tracker: %s", error)

    def fall_silent(self) -> None:
        """Stop sending anything, pongs included; the socket stays open."""
        self._stop_talks()

    def _stop_talks(self) -> None:
        for talk in list(self._talks):
            talk.cancel()

    # -- what the tracker says ------------------------------------------------------------------------------------

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                self._start(self._obey(frame.data, socket))

    async def _obey(self, text: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        await asyncio.sleep(self._latency)
        for event in read_message(text, self._info_hash, self._peer_id):
            match event:
                case IntervalChanged(interval):
                    self._timer = self._timer.replied(self._clock.now(), interval)
                    self._rearmed.set()
                case SwarmCounted(complete, incomplete):
                    self._observer.tracker_sent("peers", complete + incomplete)
                case TrackerIdGiven(tracker_id):
                    self._tracker_id = tracker_id
                case OfferReceived(peer, offer_id, sdp):
                    self._observer.tracker_sent("offer")
                    await self._answer(peer, offer_id, sdp)
                case AnswerReceived(peer, offer_id, sdp):
                    self._observer.tracker_sent("answer")
                    await self._signalling.take_answer(peer, offer_id, sdp)
                case TrackerWarned(said):
                    _log.warning("tracker: %s", said)
                case ConnectionBroken(reason):
                    _log.warning("tracker: %s", reason)
                    await socket.close()

    async def _answer(self, peer: str, offer_id: str, sdp: str) -> None:
        answer = await self._signalling.take_offer(peer, sdp)
        if answer is not None:
            await self._send(
                encode_answer(self._info_hash, self._peer_id, peer, offer_id, answer, tracker_id=self._tracker_id)
            )

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        talk = asyncio.get_running_loop().create_task(work)
        self._talks.add(talk)
        talk.add_done_callback(self._talk_over)

    def _talk_over(self, talk: asyncio.Task[None]) -> None:
        self._talks.discard(talk)
        if not talk.cancelled() and (error := talk.exception()) is not None:
            _log.error("message of the tracker", exc_info=error)
