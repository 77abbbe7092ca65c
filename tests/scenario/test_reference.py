"""The page of everything that can be set is that of the code."""

import re
from pathlib import Path

from p2psim.scenario.reference import reference
from p2psim.scenario.toml_io import kind_of

PAGE = Path(__file__).parents[2] / "docs" / "scenario.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "python -m p2psim.scenario.reference > docs/scenario.md"


def test_every_field_is_one_and_every_preset_has_a_source() -> None:
    fields = re.findall(r"^\| `([\w.]+)` \| `", reference(), re.MULTILINE)
    assert len(fields) > 100
    for field in fields:
        kind_of(field)
    presets = re.findall(r"^\| `(\w+\.preset)=([\w-]+)` \| (.+) \|$", reference(), re.MULTILINE)
    assert len(presets) > 10
    assert all(source.strip() for _, _, source in presets)
