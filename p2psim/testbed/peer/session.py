"""Session of a real viewer on a channel: playlists, loader, player, connections and tracker client."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urljoin

import aiohttp
import numpy as np

from p2psim.player import hls_js as rules
from p2psim.policy.interface import options
from p2psim.rng import kernel_streams
from p2psim.scenario.presets import MOBILE
from p2psim.testbed.loader_config import LoaderConfig
from p2psim.testbed.peer.adversaries import BEHAVIOURS
from p2psim.testbed.peer.config import RunEnvironment, ViewerPlan
from p2psim.testbed.peer.connection import AccessLinks
from p2psim.testbed.peer.connection_pool import ConnectionPool
from p2psim.testbed.peer.fetcher import HttpFetcher
from p2psim.testbed.peer.ice import ice_servers
from p2psim.testbed.peer.integrity import Keys, SegmentValidator
from p2psim.testbed.peer.loader import Loader
from p2psim.testbed.peer.player import Player
from p2psim.testbed.peer.tracker_client import Member, TrackerClient
from p2psim.testbed.recording.viewer_log import ViewerLog
from p2psim.wire import (
    MasterPlaylist,
    MediaPlaylist,
    MediaSegment,
    SegmentMap,
    Stream,
    manifest_swarm_id,
    parse_playlist,
    streams_of,
)
from p2psim.wire.protection import DATA_ID

__all__ = ["ChannelSession", "SessionContext"]

_PLAYLIST_RETRY: Final = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """Parts of a viewer that all its sessions share."""

    plan: ViewerPlan
    environment: RunEnvironment
    peer_id: str
    rng: np.random.Generator
    links: AccessLinks
    web: aiohttp.ClientSession
    signals: aiohttp.ClientSession


class ChannelSession:
    """Session `number` of a viewer on a channel, from `begin` to `leave` or `vanish`.

    `previous_log` is the log of the viewer's session before, if any.
    """

    def __init__(
        self, context: SessionContext, channel: str, number: int = 0, previous_log: ViewerLog | None = None
    ) -> None:
        self._context, self._plan, self._number = context, context.plan, number
        self._environment, self._clock, self._links = context.environment, context.environment.clock, context.links
        self._scenario = context.environment.scenario
        self._policy = self._scenario.policy.of_stream("main")
        self._master = urljoin(context.environment.master, f"../{channel}/master.m3u8")
        self.log = ViewerLog(
            context.environment.event_log, self._clock, context.plan.name, self._decrypted, channel, previous_log
        )
        self._segments = SegmentMap()
        self._offset = 0.0
        self._listed: dict[int, MediaSegment] = {}
        self._keys: Keys | None = None
        self._validator: SegmentValidator | None = None
        self._loader: Loader | None = None
        self._player: Player | None = None
        self._pool: ConnectionPool | None = None
        self._fetcher: HttpFetcher | None = None
        self._trackers: list[TrackerClient] = []
        self._watch_task: asyncio.Task[None] | None = None

    def begin(self) -> Self:
        """Start the session."""
        self._watch_task = asyncio.get_running_loop().create_task(self._watch())
        return self

    async def wait(self, seconds: float) -> None:
        """Wait until the session has gone on for `seconds`; raises the error that has ended it, if any."""
        if self._watch_task is None:
            return
        until = self._clock.now() + seconds
        await asyncio.wait([self._watch_task], timeout=max(0.0, seconds))
        if self._watch_task.done():
            self._watch_task.result()
            await self._clock.sleep_until(until)  # a viewer of a recording without P2P has no task left to run

    def cancel(self) -> None:
        """Cancel the session."""
        if self._watch_task is not None:
            self._watch_task.cancel()

    def write_sample(self, at: float) -> None:
        """Record a sample of the viewer, if the stream has been set up."""
        if self._loader is not None and self._player is not None:
            self.log.write_sample(at, len(self._loader.peers), self._player.buffer, self._links.sent)

    # -- watching -----------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        web = self._context.web
        master = await self._playlist(web, self._master)
        stream = streams_of(master, self._master)[0]
        media = await self._playlist(web, stream.url)
        while not (isinstance(media, MediaPlaylist) and media.segments):
            await asyncio.sleep(_PLAYLIST_RETRY)
            media = await self._playlist(web, stream.url)
        self._keys = Keys(web)
        await self._keys.fetch(media)
        key = master.data(DATA_ID) if isinstance(master, MasterPlaylist) else None
        if key is not None and (self._policy.validateP2PSegment or self._policy.validateHTTPSegment):
            self._validator = SegmentValidator(web, stream.url, key, self._address)
        self._set_up(web, media, (stream.quality.bitrate or 0) / 8)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reload(web, stream.url, media))
            if self._policy.shares:
                tasks.create_task(self._signal(stream))

    def _set_up(self, web: aiohttp.ClientSession, media: MediaPlaylist, bitrate: float) -> None:
        scenario, plan, policy, is_live = self._scenario, self._plan, self._policy, not media.is_ended
        headers = policy.httpRequestSetup
        self._fetcher = HttpFetcher(web, self._address, self._links.downlink, self.log.late_http, headers)
        validate = self._validator.validate if self._validator is not None else None
        config = LoaderConfig(
            uploads=plan.uploads and not policy.isP2PUploadDisabled,
            max_message_size=policy.webRtcMaxMessageSize,
            neighbours=policy.maxPeers,
            storage=policy.storage_limit(plan.device == MOBILE),
            validate_p2p=validate if policy.validateP2PSegment else None,
            validate_http=validate if policy.validateHTTPSegment else None,
            behaviour=BEHAVIOURS[plan.role](),
            name=self._context.peer_id,
            answers_unknown=True,
            upstream_faults=policy.announcementBlocks == "upstream",
        )
        self._loader = Loader(
            options(policy, is_live, scenario.stream.segment, scenario.stream.live_latency),
            self._clock,
            self._fetcher,
            self.log,
            kernel_streams(self._environment.seed, plan.index + 1, self._number, "policy")[plan.index],
            config,
        )
        self._loader.level_bitrate = bitrate
        self._player = Player(
            self._clock,
            self._loader,
            scenario.player,
            self.log,
            is_live=is_live,
            latency=scenario.stream.live_latency,
        )
        self._update_playlist(media)
        segment, _ = self._player.start
        self._loader.core.start_at(self._segments_start(segment))
        self._player.begin()

    async def _signal(self, stream: Stream) -> None:
        if self._loader is None:
            return
        environment, signals, rng = self._environment, self._context.signals, self._context.rng
        if environment.ice:
            self._links.servers = await ice_servers(signals, environment.ice)
        self._pool = ConnectionPool(
            self._context.peer_id,
            self._clock,
            self._links,
            self._loader,
            self.log,
            rng,
            environment.gate,
            max_connections=self._policy.maxPeers,
        )
        info_hash = stream.info_hash(self._policy.swarmId or manifest_swarm_id(self._master))
        self._trackers = [
            TrackerClient(
                signals,
                Member(
                    url=url,
                    info_hash=info_hash,
                    peer_id=self._context.peer_id,
                    offers=self._scenario.tracker.offers,
                    one_way_delay=self._scenario.tracker.one_way_delay,
                ),
                self._pool,
                self.log,
                self._clock,
                rng,
            )
            for url in environment.trackers
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
        requested_at, has_changed = self._clock.now(), True
        while not media.is_ended:
            await self._clock.sleep_until(requested_at + rules.reload_delay(media.target_duration, has_changed))
            requested_at, before = self._clock.now(), media
            reloaded = await self._playlist(web, url)
            if isinstance(reloaded, MediaPlaylist):
                media = reloaded
                if self._keys is not None:
                    await self._keys.fetch(media)
            has_changed = media.segments[-1:] != before.segments[-1:]
            self._update_playlist(media)

    def _update_playlist(self, media: MediaPlaylist) -> None:
        """Update loader and player with a playlist; media time is counted from the start of the stream."""
        if not len(self._segments) and media.segments and not media.is_ended:
            self._offset = media.segments[0].media_sequence * media.segments[0].duration
        self._segments.update(media)
        items = [(item.number, item.start + self._offset, item.end + self._offset) for item in self._segments]
        self._listed.update((item.number, item.segment) for item in self._segments)
        if self._validator is not None:
            self._validator.refresh()
        if self._loader is not None and self._player is not None:
            self._loader.playlist(items)
            self._player.playlist(items, media.is_ended)

    def _address(self, number: int) -> str:
        return self._listed[number].url

    def _decrypted(self, number: int, data: bytes) -> bytes:
        """Return the bytes of a segment as the player decodes them, decrypted if the segment is encrypted."""
        segment = self._listed.get(number)
        return data if segment is None or self._keys is None else self._keys.open(segment, data)

    def _segments_start(self, number: int) -> float:
        item = self._segments.by_number(number)
        return self._offset + (item.start if item is not None else 0.0)

    # -- leaving ------------------------------------------------------------------------------------------------

    async def leave(self) -> None:
        """End the session cleanly, so that all bytes in flight are counted."""
        await self._stop()
        if self._loader is not None:
            self._loader.close()
        parts = [part.close() for part in (self._pool, self._fetcher, self._validator) if part is not None]
        await asyncio.gather(*parts, *(tracker.leave() for tracker in self._trackers))
        self._write_log()

    async def vanish(self) -> None:
        """End the session as a crash does, without notifying the tracker or the peers."""
        await self._stop()
        for tracker in self._trackers:
            tracker.fall_silent()
        if self._fetcher is not None:
            self._fetcher.kill()
        if self._pool is not None:
            await self._pool.vanish()
        if self._loader is not None:
            self._loader.close()
        self._write_log()

    async def _stop(self) -> None:
        if self._player is not None:
            self._player.stop()
        if self._watch_task is not None:
            self._watch_task.cancel()
            await asyncio.wait([self._watch_task])

    def _write_log(self) -> None:
        if self._loader is not None:
            for segment, data in self._loader.storage.items():
                self.log.segment_held(segment, data)
        self.log.write_announce()
        self.log.write_segments()
