"""NAT rules for nftables: any mapping with any filtering of RFC 4787, by a pure function.

Mapping is source translation: endpoint-independent keeps the port of the viewer, address-dependent computes one from
the address that is spoken to, address-and-port-dependent lets the kernel draw one per flow. Filtering is what comes in
beside the answers that connection tracking lets in anyway.

A NAT whose mapping is independent binds a caller to the mapping that it came in by. One whose mapping is not, but
that lets strangers in, hands their packets on without keeping track of them: the reply is a flow of its own, and
leaves from the port that its mapping has for that stranger, as RFC 4787 has it.

The address of a NAT is no address of its router, which only passes on what is sent there: a packet from inside to
that address goes out, comes back from the world, and meets the same rules as any other. That is hairpinning.
"""

from typing import Final

from p2psim.testbed.lab.blueprint import Translation

__all__ = ["HASHED_PORTS", "firewall6_rules", "nat_rules"]

HASHED_PORTS: Final = (2_000, 60_000)
"""First and number of the ports of address-dependent mappings."""

_KEPT: Final = "flags dynamic,timeout; timeout 1h;"
_FROM_WORLD: Final = 'iifname "wan" meta l4proto udp'
_TO_WORLD: Final = 'oifname "wan" meta l4proto udp'


def nat_rules(nat: Translation, address: str, *, hairpin: bool, isolates: bool = False) -> str:
    """Return the table of a NAT with an address towards the device `wan`; `isolates` keeps the hosts inside apart."""
    strangers = nat.filtering != "APD" and not nat.blocks_udp
    chains = [_forward(nat, address, hairpin=hairpin, isolates=isolates), _translate(nat, address)]
    kept: list[str] = []
    if strangers:
        is_bound = nat.mapping == "EI"
        kept = _memory(nat, is_bound)
        chains += [_admit_bound() if is_bound else _admit_unbound(), _learn(nat, is_bound)]
    return "table ip nat {\n" + "\n".join([*kept, *chains]) + "\n}\n"


def firewall6_rules(*, blocks_udp: bool) -> str:
    """Return the table of a home's firewall for IPv6, which lets in answers alone."""
    rules = ["meta l4proto udp drop"] if blocks_udp else []
    rules += ['iifname "wan" ct state established,related accept', 'iifname "wan" drop']
    return f"table ip6 firewall {{\n{_chain('forward', 'filter hook forward priority 0', rules)}\n}}\n"


def _forward(nat: Translation, address: str, *, hairpin: bool, isolates: bool) -> str:
    rules = [f"{_TO_WORLD} drop", f"{_FROM_WORLD} drop"] if nat.blocks_udp else []
    if isolates:
        rules.append('iifname != "wan" oifname != "wan" drop')
    if not hairpin:
        rules.append(f'iifname != "wan" ip daddr {address} drop')
    rules.append('iifname "wan" ct state established,related accept')
    if nat.filtering == "AD":
        rules.append(f"{_FROM_WORLD} ip daddr . udp dport . ip saddr != @contacted drop")
    if nat.filtering != "APD":
        rules += ['iifname "wan" ct state untracked accept', 'iifname "wan" ct status dnat accept']
    rules.append('iifname "wan" drop')
    return _chain("forward", "filter hook forward priority 0", rules)


def _translate(nat: Translation, address: str) -> str:
    rules = []
    if nat.mapping == "AD":
        first, count = HASHED_PORTS
        port = f"jhash ip saddr . udp sport . ip daddr mod {count} seed 0x1 offset {first}"
        rules.append(f"{_TO_WORLD} snat ip to {address}:{port}")
    elif nat.mapping == "APD":
        rules.append(f"{_TO_WORLD} snat ip to {address} fully-random")
    rules.append(f'oifname "wan" snat ip to {address}')
    return _chain("translate", "nat hook postrouting priority 100", rules)


def _memory(nat: Translation, is_bound: bool) -> list[str]:
    kept = (
        [f"map inside {{ typeof udp dport : ip saddr . udp sport; {_KEPT} }}"]
        if is_bound
        else [
            f"map inside_address {{ typeof udp dport : ip daddr; {_KEPT} }}",
            f"map inside_port {{ typeof udp dport : udp dport; {_KEPT} }}",
            f"set flows {{ typeof udp dport . ip saddr . udp sport; {_KEPT} }}",
        ]
    )
    if nat.filtering == "AD":
        kept.append(f"set contacted {{ typeof ip daddr . udp dport . ip saddr; {_KEPT} }}")
    return [f" {line}" for line in kept]


def _admit_bound() -> str:
    """Translate packets of unknown senders to the viewer of their port; connection tracking translates the answers."""
    return _chain("admit", "nat hook prerouting priority -100", [f"{_FROM_WORLD} dnat ip to udp dport map @inside"])


def _admit_unbound() -> str:
    """Forward packets of unknown senders without connection tracking."""
    rule = (
        f"{_FROM_WORLD} udp dport . ip saddr . udp sport != @flows notrack"
        " ip daddr set udp dport map @inside_address udp dport set udp dport map @inside_port"
    )
    return _chain("admit", "filter hook prerouting priority -300", [rule])


def _learn(nat: Translation, is_bound: bool) -> str:
    """Remember, after translation, the viewer of each port, and the addresses to which it has sent."""
    begun = f"{_TO_WORLD} ct direction original"
    if is_bound:
        rules = [f"{begun} update @inside {{ udp sport : ct original ip saddr . ct original proto-src }}"]
    else:
        rules = [
            f"{begun} update @inside_address {{ udp sport : ct original ip saddr }}",
            f"{begun} update @inside_port {{ udp sport : ct original proto-src }}",
            f"{_TO_WORLD} update @flows {{ udp sport . ip daddr . udp dport }}",
        ]
    if nat.filtering == "AD":
        rules += [
            f"{begun} update @contacted {{ ct original ip saddr . ct original proto-src . ip daddr }}",
            f"{_TO_WORLD} ct direction reply update @contacted {{ ct reply ip saddr . ct reply proto-src . ip daddr }}",
        ]
    return _chain("learn", "filter hook postrouting priority 150", rules)


def _chain(name: str, hook: str, rules: list[str]) -> str:
    lines = "\n".join(f"  {rule}" for rule in rules)
    return f" chain {name} {{\n  type {hook};\n{lines}\n }}"
