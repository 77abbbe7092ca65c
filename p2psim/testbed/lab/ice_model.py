"""Model of ICE between two NATs with STUN alone, check by check; the rule in `p2psim.network.nat` is tested by it.

A port is represented by what it depends on: () for nothing, (host,) or (host, port). Each side sends checks to every
port of the other that it knows, learns the ports that checks come from (peer-reflexive candidates), and succeeds once
an answer comes from the port to which the check was sent (RFC 8445, 7.2.5.2.1).
"""

from dataclasses import dataclass, field
from typing import Final

from p2psim.scenario.nat_kinds import Dependence
from p2psim.testbed.lab.blueprint import Translation

__all__ = ["succeeds"]

_ROUNDS: Final = 6
"""After three rounds new ports do not help any more; where both mappings depend on ports, new ones never end."""
_STUN: Final = ("stun", ())

Port = tuple[object, ...]
Endpoint = tuple[str, Port]


def succeeds(one: Translation | None, other: Translation | None) -> bool:
    """Return whether two viewers behind given NATs (None: public) connect."""
    a, b = _Side("a", one or _PUBLIC), _Side("b", other or _PUBLIC)
    if a.nat.blocks_udp or b.nat.blocks_udp:
        return False
    a.known, b.known = {b.send(_STUN)}, {a.send(_STUN)}
    return any(_check(x, y) for _ in range(_ROUNDS) for x, y in ((a, b), (b, a)))


_PUBLIC: Final = Translation(mapping="EI", filtering="EI")


@dataclass(slots=True)
class _Side:
    name: str
    nat: Translation
    known: set[Port] = field(default_factory=set)
    """Ports of the other side."""
    sent: set[tuple[Port, Endpoint]] = field(default_factory=set)

    def send(self, to: Endpoint) -> Port:
        """Send a packet and return the port of the NAT from which it leaves."""
        port = _mapped(self.nat.mapping, to)
        self.sent.add((port, to))
        return port

    def admits(self, source: Endpoint, port: Port) -> bool:
        """Return whether the NAT lets in a packet to one of its ports."""
        match self.nat.filtering:
            case "EI":
                return any(opened == port for opened, _ in self.sent)
            case "AD":
                return any(to[0] == source[0] for _, to in self.sent)
            case _:
                return (port, source) in self.sent


def _check(sender: _Side, receiver: _Side) -> bool:
    """Send a check to every known port; return whether an answer comes from the port to which one was sent."""
    for port in sorted(sender.known, key=repr):
        source = sender.name, sender.send((receiver.name, port))
        if receiver.admits(source, port):
            receiver.known.add(source[1])
            if receiver.send(source) == port:
                return True
    return False


def _mapped(mapping: Dependence, to: Endpoint) -> Port:
    return {"EI": (), "AD": (to[0],), "APD": to}[mapping]
