import pytest
from p2p_tracker.admission.access import HashRule, OriginRule, listed
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
def test_hashes_are_served_if_allowed_and_not_denied(allowed, denied, served):
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
def test_origins_may_hold_wildcards(allowed, denied, origin, may):
    assert OriginRule(allowed, denied).allows(origin) is may


def test_an_origin_can_be_required():
    assert not OriginRule([], [], is_required=True).allows(None)


def test_lists_come_from_files(tmp_path):
    path = tmp_path / "hashes"
    path.write_text(f"# ours\n{SWARM}\n\n{OTHER_SWARM} # second\n")
    assert listed(["x", f"@{path}"], "allow_hashes") == ["x", SWARM, OTHER_SWARM]
    assert HashRule([f"@{path}"], []).allows(OTHER_SWARM)


@pytest.mark.parametrize("entry", ["@/no/such/file", "short"])
def test_wrong_entries_are_named(entry):
    with pytest.raises(OptionError, match=entry):
        HashRule([entry], [])
