from pathlib import Path

import pytest
from p2p_tracker.admission.access import HashRule, OriginRule, read_entries
from p2p_tracker.errors import OptionError

from tests.tracker.examples import OTHER_SWARM, SWARM

THIRD = "swarm-cccccccccccccc"


@pytest.mark.parametrize(
    ("allowed", "denied", "served"),
    [
        ([], [], {SWARM, OTHER_SWARM, THIRD}),
        ([SWARM], [], {SWARM}),
        ([], [SWARM], {OTHER_SWARM, THIRD}),
        ([SWARM, OTHER_SWARM.encode().hex()], [SWARM], {OTHER_SWARM}),
    ],
)
def test_info_hashes_are_served_if_allowed_and_not_denied(
    allowed: list[str], denied: list[str], served: set[str]
) -> None:
    rule = HashRule(allowed, denied)
    assert {info_hash for info_hash in (SWARM, OTHER_SWARM, THIRD) if rule.allows(info_hash)} == served
    assert rule.is_open is (not allowed and not denied)


@pytest.mark.parametrize(
    ("allowed", "denied", "origin", "may"),
    [
        ([], [], "https://any.example", True),
        (["https://tv.example"], [], "https://tv.example", True),
        (["https://tv.example/"], [], "HTTPS://TV.example", True),
        (["https://tv.example"], [], "https://tv.example.evil", False),
        (["https://*.tv.example"], [], "https://a.b.tv.example", True),
        (["https://*.tv.example"], [], "https://eviltv.example", False),
        (["https://*.tv.example"], [], "http://a.tv.example", False),
        (["*"], ["https://bad.*"], "https://bad.example", False),
        (["https://tv.example"], [], "null", False),
        (["https://tv.example"], [], None, True),
    ],
)
def test_origins_are_matched_with_wildcards(
    allowed: list[str], denied: list[str], origin: str | None, may: bool
) -> None:
    assert OriginRule(allowed, denied).allows(origin) is may


def test_an_origin_can_be_required() -> None:
    assert not OriginRule([], [], is_required=True).allows(None)


def test_entries_are_read_from_files(tmp_path: Path) -> None:
    path = tmp_path / "hashes"
    path.write_text(f"# ours\n{SWARM}\n\n{OTHER_SWARM} # second\n")
    assert read_entries(["x", f"@{path}"], "allow_hashes") == ["x", SWARM, OTHER_SWARM]
    assert HashRule([f"@{path}"], []).allows(OTHER_SWARM)


@pytest.mark.parametrize("entry", ["@/no/such/file", "short"])
def test_invalid_entries_are_named_in_the_error(entry: str) -> None:
    with pytest.raises(OptionError, match=entry):
        HashRule([entry], [])
