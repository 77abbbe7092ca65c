"""Tests of the choice of STUN and TURN servers."""

import pytest
from aiortc import RTCPeerConnection

from p2psim.testbed.peer.ice import IceServer, for_rtc, prefer_direct, usable

STUN = IceServer(urls=["stun:198.51.100.1:3478"])
TURN = IceServer(
    urls=["turn:198.51.100.1:3478?transport=tcp", "turn:198.51.100.1:3478?transport=udp"], username="u", credential="c"
)


def test_with_udp_the_first_url_of_a_relay_is_over_udp() -> None:
    stun, turn = usable([STUN, TURN], has_udp=True)
    assert stun == STUN
    assert turn.urls == TURN.urls[::-1]


def test_without_udp_only_relays_over_tcp_are_usable() -> None:
    assert [server.urls for server in usable([STUN, TURN], has_udp=False)] == [TURN.urls[:1]]
    assert usable([STUN], has_udp=False) == []


def test_servers_in_the_form_of_aiortc() -> None:
    (server,) = for_rtc([TURN])
    assert (server.urls, server.username, server.credential) == (TURN.urls, "u", "c")


@pytest.mark.asyncio
async def test_a_connection_without_a_data_channel_is_refused() -> None:
    rtc = RTCPeerConnection()
    with pytest.raises(ValueError, match="no data channel"):
        prefer_direct(rtc)
    await rtc.close()
