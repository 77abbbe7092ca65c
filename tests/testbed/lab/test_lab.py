"""Labs, measured from inside: NATs, delays, rates and counters are those of the blueprint."""

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from statistics import median

import pytest

from p2psim.scenario.nat_kinds import NAT_KINDS
from p2psim.testbed.lab.blueprint import Blueprint, Carrier, Home, Impairment, Link, Server, translation
from p2psim.testbed.lab.coturn import Relay, relay_server
from p2psim.testbed.lab.lab import Host, Lab
from p2psim.testbed.lab.nat_discovery import Behaviour, discover

pytestmark = pytest.mark.lab

TOLERANCE = 0.05
HEADERS = 28  # of IP and UDP
PAYLOAD = 1000
SERVER = Server(name="server", addresses=("203.0.113.1",))
LAYERS = (
    ("port-restricted", "restricted", "EI", "APD"),
    ("symmetric", "full-cone", "APD", "APD"),
    ("full-cone", "AD/AD", "AD", "AD"),
    ("public", "symmetric", "APD", "APD"),
)


def plan_of(
    *homes: Home,
    carriers: Iterable[Carrier] = (),
    servers: Iterable[Server] = (SERVER,),
    default_impairment: Impairment = Impairment(),  # noqa: B008 - it is frozen
    impairments: dict[tuple[str, str], Impairment] | None = None,
) -> Blueprint:
    return Blueprint(
        homes=homes,
        carriers=tuple(carriers),
        servers=tuple(servers),
        default_impairment=default_impairment,
        impairments=impairments or {},
    )


def udp(host: Host) -> socket.socket:
    """Return a UDP socket on a host."""
    with host.namespace:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((host.address, 0))
    one.settimeout(60.0)
    return one


class Echo(threading.Thread):
    """Server that returns every packet."""

    def __init__(self, host: Host) -> None:
        super().__init__(daemon=True)
        self.socket = udp(host)

    def run(self) -> None:
        while (received := self.socket.recvfrom(2000))[0] != b"end":
            self.socket.sendto(*received)
        self.socket.close()


def round_trip(a: Host, b: Host, count: int = 25) -> float:
    """Return the median round-trip time, seconds."""
    echo = Echo(b)
    echo.start()
    seconds = []
    with udp(a) as one:
        target = echo.socket.getsockname()
        for number in range(count + 1):
            began = time.perf_counter()
            one.sendto(bytes([number]), target)
            assert one.recv(100) == bytes([number])
            seconds.append(time.perf_counter() - began)
        one.sendto(b"end", target)
    echo.join()
    return median(seconds[1:])  # the first waits for the neighbours' addresses (ARP)


def throughput(a: Host, b: Host, rate: float) -> float:
    """Return the bytes of IP per second that arrive when 1.5 times the rate is sent."""
    arrivals: list[tuple[int, float]] = []
    with udp(b) as receiver:
        receiver.settimeout(2.0)
        with udp(a) as sender:
            target = opened(sender, receiver)
            thread = threading.Thread(target=receive, args=(receiver, arrivals))
            thread.start()
            flood(sender, target, rate)
            thread.join()
    rest = arrivals[len(arrivals) // 3 :]  # before, the bucket was full
    return sum(size for size, _ in rest[1:]) / (rest[-1][1] - rest[0][1])


def opened(sender: socket.socket, receiver: socket.socket) -> tuple[str, int]:
    """Return the address to send to; a receiver behind a NAT first sends a packet to the server, to open its port."""
    if not sender.getsockname()[0].startswith("203."):
        address: tuple[str, int] = receiver.getsockname()
        return address
    receiver.sendto(b"hole", sender.getsockname())
    mapped: tuple[str, int] = sender.recvfrom(100)[1]
    return mapped


def receive(receiver: socket.socket, arrivals: list[tuple[int, float]]) -> None:
    with suppress(TimeoutError):
        while True:
            arrivals.append((len(receiver.recv(2000)) + HEADERS, time.monotonic()))


def flood(sender: socket.socket, target: tuple[str, int], rate: float, seconds: float = 1.5) -> None:
    began, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < seconds:
        while sent < elapsed * rate * 1.5:
            sender.sendto(bytes(PAYLOAD), target)
            sent += PAYLOAD + HEADERS
        time.sleep(0.005)


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, list[Behaviour]]]:
    """Lab with a home of each kind and some behind carriers, and the behaviours that STUN discovers."""
    folder = tmp_path_factory.mktemp("nats")
    homes = [Home(number=number, viewers=(number,), kind=kind) for number, kind in enumerate(NAT_KINDS)]
    carriers = []
    for number, (inner, outer, _, _) in enumerate(LAYERS):
        home = len(homes)
        homes.append(Home(number=home, viewers=(home,), kind=inner, carrier=number))
        carriers.append(Carrier(number=number, kind=outer))
    plan = plan_of(*homes, carriers=carriers, servers=[relay_server()], default_impairment=Impairment(delay=0.005))
    with Lab(plan, folder) as lab, Relay(lab.server("relay"), folder) as relay:

        def discovered(viewer: int) -> Behaviour:
            with lab.viewer(viewer).namespace:
                return discover(relay.discovery)

        with ThreadPoolExecutor(len(homes)) as pool:
            yield lab, list(pool.map(discovered, range(len(homes))))


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAT_KINDS)
def test_discovered_behaviour_of_each_kind(nats: tuple[Lab, list[Behaviour]], kind: str) -> None:
    """RFC 5780 discovery with coturn."""
    found = nats[1][NAT_KINDS.index(kind)]
    nat = translation(kind)
    if nat is None:
        assert found == Behaviour(has_udp=True, is_translated=False, mapping="EI", filtering="EI")
    elif nat.blocks_udp:
        assert not found.has_udp
    else:
        assert found == Behaviour(has_udp=True, is_translated=True, mapping=nat.mapping, filtering=nat.filtering)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(LAYERS)))
def test_discovered_behaviour_of_two_layers(nats: tuple[Lab, list[Behaviour]], number: int) -> None:
    _, _, mapping, filtering = LAYERS[number]
    found = nats[1][len(NAT_KINDS) + number]
    assert (found.mapping, found.filtering) == (mapping, filtering)
    assert found.is_translated


def tracked_ports(lab: Lab, kind: str) -> dict[str, set[str]]:
    """Return the ports of the viewer → its ports on the WAN, for each flow to the relay, from the kernel's table."""
    with lab.router(NAT_KINDS.index(kind)):
        try:
            lines = Path("/proc/thread-self/net/nf_conntrack").read_text().splitlines()
        except FileNotFoundError:
            pytest.skip("this kernel does not show /proc/net/nf_conntrack")
    ports: dict[str, set[str]] = {}
    for line in lines:
        words = [word.split("=") for word in line.split() if "=" in word]
        sources = [value for name, value in words if name == "sport"]
        targets = [value for name, value in words if name == "dport"]
        if " udp " in line:
            ports.setdefault(sources[0], set()).add(targets[1])
    return ports


@pytest.mark.slow
def test_connection_tracking_agrees_with_the_discovery(nats: tuple[Lab, list[Behaviour]]) -> None:
    lab, _ = nats
    ports = tracked_ports(lab, "port-restricted")
    assert ports
    assert all(mapped == {port} for port, mapped in ports.items())
    assert max(len(mapped) for mapped in tracked_ports(lab, "symmetric").values()) >= 3
    assert max(len(mapped) for mapped in tracked_ports(lab, "AD/APD").values()) == 2


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    homes = (
        Home(number=0, viewers=(0,), link=Link(uplink=125_000.0, downlink=1_250_000.0)),
        Home(number=1, viewers=(1,), kind="port-restricted", link=Link(uplink=62_500.0, downlink=500_000.0)),
        Home(number=2, viewers=(2,), kind="symmetric", link=Link(uplink=250_000.0, downlink=2.5e6), carrier=0),
        Home(number=3, viewers=(3,), kind="public"),
    )
    servers = (
        Server(name="server", addresses=("203.0.113.1",), uplink=1_000_000.0),
        Server(name="b", addresses=("203.0.113.2",)),
    )
    impairments = {("home-0", "server"): Impairment(delay=0.05), ("home-1", "server"): Impairment(delay=0.08)}
    plan = plan_of(
        *homes,
        carriers=[Carrier(number=0, kind="full-cone")],
        servers=servers,
        impairments=impairments,
        default_impairment=Impairment(delay=0.01),
    )
    with Lab(plan, tmp_path_factory.mktemp("links")) as lab:
        yield lab


@pytest.mark.slow
@pytest.mark.parametrize(("viewer", "planned"), [(0, 0.1), (1, 0.16), (2, 0.02)])
def test_round_trips(links: Lab, viewer: int, planned: float) -> None:
    measured = round_trip(links.viewer(viewer), links.server("server"))
    assert planned <= measured <= planned * (1 + TOLERANCE) + 0.001


@pytest.mark.slow
@pytest.mark.parametrize("viewer", [0, 1, 2])
def test_uplinks(links: Lab, viewer: int) -> None:
    rate = links.plan.homes[viewer].link.uplink
    assert throughput(links.viewer(viewer), links.server("b"), rate) == pytest.approx(rate, rel=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("viewer", [0, 1, 2])
def test_downlinks(links: Lab, viewer: int) -> None:
    rate = links.plan.homes[viewer].link.downlink
    assert throughput(links.server("b"), links.viewer(viewer), rate) == pytest.approx(rate, rel=TOLERANCE)


@pytest.mark.slow
def test_uplink_of_a_server(links: Lab) -> None:
    server, viewer = links.server("server"), links.viewer(3)
    assert throughput(server, viewer, 1e6) == pytest.approx(1e6, rel=TOLERANCE)


@pytest.mark.slow
def test_a_rate_changes_during_the_run(links: Lab) -> None:
    viewer = links.viewer(0)
    viewer.set_uplink(50_000.0)
    try:
        assert throughput(viewer, links.server("b"), 50_000.0) == pytest.approx(50_000.0, rel=TOLERANCE)
    finally:
        viewer.set_uplink(125_000.0)
    with pytest.raises(ValueError, match="server is a server"):
        links.server("server").set_downlink(1.0)


def test_counters_count_the_bytes_sent(links: Lab) -> None:
    viewer, server = links.viewer(3), links.server("b")
    before = viewer.link_counters, viewer.counters, server.counters
    with udp(viewer) as one, udp(server) as other:
        for _ in range(10):
            one.sendto(bytes(PAYLOAD), other.getsockname())
        for _ in range(10):
            other.recv(2000)
    after = viewer.link_counters, viewer.counters, server.counters
    size = 10 * (PAYLOAD + HEADERS)
    assert after[0].sent - before[0].sent == size  # TUN: bytes of IP
    assert size <= after[1].sent - before[1].sent <= size + 10 * 14 + 200  # Ethernet, and an ARP request
    assert after[2].received - before[2].received == size


@pytest.mark.slow
def test_viewers_of_a_home_reach_each_other_only_in_an_open_lan(tmp_path: Path) -> None:
    homes = (
        Home(number=0, viewers=(0, 1), kind="symmetric"),
        Home(number=1, viewers=(2, 3), kind="symmetric", is_lan_open=False),
    )
    with Lab(plan_of(*homes), tmp_path) as lab:
        assert round_trip(lab.viewer(0), lab.viewer(1)) < 0.02
        with udp(lab.viewer(2)) as one, udp(lab.viewer(3)) as other:
            other.settimeout(0.5)
            one.sendto(b"hello", other.getsockname())
            with pytest.raises(TimeoutError):
                other.recv(100)


@pytest.mark.slow
def test_several_labs_at_once(tmp_path: Path) -> None:
    """Labs with the same addresses do not reach each other."""
    plan = plan_of(Home(number=0, viewers=(0,), kind="symmetric"), default_impairment=Impairment(delay=0.005))
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    with Lab(plan, folders[0]) as one, Lab(plan, folders[1]) as other:
        assert one.viewer(0).address == other.viewer(0).address
        assert not {n.identity for n in one.namespaces} & {n.identity for n in other.namespaces}
        for lab in (one, other):
            assert round_trip(lab.viewer(0), lab.server("server"), 3) >= 0.01
        carried = other.report().packets
        round_trip(one.viewer(0), one.server("server"), 3)
        assert other.report().packets == carried
