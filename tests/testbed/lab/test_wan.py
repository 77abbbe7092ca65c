import socket
import time
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from p2psim.testbed.lab.blueprint import Impairment
from p2psim.testbed.lab.wan import Wan, WanPlan

A, B = "198.18.0.1", "198.18.0.2"
HOME6 = "2001:db8:0:5::"


def packet(to, payload=b""):
    address = ip_address(to)
    if address.version == 4:
        return bytes([0x45]) + bytes(15) + address.packed + payload
    return bytes([0x60]) + bytes(23) + address.packed + payload


@contextmanager
def two_nodes(impairment):
    """Two places, and what comes out of them."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
    ours, theirs = zip(*pairs, strict=True)
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


def run(it, count, limit=10.0):
    """Turn until so many packets were taken care of."""
    end = time.monotonic() + limit
    while it.report.packets + it.report.lost + it.report.homeless + it.report.overflown < count:
        assert time.monotonic() < end
        it.step()


@pytest.mark.parametrize("to", [B, f"{HOME6}77"])
def test_packets_go_where_their_address_is(to) -> None:
    with two_nodes(Impairment()) as (it, (a, b)):
        a.send(packet(to, b"hello"))
        run(it, 1)
        assert b.recv(100) == packet(to, b"hello")


def test_packets_to_nobody_vanish() -> None:
    with two_nodes(Impairment()) as (it, (a, _)):
        a.send(packet("10.0.0.1"))
        run(it, 1)
        assert it.report.homeless == 1


def test_a_packet_to_oneself_comes_back() -> None:
    with two_nodes(Impairment()) as (it, (a, _)):
        a.send(packet(A))
        run(it, 1)
        assert a.recv(100) == packet(A)


def test_nothing_comes_before_its_time_and_order_is_kept() -> None:
    with two_nodes(Impairment(delay=0.05)) as (it, (a, b)):
        began = time.monotonic()
        for number in range(20):
            a.send(packet(B, bytes([number])))
        run(it, 20)
        assert time.monotonic() - began >= 0.05
        assert [b.recv(100)[-1] for _ in range(20)] == list(range(20))


def test_loss_is_as_asked() -> None:
    with two_nodes(Impairment(loss=0.3)) as (it, (a, b)):
        for _ in range(50):
            for _ in range(20):
                a.send(packet(B))
            run(it, it.report.packets + it.report.lost + 20)
            for _ in range(it.report.packets):
                try:
                    b.recv(100)
                except BlockingIOError:
                    break
        assert it.report.packets + it.report.lost == 1000
        assert 250 < it.report.lost < 350  # 3.4 standard deviations


def test_jitter_spreads_delays() -> None:
    with two_nodes(Impairment(delay=0.02, jitter=0.01)) as (it, (a, b)):
        for number in range(50):
            a.send(packet(B, bytes([number])))
        run(it, 50)
        came = [b.recv(100)[-1] for _ in range(50)]
        assert sorted(came) == list(range(50))
        assert came != list(range(50))


def test_what_is_delivered_late_is_counted() -> None:
    with two_nodes(Impairment(delay=0.001)) as (it, (a, _)):
        a.send(packet(B))
        it.step()  # takes it
        time.sleep(0.02)
        run(it, 1)
        assert it.report.late == 1
        assert it.report.latest > 0.01


def test_what_the_lab_sends_to_the_control_file_wakes_it() -> None:
    with two_nodes(Impairment()) as (it, _):
        one, other = socket.socketpair()
        with one, other:
            other.send(b"?")
            assert it.step([one.fileno()])
