"""STUN and TURN servers of a viewer: the tracker's list, reduced to the servers that the viewer can use."""

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Any, Final

import aiohttp
import msgspec
from aiortc import RTCIceServer, RTCPeerConnection

from p2psim.errors import MissingToolError
from p2psim.testbed.lab.nat_discovery import StunServer, is_answering

__all__ = ["IceServer", "for_rtc", "ice_servers", "prefer_direct", "usable"]

_TCP: Final = "transport=tcp"
_SERVER: Final = re.compile(r"(?:stun|turn):([^:?]+):(\d+)")
_STUN_TIMEOUT: Final = 1.5
"""Seconds after which a STUN server without a response counts as unreachable."""

_RELAY: Final = "relay"
_RELAY_DELAY: Final = 1.0
"""Delay of connectivity checks over a relay, seconds: aioice repeats an unanswered direct check after 0.5 s."""

_log = logging.getLogger(__name__)


class IceServer(msgspec.Struct, frozen=True, kw_only=True):
    """Entry of the tracker's list, in the form of a browser's RTCIceServer."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


def usable(servers: Sequence[IceServer], *, has_udp: bool) -> list[IceServer]:
    """Return the servers that can be reached with or without UDP; URLs over UDP come first in each.

    aiortc uses the first STUN and the first TURN server only, and waits five seconds for an unreachable STUN server.
    """
    reachable = []
    for server in servers:
        over_tcp = [url for url in server.urls if _TCP in url]
        over_udp = [url for url in server.urls if url not in over_tcp]
        urls = [*over_udp, *over_tcp] if has_udp else over_tcp
        if urls:
            reachable.append(msgspec.structs.replace(server, urls=urls))
    return reachable


def prefer_direct(rtc: RTCPeerConnection) -> None:
    """Delay connectivity checks over a relay until direct ones have been repeated once.

    aioice nominates the first pair that succeeds. A filtering NAT drops the first direct check, so the relay would be
    nominated although a direct path exists; browsers switch to the better pair. To be called before the checks begin.
    """
    if rtc.sctp is None:
        raise ValueError("the connection has no data channel, so it has no ICE agent; create the channel first")
    agent = rtc.sctp.transport.transport._connection  # aiortc has no option for it
    check = getattr(agent, "check_start", None)
    if check is None:
        raise MissingToolError(
            "aioice's Connection.check_start: this version of aioice lacks it; versions 0.9 to 0.13 have it"
        )

    async def check_delayed(pair: Any) -> None:
        if _RELAY in (pair.local_candidate.type, pair.remote_candidate.type):
            await asyncio.sleep(_RELAY_DELAY)
        await check(pair)

    agent.check_start = check_delayed  # type: ignore[method-assign]


def for_rtc(servers: Sequence[IceServer]) -> list[RTCIceServer]:
    """Return the servers as aiortc's RTCIceServer."""
    return [
        RTCIceServer(urls=server.urls, username=server.username, credential=server.credential) for server in servers
    ]


async def ice_servers(session: aiohttp.ClientSession, url: str) -> list[RTCIceServer]:
    """Fetch the tracker's list; return the servers that can be reached from here, none if there is no list."""
    try:
        async with session.get(url) as response:
            response.raise_for_status()
            servers = msgspec.json.decode(await response.read(), type=_ServerList).iceServers
    except (aiohttp.ClientError, msgspec.MsgspecError) as error:
        _log.warning("%s: %s", url, error)
        return []
    has_udp = await asyncio.to_thread(_has_udp, servers)
    return for_rtc(usable(servers, has_udp=has_udp))


class _ServerList(msgspec.Struct):
    iceServers: list[IceServer]  # noqa: N815 (as browsers name it)


def _has_udp(servers: Sequence[IceServer]) -> bool:
    """Return whether the first of the servers' addresses over UDP answers."""
    urls = [url for server in servers for url in server.urls if _TCP not in url]
    addresses = [match for match in map(_SERVER.match, urls) if match is not None]
    return any(is_answering(StunServer(address=each[1], port=int(each[2])), _STUN_TIMEOUT) for each in addresses[:1])
