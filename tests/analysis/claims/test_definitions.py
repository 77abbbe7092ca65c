"""Claims as data: what the file says, and what it may not say."""

import math
from pathlib import Path

import pytest

from p2psim.analysis.claims.definitions import agreement, load_claims, select
from p2psim.errors import InputError

CLAIM = """
schema = 1
[[claim]]
id = "X1"
statement = "words"
scenario = "c01-share"
metric = "p2p_ratio"
low = "50 %"
"""


def test_all_fourteen_claims_are_there() -> None:
    claims = load_claims()
    assert [claim.id for claim in claims] == [f"C{number}" for number in range(1, 15)]
    assert all(claim.statement and claim.cases for claim in claims)


def test_the_claimed_ranges_are_those_of_the_statements() -> None:
    claimed = {claim.id: (claim.cases[claim.base].low, claim.cases[claim.base].high) for claim in load_claims()}
    assert claimed["C1"] == (0.5, 0.7)
    assert claimed["C2"] == (3.0, math.inf)
    assert claimed["C3"] == (-math.inf, 0.1)
    assert claimed["C4"] == (0.4, 0.6)
    assert list(claimed["C5"]) == pytest.approx([0.95 * 250e6, 1.05 * 250e6])
    assert claimed["C6"] == (550e12, 650e12)
    assert claimed["C7"] == (0.3, 0.4)
    assert claimed["C8"] == (0.25, 0.5)
    assert claimed["C9"] == (0.5, 0.7)
    assert claimed["C12"] == (-math.inf, 0.2)


def test_only_sixty_percent_lies_in_all_of_them() -> None:
    assert agreement(load_claims()) == (0.6, 0.6)


def test_claims_without_a_common_saving_contradict() -> None:
    low, high = agreement([claim for claim in load_claims() if claim.id in ("C4", "C7")])
    assert (low, high) == (0.6, 0.6)


def test_varied_cases_carry_the_value_and_know_the_base() -> None:
    claim = load_claims()[0]
    assert [case.at for case in claim.cases][:6] == [8, 16, 24, 32, 40, 56]
    assert claim.cases[claim.base].at == 24
    assert [case.scenario.stream.live_latency for case in claim.cases][:6] == [8, 16, 24, 32, 40, 56]
    assert all(math.isnan(case.at) for case in claim.cases[6:])


def test_a_case_with_its_own_metric_has_its_own_interval() -> None:
    statistics, fallback = load_claims()[13].cases[1:3]
    assert (statistics.metric, statistics.low, statistics.high) == ("sample_interval", 1.9, 2.1)
    assert (fallback.metric, fallback.low, fallback.high) == ("added_stall_ratio", -math.inf, 0.001)


def test_the_base_of_a_claim_is_seen_by_the_claims_metric() -> None:
    for claim in load_claims():
        assert claim.cases[claim.base].source == "simulated", claim.id


def test_select() -> None:
    claims = load_claims()
    assert [claim.id for claim in select(claims, ["C9", "C1"])] == ["C1", "C9"]
    assert select(claims, []) == claims
    with pytest.raises(InputError, match="claim 'C99': accepted: C1"):
        select(claims, ["C99"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x", "not TOML"),
        ("schema = 3", "schema = 3"),
        (CLAIM.replace("metric", "metrik"), "no such key 'metrik'"),
        (CLAIM.replace('metric = "p2p_ratio"', ""), "metric is missing"),
        (CLAIM.replace("p2p_ratio", "joy"), "metric 'joy'"),
        (CLAIM.replace("50 %", "50 s"), "not a fraction"),
        (CLAIM.replace("c01-share", "c99"), "c99"),
        (CLAIM + '[[claim.case]]\nlabel = "a"\nchange = {}\n', "no such key 'change'"),
        (CLAIM + '[[claim.case]]\nlabel = "a"\nprices = "free"\n', "prices = 'free'"),
        (CLAIM + 'vary = { what = "a", field = "stream.live_latency" }', "X1: vary: values is missing"),
        (CLAIM + 'vary = { what = "a", feild = "stream.live_latency" }', "X1: vary: no such key 'feild'"),
        (
            CLAIM + 'vary = { what = "a", field = "stream.latncy", values = ["4 s", "8 s"] }',
            "did you mean 'live_latency'",
        ),
        (
            CLAIM + 'vary = { what = "a", field = "nat.mix", values = ["open", "mobile"] }',
            "nat.mix = 'open': a number is expected",
        ),
        (CLAIM + 'vary = { what = "a", field = "viewers.count", values = 3 }', "values = 3: a list of at least two"),
    ],
)
def test_refusals(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(text)
    with pytest.raises(InputError) as refusal:
        load_claims(path)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_claims(tmp_path / "none.toml")
