"""Tracker client of a viewer over WebSocket, which behaves like bittorrent-tracker 11.2 in a browser.

The client delays its messages by the network's one-way delay to the tracker, because a loopback has none.
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

_LEAVE_TIMEOUT: Final = 1.0
_LARGEST_MESSAGE: Final = 1 << 20

_log = logging.getLogger(__name__)


class Signalling(Protocol):
    """Source of offers and answers (see `p2psim.testbed.peer.connection_pool.ConnectionPool`)."""

    async def make_offers(self, count: int) -> list[Offer]:
        """Return new offers."""

    async def take_offer(self, peer: str, offer: str) -> str | None:
        """Return the answer to an offer; None: it is refused."""

    async def take_answer(self, peer: str, offer_id: str, answer: str) -> None:
        """Apply the answer to one of this viewer's offers."""


class AnnounceObserver(Protocol):
    """Observer of announces."""

    def announced(self, event: str, offers: int) -> None:
        """Record an announce."""

    def tracker_sent(self, kind: str, count: int = 1) -> None:
        """Record an "offer", an "answer" or a number of "peers" from the tracker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Member of a swarm, as it announces itself to a tracker."""

    url: str
    """URL of the tracker."""
    info_hash: str
    """Info hash of the swarm."""
    peer_id: str
    offers: int
    """Number of offers in an announce."""
    one_way_delay: float
    """One-way delay to the tracker, seconds."""


class TrackerClient:
    """Client that announces a member: `run` until cancelled, then `leave` or `fall_silent`."""

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
        self._offers, self._one_way_delay = member.offers, member.one_way_delay
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._timer = AnnounceTimer()
        self._rearmed = asyncio.Event()
        self._tracker_id: str | None = None
        self._message_tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Announce periodically; reconnect after a lost connection with the delays of a browser."""
        event: AnnounceEvent | None = "started"
        retries = 0
        while True:
            try:
                await self._stay_connected(event)
                retries = 0
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                _log.debug("tracker: %s", error)
            self._timer = self._timer.disconnected()
            event = None
            await asyncio.sleep(reconnect_delay(retries, self._rng))
            retries += 1

    async def _stay_connected(self, event: AnnounceEvent | None) -> None:
        await asyncio.sleep(self._one_way_delay)
        self._socket = await self._session.ws_connect(self._url, max_msg_size=_LARGEST_MESSAGE, autoping=True)
        announcing = asyncio.get_running_loop().create_task(self._announce_periodically(event))
        try:
            await self._receive(self._socket)
        finally:
            announcing.cancel()

    # -- announces ----------------------------------------------------------------------------------------------

    async def _announce_periodically(self, event: AnnounceEvent | None) -> None:
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
        await asyncio.sleep(self._one_way_delay)
        if self._socket is None or self._socket.closed:
            return
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, OSError) as error:
            _log.debug("message to the tracker: %s", error)

    async def leave(self) -> None:
        """Send `stopped` and disconnect."""
        self._cancel_tasks()
        socket = self._socket
        if socket is None or socket.closed:
            return
        self._observer.announced("stopped", 0)
        message = encode_announce(self._info_hash, self._peer_id, event="stopped", tracker_id=self._tracker_id)
        try:
            async with asyncio.timeout(_LEAVE_TIMEOUT):
                await socket.send_str(message)
                await socket.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.debug("leaving the tracker: %s", error)

    def fall_silent(self) -> None:
        """Stop handling and sending messages, after `run` was cancelled; the socket stays open without pongs."""
        self._cancel_tasks()

    def _cancel_tasks(self) -> None:
        for task in list(self._message_tasks):
            task.cancel()

    # -- messages of the tracker ----------------------------------------------------------------------------------

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                self._start(self._handle(frame.data, socket))

    async def _handle(self, text: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        await asyncio.sleep(self._one_way_delay)
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
                case TrackerWarned(warning):
                    _log.warning("tracker: %s", warning)
                case ConnectionBroken(reason):
                    _log.warning("tracker: %s", reason)
                    await socket.close()

    async def _answer(self, peer: str, offer_id: str, sdp: str) -> None:
        answer = await self._signalling.take_offer(peer, sdp)
        if answer is not None:
            await self._send(
                encode_answer(self._info_hash, self._peer_id, peer, offer_id, answer, tracker_id=self._tracker_id)
            )

    def _start(self, handling: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(handling)
        self._message_tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._message_tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a message of the tracker could not be handled", exc_info=error)
