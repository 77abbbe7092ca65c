"""WebRTC peers behind every pair of NATs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from p2psim.scenario.nat_kinds import NAT_KINDS

pytestmark = pytest.mark.lab


def run(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the program in a process of its own, since other tests confine aioice to the loopback in this one."""
    done = subprocess.run(
        [sys.executable, "-m", "p2psim.testbed.lab.nat_matrix", "--json", *arguments],
        capture_output=True, text=True, timeout=240, check=False, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found, done.stderr
    return done.returncode, found


@pytest.mark.slow
def test_every_pair_of_kinds() -> None:
    """Outcomes are those of the model of ICE, and those of the simulator's rule unless a mapping is by address."""
    status, found = run()
    assert len(found) == len(NAT_KINDS) * (len(NAT_KINDS) + 1) // 2
    wrong = [one["case"]["names"] for one in found if one["meeting"]["connected"] != one["case"]["expected"]]
    assert (wrong, status) == ([], 0)
    against_rule = [one["case"]["names"] for one in found if one["meeting"]["connected"] != one["case"]["rule"]]
    assert all(any(kind.startswith("AD/") for kind in names) for names in against_rule)
    assert all(one["meeting"]["seconds"] < 30 for one in found if one["meeting"]["connected"])
    paths = {tuple(one["case"]["names"]): one["meeting"]["path"] for one in found}
    assert paths["public", "public"] == "host"
    assert paths["port-restricted", "port-restricted"] == "srflx"
    assert paths["restricted", "symmetric"] == "prflx"


@pytest.mark.slow
def test_layers_hairpin_homes_and_ipv6() -> None:
    status, found = run("--special")
    wrong = [one["case"]["names"] for one in found if one["meeting"]["connected"] != one["case"]["rule"]]
    assert (wrong, status) == ([], 0)


@pytest.mark.slow
def test_with_a_relay_all_pairs_connect() -> None:
    """Only the pairs that cannot connect directly use the relay."""
    status, found = run("--relay")
    apart = [one["case"]["names"] for one in found if not one["meeting"]["connected"]]
    assert (apart, status) == ([], 0)
    relayed = [one["meeting"]["path"] == "relay" for one in found]
    assert relayed == [not one["case"]["expected"] for one in found]
    assert sum(relayed) > 20
