"""STUN and TURN servers: the list of the tracker, and the servers that a viewer can use."""

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
_PATIENCE: Final = 1.5
"""Seconds after which a STUN server without a response counts as unreachable."""

_RELAY: Final = "relay"
_RELAY_WAITS: Final = 1.0
"""Seconds; aioice repeats an unanswered check after half a second."""

_log = logging.getLogger(__name__)


class IceServer(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the tracker's list, as RTCPeerConnection takes it in a browser."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


def usable(servers: Sequence[IceServer], *, has_udp: bool) -> list[IceServer]:
    """Keep what works with or without UDP, the one address first that aiortc will use of each entry.

    aiortc takes the first STUN and the first TURN server only, and waits five seconds for a STUN server out of reach.
    """
    kept = []
    for server in servers:
        over_tcp = [url for url in server.urls if _TCP in url]
        over_udp = [url for url in server.urls if url not in over_tcp]
        urls = [*over_udp, *over_tcp] if has_udp else over_tcp
        if urls:
            kept.append(msgspec.structs.replace(server, urls=urls))
    return kept


def prefer_direct(rtc: RTCPeerConnection) -> None:
    """Delay connectivity checks over a relay until direct ones have been repeated once.

    aioice takes the first pair that works. The first check through a filtering NAT is dropped, so the relay would win
    although there is a direct way; browsers go over to the better pair. To be called before the checks begin.
    """
    if rtc.sctp is None:
        raise ValueError("a connection without a data channel")
    agent = rtc.sctp.transport.transport._connection  # aiortc has no option for it
    check = getattr(agent, "check_start", None)
    if check is None:
        raise MissingToolError(
            "aioice's Connection.check_start: this version of aioice does not have it; 0.9 to 0.13 do"
        )

    async def check_in_turn(pair: Any) -> None:
        if _RELAY in (pair.local_candidate.type, pair.remote_candidate.type):
            await asyncio.sleep(_RELAY_WAITS)
        await check(pair)

    agent.check_start = check_in_turn  # type: ignore[method-assign]


def for_rtc(servers: Sequence[IceServer]) -> list[RTCIceServer]:
    """Return the servers in the form that aiortc takes."""
    return [
        RTCIceServer(urls=server.urls, username=server.username, credential=server.credential) for server in servers
    ]


async def ice_servers(session: aiohttp.ClientSession, url: str) -> list[RTCIceServer]:
    """Fetch the tracker's list, and keep what works from here; nothing if there is no list."""
    try:
        async with session.get(url) as response:
            response.raise_for_status()
            servers = msgspec.json.decode(await response.read(), type=_Listed).iceServers
    except (aiohttp.ClientError, msgspec.MsgspecError) as error:
        _log.warning("%s: %s", url, error)
        return []
    has_udp = await asyncio.to_thread(_has_udp, servers)
    return for_rtc(usable(servers, has_udp=has_udp))


class _Listed(msgspec.Struct):
    iceServers: list[IceServer]  # noqa: N815 (as browsers name it)


def _has_udp(servers: Sequence[IceServer]) -> bool:
    """Return whether one of the servers answers over UDP."""
    urls = [url for server in servers for url in server.urls if _TCP not in url]
    found = [match for match in map(_SERVER.match, urls) if match is not None]
    return any(is_answering(StunServer(address=one[1], port=int(one[2])), _PATIENCE) for one in found[:1])
