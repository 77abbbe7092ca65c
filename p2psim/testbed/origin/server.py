"""HTTP origin of the testbed: real HLS, live or on demand, at a chosen rate and latency.

Paths are ``/CHANNEL/master.m3u8``, ``/CHANNEL/QUALITY/index.m3u8``, ``/CHANNEL/QUALITY/NUMBER.ts``, and for
protection (`p2psim.wire.protection`) ``/CHANNEL/QUALITY/hashes.json`` and ``/CHANNEL/key.bin``. A viewer
identifies itself by ``?viewer=`` (playlists append it to their URLs) or by the header ``X-Viewer``.
``python -m p2psim.testbed.origin.server`` runs it as a process.
"""

import argparse
import asyncio
import dataclasses
import errno
import json
import math
import re
import secrets
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO
from urllib.parse import quote

import msgspec
from aiohttp import web

from p2psim.errors import InputError, P2PSimError, PortInUseError, TestbedError
from p2psim.testbed.origin.delivery import AddRow, Delivery, Reply, apply_range
from p2psim.testbed.origin.media import Clip, ClipOptions, make_clip
from p2psim.testbed.origin.schedule import OriginOptions, Schedule
from p2psim.user_cache import user_cache
from p2psim.wire.hls import (
    Key,
    MasterPlaylist,
    MediaPlaylist,
    MediaSegment,
    Variant,
    format_master_playlist,
    format_media_playlist,
)
from p2psim.wire.protection import DATA_ID, Signer, default_iv, encrypt_segment, segment_hash

__all__ = ["Origin", "OriginOptions", "main"]

_PLAYLIST_TYPE: Final = "application/vnd.apple.mpegurl"
_SEGMENT_TYPE: Final = "video/mp2t"
_METHODS: Final = "GET, HEAD, OPTIONS"
_COMMON_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Content-Length, Content-Range, Accept-Ranges, Date",
    "Timing-Allow-Origin": "*",
}
_JSON_TYPE: Final = "application/json"
_BINARY_TYPE: Final = "application/octet-stream"
# a browser's cache would hide requests from the record
_NOT_CACHED: Final = {"Cache-Control": "no-store"}
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": _METHODS,
    "Access-Control-Allow-Headers": "Range, X-Viewer, Content-Type, Cache-Control",
    "Access-Control-Max-Age": "86400",
}
_PATH: Final = re.compile(
    r"/(?P<channel>[^/]+)/(?:(?P<quality>[^/]+)/)?(?P<file>master|index|hashes|key|[0-9]{1,12})\.(m3u8|ts|json|bin)"
)
_CACHED_SEGMENTS: Final = 32
_CACHED_HASHES: Final = 4096


class Origin:
    """Server of a clip as a stream: ``async with Origin(options, clip, recorder.add) as origin: origin.url``.

    Raises
    ------
    PortInUseError, TestbedError
        On entering: the address cannot be listened on.
    """

    def __init__(
        self, options: OriginOptions, clip: Clip, add_row: AddRow | None = None, run_started_at: float | None = None
    ) -> None:
        self.options = options
        self.schedule = Schedule(options, clip.options.segment_duration)
        self._clip = clip
        self._segment = lru_cache(_CACHED_SEGMENTS)(self._make_segment)
        self._hash = lru_cache(_CACHED_HASHES)(self._make_hash)
        self._signer = Signer()
        self._keys = {channel: secrets.token_bytes(16) for channel in options.channels}
        self._qualities = {rung.name: index for index, rung in enumerate(clip.options.rungs)}
        self._run_started_at = time.monotonic() if run_started_at is None else run_started_at
        self._stream_started_at = math.nan
        self._epoch = datetime.now(UTC)
        self._delivery = Delivery(
            add_row,
            rate=options.rate,
            connection_rate=options.connection_rate,
            latency=options.latency,
            now=self._run_time,
        )
        self._runner: web.AppRunner | None = None
        self.url = ""
        """URL without path, once it runs."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; a live stream has then run for the seconds of its history."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        self._stream_started_at = time.monotonic() - self.schedule.history
        self._epoch = datetime.now(UTC) - timedelta(seconds=self.schedule.history)
        try:
            await web.TCPSite(self._runner, self.options.host, self.options.port).start()
        except OSError as error:
            await self.stop()
            raise _refused(self.options, error) from error
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def stop(self) -> None:
        """Abort and record the responses under way, and stop listening."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def scale_rate(self, share: float) -> None:
        """Limit the rate to a share of it from now on; at 0, responses wait."""
        self._delivery.scale_rate(share)

    def master_url(self, channel: str | None = None) -> str:
        """Return the URL of a channel's master playlist; by default the first channel's."""
        return f"{self.url}/{quote(channel or self.options.channels[0])}/master.m3u8"

    def available_at(self, number: int) -> float:
        """Return the second of the run at which a live segment appears."""
        return self._stream_started_at + self.schedule.available_at(number) - self._run_started_at

    def _run_time(self) -> float:
        return time.monotonic() - self._run_started_at

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        reply = self._reply(request)
        headers = _COMMON_HEADERS | reply.headers
        return await self._delivery.send(request, dataclasses.replace(reply, headers=headers))

    def _reply(self, request: web.Request) -> Reply:
        if request.method == "OPTIONS":
            return Reply(204, headers=_PREFLIGHT)
        if request.method not in ("GET", "HEAD"):
            return _refusal(405, f"method {request.method}: {_METHODS} are accepted", {"Allow": _METHODS})
        match = _PATH.fullmatch(request.path)
        if match is None or match["channel"] not in self.options.channels:
            return _refusal(404, f"nothing at {request.path}")
        viewer = request.query.get("viewer")
        suffix = f"?viewer={quote(viewer, safe='')}" if viewer else ""
        quality = self._qualities.get(match["quality"] or "")
        match match["file"], match[4], match["quality"]:
            case "master", "m3u8", None:
                return self._playlist(self._master(suffix))
            case "index", "m3u8", str() if quality is not None:
                return self._playlist(self._media(suffix))
            case "hashes", "json", str(name) if quality is not None:
                return self._hashes(match["channel"], name, quality)
            case "key", "bin", None if self.options.encrypted:
                return Reply(200, self._keys[match["channel"]], {"Content-Type": _BINARY_TYPE, **_NOT_CACHED})
            case number, "ts", str() if quality is not None and number.isdigit():
                return apply_range(
                    self._media_file(match["channel"], quality, int(number)), request.headers.get("Range")
                )
        return _refusal(404, f"nothing at {request.path}")

    def _playlist(self, text: str) -> Reply:
        return Reply(200, text.encode(), {"Content-Type": _PLAYLIST_TYPE, "Cache-Control": "no-cache"})

    def _hashes(self, channel: str, name: str, quality: int) -> Reply:
        numbers = self.schedule.served(time.monotonic() - self._stream_started_at)
        hashes = {f"{number}.ts": self._hash(channel, quality, number) for number in numbers}
        body = self._signer.sign(f"/{channel}/{name}/", hashes)
        return Reply(200, body, {"Content-Type": _JSON_TYPE, "Cache-Control": "no-cache"})

    def _media_file(self, channel: str, quality: int, number: int) -> Reply:
        if number not in self.schedule.served(time.monotonic() - self._stream_started_at):
            return _refusal(404, f"segment {number} does not exist yet, or is not served any more")
        headers = {"Content-Type": _SEGMENT_TYPE, "Accept-Ranges": "bytes", **_NOT_CACHED}
        return Reply(200, self._segment(channel, quality, number), headers)

    def _make_segment(self, channel: str, quality: int, number: int) -> bytes:
        data = self._clip.segment(quality, self.options.clip_segment(channel, number))
        if not self.options.encrypted:
            return data
        return encrypt_segment(data, self._keys[channel], default_iv(number))

    def _make_hash(self, channel: str, quality: int, number: int) -> str:
        # not by the cache of segments: a manifest of all segments would evict those that viewers request
        return segment_hash(self._make_segment(channel, quality, number))

    def _master(self, suffix: str) -> str:
        frame_rate = f"{self._clip.options.frame_rate:.3f}"
        variants = (
            Variant(
                url=f"{rung.name}/index.m3u8{suffix}",
                bandwidth=round(rung.rate * 8),
                codecs=codec,
                resolution=(rung.width, rung.height),
                frame_rate=frame_rate,
            )
            for rung, codec in zip(self._clip.options.rungs, self._clip.codecs, strict=True)
        )
        trust = ((DATA_ID, self._signer.public_key),)
        return format_master_playlist(MasterPlaylist(tuple(variants), session_data=trust))

    def _media(self, suffix: str) -> str:
        duration, is_vod = self.schedule.segment_duration, self.options.kind == "vod"
        listed = self.schedule.listed(time.monotonic() - self._stream_started_at)
        key = Key("AES-128", f"../key.bin{suffix}") if self.options.encrypted else None
        is_dated = self.options.program_date_time and not is_vod
        segments = (
            MediaSegment(
                url=f"{number}.ts{suffix}",
                duration=duration,
                media_sequence=number,
                key=key,
                program_date_time=self._epoch + timedelta(seconds=number * duration) if is_dated else None,
            )
            for number in listed
        )
        playlist = MediaPlaylist(
            target_duration=max(1, math.floor(duration + 0.5)),
            segments=tuple(segments),
            media_sequence=listed.start,
            is_ended=is_vod,
            playlist_type="VOD" if is_vod else None,
        )
        return format_media_playlist(playlist)


def _refusal(status: int, text: str, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, f"{text}\n".encode(), {"Content-Type": "text/plain; charset=utf-8", **(headers or {})})


def _refused(options: OriginOptions, error: OSError) -> TestbedError:
    if error.errno == errno.EADDRINUSE:
        return PortInUseError(f"port {options.port} of {options.host} is taken; choose another, or 0 for any free one")
    return TestbedError(f"cannot listen on {options.host} port {options.port}: {error.strerror}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run an origin until SIGINT or SIGTERM; write its URLs to standard output as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m p2psim.testbed.origin.server", description=main.__doc__)
    parser.add_argument(
        "--options", required=True, help="JSON: fields of OriginOptions, and those of ClipOptions as 'clip'"
    )
    parser.add_argument("--events", type=Path, help="file to write a line of JSON per response to")
    parser.add_argument("--cache", type=Path, default=user_cache("media"), help="folder of encoded clips")
    parser.add_argument(
        "--obey", action="store_true",
        help="read a line of JSON from standard input: [monotonic second, share of the rate from then on], ...",
    )  # fmt: skip
    parser.add_argument("--run-started-at", type=float, help="monotonic second at which the run's clock is 0; now")
    parsed = parser.parse_args(arguments)
    try:
        options, clip_options = _read_options(parsed.options)
        asyncio.run(_serve(parsed, options, clip_options))
    except P2PSimError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


async def _serve(parsed: argparse.Namespace, options: OriginOptions, clip_options: ClipOptions) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    clip = await asyncio.to_thread(make_clip, clip_options, parsed.cache)
    with ExitStack() as files:
        add_row = None
        if parsed.events is not None:
            add_row = _LineWriter(files.enter_context(parsed.events.open("w", encoding="utf-8", buffering=1)))
        async with Origin(options, clip, add_row, parsed.run_started_at) as origin:
            urls = {"url": origin.url, "master": origin.master_url(), "first_segment_at": origin.available_at(0)}
            print(json.dumps(urls), flush=True)
            if parsed.obey:
                asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _schedule_rates, origin)
            await stopped.wait()


def _schedule_rates(origin: Origin) -> None:
    """Read the changes of the rate from standard input, and schedule them."""
    loop = asyncio.get_running_loop()
    loop.remove_reader(sys.stdin.fileno())
    for at, share in json.loads(sys.stdin.readline() or "[]"):
        loop.call_later(max(0.0, at - time.monotonic()), origin.scale_rate, share)


class _LineWriter:
    """Writer of each row as a line of JSON."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def __call__(self, name: str, /, **row: object) -> None:
        self._file.write(json.dumps({"event": name, **row}) + "\n")


def _read_options(text: str) -> tuple[OriginOptions, ClipOptions]:
    try:
        fields = msgspec.json.decode(text, type=dict[str, object])
        clip = msgspec.convert(fields.pop("clip", {}), dict[str, object])
        _refuse_unknown(fields, OriginOptions)
        _refuse_unknown(clip, ClipOptions)
        return msgspec.convert(fields, OriginOptions), msgspec.convert(clip, ClipOptions)
    except msgspec.MsgspecError as error:
        raise InputError(f"options of the origin: {error}") from error


def _refuse_unknown(fields: Mapping[str, object], kind: type[OriginOptions] | type[ClipOptions]) -> None:
    known = [field.name for field in dataclasses.fields(kind)]
    unknown = sorted(fields.keys() - set(known))
    if unknown:
        raise InputError(f"options of the origin: no option {unknown[0]!r}; accepted: {', '.join(known)}")


if __name__ == "__main__":
    sys.exit(main())
