"""Commands for devices, addresses, routes and rates of the lab."""

import itertools
import math

from p2psim.testbed.lab.blueprint import Carrier, Home, Server
from p2psim.testbed.lab.netconfig import (
    carrier_commands,
    home_commands,
    port_range,
    rate_change_command,
    rate_commands,
    server_commands,
    viewer_commands,
)


def test_a_server() -> None:
    server = Server(name="relay", addresses=("203.0.113.1", "203.0.113.2"))
    assert server_commands(server).splitlines() == [
        "link set lo up",
        "addr add 203.0.113.1/32 dev wan",
        "addr add 203.0.113.2/32 dev wan",
        "link set wan up",
        "route add default dev wan",
    ]


def test_a_home_with_two_viewers() -> None:
    text = home_commands(Home(number=1, viewers=(4, 9), kind="symmetric"), {4: "/ns/4", 9: "/ns/9"})
    assert "link add name l0 type veth peer name e0 netns /ns/4" in text
    assert "link add name l1 type veth peer name e0 netns /ns/9" in text
    assert "addr add 10.0.1.1/24 dev lan" in text
    assert "isolated off" in text
    assert "isolated on" not in text
    assert "2001:" not in text


def test_viewers_who_do_not_reach_each_other_are_isolated() -> None:
    text = home_commands(Home(number=1, viewers=(4, 9), is_lan_open=False), {4: "/ns/4", 9: "/ns/9"})
    assert text.count("isolated on") == 2


def test_a_public_viewer_has_a_route() -> None:
    home = Home(number=1, viewers=(4,))
    assert "route add 198.19.0.5/32 dev lan" in home_commands(home, {4: "/ns/4"})
    assert "addr add 198.19.0.5/32 dev e0" in viewer_commands(home, 4)


def test_a_home_behind_nat_may_have_ipv6() -> None:
    home = Home(number=1, viewers=(4,), kind="symmetric", ipv6=True)
    assert "addr add 2001:db8:0:2::1/64 dev lan nodad" in home_commands(home, {4: "/ns/4"})
    assert "route add ::/0 via 2001:db8:0:2::1 dev e0" in viewer_commands(home, 4)


def test_a_carrier_and_its_homes() -> None:
    home = Home(number=1, viewers=(4,), kind="symmetric", carrier=0, ipv6=True)
    text = carrier_commands(Carrier(number=0, kind="symmetric"), {home: "/ns/home"})
    assert "link add name h1 type veth peer name wan netns /ns/home" in text
    assert "route add 100.64.0.2/32 via 100.96.0.2 dev h1 onlink" in text
    assert "route add 2001:db8:0:2::/64 via fe80::2 dev h1" in text
    assert "route add default via 100.127.255.254 dev wan onlink" in home_commands(home, {4: "/ns/4"})


def test_only_limited_rates_have_a_token_bucket() -> None:
    assert rate_commands({"wan": math.inf}) == ""
    assert rate_commands({"wan": 125_000.0, "lan": math.inf}) == (
        "qdisc add dev wan root tbf rate 125000bps burst 3200 limit 45000\n"
    )


def test_ethernet_headers_do_not_count() -> None:
    assert "stab overhead -14 tbf" in rate_commands({"lan": 1e6}, ethernet=["lan"])


def test_queues_and_bursts_grow_with_the_rate() -> None:
    assert rate_commands({"wan": 12.5e6}).endswith("tbf rate 12500000bps burst 50000 limit 1250000\n")


def test_a_rate_can_be_changed_and_removed() -> None:
    assert rate_change_command("wan", 50_000.0).startswith("qdisc replace dev wan root tbf rate 50000bps")
    assert rate_change_command("wan", math.inf) == "qdisc replace dev wan root pfifo_fast\n"


def test_port_ranges_do_not_overlap() -> None:
    ranges = [tuple(map(int, port_range(place, 60).split())) for place in range(60)]
    assert all(low < high for low, high in ranges)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(ranges))
    assert ranges[-1][1] < 65_536
