"""Kinds of NAT: the one table of their names and rules, from which simulator, lab, presets and documentation derive.

Mapping and filtering are those of RFC 4787: endpoint-independent (EI), address-dependent (AD), or address-and-port-
dependent (APD). A kind has its name from RFC 3489 where that has one, else it is mapping/filtering. To add a kind, add
a row at the end: populations refer to rows by their number. `p2psim.network.nat` decides who connects,
`p2psim.testbed.lab` builds it.
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["BLOCKED", "KINDS", "NAT_KINDS", "PUBLIC", "Dependence", "NatKind"]

Dependence = Literal["EI", "AD", "APD"]
"""What a mapping or a filter depends on: nothing, the address of the other end, its address and port (RFC 4787)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NatKind:
    """A kind of NAT."""

    name: str
    mapping: Dependence
    filtering: Dependence
    description: str
    translates: bool = True
    blocks_udp: bool = False


PUBLIC = "public"
"""The kind that has no NAT."""
BLOCKED = "blocked"
"""The kind that lets no UDP through."""

KINDS = (
    NatKind(
        name=PUBLIC, mapping="EI", filtering="EI", translates=False,
        description="no NAT: a public address, reachable for everybody",
    ),
    NatKind(
        name="full-cone", mapping="EI", filtering="EI",
        description="one port for all; lets in whoever knows it",
    ),
    NatKind(
        name="restricted", mapping="EI", filtering="AD",
        description="one port for all; lets in addresses that were spoken to",
    ),
    NatKind(
        name="port-restricted", mapping="EI", filtering="APD",
        description="one port for all; lets in addresses and ports that were spoken to: most home routers",
    ),
    NatKind(
        name="symmetric", mapping="APD", filtering="APD",
        description="a port of its own for each address and port that is spoken to, and lets in nobody else",
    ),
    NatKind(
        name=BLOCKED, mapping="EI", filtering="APD", blocks_udp=True,
        description="no UDP at all: connects to nobody but through a relay over TCP",
    ),
    NatKind(
        name="AD/EI", mapping="AD", filtering="EI",
        description="a port for each address that is spoken to; lets in whoever knows it",
    ),
    NatKind(
        name="AD/AD", mapping="AD", filtering="AD",
        description="a port for each address that is spoken to; lets in addresses that were spoken to",
    ),
    NatKind(
        name="AD/APD", mapping="AD", filtering="APD",
        description="a port for each address that is spoken to; lets in addresses and ports that were spoken to",
    ),
    NatKind(
        name="APD/EI", mapping="APD", filtering="EI",
        description="a port for each address and port that is spoken to; lets in whoever knows it",
    ),
    NatKind(
        name="APD/AD", mapping="APD", filtering="AD",
        description="a port for each address and port that is spoken to; lets in addresses that were spoken to",
    ),
)  # fmt: skip

NAT_KINDS = tuple(kind.name for kind in KINDS)
"""Names of the kinds, in the order in which populations number them."""
