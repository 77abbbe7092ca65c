import pytest
from aiortc import RTCPeerConnection

from p2psim.testbed.peer.ice import IceServer, for_rtc, prefer_direct, usable

STUN = IceServer(urls=["stun:198.51.100.1:3478"])
TURN = IceServer(
    urls=["turn:198.51.100.1:3478?transport=tcp", "turn:198.51.100.1:3478?transport=udp"], username="u", credential="c"
)


def test_with_udp_a_relay_is_asked_over_udp_first():
    kept = usable([STUN, TURN], has_udp=True)
    assert kept[0] == STUN
    assert kept[1].urls == TURN.urls[::-1]


def test_without_udp_only_a_relay_over_tcp_is_left():
    assert [server.urls for server in usable([STUN, TURN], has_udp=False)] == [TURN.urls[:1]]
    assert usable([STUN], has_udp=False) == []


def test_in_the_form_of_aiortc():
    (server,) = for_rtc([TURN])
    assert (server.urls, server.username, server.credential) == (TURN.urls, "u", "c")


@pytest.mark.asyncio
async def test_there_is_nothing_to_prefer_without_a_channel():
    rtc = RTCPeerConnection()
    with pytest.raises(ValueError, match="no data channel"):
        prefer_direct(rtc)
    await rtc.close()
