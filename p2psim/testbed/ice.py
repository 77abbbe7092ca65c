"""STUN and TURN servers as viewers learn of them from the tracker, and which of them a viewer can use."""

from collections.abc import Sequence
from typing import Final

import msgspec
from aiortc import RTCIceServer

__all__ = ["IceServer", "for_rtc", "usable"]

_TCP: Final = "transport=tcp"


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


def for_rtc(servers: Sequence[IceServer]) -> list[RTCIceServer]:
    """Give them in aiortc's form."""
    return [
        RTCIceServer(urls=server.urls, username=server.username, credential=server.credential) for server in servers
    ]
