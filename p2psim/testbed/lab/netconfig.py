"""Devices, addresses, routes and rates of the lab as batches for ``ip`` and ``tc``, by pure functions.

Every namespace is attached to the WAN, or to the next router, by a device called `wan`. Rates are enforced by token
buckets: an uplink where packets leave the home, a downlink where they enter its LAN, so that viewers of a home share
both.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from p2psim.testbed.lab.blueprint import Carrier, Home, Server

__all__ = [
    "KERNEL",
    "carrier_commands",
    "home_commands",
    "port_range",
    "rate_change_command",
    "rate_commands",
    "server_commands",
    "viewer_commands",
]

KERNEL: Final = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
    "ipv6/conf/all/disable_ipv6": "0",
    "ipv6/conf/default/disable_ipv6": "0",
    "ipv6/conf/all/forwarding": "1",
    "bridge/bridge-nf-call-iptables": "0",
    "bridge/bridge-nf-call-ip6tables": "0",
}
"""Kernel parameters of a router; frames between viewers of one LAN do not pass its firewall."""

_CARRIER_SIDE: Final = "100.127.255.254"
_ETHERNET: Final = 14
_LEAST_BURST: Final = 3_200
_BURST_TIME: Final = 0.004
_QUEUE_TIME: Final = 0.1
_LEAST_QUEUE: Final = 45_000


def home_commands(home: Home, viewers: Mapping[int, str]) -> str:
    """Return the commands for the router of a home; `viewers`: number → path of the namespace."""
    lines = [
        "link set lo up",
        "link add name lan type bridge",
        f"addr add {home.gateway}/24 dev lan",
        "link set lan up",
        "link set wan up",
        "route add default dev wan" if home.carrier is None else _carrier_route(home),
    ]
    if home.ipv6:
        lines += [f"addr add {home.prefix}1/64 dev lan nodad"]
        lines += ["route add ::/0 dev wan" if home.carrier is None else "route add ::/0 via fe80::1 dev wan"]
    for index, (viewer, path) in enumerate(viewers.items()):
        lines += [
            f"link add name l{index} type veth peer name e0 netns {path}",
            f"link set l{index} master lan",
            f"link set l{index} type bridge_slave isolated {'off' if home.is_lan_open else 'on'}",
            f"link set l{index} up",
        ]
        if not home.is_translated and home.carrier is None:
            lines.append(f"route add {home.viewer_address(viewer)}/32 dev lan")
    return _batch(lines)


def _carrier_route(home: Home) -> str:
    lines = [f"addr add {home.transit}/32 dev wan", f"route add default via {_CARRIER_SIDE} dev wan onlink"]
    return "\n".join([*lines, "addr add fe80::2/64 dev wan nodad"] if home.ipv6 else lines)


def viewer_commands(home: Home, viewer: int) -> str:
    """Return the commands for the host of a viewer."""
    address = home.viewer_address(viewer)
    is_public = not home.is_translated and home.carrier is None
    lines = [
        "link set lo up",
        f"addr add {address}/{32 if is_public else 24} dev e0",
        "link set e0 up",
        f"route add default via {home.gateway} dev e0 onlink",
    ]
    if home.ipv6:
        lines += [
            f"addr add {home.viewer_address6(viewer)}/64 dev e0 nodad",
            f"route add ::/0 via {home.prefix}1 dev e0",
        ]
    return _batch(lines)


def carrier_commands(carrier: Carrier, homes: Mapping[Home, str]) -> str:
    """Return the commands for a carrier; `homes`: its homes → paths of their routers' namespaces."""
    del carrier
    lines = ["link set lo up", "link set wan up", "route add default dev wan"]
    if any(home.ipv6 for home in homes):
        lines.append("route add ::/0 dev wan")
    for home, path in homes.items():
        device = f"h{home.number}"
        lines += [
            f"link add name {device} type veth peer name wan netns {path}",
            f"addr add {_CARRIER_SIDE}/32 dev {device}",
            f"link set {device} up",
            f"route add {home.address}/32 via {home.transit} dev {device} onlink",
        ]
        if not home.is_translated:
            lines.append(f"route add {home.gateway.rpartition('.')[0]}.0/24 via {home.transit} dev {device} onlink")
        if home.ipv6:
            lines += [
                f"addr add fe80::1/64 dev {device} nodad",
                f"route add {home.prefix}/64 via fe80::2 dev {device}",
            ]
    return _batch(lines)


def server_commands(server: Server) -> str:
    """Return the commands for a server."""
    addresses = [f"addr add {address}/32 dev wan" for address in server.addresses]
    return _batch(["link set lo up", *addresses, "link set wan up", "route add default dev wan"])


def rate_commands(limits: Mapping[str, float], *, ethernet: Collection[str] = ()) -> str:
    """Return the commands for token buckets of devices: name → rate, bytes/s of IP; unlimited ones have none."""
    return _batch(
        [
            f"qdisc add dev {name} root {_bucket(rate, is_ethernet=name in ethernet)}"
            for name, rate in limits.items()
            if not math.isinf(rate)
        ]
    )


def rate_change_command(device: str, rate: float, *, is_ethernet: bool = False) -> str:
    """Return the command for another rate of a device."""
    discipline = "pfifo_fast" if math.isinf(rate) else _bucket(rate, is_ethernet=is_ethernet)
    return _batch([f"qdisc replace dev {device} root {discipline}"])


def _bucket(rate: float, *, is_ethernet: bool) -> str:
    """Return a token bucket with a queue of a tenth of a second; Ethernet headers do not count."""
    stab = f"stab overhead -{_ETHERNET} " if is_ethernet else ""
    burst = max(_LEAST_BURST, round(rate * _BURST_TIME))
    return f"{stab}tbf rate {round(rate)}bps burst {burst} limit {max(_LEAST_QUEUE, round(rate * _QUEUE_TIME))}"


def port_range(index: int, count: int) -> str:
    """Return the range of local ports of host `index` out of `count`.

    Ranges do not overlap, so that ports of two hosts do not collide in a NAT that keeps ports.
    """
    first, last = 10_000, 65_000
    share = (last - first) // max(count, 1)
    return f"{first + index * share} {first + (index + 1) * share - 1}"


def _batch(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n" if lines else ""
