"""Origin over HTTP: playlists, segments, hashes, keys, ranges, rates, and the record of its responses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest

from p2psim.errors import PortInUseError, TestbedError
from p2psim.testbed.origin.media import Clip, ClipOptions, ladder, make_clip
from p2psim.testbed.origin.server import Origin, OriginOptions
from p2psim.trace import Recorder
from p2psim.wire import MasterPlaylist, MediaPlaylist, parse_playlist, streams_of
from p2psim.wire.protection import DATA_ID, decrypt_segment, default_iv, hashes_url, open_manifest, segment_hash

pytestmark = pytest.mark.asyncio
DEADLINE = 20


@asynccontextmanager
async def served(clip: Clip, **options: Any) -> AsyncIterator[tuple[Origin, aiohttp.ClientSession, Recorder]]:
    """Run an origin with a recorder and a client."""
    recorder = Recorder()
    async with (
        asyncio.timeout(DEADLINE),
        aiohttp.ClientSession(auto_decompress=False) as client,
        Origin(OriginOptions(**options), clip, recorder.add) as origin,
    ):
        yield origin, client, recorder


def now() -> float:
    return asyncio.get_running_loop().time()


async def fetch(client: aiohttp.ClientSession, url: str, **more: Any) -> tuple[aiohttp.ClientResponse, bytes]:
    async with client.get(url, **more) as response:
        return response, await response.read()


async def master_of(client: aiohttp.ClientSession, url: str) -> MasterPlaylist:
    response, body = await fetch(client, url)
    playlist = parse_playlist(body.decode(), str(response.url))
    assert isinstance(playlist, MasterPlaylist)
    return playlist


async def media_of(client: aiohttp.ClientSession, url: str) -> MediaPlaylist:
    response, body = await fetch(client, url)
    playlist = parse_playlist(body.decode(), str(response.url))
    assert isinstance(playlist, MediaPlaylist)
    return playlist


def rows(recorder: Recorder) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in recorder.tables()["origin"].to_dict("records")]


async def test_a_player_finds_every_segment_byte_for_byte(clip: Clip) -> None:
    async with served(clip, kind="vod", segment_count=5) as (origin, client, _):
        master = await master_of(client, origin.master_url())
        for quality, variant in enumerate(master.variants):
            media = await media_of(client, variant.url)
            assert media.is_ended
            assert [segment.duration for segment in media.segments] == [1.0] * 5
            for number, segment in enumerate(media.segments):
                response, body = await fetch(client, segment.url)
                assert body == clip.segment(quality, number)
                assert response.headers["Content-Length"] == str(len(body))
                assert response.content_type == "video/mp2t"


async def test_ffmpeg_plays_the_stream(clip: Clip) -> None:
    """FFmpeg's HLS demultiplexer reads the playlists and decodes across the clip's repetitions."""

    def play(url: str) -> list[float]:
        with av.open(url) as container:
            return [float(frame.time) for frame in container.decode(video=0)]

    async with served(clip, kind="vod", segment_count=7) as (origin, _, recorder):
        times = await asyncio.to_thread(play, f"{origin.url}/main/360p-320k/index.m3u8")
    assert [round(10 * (time - times[0])) for time in times] == list(range(70))
    paths = [row["path"] for row in rows(recorder)]
    assert {f"/main/360p-320k/{number}.ts" for number in range(7)} <= set(paths)


async def test_master_playlist_identifies_the_qualities(clip: Clip) -> None:
    async with served(clip) as (origin, client, _):
        master = await master_of(client, origin.master_url())
        low, high = streams_of(master, origin.master_url())
        assert (low.quality.bitrate, high.quality.bitrate) == (160_000, 320_000)
        assert (low.quality.codecs, low.quality.frame_rate) == (clip.codecs[0], "10.000")
        assert (high.quality.width, high.quality.height) == (640, 360)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_signed_hashes_are_those_of_the_segments_as_served(clip: Clip, encrypted: bool) -> None:
    async with served(clip, kind="vod", segment_count=5, encrypted=encrypted) as (origin, client, _):
        master = await master_of(client, origin.master_url("main") + "?viewer=v1")
        for variant in master.variants:
            media = await media_of(client, variant.url)
            _, document = await fetch(client, hashes_url(str(variant.url)))
            hashes = open_manifest(document, master.data(DATA_ID) or "")
            assert len(hashes.segments) == 5
            for segment in media.segments:
                _, data = await fetch(client, segment.url)
                assert hashes.expected(segment.url) == segment_hash(data)


async def test_live_hashes_cover_all_that_is_served(clip: Clip) -> None:
    async with served(clip, kind="live", window=3, kept=2, history=6.0) as (origin, client, _):
        master = await master_of(client, origin.master_url())
        url = master.variants[0].url
        media = await media_of(client, url)
        _, document = await fetch(client, hashes_url(url))
        listed = {segment.url.rpartition("/")[2] for segment in media.segments}
        hashes = open_manifest(document, master.data(DATA_ID) or "")
        assert listed < set(hashes.segments)
        first = min(hashes.segments, key=lambda name: int(name.partition(".")[0]))
        response, data = await fetch(client, url.replace("index.m3u8", first))
        assert response.status == 200
        assert hashes.segments[first] == segment_hash(data)


async def test_encrypted_segments_open_with_the_key_of_the_playlist(clip: Clip) -> None:
    async with served(clip, kind="vod", segment_count=3, encrypted=True) as (origin, client, _):
        master = await master_of(client, origin.master_url())
        media = await media_of(client, master.variants[0].url)
        for segment in media.segments:
            assert segment.key is not None
            assert segment.key.method == "AES-128"
            _, key = await fetch(client, segment.key.url or "")
            _, data = await fetch(client, segment.url)
            assert decrypt_segment(data, key, default_iv(segment.media_sequence)) == clip.segment(
                0, segment.media_sequence
            )


async def test_no_key_without_encryption(clip: Clip) -> None:
    async with served(clip) as (origin, client, _):
        response, _ = await fetch(client, f"{origin.url}/main/key.bin")
        assert response.status == 404


@pytest.mark.parametrize(
    ("header", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=1000-", 206, slice(1000, None)),
        ("bytes=-188", 206, slice(-188, None)),
        ("bytes=9999999-", 416, slice(0, 0)),
        ("bytes=0-1,5-6", 200, slice(None)),
    ],
)
async def test_ranges(clip: Clip, header: str, status: int, part: slice) -> None:
    async with served(clip, kind="vod") as (origin, client, recorder):
        response, body = await fetch(client, f"{origin.url}/main/180p-160k/1.ts", headers={"Range": header})
        whole = clip.segment(0, 1)
    assert (response.status, body) == (status, whole[part])
    assert response.headers["Content-Length"] == str(len(body))
    if status == 206:
        start = part.indices(len(whole))[0]
        assert response.headers["Content-Range"] == f"bytes {start}-{start + len(body) - 1}/{len(whole)}"
    (row,) = rows(recorder)
    assert (row["status"], row["bytes"]) == (status, len(body))


async def test_head_has_the_headers_and_no_body(clip: Clip) -> None:
    async with served(clip, kind="vod") as (origin, client, recorder):
        response = await client.head(f"{origin.url}/main/180p-160k/1.ts")
        assert response.status == 200
        assert response.headers["Content-Length"] == str(clip.size(0, 1))
        assert response.headers["Accept-Ranges"] == "bytes"
    assert rows(recorder)[0]["bytes"] == 0


async def test_pages_of_any_origin_may_send_requests(clip: Clip) -> None:
    async with served(clip) as (origin, client, _):
        url = f"{origin.url}/main/180p-160k/14.ts"
        preflight = {
            "Origin": "http://player.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "range,x-viewer",
        }
        async with client.options(url, headers=preflight) as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            allowed = {name.strip().lower() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
            assert {"range", "x-viewer"} <= allowed
            assert "GET" in response.headers["Access-Control-Allow-Methods"]
        for address in (url, f"{origin.url}/nowhere", origin.master_url()):
            response, _ = await fetch(client, address)
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert "Content-Range" in response.headers["Access-Control-Expose-Headers"]


async def test_caching(clip: Clip) -> None:
    async with served(clip) as (origin, client, _):
        for path, expected in (
            ("master.m3u8", "no-cache"),
            ("180p-160k/index.m3u8", "no-cache"),
            ("180p-160k/14.ts", "no-store"),
        ):
            response, _ = await fetch(client, f"{origin.url}/main/{path}")
            assert response.headers["Cache-Control"] == expected
            if path.endswith("m3u8"):
                assert response.content_type == "application/vnd.apple.mpegurl"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/main",
        "/other/master.m3u8",
        "/main/index.m3u8",
        "/main/master.ts",
        "/main/1.ts",
        "/main/999p/index.m3u8",
        "/main/999p/1.ts",
        "/main/180p-160k/master.m3u8",
        "/main/180p-160k/index.ts",
        "/main/180p-160k/1.m3u8",
        "/main/180p-160k/-1.ts",
        "/main/180p-160k/5.ts",
    ],
)
async def test_unknown_paths(clip: Clip, path: str) -> None:
    async with served(clip, kind="vod", segment_count=5) as (origin, client, recorder):
        response, body = await fetch(client, origin.url + path)
    assert response.status == 404
    (row,) = rows(recorder)
    assert (row["path"], row["status"], row["bytes"]) == (path, 404, len(body))


async def test_other_methods_are_refused(clip: Clip) -> None:
    async with served(clip) as (origin, client, _), client.post(origin.master_url(), data=b"x") as response:
        assert response.status == 405
        assert "GET" in response.headers["Allow"]


async def test_channels(clip: Clip) -> None:
    async with served(clip, channels=("news", "sport 2")) as (origin, client, _):
        assert origin.master_url() == f"{origin.url}/news/master.m3u8"
        response, _ = await fetch(client, origin.master_url("sport 2"))
        assert response.status == 200


async def test_responses_are_recorded_by_viewer(clip: Clip) -> None:
    async with served(clip) as (origin, client, recorder):
        master = await master_of(client, f"{origin.master_url()}?viewer=anna%26co")
        media = await media_of(client, master.variants[0].url)
        await fetch(client, media.segments[0].url)
        await fetch(client, origin.master_url(), headers={"X-Viewer": "bob"})
        await fetch(client, origin.master_url())
    assert [row["viewer"] for row in rows(recorder)] == ["anna&co", "anna&co", "anna&co", "bob", ""]
    assert all("?" not in row["path"] for row in rows(recorder))


@pytest.mark.slow
async def test_live_window_slides_with_the_clock(clip: Clip) -> None:
    async with served(clip, window=3, kept=1, history=4.5) as (origin, client, _):
        url = f"{origin.url}/main/180p-160k"
        media = await media_of(client, f"{url}/index.m3u8")
        assert not media.is_ended
        assert [segment.media_sequence for segment in media.segments] == [1, 2, 3]
        assert [segment.url for segment in media.segments] == [f"{url}/{number}.ts" for number in (1, 2, 3)]
        assert origin.available_at(4) == pytest.approx(0.5, abs=0.2)
        assert [(await fetch(client, f"{url}/{number}.ts"))[0].status for number in (0, 3, 4)] == [200, 200, 404]
        before = now()
        while media.media_sequence == 1:
            await asyncio.sleep(0.02)
            media = await media_of(client, f"{url}/index.m3u8")
        assert now() - before == pytest.approx(0.5, abs=0.25)
        assert [segment.media_sequence for segment in media.segments] == [2, 3, 4]
        statuses = [(await fetch(client, f"{url}/{number}.ts"))[0].status for number in (0, 1, 4)]
        assert statuses == [404, 200, 200]
        assert (await fetch(client, f"{url}/4.ts"))[1] == clip.segment(0, 4)


async def test_program_date_time_is_that_of_the_beginning_of_a_segment(clip: Clip) -> None:
    async with served(clip, window=5, program_date_time=True) as (origin, client, _):
        response, body = await fetch(client, f"{origin.url}/main/180p-160k/index.m3u8")
    media = parse_playlist(body.decode(), str(response.url))
    assert isinstance(media, MediaPlaylist)
    moments = [segment.program_date_time for segment in media.segments if segment.program_date_time is not None]
    assert len(moments) == len(media.segments)
    assert [(moment - moments[0]).total_seconds() for moment in moments] == [0, 1, 2, 3, 4]
    assert (parsedate_to_datetime(response.headers["Date"]) - moments[0]).total_seconds() == pytest.approx(5, abs=1.1)


@pytest.mark.slow
async def test_total_rate_is_kept_and_shared_fairly(clip: Clip) -> None:
    rate, count = 160_000.0, 4
    async with served(clip, kind="vod", rate=rate) as (origin, client, recorder):
        start = now()

        async def get(number: int) -> tuple[int, float]:
            _, body = await fetch(client, f"{origin.url}/main/360p-320k/{number}.ts")
            return len(body), now() - start

        results = await asyncio.gather(*(get(number) for number in range(count)))
    total = sum(size for size, _ in results)
    ends = [end for _, end in results]
    assert total / max(ends) == pytest.approx(rate, rel=0.1)
    assert min(ends) > 0.9 * max(ends)
    assert sum(row["bytes"] for row in rows(recorder)) == total


@pytest.mark.slow
async def test_a_small_response_does_not_wait_for_large_ones(clip: Clip) -> None:
    async with served(clip, kind="vod", rate=40_000.0) as (origin, client, _):
        large = await client.get(f"{origin.url}/main/360p-320k/0.ts")
        await large.content.readexactly(5_000)
        start = now()
        await fetch(client, origin.master_url())
        assert now() - start < 0.2
        assert not large.content.at_eof()
        assert len(await large.read()) == clip.size(1, 0) - 5_000


@pytest.mark.slow
async def test_rate_of_a_connection(clip: Clip) -> None:
    async with served(clip, kind="vod", connection_rate=80_000.0) as (origin, client, _):

        async def get(number: int) -> float:
            start = now()
            _, body = await fetch(client, f"{origin.url}/main/360p-320k/{number}.ts")
            return len(body) / (now() - start)

        rates = await asyncio.gather(get(0), get(1))
    assert list(rates) == [pytest.approx(80_000, rel=0.1)] * 2


async def test_latency_comes_before_the_first_byte(clip: Clip) -> None:
    async with served(clip, latency=0.25) as (origin, client, recorder):
        start = now()
        async with client.get(origin.master_url()):
            assert now() - start == pytest.approx(0.25, abs=0.1)
    assert rows(recorder)[0]["duration"] == pytest.approx(0.25, abs=0.1)


async def test_bytes_of_an_aborted_response(clip: Clip) -> None:
    """The bytes recorded are those that the client received, and at most one piece in flight."""
    recorded = asyncio.Event()
    counted: list[int] = []

    def record(_: str, /, **row: Any) -> None:
        counted.append(row["bytes"])
        recorded.set()

    options = OriginOptions(kind="vod", rate=40_000.0)
    async with asyncio.timeout(DEADLINE), Origin(options, clip, record) as origin:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(origin.url.rpartition(":")[2]))
        writer.write(b"GET /main/360p-320k/0.ts HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        received = 0
        while received < 10_000:
            received += len(await reader.read(4096))
        writer.transport.abort()
        await recorded.wait()
    assert len(counted) == 1
    assert received <= counted[0] <= received + 3 * 1460


async def test_bytes_that_the_network_did_not_take_are_not_counted(tmp_path: Path) -> None:
    """If a client reads nothing, the kernel's buffers fill and the other bytes do not leave the process."""
    options = ClipOptions(rungs=ladder(20_000_000), segment_duration=1.0, segment_count=1, frame_rate=1)
    clip = make_clip(options, tmp_path)
    recorder = Recorder()
    async with asyncio.timeout(DEADLINE), Origin(OriginOptions(kind="vod"), clip, recorder.add) as origin:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(origin.url.rpartition(":")[2]), limit=1024)
        writer.write(b"GET /main/1080p-160000k/0.ts HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert rows(recorder) == []
        writer.transport.abort()
        while not rows(recorder):
            await asyncio.sleep(0.01)
    (row,) = rows(recorder)
    assert row["bytes"] < 0.75 * clip.size(0, 0)


@pytest.mark.slow
async def test_stopping_aborts_and_records_responses(clip: Clip) -> None:
    recorder = Recorder()
    async with asyncio.timeout(DEADLINE), aiohttp.ClientSession() as client:
        async with Origin(OriginOptions(kind="vod", rate=10_000.0), clip, recorder.add) as origin:
            response = await client.get(f"{origin.url}/main/360p-320k/0.ts")
            await response.content.readexactly(1_000)
        with pytest.raises(aiohttp.ClientError):
            await response.read()
    (row,) = rows(recorder)
    assert 1_000 <= row["bytes"] < clip.size(1, 0)
    await origin.stop()


async def test_times_are_those_of_the_run(clip: Clip) -> None:
    recorder = Recorder()
    origin = Origin(OriginOptions(), clip, recorder.add, run_started_at=now() - 100)
    async with asyncio.timeout(DEADLINE), aiohttp.ClientSession() as client, origin:
        await fetch(client, origin.master_url())
        assert origin.available_at(15) == pytest.approx(101, abs=0.5)
    assert rows(recorder)[0]["at"] == pytest.approx(100, abs=0.5)


async def test_port_in_use(clip: Clip) -> None:
    async with Origin(OriginOptions(), clip) as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(PortInUseError, match=f"port {port} of 127.0.0.1 is taken") as raised:
            await Origin(OriginOptions(port=port), clip).start()
        assert "\n" not in str(raised.value)


async def test_address_of_another_machine(clip: Clip) -> None:
    with pytest.raises(TestbedError, match=r"cannot listen on 192\.0\.2\.1"):
        await Origin(OriginOptions(host="192.0.2.1"), clip).start()
