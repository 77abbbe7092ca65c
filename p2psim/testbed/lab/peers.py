"""WebRTC peers on hosts of a lab that try to connect, many pairs at once in one process.

A thread per host has entered its network namespace and runs an event loop there, so that every socket that aiortc
opens in it belongs to the host. Session descriptions are exchanged in memory: only the peers' own traffic is in the
lab.
"""

import asyncio
import threading
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from aiortc import RTCConfiguration, RTCDataChannel, RTCIceServer, RTCPeerConnection

from p2psim.testbed.lab.lab import Host
from p2psim.testbed.peer.candidate_path import joint_path, path_of
from p2psim.testbed.peer.ice import prefer_direct
from p2psim.trace.schema import Path

__all__ = ["ConnectionAttempt", "HostLoop", "connect_pair"]

_CLOSE_TIMEOUT: Final = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionAttempt:
    """Outcome of the attempt of two peers to connect."""

    connected: bool
    seconds: float | None = None
    """Seconds from the start of the offer until a message has come back."""
    path: Path | Literal[""] = ""
    """Kind of the ICE candidates in use; "" without a connection."""


class HostLoop:
    """Event loop on a host: ``with HostLoop(host, ice_servers) as loop``."""

    def __init__(self, host: Host, servers: Sequence[RTCIceServer] = ()) -> None:
        self._host = host
        self._servers = list(servers)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=host.namespace.label, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        with self._host.namespace:
            self._loop.set_exception_handler(lambda *_: None)  # unanswered checks are expected here
            self._loop.run_forever()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Schedule a coroutine on the host; return its future."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def peer(self) -> RTCPeerConnection:
        """Return a new peer connection; to be called on the host."""
        return RTCPeerConnection(RTCConfiguration(iceServers=self._servers))


async def connect_pair(a: HostLoop, b: HostLoop, patience: float) -> ConnectionAttempt:
    """Have `a` offer `b` a connection, and return the outcome after at most `patience` seconds of checks."""
    caller, callee = _Caller(a), _Callee(b)
    began = time.monotonic()
    try:
        offer = await asyncio.wrap_future(a.start(caller.offer()))
        answer = await asyncio.wrap_future(b.start(callee.answer(offer)))
        connected = await asyncio.wrap_future(a.start(caller.finish(answer, patience)))
        took = time.monotonic() - began
        ends = (caller, callee) if connected else ()
        paths = [await asyncio.wrap_future(end.loop.start(end.path())) for end in ends]
    finally:
        await asyncio.gather(*(asyncio.wrap_future(end.loop.start(end.close())) for end in (caller, callee)))
    if not connected:
        return ConnectionAttempt(connected=False)
    return ConnectionAttempt(connected=True, seconds=took, path=joint_path(*paths))


class _End:
    def __init__(self, loop: HostLoop) -> None:
        self.loop = loop
        self.rtc: RTCPeerConnection | None = None

    def _open(self) -> RTCPeerConnection:
        self.rtc = self.loop.peer()
        return self.rtc

    async def path(self) -> Path:
        """Return the kind of the candidates in use at this end."""
        if self.rtc is None:
            raise RuntimeError("no connection")
        return path_of(self.rtc)

    async def close(self) -> None:
        """Close the peer connection."""
        if self.rtc is not None:
            await asyncio.wait([asyncio.ensure_future(self.rtc.close())], timeout=_CLOSE_TIMEOUT)


class _Caller(_End):
    async def offer(self) -> Any:
        rtc = self._open()
        self._echoed = asyncio.Event()
        channel = rtc.createDataChannel("meeting")
        prefer_direct(rtc)
        channel.on("open", lambda: channel.send("hello"))
        channel.on("message", lambda _: self._echoed.set())
        await rtc.setLocalDescription(await rtc.createOffer())
        return rtc.localDescription

    async def finish(self, answer: Any, patience: float) -> bool:
        rtc = self.rtc
        if rtc is None:
            return False
        await rtc.setRemoteDescription(answer)
        try:
            await asyncio.wait_for(self._echoed.wait(), patience)
        except TimeoutError:
            return False
        return True


class _Callee(_End):
    async def answer(self, offer: Any) -> Any:
        rtc = self._open()
        rtc.on("datachannel", self._echo)
        await rtc.setRemoteDescription(offer)
        prefer_direct(rtc)
        await rtc.setLocalDescription(await rtc.createAnswer())
        return rtc.localDescription

    @staticmethod
    def _echo(channel: RTCDataChannel) -> None:
        channel.on("message", channel.send)
