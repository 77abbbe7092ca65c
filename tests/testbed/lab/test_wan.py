"""WAN between two nodes: destinations, delay, loss, jitter, and its report."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from p2psim.testbed.lab.blueprint import Impairment
from p2psim.testbed.lab.wan import Wan, WanPlan

A, B = "198.18.0.1", "198.18.0.2"
HOME6 = "2001:db8:0:5::"


def packet(to: str, payload: bytes = b"") -> bytes:
    address = ip_address(to)
    if address.version == 4:
        return bytes([0x45]) + bytes(15) + address.packed + payload
    return bytes([0x60]) + bytes(23) + address.packed + payload


@contextmanager
def two_nodes(impairment: Impairment) -> Iterator[tuple[Wan, list[socket.socket]]]:
    """Two nodes with an impairment between them; the sockets stand for their devices."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
    ours, theirs = [ours for ours, _ in pairs], [theirs for _, theirs in pairs]
    for one in (*ours, *theirs):
        one.setblocking(False)
    plan = WanPlan(
        files=[one.fileno() for one in theirs],
        addresses={
            ip_address(A).packed.hex(): 0,
            ip_address(B).packed.hex(): 1,
            ip_address(HOME6).packed[:8].hex(): 1,
        },
        impairments=[[impairment] * 2] * 2,
    )
    try:
        yield Wan(plan), ours
    finally:
        for one in (*ours, *theirs):
            one.close()


def run(wan: Wan, count: int, limit: float = 10.0) -> None:
    """Run until `count` packets were delivered or dropped."""
    end = time.monotonic() + limit
    while wan.report.packets + wan.report.lost + wan.report.homeless + wan.report.overflown < count:
        assert time.monotonic() < end
        wan.step()


@pytest.mark.parametrize("to", [B, f"{HOME6}77"])
def test_packets_go_to_the_node_of_their_address(to: str) -> None:
    with two_nodes(Impairment()) as (wan, (a, b)):
        a.send(packet(to, b"hello"))
        run(wan, 1)
        assert b.recv(100) == packet(to, b"hello")


def test_packets_to_unknown_addresses_are_dropped() -> None:
    with two_nodes(Impairment()) as (wan, (a, _)):
        a.send(packet("10.0.0.1"))
        run(wan, 1)
        assert wan.report.homeless == 1


def test_a_packet_to_the_own_address_comes_back() -> None:
    with two_nodes(Impairment()) as (wan, (a, _)):
        a.send(packet(A))
        run(wan, 1)
        assert a.recv(100) == packet(A)


def test_packets_are_delayed_and_keep_their_order() -> None:
    with two_nodes(Impairment(delay=0.05)) as (wan, (a, b)):
        began = time.monotonic()
        for number in range(20):
            a.send(packet(B, bytes([number])))
        run(wan, 20)
        assert time.monotonic() - began >= 0.05
        assert [b.recv(100)[-1] for _ in range(20)] == list(range(20))


def test_the_share_of_lost_packets_is_that_of_the_plan() -> None:
    with two_nodes(Impairment(loss=0.3)) as (wan, (a, b)):
        for _ in range(50):
            for _ in range(20):
                a.send(packet(B))
            run(wan, wan.report.packets + wan.report.lost + 20)
            for _ in range(wan.report.packets):
                try:
                    b.recv(100)
                except BlockingIOError:
                    break
        assert wan.report.packets + wan.report.lost == 1000
        assert 250 < wan.report.lost < 350  # 3.4 standard deviations


def test_jitter_spreads_delays() -> None:
    with two_nodes(Impairment(delay=0.02, jitter=0.01)) as (wan, (a, b)):
        for number in range(50):
            a.send(packet(B, bytes([number])))
        run(wan, 50)
        received = [b.recv(100)[-1] for _ in range(50)]
        assert sorted(received) == list(range(50))
        assert received != list(range(50))


def test_late_packets_are_counted() -> None:
    with two_nodes(Impairment(delay=0.001)) as (wan, (a, _)):
        a.send(packet(B))
        wan.step()  # reads the packet
        time.sleep(0.02)
        run(wan, 1)
        assert wan.report.late == 1
        assert wan.report.latest > 0.01


def test_a_message_on_another_file_ends_the_step() -> None:
    with two_nodes(Impairment()) as (wan, _):
        one, other = socket.socketpair()
        with one, other:
            other.send(b"?")
            assert wan.step([one.fileno()])
