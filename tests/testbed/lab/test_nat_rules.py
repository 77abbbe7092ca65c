"""NAT rules for nftables: their text for each behaviour, and that nft accepts them."""

import pytest

from p2psim.scenario.nat_kinds import NAT_KINDS, Dependence
from p2psim.testbed.lab.blueprint import Translation, translation
from p2psim.testbed.lab.namespace import Namespace
from p2psim.testbed.lab.nat_rules import firewall6_rules, nat_rules

ADDRESS = "198.18.0.7"
ALL: tuple[Dependence, ...] = ("EI", "AD", "APD")


def rules(
    mapping: Dependence = "EI",
    filtering: Dependence = "APD",
    *,
    hairpin: bool = False,
    isolates: bool = False,
    blocks_udp: bool = False,
) -> str:
    nat = Translation(mapping=mapping, filtering=filtering, blocks_udp=blocks_udp)
    return nat_rules(nat, ADDRESS, hairpin=hairpin, isolates=isolates)


def test_the_whole_table_of_a_port_restricted_nat() -> None:
    assert rules() == (
        "table ip nat {\n"
        " chain forward {\n"
        "  type filter hook forward priority 0;\n"
        '  iifname != "wan" ip daddr 198.18.0.7 drop\n'
        '  iifname "wan" ct state established,related accept\n'
        '  iifname "wan" drop\n'
        " }\n"
        " chain translate {\n"
        "  type nat hook postrouting priority 100;\n"
        '  oifname "wan" snat ip to 198.18.0.7\n'
        " }\n"
        "}\n"
    )


def test_mappings() -> None:
    assert "jhash ip saddr . udp sport . ip daddr mod" in rules("AD")
    assert 'oifname "wan" meta l4proto udp snat ip to 198.18.0.7 fully-random' in rules("APD")
    assert "jhash" not in rules("EI")
    assert "fully-random" not in rules("EI")


def test_filtering_decides_which_unknown_senders_come_in() -> None:
    assert "dnat ip to udp dport map @inside" in rules("EI", "EI")
    assert "@contacted" not in rules("EI", "EI")
    assert "ip daddr . udp dport . ip saddr != @contacted drop" in rules("EI", "AD")
    for mapping in ALL:
        assert "admit" not in rules(mapping, "APD")


def test_packets_of_unknown_senders_are_not_tracked_by_a_dependent_mapping() -> None:
    for mapping in ALL[1:]:
        assert "notrack" in rules(mapping, "EI")
        assert "dnat ip to" not in rules(mapping, "EI")


def test_udp_is_blocked_both_ways_before_anything_else() -> None:
    text = rules(blocks_udp=True)
    assert text.index('oifname "wan" meta l4proto udp drop') < text.index("accept")
    assert text.index('iifname "wan" meta l4proto udp drop') < text.index("accept")


def test_without_hairpinning_packets_to_the_own_address_are_dropped() -> None:
    assert "ip daddr 198.18.0.7 drop" in rules(hairpin=False)
    assert "ip daddr 198.18.0.7 drop" not in rules(hairpin=True)


def test_a_carrier_keeps_its_homes_apart() -> None:
    assert 'iifname != "wan" oifname != "wan" drop' in rules(isolates=True)
    assert 'iifname != "wan" oifname != "wan" drop' not in rules()


def test_firewall_of_ipv6() -> None:
    assert "udp drop" in firewall6_rules(blocks_udp=True)
    assert "udp drop" not in firewall6_rules(blocks_udp=False)


@pytest.mark.lab
@pytest.mark.parametrize("kind", [kind for kind in NAT_KINDS if kind != "public"])
def test_nft_accepts_the_rules(kind: str) -> None:
    nat = translation(kind)
    assert nat is not None
    namespace = Namespace("trial")
    try:
        namespace.run(["nft", "-f", "-"], nat_rules(nat, ADDRESS, hairpin=True) + firewall6_rules(blocks_udp=False))
        listed = namespace.run(["nft", "list", "ruleset"])
    finally:
        namespace.close()
    assert "table ip nat" in listed
    assert "table ip6 firewall" in listed
