"""Presets: all are accepted and name their source; sections take them as defaults."""

import math
from pathlib import Path

import pytest

from p2psim.errors import ScenarioError
from p2psim.scenario import DATA, Scenario
from p2psim.scenario.presets import access_profiles, crypto_rates, nat_mixes, places, section_presets
from p2psim.scenario.scenario import parse


def test_every_preset_names_its_source() -> None:
    for name, profile in access_profiles().items():
        assert profile is None or profile.source, name
    for name, mix in nat_mixes().items():
        assert math.isclose(sum(mix), 1.0), name
    for name, place in places().items():
        assert place.source, name
        assert abs(place.latitude) <= 90, name
        assert abs(place.longitude) <= 180, name
    assert set(crypto_rates()) == {"desktop", "mobile", "tv"}


def test_a_preset_is_what_its_section_does_not_say_itself() -> None:
    scenario = parse('[viewers]\npreset = "globosat"\nviewing_time_spread = 0.5')
    assert (scenario.viewers.mean_viewing_time, scenario.viewers.viewing_time_spread) == (1100.0, 0.5)
    assert scenario == Scenario().replace({"viewers.preset": "globosat"}).replace({"viewers.viewing_time_spread": 0.5})
    assert "preset" not in scenario.to_toml()


@pytest.mark.parametrize("path", sorted((DATA / "presets" / "sections").glob("*.toml")), ids=lambda path: path.stem)
def test_every_preset_of_a_section_is_accepted_and_names_its_source(path: Path) -> None:
    for name, preset in section_presets(path.stem).items():
        changes: dict[str, object] = {
            "regions.mix": {"rio": 1.0},
            "duration": "10 h",
            "origin.rate": "1 Gbit/s",
            "channels.count": 2,
            f"{path.stem}.preset": name,
        }
        scenario = Scenario().replace(changes)
        assert preset["source"]
        assert parse(scenario.to_toml()) == scenario


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("= 3", "not TOML"),
        ("goodput = 0.9", "a file with one table is expected"),
        ("[a]\n[b]", "2 entries"),
        ("[a]\ngoodputt = 0.9", "did you mean 'goodput'"),
    ],
)
def test_a_preset_of_ones_own_is_one_table_of_the_section(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ScenarioError, match=message):
        Scenario().replace({"network.preset": str(path)})
