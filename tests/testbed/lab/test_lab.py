"""A lab seen from inside: what was asked for is there, measured by instruments that know nothing of its rules."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from statistics import median

import pytest

from p2psim.scenario.nat_kinds import NAT_KINDS
from p2psim.testbed.lab.blueprint import Blueprint, Carrier, Home, Impairment, Link, Server, translation
from p2psim.testbed.lab.coturn import Relay, relay_server
from p2psim.testbed.lab.lab import Lab
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


def plan_of(*homes, carriers=(), servers=(SERVER,), **more):
    return Blueprint(homes=tuple(homes), carriers=tuple(carriers), servers=tuple(servers), **more)


def udp(host):
    with host.namespace:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((host.address, 0))
    one.settimeout(60.0)
    return one


class Echo(threading.Thread):
    """Sends back what it gets."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.socket = udp(host)

    def run(self):
        while (got := self.socket.recvfrom(2000))[0] != b"end":
            self.socket.sendto(*got)
        self.socket.close()


def round_trip(a, b, count=25):
    """Median, seconds."""
    echo = Echo(b)
    echo.start()
    found = []
    with udp(a) as one:
        target = echo.socket.getsockname()
        for number in range(count + 1):
            began = time.perf_counter()
            one.sendto(bytes([number]), target)
            assert one.recv(100) == bytes([number])
            found.append(time.perf_counter() - began)
        one.sendto(b"end", target)
    echo.join()
    return median(found[1:])  # the first finds the neighbours' addresses


def throughput(a, b, asked):
    """Bytes of IP per second that come through if half as many again are sent."""
    came = []
    with udp(b) as receiver:
        receiver.settimeout(2.0)
        with udp(a) as sender:
            target = opened(sender, receiver)
            thread = threading.Thread(target=receive, args=(receiver, came))
            thread.start()
            flood(sender, target, asked)
            thread.join()
    rest = came[len(came) // 3 :]  # before, the bucket was full
    return sum(size for size, _ in rest[1:]) / (rest[-1][1] - rest[0][1])


def opened(sender, receiver):
    """Where to send to: a receiver behind a NAT makes a hole first, one that speaks to a NAT cannot and need not."""
    if not sender.getsockname()[0].startswith("203."):
        return receiver.getsockname()
    receiver.sendto(b"hole", sender.getsockname())
    return sender.recvfrom(100)[1]


def receive(receiver, came):
    with suppress(TimeoutError):
        while True:
            came.append((len(receiver.recv(2000)) + HEADERS, time.monotonic()))


def flood(sender, target, asked, seconds=1.5):
    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        while sent < passed * asked * 1.5:
            sender.sendto(bytes(PAYLOAD), target)
            sent += PAYLOAD + HEADERS
        time.sleep(0.005)


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory):
    """A home of each kind, and some behind carriers, with a relay that tells them their addresses."""
    folder = tmp_path_factory.mktemp("nats")
    homes = [Home(number=number, viewers=(number,), kind=kind) for number, kind in enumerate(NAT_KINDS)]
    carriers = []
    for number, (inner, outer, _, _) in enumerate(LAYERS):
        place = len(homes)
        homes.append(Home(number=place, viewers=(place,), kind=inner, carrier=number))
        carriers.append(Carrier(number=number, kind=outer))
    plan = plan_of(*homes, carriers=carriers, servers=[relay_server()], default_impairment=Impairment(delay=0.005))
    with Lab(plan, folder) as lab, Relay(lab.server("relay"), folder) as relay:

        def ask(viewer):
            with lab.viewer(viewer).namespace:
                return discover(relay.discovery)

        with ThreadPoolExecutor(len(homes)) as pool:
            yield lab, list(pool.map(ask, range(len(homes))))


@pytest.mark.parametrize("kind", NAT_KINDS)
def test_behaviour_of_each_kind(nats, kind) -> None:
    """RFC 5780 discovery with coturn."""
    found = nats[1][NAT_KINDS.index(kind)]
    nat = translation(kind)
    if nat is None:
        assert found == Behaviour(has_udp=True, is_translated=False, mapping="EI", filtering="EI")
    elif nat.blocks_udp:
        assert not found.has_udp
    else:
        assert found == Behaviour(has_udp=True, is_translated=True, mapping=nat.mapping, filtering=nat.filtering)


@pytest.mark.parametrize("place", range(len(LAYERS)))
def test_behaviour_of_two_layers(nats, place) -> None:
    _, _, mapping, filtering = LAYERS[place]
    found = nats[1][len(NAT_KINDS) + place]
    assert (found.mapping, found.filtering) == (mapping, filtering)
    assert found.is_translated


def tracked_ports(lab, kind):
    """Of the kernel's own table: ports of the viewer → ports that the world sees, per flow to the relay."""
    with lab.router(NAT_KINDS.index(kind)):
        try:
            lines = Path("/proc/thread-self/net/nf_conntrack").read_text().splitlines()
        except FileNotFoundError:
            pytest.skip("this kernel does not show /proc/net/nf_conntrack")
    found: dict[str, set[str]] = {}
    for line in lines:
        words = [word.split("=") for word in line.split() if "=" in word]
        sources = [value for name, value in words if name == "sport"]
        targets = [value for name, value in words if name == "dport"]
        if " udp " in line:
            found.setdefault(sources[0], set()).add(targets[1])
    return found


def test_connection_tracking_agrees(nats) -> None:
    lab, _ = nats
    kept = tracked_ports(lab, "port-restricted")
    assert kept
    assert all(seen == {port} for port, seen in kept.items())
    assert max(len(seen) for seen in tracked_ports(lab, "symmetric").values()) >= 3
    assert max(len(seen) for seen in tracked_ports(lab, "AD/APD").values()) == 2


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory):
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


@pytest.mark.parametrize(("viewer", "asked"), [(0, 0.1), (1, 0.16), (2, 0.02)])
def test_round_trips(links, viewer, asked) -> None:
    found = round_trip(links.viewer(viewer), links.server("server"))
    assert asked <= found <= asked * (1 + TOLERANCE) + 0.001


@pytest.mark.parametrize("viewer", [0, 1, 2])
def test_uplinks(links, viewer) -> None:
    asked = links.plan.homes[viewer].link.uplink
    assert throughput(links.viewer(viewer), links.server("b"), asked) == pytest.approx(asked, rel=TOLERANCE)


@pytest.mark.parametrize("viewer", [0, 1, 2])
def test_downlinks(links, viewer) -> None:
    asked = links.plan.homes[viewer].link.downlink
    assert throughput(links.server("b"), links.viewer(viewer), asked) == pytest.approx(asked, rel=TOLERANCE)


def test_uplink_of_a_server(links) -> None:
    server, viewer = links.server("server"), links.viewer(3)
    assert throughput(server, viewer, 1e6) == pytest.approx(1e6, rel=TOLERANCE)


def test_a_rate_changes_while_it_runs(links) -> None:
    viewer = links.viewer(0)
    viewer.set_uplink(50_000.0)
    try:
        assert throughput(viewer, links.server("b"), 50_000.0) == pytest.approx(50_000.0, rel=TOLERANCE)
    finally:
        viewer.set_uplink(125_000.0)
    with pytest.raises(ValueError, match="server is a server"):
        links.server("server").set_downlink(1.0)


def test_counters_count_what_is_sent(links) -> None:
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
    assert size <= after[1].sent - before[1].sent <= size + 10 * 14 + 200  # Ethernet, and a question for an address
    assert after[2].received - before[2].received == size


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


def test_several_labs_at_once(tmp_path: Path) -> None:
    """The same addresses in each, and nothing gets across."""
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
