"""One viewer for real: playlists, loader, player, connections and tracker, from joining to leaving."""

import asyncio
import logging
import math
from dataclasses import dataclass, field
from typing import Final, Literal

import aiohttp
import msgspec

from p2psim.policy import player as rules
from p2psim.policy.state import options
from p2psim.rng import kernel_streams, stream
from p2psim.scenario import Scenario
from p2psim.testbed.clock import RunClock
from p2psim.testbed.conduct import CONDUCTS
from p2psim.testbed.connection import Links
from p2psim.testbed.fetcher import HttpFetcher
from p2psim.testbed.ice import ice_servers
from p2psim.testbed.journal import Journal
from p2psim.testbed.loader import Loader
from p2psim.testbed.notes import ViewerNotes
from p2psim.testbed.pacing import Downlink, Uplink
from p2psim.testbed.player import Player
from p2psim.testbed.pool import Pool
from p2psim.testbed.protection import Keys, Notary
from p2psim.testbed.tracker_client import TrackerClient
from p2psim.wire import (
    MasterPlaylist,
    MediaPlaylist,
    MediaSegment,
    SegmentMap,
    Stream,
    manifest_swarm_id,
    new_peer_id,
    parse_playlist,
    streams_of,
)
from p2psim.wire.protection import DATA_ID

__all__ = ["Surroundings", "Viewer", "ViewerPlan"]

SAMPLE_PERIOD: Final = 2.0
_PLAYLIST_RETRY: Final = 1.0
_REQUEST_TIMEOUT: Final = 10.0

_log = logging.getLogger(__name__)


class ViewerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a viewer is and does, as drawn from the scenario; times of the run, rates in bytes/s (None: unlimited)."""

    index: int
    name: str
    joined_at: float
    left_at: float
    departure: Literal["clean", "crash", "end"]
    uplink: float | None
    downlink: float | None
    device: str
    uploads: bool
    role: str = "honest"
    uplink_changes: list[tuple[float, float]] = []
    """Seconds of the run, and the share of the uplink that is left from then on."""
    nat: str = "public"
    is_paced: bool = True
    """Whether the process itself holds back to the rates, because the network does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the viewers of a process share."""

    scenario: Scenario
    seed: int
    master: str
    """Address of the stream's master playlist."""
    trackers: tuple[str, ...]
    """Viewers announce themselves to all of them."""
    clock: RunClock
    journal: Journal
    gate: asyncio.Semaphore
    """Bounds how many connections are answered at once."""
    ice: str = ""
    """Address of the list of STUN and TURN servers; none without it."""
    graves: list[aiohttp.ClientSession] = field(default_factory=list)
    """Sessions of vanished viewers, whose sockets to the tracker stay open and silent."""


class Viewer:
    """Watches as planned: ``await Viewer(plan, surroundings).watch()``."""

    def __init__(self, plan: ViewerPlan, around: Surroundings) -> None:
        self._plan, self._around = plan, around
        self._scenario, self._clock = around.scenario, around.clock
        self._policy = around.scenario.policy.of_stream("main")
        self._notes = ViewerNotes(around.journal, around.clock, plan.name, self._opened)
        rng = stream(around.seed, 0, "peer", plan.index)
        self._rng = rng
        self._peer_id = new_peer_id(rng, self._policy.trackerClientVersionPrefix)
        uplink, downlink = (_rate(rate) if plan.is_paced else math.inf for rate in (plan.uplink, plan.downlink))
        self._links = Links(Uplink(self._clock, uplink), Downlink(self._clock, downlink))
        self._segments = SegmentMap()
        self._offset = 0.0
        self._listed: dict[int, MediaSegment] = {}
        self._keys: Keys | None = None
        self._notary: Notary | None = None
        self._loader: Loader | None = None
        self._player: Player | None = None
        self._pool: Pool | None = None
        self._fetcher: HttpFetcher | None = None
        self._trackers: list[TrackerClient] = []

    async def watch(self) -> None:
        """Join, play and leave at the planned times."""
        await self._clock.sleep_until(self._plan.joined_at)
        joined_at = self._clock.now()
        self._plan_uplink(joined_at)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_REQUEST_TIMEOUT)
        headers = {"X-Viewer": self._plan.name}
        web = aiohttp.ClientSession(timeout=timeout, headers=headers, connector=aiohttp.TCPConnector(limit_per_host=6))
        signals = aiohttp.ClientSession()
        watching = asyncio.get_running_loop().create_task(self._live(web, signals))
        try:
            await asyncio.wait([watching], timeout=max(0.0, self._plan.left_at - self._clock.now()))
            if watching.done():
                watching.result()  # only an error ends it before its time
            await self._leave(watching, joined_at)
        finally:
            watching.cancel()
            await web.close()
            if self._plan.departure == "crash":
                self._around.graves.append(signals)
            else:
                await signals.close()

    def _plan_uplink(self, now: float) -> None:
        rate = _rate(self._plan.uplink)
        for at, left in self._plan.uplink_changes:
            changed = rate * left if left > 0 else 0.0
            if at <= now:
                self._links.uplink.change(changed)
            else:
                self._clock.call_later(at - now, self._links.uplink.change, changed)

    # -- watching -----------------------------------------------------------------------------------------------

    async def _live(self, web: aiohttp.ClientSession, signals: aiohttp.ClientSession) -> None:
        master = await self._playlist(web, self._around.master)
        found = streams_of(master, self._around.master)[0]
        media = await self._playlist(web, found.url)
        while not (isinstance(media, MediaPlaylist) and media.segments):
            await asyncio.sleep(_PLAYLIST_RETRY)
            media = await self._playlist(web, found.url)
        self._keys = Keys(web)
        await self._keys.fetch(media)
        key = master.data(DATA_ID) if isinstance(master, MasterPlaylist) else None
        if key is not None and (self._policy.validateP2PSegment or self._policy.validateHTTPSegment):
            self._notary = Notary(web, found.url, key, self._address)
        self._set_up(web, media, (found.quality.bitrate or 0) / 8)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reload(web, found.url, media))
            tasks.create_task(self._sample())
            if self._policy.shares:
                tasks.create_task(self._signal(signals, found))

    def _set_up(self, web: aiohttp.ClientSession, media: MediaPlaylist, bitrate: float) -> None:
        scenario, plan, policy, is_live = self._scenario, self._plan, self._policy, not media.is_ended
        headers = policy.httpRequestSetup
        self._fetcher = HttpFetcher(web, self._address, self._links.downlink, self._notes.late_http, headers)
        judge = self._notary.judge if self._notary is not None else None
        self._loader = Loader(
            options(policy, is_live, scenario.stream.segment, scenario.stream.latency),
            self._clock,
            self._fetcher,
            self._notes,
            kernel_streams(self._around.seed, plan.index + 1, 0, "policy")[plan.index],
            uploads=plan.uploads and not policy.isP2PUploadDisabled,
            max_message_size=policy.webRtcMaxMessageSize,
            neighbours=policy.maxPeers,
            storage=policy.storage_limit(plan.device == "mobile"),
            validate_p2p=judge if policy.validateP2PSegment else None,
            validate_http=judge if policy.validateHTTPSegment else None,
            conduct=CONDUCTS[plan.role](),
            name=self._peer_id,
            answers_unknown=True,
            upstream_faults=policy.announcementBlocks == "upstream",
        )
        self._loader.level_bitrate = bitrate
        self._player = Player(
            self._clock,
            self._loader,
            scenario.player,
            self._notes,
            is_live=is_live,
            latency=scenario.stream.latency,
        )
        self._take(media)
        segment, _ = self._player.start
        self._loader.agent.start_at(self._segments_start(segment))
        self._player.begin()

    async def _signal(self, signals: aiohttp.ClientSession, found: Stream) -> None:
        if self._loader is None:
            return
        around = self._around
        if around.ice:
            self._links.servers = await ice_servers(signals, around.ice)
        self._pool = Pool(
            self._peer_id,
            self._clock,
            self._links,
            self._loader,
            self._notes,
            self._rng,
            around.gate,
            most=self._policy.maxPeers,
        )
        info_hash = found.info_hash(self._policy.swarmId or manifest_swarm_id(around.master))
        self._trackers = [
            TrackerClient(
                signals,
                url,
                info_hash,
                self._peer_id,
                self._pool,
                self._notes,
                self._clock,
                self._rng,
                offers=self._scenario.tracker.offers,
                latency=self._scenario.tracker.latency,
            )
            for url in around.trackers
        ]
        await asyncio.gather(*(tracker.run() for tracker in self._trackers))

    # -- playlists ----------------------------------------------------------------------------------------------

    async def _playlist(self, web: aiohttp.ClientSession, url: str) -> MasterPlaylist | MediaPlaylist:
        while True:
            try:
                async with web.get(url) as response:
                    response.raise_for_status()
                    return parse_playlist(await response.text(), str(response.url))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                _log.warning("%s: %s", url, error)
                await asyncio.sleep(_PLAYLIST_RETRY)

    async def _reload(self, web: aiohttp.ClientSession, url: str, media: MediaPlaylist) -> None:
        asked_at, brought_news = self._clock.now(), True
        while not media.is_ended:
            await self._clock.sleep_until(asked_at + rules.reload_delay(media.target_duration, brought_news))
            asked_at, before = self._clock.now(), media
            fresh = await self._playlist(web, url)
            if isinstance(fresh, MediaPlaylist):
                media = fresh
                if self._keys is not None:
                    await self._keys.fetch(media)
            brought_news = media.segments[-1:] != before.segments[-1:]
            self._take(media)

    def _take(self, media: MediaPlaylist) -> None:
        """Hand a playlist to loader and player; media time is that of the stream, not of this viewer's first look."""
        if not len(self._segments) and media.segments and not media.is_ended:
            self._offset = media.segments[0].media_sequence * media.segments[0].duration
        self._segments.update(media)
        items = [(item.number, item.start + self._offset, item.end + self._offset) for item in self._segments]
        self._listed.update((item.number, item.segment) for item in self._segments)
        if self._notary is not None:
            self._notary.refresh()
        if self._loader is not None and self._player is not None:
            self._loader.playlist(items)
            self._player.playlist(items, media.is_ended)

    def _address(self, number: int) -> str:
        return self._listed[number].url

    def _opened(self, number: int, data: bytes) -> bytes:
        """Give what the player shows of a segment."""
        segment = self._listed.get(number)
        return data if segment is None or self._keys is None else self._keys.open(segment, data)

    def _segments_start(self, number: int) -> float:
        item = self._segments.by_number(number)
        return self._offset + (item.start if item is not None else 0.0)

    # -- statistics ---------------------------------------------------------------------------------------------

    async def _sample(self) -> None:
        at = self._clock.now()
        while True:
            at += SAMPLE_PERIOD
            await self._clock.sleep_until(at)
            self._write_sample(at)

    def _write_sample(self, at: float) -> None:
        if self._loader is not None and self._player is not None:
            self._notes.write_sample(at, len(self._loader.peers), self._player.buffer, self._links.sent)

    # -- leaving ------------------------------------------------------------------------------------------------

    async def _leave(self, watching: asyncio.Task[None], joined_at: float) -> None:
        """Leave: in good order, so that every byte on its way is counted, or by vanishing."""
        left_at = self._clock.now()
        if self._player is not None:
            self._player.stop()
        watching.cancel()
        await asyncio.wait([watching])
        if self._plan.departure == "crash":
            await self._vanish()
        else:
            await self._go()
        self._conclude(joined_at, left_at)

    async def _go(self) -> None:
        if self._loader is not None:
            self._loader.close()
        parts = [part.close() for part in (self._pool, self._fetcher, self._notary) if part is not None]
        await asyncio.gather(*parts, *(tracker.leave() for tracker in self._trackers))

    async def _vanish(self) -> None:
        for tracker in self._trackers:
            tracker.fall_silent()
        if self._fetcher is not None:
            self._fetcher.kill()
        if self._pool is not None:
            await self._pool.vanish()
        if self._loader is not None:
            self._loader.close()

    def _conclude(self, joined_at: float, left_at: float) -> None:
        if self._loader is not None:
            for segment, data in self._loader.storage.items():
                self._notes.segment_held(segment, data)
        self._write_sample(left_at)
        self._notes.write_announce()
        self._notes.write_segments()
        self._notes.write(
            "viewer", peer_id=self._peer_id, joined_at=joined_at, left_at=left_at, departure=self._plan.departure,
            uplink=self._plan.uplink, downlink=self._plan.downlink, device=self._plan.device,
            role=self._plan.role, nat=self._plan.nat,
        )  # fmt: skip


def _rate(rate: float | None) -> float:
    return math.inf if rate is None else rate
