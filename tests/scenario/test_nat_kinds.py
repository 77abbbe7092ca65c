"""Kinds of NAT: one table, from which everything else derives."""

import ast
from pathlib import Path

import pytest

from p2psim.errors import ScenarioError
from p2psim.scenario import presets
from p2psim.scenario.nat_kinds import BLOCKED, KINDS, NAT_KINDS, PUBLIC
from tests.edited import run_edited

ROOT = Path(__file__).parents[2]
# a default of a field, and the cases of a test program: choices among the kinds, which do not describe them
USED = {"p2psim/scenario/geography.py", "p2psim/testbed/lab/nat_matrix.py"}


def test_names_are_those_of_rfc_3489_or_mapping_and_filtering() -> None:
    assert len(set(NAT_KINDS)) == len(NAT_KINDS)
    for kind in KINDS:
        if "/" in kind.name:
            assert kind.name == f"{kind.mapping}/{kind.filtering}"
    assert [kind.name for kind in KINDS if not kind.translates] == [PUBLIC]
    assert [kind.name for kind in KINDS if kind.blocks_udp] == [BLOCKED]


def test_all_nine_rules_of_rfc_4787_are_there() -> None:
    rules = {(kind.mapping, kind.filtering) for kind in KINDS if kind.translates and not kind.blocks_udp}
    assert len(rules) == 9


def test_no_other_module_lists_kinds() -> None:
    names = {name for name in NAT_KINDS if name not in (PUBLIC, BLOCKED, "restricted")}  # words of other meanings too
    for path in sorted(ROOT.glob("p2psim/**/*.py")):
        text = path.read_text()
        constants = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
        named = str(path.relative_to(ROOT))
        if named not in USED | {"p2psim/scenario/nat_kinds.py"}:
            assert not names & constants, named


ADDED = """
NatKind(name="by-the-hour", mapping="AD", filtering="APD", description="a kind of one's own"),
)  # fmt: skip
"""
PROGRAM = """
import numpy as np
from p2psim.network.nat import BLOCKED, PUBLIC, connects, reachability, twice_translated
from p2psim.scenario import NAT_KINDS, Scenario, populate
from p2psim.scenario.reference import reference
from p2psim.testbed.lab.blueprint import blueprint, translation
from p2psim.testbed.lab.nat_matrix import kinds_plan

own, like = NAT_KINDS.index("by-the-hour"), NAT_KINDS.index("AD/APD")
assert own == len(NAT_KINDS) - 1
table = reachability()
assert table.shape == (own + 1, own + 1)
assert (table[own] == table[like]).all() and table[own].any()
assert twice_translated(own, PUBLIC) == own and twice_translated(own, BLOCKED) == BLOCKED
assert twice_translated(own, own) == like
scenario = Scenario().replace({"nat.shares": {"by-the-hour": 1.0}, "viewers.count": 4})
people = populate(scenario, 1)
assert set(people.nat_names) == {"by-the-hour"}
assert {home.kind for home in blueprint(scenario, people, 1).homes} == {"by-the-hour"}
record = translation("by-the-hour")
assert (record.mapping, record.filtering, record.blocks_udp) == ("AD", "APD", False)
assert len(kinds_plan()[1]) == (own + 1) * (own + 2) // 2
assert "| `by-the-hour` | AD, APD | a kind of one's own |" in reference()
"""


@pytest.mark.slow
def test_a_row_is_all_that_a_new_kind_needs(tmp_path: Path) -> None:
    run_edited(tmp_path, {"p2psim/scenario/nat_kinds.py": (")  # fmt: skip\n", ADDED)}, PROGRAM)


def test_a_mix_with_an_unknown_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "read_presets", lambda _: {"mine": {"symetric": 1.0}})
    presets.nat_mixes.cache_clear()
    with pytest.raises(
        ScenarioError, match=r"nat\.toml: mine\.symetric: no such kind of NAT; did you mean 'symmetric'"
    ):
        presets.nat_mixes()
    presets.nat_mixes.cache_clear()
