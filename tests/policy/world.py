"""The world of the recorded scheduler traces: virtual time, microtasks, fake HTTP and fake peers around our loader.

It repeats, step by step, what the program did that recorded the real p2p-media-loader 2.3.1, so that both write the
same events at the same virtual milliseconds.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from p2psim.policy.interface import options
from p2psim.policy.state.bandwidth import Bandwidth
from p2psim.rng import constant_streams
from p2psim.scenario.policy import Policy
from p2psim.testbed.loader_config import LoaderConfig
from p2psim.testbed.peer.loader import Loader
from p2psim.testbed.peer.qualities import Qualities
from tests.policy.behaviour import behaviour
from tests.policy.fake_network import FakeHttp, FakePeer
from tests.policy.recorded_events import LevelNotes, Notes
from tests.policy.virtual_time import SECOND, VirtualClock

SOUND = 9
"""The level that stands for the secondary stream."""


@dataclass
class Track:
    """What the player does with one stream."""

    is_sound: bool
    next: int
    qualities: Qualities
    busy: bool = False
    asked: int = 0

    @property
    def loader(self) -> Loader | None:
        return self.qualities.current


@dataclass
class Client:
    """A membership in a swarm, in order of its beginning."""

    loader: Loader
    is_gone: bool = False


class World:
    """One scenario of the recorder's."""

    capacity = 1024
    """Segments for which a loader has room from the beginning."""

    def __init__(self, params: dict[str, Any], most_events: int = 1_000_000) -> None:
        self.params = params
        self.clock = VirtualClock()
        self.notes = Notes(self.clock, most_events)
        self._levels: list[dict[str, Any]] = params.get("levels", [{}])
        self._duration = params.get("segDur", 4)
        self.clients: list[Client] = []
        self._meters = Bandwidth(), Bandwidth()
        self._open_channel()
        self._rate = 1.0
        self._paused = False
        self.stall_ticks = 0
        self.at_the_end: Callable[[], None] = lambda: None

    def member(self, place: int) -> Loader | None:
        """Return the loader of the membership with this place in order of their beginning, if it goes on."""
        is_there = place < len(self.clients) and not self.clients[place].is_gone
        return self.clients[place].loader if is_there else None

    def size(self, level: int) -> int:
        """Bytes of a segment."""
        stream = self.params["sound"] if level == SOUND else self._levels[level]
        size: int = stream.get("segBytes", self.params.get("segBytes", 500_000))
        return size

    def _notes_of(self, level: int) -> Notes:
        return LevelNotes(self.notes, level) if {"levels", "sound"} & self.params.keys() else self.notes

    def _open_channel(self) -> None:
        params, live = self.params, self.params.get("live")
        self._low = live["first"] if live else 0
        self._high = live["first"] + live["window"] if live else params.get("segments", 20)
        first = self._high - 1 - math.floor(live.get("latency", 18) / self._duration) if live else 0
        self._position = float(first * self._duration)
        self._played = False
        self._page: list[Loader] = []
        kinds = [False, True] if "sound" in params else [False]
        self._tracks = [Track(is_sound, first, self._make_qualities()) for is_sound in kinds]
        self._level = 0
        self._bitrate = params.get("bitrate", self._levels[0].get("bitrate", 0))

    def run(self) -> list[dict[str, Any]]:
        params, clock = self.params, self.clock
        if params.get("live"):
            clock.every(self._duration * SECOND, self._publish)
        for number, spec in enumerate(params.get("peers", [])):
            self._arrange_peer(number, spec)
        clock.after(0, self._pump)
        clock.every(250, self._tick)
        for seek in params.get("seeks", []):
            clock.after(seek["at"], partial(self._seek, seek))
        for change in params.get("rates", []):
            clock.after(change["at"], partial(self._set_rate, change["rate"]))
        for pause in params.get("pauses", []):
            clock.after(pause["at"], lambda: self._pause(True))
            clock.after(pause["until"], lambda: self._pause(False))
        for change in params.get("switches", []):
            clock.after(change["at"], partial(self._switch, change))
        for zap in params.get("zaps", []):
            clock.after(zap["at"], self._zap)
        clock.run_until(params.get("until", 30_000))
        self.at_the_end()
        self._close()
        return self.notes.events

    # -- stream -------------------------------------------------------------------------------------------------

    def _items(self) -> list[tuple[int, float, float]]:
        d = self._duration
        return [(i, i * d, (i + 1) * d) for i in range(self._low, self._high)]

    def _publish(self) -> None:
        self._high += 1
        self._low += 1
        for track in self._tracks:
            for level in [SOUND] if track.is_sound else range(len(self._levels)):
                track.qualities.playlist(level, self._items())
        self.notes.add("playlist", first=self._low, last=self._high - 1)

    # -- peers --------------------------------------------------------------------------------------------------

    def _arrange_peer(self, number: int, spec: dict[str, Any]) -> None:
        peer = FakePeer(self, f"-PM0203-peer0000000{number}", spec, behaviour(spec.get("behaviour")))
        self.clock.after(spec.get("at", 100), peer.open)
        follow = spec.get("follow")
        if follow and self.params.get("live"):
            self.clock.every(follow.get("everyMs", 500), lambda: peer.announce(self._followed(follow["lag"]), []))
        for said in spec.get("announces", []):
            self.clock.after(said["at"], partial(peer.announce, said.get("l", []), said.get("p", [])))
        for wish in spec.get("requests", []):
            self.clock.after(wish["at"], partial(peer.ask, wish["id"], wish.get("r", 1), wish.get("from", 0)))
        if "leaves" in spec:
            self.clock.after(spec["leaves"], peer.leave)

    def _followed(self, lag: int) -> list[int]:
        return [i for i in range(self._low, self._high) if i <= self._high - 1 - lag]

    # -- player -------------------------------------------------------------------------------------------------

    def _make_qualities(self) -> Qualities:
        policy = self._policy()
        return Qualities(self.clock, self._make_loader, self._member, policy.p2pInactiveLoaderDestroyTimeoutMs / SECOND)

    def _member(self, _level: int, loader: Loader, is_in: bool) -> None:
        if is_in:
            self.clients.append(Client(loader))
        else:
            next(client for client in self.clients if client.loader is loader and not client.is_gone).is_gone = True

    def _policy(self) -> Policy:
        return dataclasses.replace(Policy(maxPeers=64), **self.params.get("config", {}))

    def _make_loader(self, level: int, predecessor: Loader | None) -> Loader:
        policy, params = self._policy(), self.params
        notes = self._notes_of(level)
        loader = Loader(
            options(policy, live=bool(params.get("live"))),
            self.clock,
            FakeHttp(
                notes,
                self.size(level),
                params.get("httpRate", 2_000_000),
                params.get("httpLatency", 50),
                behaviour(params.get("httpBehaviour")),
            ),
            notes,
            constant_streams(params.get("random", 0.5), 1)[0],
            LoaderConfig(
                uploads=not policy.isP2PUploadDisabled,
                max_message_size=policy.webRtcMaxMessageSize,
                storage=policy.storage_limit(mobile=False),
                page_opened_at=0.0,
                meters=self._meters,
                capacity=self.capacity,
                upstream_faults=True,
            ),
            page=self._page,
            predecessor=predecessor,
        )
        loader.level_bitrate = self._bitrate / 8
        loader.playlist(self._items())
        if predecessor is None:
            loader.core.start_at(self._begin_at)
        return loader

    def _pump(self) -> None:
        for track in self._tracks:
            self._pump_track(track)

    def _pump_track(self, track: Track) -> None:
        buffer = self.params.get("playerBuffer", 15)
        if track.busy or track.next >= self._high or track.next * self._duration > self._position + buffer:
            return
        track.busy, track.asked = True, track.next
        level = SOUND if track.is_sound else self._level
        self._notes_of(level).add("engine_request", id=track.next)
        self.clock.call_soon(self._request, track, track.next, level)

    def _request(self, track: Track, segment: int, level: int) -> None:
        if not self._low <= segment < self._high:
            # thrown out of an asynchronous function: caught one microtask later
            said = f"Not found segment with id: http://o/seg{segment}.ts"
            self.clock.call_soon(lambda: self.notes.add("throw", m=said))
            return
        self._begin_at = segment * float(self._duration)
        # a track from before a zap that still tries again asks in the channel that plays now
        self._tracks[int(track.is_sound)].qualities.load(
            level,
            segment,
            lambda _data, bandwidth: self._delivered(track, segment, level, bandwidth),
            lambda why: self._refused(track, segment, level, why),
        )

    def _delivered(self, track: Track, segment: int, level: int, bandwidth: float) -> None:
        track.busy, self._played = False, True
        self._notes_of(level).add("engine_ok", id=segment, bandwidth=math.floor(bandwidth * 8 + 0.5))
        track.next = segment + 1
        self._pump_track(track)

    def _refused(self, track: Track, segment: int, level: int, why: str) -> None:
        self._notes_of(level).add("engine_err", id=segment, type=why)
        track.busy = False
        if why != "aborted":
            self.clock.after(1000, lambda: self._pump_track(track))

    def _tick(self) -> None:
        if self._played and not self._paused:
            reached = min(track.next for track in self._tracks) * self._duration
            if self._position + 0.25 * self._rate <= reached:
                self._position += 0.25 * self._rate
            else:
                self.stall_ticks += 1
            self._report()
        self._pump()

    def _report(self) -> None:
        for loader in self._loaders:
            loader.playhead(self._position, self._rate)

    def _seek(self, seek: dict[str, Any]) -> None:
        self._position = float(seek["to"])
        self.notes.add("seek", to=seek["to"])
        for track in self._tracks:
            track.next = math.floor(self._position / self._duration)
            if track.busy:
                if track.loader is not None:
                    track.loader.abort(seek.get("abort", track.next))
                track.busy = False
        self._report()
        self._pump()

    def _set_rate(self, rate: float) -> None:
        self._rate = rate
        self.notes.add("rate", rate=rate)
        self._report()

    def _pause(self, paused: bool) -> None:
        self._paused = paused
        self.notes.add("pause" if paused else "resume")

    def _switch(self, change: dict[str, Any]) -> None:
        self._level = change["level"]
        self.notes.add("switch", level=self._level)
        bitrate = self._levels[self._level]["bitrate"]
        if bitrate != self._bitrate:
            self._bitrate = bitrate
            for loader in self._loaders:
                loader.level_bitrate = bitrate / 8
                loader.level_changed_at = self.clock.milliseconds()
        main = self._tracks[0]
        if change.get("abort") and main.busy:
            if main.loader is not None:
                main.loader.abort(main.asked)
            main.busy = False
        self._pump()

    def _zap(self) -> None:
        self.notes.add("zap")
        self._close()
        self._open_channel()
        self._pump()

    @property
    def _loaders(self) -> list[Loader]:
        return [track.loader for track in self._tracks if track.loader is not None]

    def _close(self) -> None:
        for track in self._tracks:
            track.qualities.close()
        for client in self.clients:
            client.is_gone = True
