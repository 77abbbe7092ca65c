"""Tests of the HTTP fetcher against the real origin and against scripted servers."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from p2psim.testbed.origin.media import Clip, ClipOptions, ladder, make_clip
from p2psim.testbed.origin.schedule import OriginOptions
from p2psim.testbed.origin.server import Origin
from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.peer.fetcher import HttpFetcher
from p2psim.testbed.peer.shaping import Downlink
from p2psim.trace import Recorder

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def big_clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Clip of one segment of 600 kB, more than the buffers of a client that reads slowly."""
    options = ClipOptions(rungs=ladder(300_000), segment_duration=2.0, segment_count=1, frame_rate=10)
    return make_clip(options, tmp_path_factory.mktemp("media"))


class Response:
    """Events of one request; `accepts` says whether its body is wanted."""

    def __init__(self, *, accepts: bool = True) -> None:
        self._accepts = accepts
        self.head: tuple[int, int | None, tuple[int, int] | None] | None = None
        """Status, Content-Length, and first and last byte of Content-Range."""
        self.data = b""
        self.reason: str | None = None
        self.has_begun, self.has_ended = asyncio.Event(), asyncio.Event()

    def headers(self, status: int, length: int | None, content_range: tuple[int, int] | None) -> bool:
        self.head = status, length, content_range
        return self._accepts

    def chunk(self, data: bytes) -> None:
        self.data += data
        self.has_begun.set()

    def finished(self) -> None:
        self.has_ended.set()

    def broken(self, reason: str) -> None:
        self.reason = reason
        self.has_ended.set()


class LateBytes:
    """Media bytes that arrived after an abort."""

    def __init__(self) -> None:
        self.counts: list[tuple[int, int]] = []
        """Pairs of the segment and its bytes."""

    def add(self, segment: int, size: int) -> None:
        self.counts.append((segment, size))

    @property
    def total(self) -> int:
        return sum(size for _, size in self.counts)


@asynccontextmanager
async def fetching(
    clip: Clip, *, downlink: float = float("inf"), path: str = "{}.ts", **options: Any
) -> AsyncIterator[tuple[HttpFetcher, Recorder, LateBytes]]:
    """Fetcher of an origin that serves a clip, the rows of the origin, and late bytes."""
    recorder, late = Recorder(), LateBytes()
    async with (
        asyncio.timeout(15),
        Origin(OriginOptions(kind="vod", **options), clip, recorder.add) as origin,
        aiohttp.ClientSession() as session,
    ):
        folder = f"{origin.url}/main/{clip.options.rungs[0].name}/"
        fetcher = HttpFetcher(
            session, lambda number: folder + path.format(number), Downlink(RunClock(0.0), downlink), late.add
        )
        yield fetcher, recorder, late


async def test_a_whole_segment_is_fetched(clip: Clip) -> None:
    async with fetching(clip) as (fetcher, _, late):
        response = Response()
        fetcher(1, 0, response)
        await response.has_ended.wait()
        assert response.data == clip.segment(0, 1)
        assert response.head == (200, len(response.data), None)
        assert late.counts == []


async def test_a_segment_is_fetched_from_the_first_missing_byte_on(clip: Clip) -> None:
    async with fetching(clip) as (fetcher, _, _):
        response = Response()
        fetcher(0, 5000, response)
        await response.has_ended.wait()
        whole = clip.segment(0, 0)
        assert response.data == whole[5000:]
        assert response.head == (206, len(whole) - 5000, (5000, len(whole) - 1))


async def test_an_abort_counts_all_bytes_in_flight(clip: Clip) -> None:
    async with fetching(clip, rate=20_000.0) as (fetcher, recorder, late):
        response = Response()
        abort = fetcher(0, 0, response)
        await response.has_begun.wait()
        abort()
        received = len(response.data)
        await fetcher.close()
        [row] = await _rows(recorder, 1)
        assert received == len(response.data) < len(clip.segment(0, 0))
        assert not response.has_ended.is_set()
        assert received + late.total == row["bytes"]


@pytest.mark.slow
async def test_an_abort_counts_bytes_that_have_not_been_read(big_clip: Clip) -> None:
    async with fetching(big_clip, downlink=100_000.0) as (fetcher, recorder, late):
        response = Response()
        abort = fetcher(0, 0, response)
        await response.has_begun.wait()
        await asyncio.sleep(0.1)
        abort()
        await fetcher.close()
        [row] = await _rows(recorder, 1)
        assert len(response.data) < row["bytes"]
        assert len(response.data) + late.total == row["bytes"]


async def test_an_abort_before_the_response_counts_its_bytes(clip: Clip) -> None:
    async with fetching(clip, latency=0.2) as (fetcher, recorder, late):
        response = Response()
        fetcher(0, 0, response)()
        await fetcher.close()
        [row] = await _rows(recorder, 1)
        assert response.head is None
        assert late.total == row["bytes"]


async def test_a_refused_body_is_aborted_and_counted(clip: Clip) -> None:
    async with fetching(clip, rate=20_000.0) as (fetcher, recorder, late):
        response = Response(accepts=False)
        fetcher(0, 0, response)
        await fetcher.close()
        [row] = await _rows(recorder, 1)
        assert response.data == b""
        assert late.total == row["bytes"] < len(clip.segment(0, 0))


async def test_the_status_of_a_missing_segment_is_reported(clip: Clip) -> None:
    async with fetching(clip, path="9{}9.ts") as (fetcher, _, late):
        response = Response(accepts=False)
        fetcher(9, 0, response)
        await fetcher.close()
        assert response.head is not None
        assert response.head[0] == 404
        assert late.counts == []


async def test_an_abort_closes_one_half_of_the_connection() -> None:
    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + bytes(1000))
            assert connection.recv(4096) == b""  # the client has closed its half
            connection.sendall(bytes(500))

    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = asyncio.get_running_loop().run_in_executor(None, serve)
        async with asyncio.timeout(15), aiohttp.ClientSession() as session:
            url, late = f"http://127.0.0.1:{server.getsockname()[1]}/", LateBytes()
            fetcher = HttpFetcher(session, lambda number: url, Downlink(RunClock(0.0), 1e9), late.add)
            response = Response()
            abort = fetcher(7, 0, response)
            await response.has_begun.wait()
            abort()
            await fetcher.close()
            await serving
    assert len(response.data) == 1000
    assert late.counts == [(7, 500)]


async def test_a_truncated_body_is_reported_as_broken() -> None:
    async def truncate(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 1000
        await response.prepare(request)
        await response.write(b"x" * 100)
        assert request.transport is not None
        request.transport.close()
        return response

    application = web.Application()
    application.router.add_get("/{name}", truncate)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        async with asyncio.timeout(15), aiohttp.ClientSession() as session:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            fetcher = HttpFetcher(
                session,
                lambda number: f"http://127.0.0.1:{port}/{number}",
                Downlink(RunClock(0.0), 1e9),
                LateBytes().add,
            )
            response = Response()
            fetcher(1, 0, response)
            await response.has_ended.wait()
            assert response.data == b"x" * 100
            assert response.reason
    finally:
        await runner.cleanup()


@pytest.mark.slow
async def test_the_downlink_bounds_the_rate(big_clip: Clip) -> None:
    async with fetching(big_clip, downlink=1_000_000.0) as (fetcher, _, _):
        response, began = Response(), asyncio.get_running_loop().time()
        fetcher(0, 0, response)
        await response.has_ended.wait()
        # 600 kB, of which the first 64 KiB pass at once
        assert asyncio.get_running_loop().time() - began > 0.5


async def _rows(recorder: Recorder, count: int) -> list[dict[Any, Any]]:
    """Wait for rows of the origin, and return them."""
    while True:
        rows = recorder.tables()["origin"]
        if len(rows) >= count:
            return rows.to_dict("records")
        await asyncio.sleep(0.01)


async def test_a_half_closed_connection_is_not_used_again() -> None:
    """Test that a connection is not reused although the refused body arrived completely, as if it were idle."""
    heads: list[bytes] = []
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
            session,
            lambda number: f"http://127.0.0.1:{port}/{number}",
            Downlink(RunClock(0.0), float("inf")),
            LateBytes().add,
        )
        fetcher(0, 0, Response(accepts=False))
        while fetcher._running:
            await asyncio.sleep(0.01)
        response = Response()
        fetcher(1, 0, response)
        await response.has_ended.wait()
        assert response.data == b"halfhalf"
        assert len(heads) == 2
        over.set()
