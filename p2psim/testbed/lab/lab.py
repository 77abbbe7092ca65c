"""Lab: the hosts of a blueprint as network namespaces, with routers, NATs and links between them.

::

    with Lab(plan, folder) as lab:
        with lab.viewer(3).namespace:       # processes and sockets in here are on the host of viewer 3
            ...
        lab.viewer(3).set_uplink(50_000.0)

Nothing of a lab has a name outside this process, so any number of labs can run at the same time, and nothing is left
however the process ends (see `p2psim.testbed.lab.namespace`). `p2psim.testbed.lab.capabilities` checks the machine.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from p2psim.testbed.lab.blueprint import Blueprint, Home, Server, translation
from p2psim.testbed.lab.capabilities import check_lab
from p2psim.testbed.lab.namespace import Namespace
from p2psim.testbed.lab.nat_rules import firewall6_rules, nat_rules
from p2psim.testbed.lab.netconfig import (
    KERNEL,
    carrier_commands,
    home_commands,
    port_range,
    rate_change_command,
    rate_commands,
    server_commands,
    viewer_commands,
)
from p2psim.testbed.lab.wan import Report, WanPlan
from p2psim.testbed.processes import ChildProcess

__all__ = ["Counters", "Host", "Lab"]

_START_TIMEOUT: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Bytes that a device has sent and received, as the kernel counts them."""

    sent: int
    received: int


class Host:
    """Host of the lab: a server or the machine of a viewer."""

    def __init__(
        self, namespace: Namespace, addresses: Iterable[str], router: Namespace, home: Home | None = None
    ) -> None:
        self.namespace = namespace
        self.addresses = tuple(addresses)
        """Its addresses; the first is IPv4."""
        self.router = router
        """Namespace with its access link: its home's router, or itself if it is a server."""
        self.home = home

    @property
    def address(self) -> str:
        """IPv4 address."""
        return self.addresses[0]

    def set_uplink(self, rate: float) -> None:
        """Change the rate of the uplink of its home, or of the server, bytes/s; connections stay open."""
        is_ethernet = self.home is not None and self.home.carrier is not None
        self.router.run(["tc", "-batch", "-"], rate_change_command("wan", rate, is_ethernet=is_ethernet))

    def set_downlink(self, rate: float) -> None:
        """Change the rate of the downlink of its home, bytes/s.

        Raises
        ------
        ValueError
            It is a server.
        """
        if self.home is None:
            raise ValueError(f"{self.namespace.label} is a server: its downlink has no limit")
        self.router.run(["tc", "-batch", "-"], rate_change_command("lan", rate, is_ethernet=True))

    @property
    def counters(self) -> Counters:
        """Counters of its own device."""
        return _counters(self.namespace, "wan" if self.home is None else "e0")

    @property
    def link_counters(self) -> Counters:
        """Counters of its home's access link."""
        return _counters(self.router, "wan")


class Lab:
    """Lab of a blueprint, built on entering and removed on leaving; `folder` is for the logs."""

    def __init__(self, plan: Blueprint, folder: Path, *, seed: int = 1) -> None:
        self.plan = plan
        self._folder, self._seed = folder, seed
        self._stack = ExitStack()
        self._viewers: dict[int, Host] = {}
        self._servers: dict[str, Host] = {}
        self._routers: dict[int, Namespace] = {}
        self._carriers: dict[int, Namespace] = {}
        self._devices: dict[str, int] = {}
        self._wan: ChildProcess | None = None

    def __enter__(self) -> Self:
        check_lab()
        try:
            self._build()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # -- hosts --------------------------------------------------------------------------------------------------

    def viewer(self, number: int) -> Host:
        """Return the host of a viewer."""
        return self._viewers[number]

    def server(self, name: str) -> Host:
        """Return the host of a server."""
        return self._servers[name]

    def router(self, home: int) -> Namespace:
        """Return the namespace of the router of a home."""
        return self._routers[home]

    def carrier(self, number: int) -> Namespace:
        """Return the namespace of the NAT of a carrier."""
        return self._carriers[number]

    @property
    def namespaces(self) -> list[Namespace]:
        """Namespaces of all hosts, routers and carriers."""
        hosts = [host.namespace for host in (*self._viewers.values(), *self._servers.values())]
        return [*hosts, *self._routers.values(), *self._carriers.values()]

    def report(self) -> Report:
        """Return the report of the WAN's process."""
        if self._wan is None:
            raise RuntimeError("the lab has not been built")
        self._wan.send(b"?")
        return msgspec.convert(self._wan.receive(_START_TIMEOUT), Report)

    # -- building -----------------------------------------------------------------------------------------------

    def _build(self) -> None:
        plan = self.plan
        for server in plan.servers:
            self._build_server(server)
        for home in plan.homes:
            self._build_router(home)
        for carrier in plan.carriers:
            self._build_carrier(carrier.number)
        for home in plan.homes:
            self._configure_router(home)
        self._start_wan()

    def _namespace(self, label: str, *, routes: bool) -> Namespace:
        namespace = Namespace(label)
        self._stack.callback(namespace.close)
        namespace.set_kernel(KERNEL if routes else {k: v for k, v in KERNEL.items() if "forward" not in k})
        return namespace

    def _attach_to_wan(self, namespace: Namespace, node: str) -> None:
        self._devices[node] = namespace.open_tun("wan")

    def _build_server(self, server: Server) -> None:
        namespace = self._namespace(server.name, routes=False)
        self._attach_to_wan(namespace, server.name)
        namespace.run(["ip", "-batch", "-"], server_commands(server))
        self._set_rates(namespace, {"wan": server.uplink})
        self._servers[server.name] = Host(namespace, server.addresses, namespace)

    def _build_router(self, home: Home) -> None:
        router = self._namespace(f"home-{home.number}", routes=True)
        self._routers[home.number] = router
        if home.carrier is None:
            self._attach_to_wan(router, self.plan.node_of(home))

    def _build_carrier(self, number: int) -> None:
        carrier = self.plan.carriers[[carrier.number for carrier in self.plan.carriers].index(number)]
        namespace = self._namespace(f"carrier-{number}", routes=True)
        self._attach_to_wan(namespace, f"carrier-{number}")
        homes = {home: self._routers[home.number].path for home in self.plan.homes if home.carrier == number}
        namespace.run(["ip", "-batch", "-"], carrier_commands(carrier, homes))
        nat = translation(carrier.kind)
        if nat is not None:
            rules = nat_rules(nat, carrier.address, hairpin=carrier.hairpin, isolates=True)
            namespace.run(["nft", "-f", "-"], rules)
        self._carriers[number] = namespace

    def _configure_router(self, home: Home) -> None:
        router = self._routers[home.number]
        paths: dict[int, str] = {}
        for viewer in home.viewers:
            namespace = self._namespace(f"viewer-{viewer}", routes=False)
            namespace.set_kernel({"ipv4/ip_local_port_range": self._ports(viewer)})
            addresses = [home.viewer_address(viewer), *([home.viewer_address6(viewer)] if home.ipv6 else [])]
            self._viewers[viewer] = Host(namespace, addresses, router, home)
            paths[viewer] = namespace.path
        if home.carrier is not None:
            router.run(["ip", "-batch", "-"], "link set wan up\n")
        router.run(["ip", "-batch", "-"], home_commands(home, paths))
        for viewer in home.viewers:
            self._viewers[viewer].namespace.run(["ip", "-batch", "-"], viewer_commands(home, viewer))
        link, nat = home.link, translation(home.kind)
        self._set_rates(router, {"wan": link.uplink, "lan": link.downlink}, is_veth=home.carrier is not None)
        rules = nat_rules(nat, home.address, hairpin=home.hairpin) if nat is not None else ""
        if home.ipv6:
            rules += firewall6_rules(blocks_udp=nat is not None and nat.blocks_udp)
        if rules:
            router.run(["nft", "-f", "-"], rules)

    def _ports(self, viewer: int) -> str:
        viewers = [number for home in self.plan.homes for number in home.viewers]
        return port_range(viewers.index(viewer), len(viewers))

    @staticmethod
    def _set_rates(namespace: Namespace, limits: dict[str, float], *, is_veth: bool = False) -> None:
        batch = rate_commands(limits, ethernet=("lan", "wan") if is_veth else ("lan",))
        if batch:
            namespace.run(["tc", "-batch", "-"], batch)

    def _start_wan(self) -> None:
        plan, nodes = self.plan, self.plan.nodes
        files = [self._devices[node] for node in nodes]
        wan_plan = WanPlan(
            files=files,
            addresses=_addresses(plan),
            impairments=[[plan.between(a, b) for b in nodes] for a in nodes],
            seed=self._seed,
        )
        child = ChildProcess("wan", ["-m", "p2psim.testbed.lab.wan"], self._folder, files=files)
        self._wan = self._stack.enter_context(child)
        self._wan.send(msgspec.json.encode(wan_plan))
        self._wan.receive(_START_TIMEOUT)


def _addresses(plan: Blueprint) -> dict[str, int]:
    """Return the number of the node of each address on the WAN, in hexadecimal digits."""
    numbers = {node: number for number, node in enumerate(plan.nodes)}
    owners = {address: server.name for server in plan.servers for address in server.addresses}
    owners |= {carrier.address: f"carrier-{carrier.number}" for carrier in plan.carriers}
    digits = {ip_address(address).packed.hex(): numbers[node] for address, node in owners.items()}
    for home in plan.homes:
        node = numbers[plan.node_of(home)]
        public = [home.address] if home.is_translated else [home.viewer_address(viewer) for viewer in home.viewers]
        if home.carrier is None:
            digits |= {ip_address(address).packed.hex(): node for address in public}
        if home.ipv6:
            digits[ip_address(home.prefix).packed[:8].hex()] = node
    return digits


def _counters(namespace: Namespace, device: str) -> Counters:
    with namespace:
        lines = Path("/proc/thread-self/net/dev").read_text(encoding="ascii").splitlines()
    fields = next(line.partition(":")[2].split() for line in lines if line.strip().startswith(f"{device}:"))
    return Counters(sent=int(fields[8]), received=int(fields[0]))
