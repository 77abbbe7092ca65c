import asyncio
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from p2psim.testbed.origin.media import ClipOptions, ladder, make_clip
from p2psim.testbed.origin.schedule import OriginOptions
from p2psim.testbed.origin.server import Origin
from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.peer.fetcher import HttpFetcher
from p2psim.testbed.peer.shaping import Downlink
from p2psim.trace import Recorder

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def big_clip(tmp_path_factory):
    """One segment of 600 kB: more than the buffers of a client that reads slowly."""
    options = ClipOptions(rungs=ladder(300_000), segment_duration=2.0, segment_count=1, frame_rate=10)
    return make_clip(options, tmp_path_factory.mktemp("media"))


class Heard:
    """What the fetcher told."""

    def __init__(self, *, accepts=True):
        self.accepts = accepts
        self.head, self.data, self.reason = None, b"", None
        self.came, self.over = asyncio.Event(), asyncio.Event()

    def headers(self, status, length, content_range):
        self.head = status, length, content_range
        return self.accepts

    def chunk(self, data):
        self.data += data
        self.came.set()

    def finished(self):
        self.over.set()

    def broken(self, reason):
        self.reason = reason
        self.over.set()


@asynccontextmanager
async def fetching(clip, *, downlink=float("inf"), path="{}.ts", **options):
    recorder, late = Recorder(), []
    async with (
        asyncio.timeout(15),
        Origin(OriginOptions(kind="vod", **options), clip, recorder.add) as origin,
        aiohttp.ClientSession() as session,
    ):
        folder = f"{origin.url}/main/{clip.options.rungs[0].name}/"
        fetcher = HttpFetcher(
            session, lambda n: folder + path.format(n), Downlink(RunClock(0.0), downlink), lambda *x: late.append(x)
        )
        yield fetcher, recorder, late


async def test_fetches_a_whole_segment(clip):
    async with fetching(clip) as (fetcher, _, late):
        heard = Heard()
        fetcher(1, 0, heard)
        await heard.over.wait()
        assert heard.data == clip.segment(0, 1)
        assert heard.head == (200, len(heard.data), None)
        assert late == []


async def test_resumes_where_bytes_are_missing(clip):
    async with fetching(clip) as (fetcher, _, _):
        heard = Heard()
        fetcher(0, 5000, heard)
        await heard.over.wait()
        whole = clip.segment(0, 0)
        assert heard.data == whole[5000:]
        assert heard.head == (206, len(whole) - 5000, (5000, len(whole) - 1))


async def test_what_is_aborted_is_counted_to_the_last_byte(clip):
    async with fetching(clip, rate=20_000.0) as (fetcher, recorder, late):
        heard = Heard()
        abort = fetcher(0, 0, heard)
        await heard.came.wait()
        abort()
        told = len(heard.data)
        await fetcher.close()
        [row] = await _rows(recorder, 1)
        assert told == len(heard.data) < len(clip.segment(0, 0))
        assert not heard.over.is_set()
        assert told + sum(count for _, count in late) == row["bytes"]


async def test_what_waits_unread_at_an_abort_is_counted_too(big_clip):
    async with fetching(big_clip, downlink=100_000.0) as (fetcher, recorder, late):
        heard = Heard()
        abort = fetcher(0, 0, heard)
        await heard.came.wait()
        await asyncio.sleep(0.1)
        abort()
        await fetcher.close()
        [row] = await _rows(recorder, 1)
        assert len(heard.data) < row["bytes"]
        assert len(heard.data) + sum(count for _, count in late) == row["bytes"]


async def test_an_abort_before_the_answer_lets_it_go(clip):
    async with fetching(clip, latency=0.2) as (fetcher, recorder, late):
        heard = Heard()
        fetcher(0, 0, heard)()
        await fetcher.close()
        [row] = await _rows(recorder, 1)
        assert heard.head is None
        assert sum(count for _, count in late) == row["bytes"]


async def test_a_body_that_is_of_no_use_is_left(clip):
    async with fetching(clip, rate=20_000.0) as (fetcher, recorder, late):
        heard = Heard(accepts=False)
        fetcher(0, 0, heard)
        await fetcher.close()
        [row] = await _rows(recorder, 1)
        assert heard.data == b""
        assert sum(count for _, count in late) == row["bytes"] < len(clip.segment(0, 0))


async def test_says_the_status_of_what_is_not_there(clip):
    async with fetching(clip, path="9{}9.ts") as (fetcher, _, late):
        heard = Heard(accepts=False)
        fetcher(9, 0, heard)
        await fetcher.close()
        assert heard.head[0] == 404
        assert late == []


async def test_an_abort_closes_only_our_half():
    def serve():
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + bytes(1000))
            assert connection.recv(4096) == b""  # the end of what the client says
            connection.sendall(bytes(500))

    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = asyncio.get_running_loop().run_in_executor(None, serve)
        async with asyncio.timeout(15), aiohttp.ClientSession() as session:
            url, late = f"http://127.0.0.1:{server.getsockname()[1]}/", []
            fetcher = HttpFetcher(session, lambda _: url, Downlink(RunClock(0.0), 1e9), lambda *x: late.append(x))
            heard = Heard()
            abort = fetcher(7, 0, heard)
            await heard.came.wait()
            abort()
            await fetcher.close()
            await serving
    assert len(heard.data) == 1000
    assert late == [(7, 500)]


async def test_a_cut_body_is_broken():
    async def cut(request):
        response = web.StreamResponse()
        response.content_length = 1000
        await response.prepare(request)
        await response.write(b"x" * 100)
        request.transport.close()
        return response

    application = web.Application()
    application.router.add_get("/{name}", cut)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        async with asyncio.timeout(15), aiohttp.ClientSession() as session:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            fetcher = HttpFetcher(
                session, lambda n: f"http://127.0.0.1:{port}/{n}", Downlink(RunClock(0.0), 1e9), lambda *_: None
            )
            heard = Heard()
            fetcher(1, 0, heard)
            await heard.over.wait()
            assert heard.data == b"x" * 100
            assert heard.reason
    finally:
        await runner.cleanup()


async def test_the_downlink_bounds_the_rate(big_clip):
    async with fetching(big_clip, downlink=1_000_000.0) as (fetcher, _, _):
        heard, began = Heard(), asyncio.get_running_loop().time()
        fetcher(0, 0, heard)
        await heard.over.wait()
        # 600 kB, of which the first 64 KiB pass at once
        assert asyncio.get_running_loop().time() - began > 0.5


async def _rows(recorder, count):
    """Give the origin's rows once they are there."""
    while True:
        rows = recorder.tables()["origin"]
        if len(rows) >= count:
            return rows.to_dict("records")
        await asyncio.sleep(0.01)


async def test_a_connection_that_was_hung_up_on_is_not_asked_again():
    """Its body came whole all the same, which leaves it looking idle and sound."""
    heads, over = [], asyncio.Event()

    async def serve(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        await asyncio.sleep(0.1)
        writer.write(b"half")
        await over.wait()
        writer.close()

    async with (
        asyncio.timeout(15),
        await asyncio.start_server(serve, "127.0.0.1", 0) as server,
        aiohttp.ClientSession() as session,
    ):
        port = server.sockets[0].getsockname()[1]
        fetcher = HttpFetcher(
            session, lambda n: f"http://127.0.0.1:{port}/{n}", Downlink(RunClock(0.0), float("inf")), lambda *_: None
        )
        fetcher(0, 0, Heard(accepts=False))
        while fetcher._running:
            await asyncio.sleep(0.01)
        heard = Heard()
        fetcher(1, 0, heard)
        await heard.over.wait()
        assert heard.data == b"halfhalf"
        assert len(heads) == 2
        over.set()
