"""The server's rules of access, its limits, and what it tells about them."""

import asyncio
import gc
import json
import ssl
from contextlib import suppress

import httpx
import pytest
from p2p_tracker.admission.tokens import sign
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.errors import OptionError
from p2p_tracker.server.server import TrackerServer
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from tests.tracker.clients import DEADLINE, client, receive, send, tracker
from tests.tracker.examples import OTHER_SWARM, SWARM, peer, wire_announce
from tests.tracker.hostile_frames import UPGRADE, text

pytestmark = pytest.mark.asyncio


async def tell(socket, message: dict) -> dict:
    await send(socket, message)
    return await receive(socket)


async def closed(socket) -> tuple[int, str]:
    async with asyncio.timeout(DEADLINE):
        await socket.wait_closed()
    return socket.close_code, socket.close_reason


async def get(server, path: str, **options) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.http_url, timeout=DEADLINE, **options) as http:
        return await http.get(path)


@pytest.mark.parametrize(
    ("options", "how", "code", "reason"),
    [
        ({"allow_origins": ("https://tv.example",)}, {"origin": "https://evil.example"}, 1008, "origin"),
        ({"deny_origins": ("*.evil.example",)}, {"origin": "https://www.evil.example"}, 1008, "origin"),
        ({"require_origin": True}, {}, 1008, "origin"),
        ({"token_secret": "s"}, {}, 1008, "token"),
    ],
)
async def test_who_may_not_connect_is_told_why(options, how, code, reason):
    async with tracker(**options) as server, client(server, **how) as socket:
        seen = await closed(socket)
        assert seen[0] == code
        assert reason in seen[1]
        assert (await get(server, "/tracker/stats")).json()["connections_refused"] == 1
        assert server.tracker.next_deadline() is None


async def test_who_may_connect_is_served():
    rules = {"allow_origins": ("https://*.tv.example",), "require_origin": True}
    async with tracker(**rules) as server, client(server, origin="https://a.tv.example") as socket:
        assert (await tell(socket, wire_announce(1)))["incomplete"] == 1


async def test_connections_of_one_address_are_counted_and_given_back():
    async with tracker(max_connections_per_address=2) as server, client(server) as one:
        async with client(server):
            async with client(server) as third:
                assert (await closed(third))[0] == 1008
            assert server.connection_count == 2
        async with asyncio.timeout(DEADLINE):
            while server.connection_count > 1:
                await asyncio.sleep(0.01)
        async with client(server) as again:
            assert (await tell(again, wire_announce(2)))["incomplete"] == 1
            assert (await tell(one, wire_announce(1)))["incomplete"] == 2


async def test_a_trusted_proxy_speaks_for_others():
    rules = {"max_connections_per_address": 1, "trusted_proxies": ("127.0.0.1",)}
    async with tracker(**rules) as server:
        headers = [{"X-Forwarded-For": address} for address in ("192.0.2.1", "192.0.2.2", "192.0.2.2")]
        async with client(server, additional_headers=headers[0]) as one, client(server, additional_headers=headers[1]):
            assert (await tell(one, wire_announce(1)))["incomplete"] == 1
            async with client(server, additional_headers=headers[2]) as third:
                assert (await closed(third))[0] == 1008


async def test_the_tracker_can_be_full():
    async with tracker(max_connections=1) as server:
        assert (await get(server, "/ready")).status_code == 200
        async with client(server) as one, client(server) as two:
            assert await closed(two) == (1008, "the tracker is full")
            assert (await get(server, "/ready")).status_code == 503
            assert (await tell(one, wire_announce(1)))["incomplete"] == 1


async def test_without_memory_nobody_new_is_let_in_and_who_is_there_is_served():
    gc.collect()  # what earlier tests left must not be freed while this one looks at memory
    async with tracker(max_memory=32.0, ping_interval=0.05) as server, client(server) as one:
        await tell(one, wire_announce(1))
        hoard = bytes(range(256)) * 2**19  # the process grows by 128 MiB
        async with asyncio.timeout(DEADLINE):
            while (await get(server, "/ready")).status_code == 200:
                await asyncio.sleep(0.05)
        async with client(server) as two:
            code, reason = await closed(two)
            assert code == 1008
            assert "memory" in reason
        refused = await tell(one, wire_announce(2))
        assert (refused["action"], refused["info_hash"]) == ("announce", SWARM)
        assert "no room" in refused["failure reason"]
        assert (await tell(one, wire_announce(1)))["incomplete"] == 1
        del hoard


async def test_who_only_sends_what_is_refused_is_closed():
    async with tracker(max_refusals=3) as server, client(server) as good, client(server) as bad:
        for _ in range(3):
            assert "peer_id" in (await tell(bad, wire_announce(1, peer_id="short")))["failure reason"]
        await send(bad, wire_announce(1, peer_id="short"))
        code, reason = await closed(bad)
        assert code == 1008
        assert "peer_id" in reason
        for _ in range(5):
            assert (await tell(good, wire_announce(1)))["incomplete"] == 1


async def test_short_questions_with_long_answers_are_the_askers_own_problem():
    async with tracker(max_backlog=200_000) as server, client(server) as good:
        for number in range(999):
            await tell(good, wire_announce(1, f"{number:020d}"))
        before = server.figures()["bytes_sent"]
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.write(UPGRADE + 300 * text(b'{"action":"scrape"}'))  # 25 MB of answers, at once
        async with asyncio.timeout(DEADLINE):
            while server.tracker.counts.scrapes < 20 or server.connection_count > 1:
                await asyncio.sleep(0.01)
        assert (await tell(good, wire_announce(1)))["incomplete"] == 1
        assert server.figures()["bytes_sent"] - before < 1e7  # what the system takes, and little more
        writer.close()


async def test_too_many_announces_are_refused_with_action_and_info_hash():
    async with tracker(announce_rate=0.001, announce_burst=2) as server, client(server) as one, client(server) as two:
        for socket in (one, two):
            assert "failure reason" not in await tell(socket, wire_announce(1))
        refused = await tell(one, wire_announce(1))
        assert (refused["action"], refused["info_hash"]) == ("announce", SWARM)
        assert "too many announces" in refused["failure reason"]
        assert "failure reason" not in await tell(one, wire_announce(1, event="stopped"))


async def test_hashes_that_are_not_served_are_refused():
    async with tracker(allow_hashes=(SWARM,)) as server, client(server) as socket:
        assert "failure reason" not in await tell(socket, wire_announce(1))
        for action in ("announce", "signal", "peers"):
            message = wire_announce(1, OTHER_SWARM, action=action, to_peer_id=peer(2), signal={})
            refused = await tell(socket, message)
            assert (refused["action"], refused["info_hash"]) == (action, OTHER_SWARM)
            assert "not served" in refused["failure reason"]
        assert list(server.tracker.swarms) == [SWARM]
        assert (await tell(socket, {"action": "scrape"}))["files"].keys() == {SWARM}


async def test_a_token_opens_its_swarms():
    async with tracker(token_secret="s") as server:
        token = sign("s", 4e9, [SWARM])
        async with client(server, f"/tracker/ws?token={token}") as socket:
            assert "failure reason" not in await tell(socket, wire_announce(1))
            assert "token" in (await tell(socket, wire_announce(1, OTHER_SWARM)))["failure reason"]
        old = sign("s", 1.0)
        async with client(server, f"/?token={old}") as socket:
            assert (await closed(socket))[0] == 1008
        assert (await get(server, "/tracker/ice")).status_code == 403
        assert (await get(server, f"/tracker/ice?token={token}")).status_code == 200


async def test_relays_get_passwords_that_expire():
    rules = {"stun_urls": ("stun:s",), "turn_urls": ("turn:t",), "turn_secret": "north", "turn_lifetime": 60.0}
    server = TrackerServer(ServerOptions(port=0, **rules), wall_clock=lambda: 1000.0)
    await server.start()
    try:
        answer = (await get(server, "/tracker/ice")).json()
    finally:
        await server.close()
    assert answer["lifetime"] == 60
    stun, turn = answer["iceServers"]
    assert stun == {"urls": ["stun:s"]}
    assert turn["username"] == "1060:viewer"


async def test_the_names_of_swarms_can_be_kept():
    async with tracker(publish_swarms=False) as server, client(server) as socket:
        await tell(socket, wire_announce(1))
        statistics = (await get(server, "/tracker/stats")).json()
        assert statistics["peers"] == 1
        assert "largest" not in statistics
        assert (await get(server, f"/tracker/peers/{SWARM}")).status_code == 403
        assert (await tell(socket, {"action": "scrape"}))["files"] == {}
        assert (await tell(socket, {"action": "scrape", "info_hash": SWARM}))["files"].keys() == {SWARM}


async def test_metrics_are_what_prometheus_reads():
    async with tracker() as server, client(server) as one, client(server) as two:
        await tell(one, wire_announce(1))
        await tell(two, wire_announce(2, count=2))
        await receive(one)
        answer = await get(server, "/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        values = {
            sample.name: sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }
        assert values["tracker_connections"] == values["tracker_peers"] == values["tracker_announces_total"] == 2
        assert values["tracker_offers_total"] == values["tracker_swarms"] == 1
        assert values["tracker_memory"] > 1e6
        assert values["tracker_bytes_sent_total"] > 100


async def test_peers_are_listed_and_signalled_by_those_that_ask():
    async with tracker() as server, client(server) as old, client(server) as new, client(server) as newer:
        await tell(old, wire_announce(1))
        await tell(new, wire_announce(2, accepts=["signal"]))
        assert "announce first" in (await tell(newer, wire_announce(3, action="peers")))["failure reason"]
        await tell(newer, wire_announce(3, left=0))
        listed = await tell(newer, {"action": "peers", "info_hash": SWARM, "peer_id": peer(3)})
        assert (listed["action"], listed["info_hash"]) == ("peers", SWARM)
        assert sorted(item["peer_id"] for item in listed["peers"]) == [peer(1), peer(2)]
        candidate = {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0", "\u2028": None}
        signal = {"action": "signal", "info_hash": SWARM, "peer_id": peer(3), "signal": candidate}
        await newer.send(json.dumps({**signal, "to_peer_id": peer(2)}))
        assert await receive(new) == signal
        back = {**signal, "peer_id": peer(2)}
        await new.send(json.dumps({**back, "to_peer_id": peer(3)}))
        assert await receive(newer) == back
        # a client that never heard of signals would destroy its socket
        for target, reason in ((peer(1), "accept"), (peer(9), "not in"), (peer(3), "accept")):
            refused = await tell(newer, {**signal, "to_peer_id": target})
            assert (refused["action"], refused["info_hash"]) == ("signal", SWARM)
            assert reason in refused["failure reason"]
        stranger = await tell(newer, {**signal, "peer_id": peer(1), "to_peer_id": peer(2)})
        assert "announce first" in stranger["failure reason"]
        assert server.tracker.counts.signals == 2


async def test_goodbyes_come_in_waves_and_can_be_hurried():
    async with asyncio.timeout(20):
        server = TrackerServer(ServerOptions(port=0, log_level="error", drain=8.0))
        await server.start()
        sockets = [await client(server).__aenter__() for _ in range(24)]
        closing = asyncio.create_task(server.close())
        await sockets[0].wait_closed()
        assert 0 < server.connection_count < 24
        assert (await get(server, "/ready")).status_code == 503
        assert (await get(server, "/health")).status_code == 200
        async with client(server) as late:
            assert (await closed(late))[0] == 1001
        server.hurry()
        async with asyncio.timeout(2.5):
            await closing
        for socket in sockets:
            assert (await closed(socket))[0] == 1001


async def test_tls(tmp_path):
    certificate, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    process = await asyncio.create_subprocess_exec(
        *f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}".split(),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    trust = ssl.create_default_context(cafile=certificate)
    async with tracker(tls_certificate=certificate, tls_key=key) as server:
        assert server.url.startswith("wss://127.0.0.1:")
        async with connect(server.url, ssl=trust) as one, connect(server.url, ssl=trust) as two:
            await tell(one, wire_announce(1))
            # larger than a TLS record, and than one read
            offers = [{"offer": {"type": "offer", "sdp": "x" * 200_000}, "offer_id": "i" * 20}]
            await two.send(json.dumps(wire_announce(2, offers=offers, numwant=1)))
            assert len((await receive(one))["offer"]["sdp"]) == 200_000
        assert (await get(server, "/health", verify=trust)).json() == {"status": "ok"}
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")  # not TLS
        async with asyncio.timeout(DEADLINE):
            with suppress(ConnectionResetError):
                await reader.read()
        writer.close()
        assert (await get(server, "/health", verify=trust)).status_code == 200
    with pytest.raises(OptionError, match="tls_certificate"):
        TrackerServer(ServerOptions(tls_certificate="/no/such/file", tls_key="/no/such/file"))


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/", "text/html"), ("/web/dashboard.css", "text/css"), ("/web/dashboard.js", "text/javascript")],
)
async def test_pages_have_their_types(path, kind):
    async with tracker() as server:
        answer = await get(server, path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/web/../config.py", "/web/..%2fconfig.py", "/web/.hidden", "/web/config.py", "/nothing", "/web/a\x00.js"]
)
async def test_nothing_but_pages_is_read(path):
    async with tracker() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode("latin-1"))
        async with asyncio.timeout(DEADLINE):
            answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 404 ")
