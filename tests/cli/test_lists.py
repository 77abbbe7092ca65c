"""Lists of names in help texts come from the data: a new preset shows, and no help text names one by hand."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2psim.analysis.planning import inputs
from p2psim.cli.lists import LISTS
from p2psim.cli.main import COMMANDS, _parser
from p2psim.errors import InputError
from tests.edited import run_edited

PROGRAM = """
import contextlib, io
from p2psim.cli import main
written = io.StringIO()
with contextlib.redirect_stdout(written):
    assert main(["{verb}", "--help"]) == 0
text = " ".join(written.getvalue().split())
assert "{added}" in text, text
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new", "verb", "added"),
    [
        ("data/presets/countries.toml", "[world]", "[kenya]", "plan", "brazil, usa, kenya"),
        ("data/presets/events.toml", "[evening]", "[premiere]", "plan", "match, show, premiere"),
        ("data/presets/prices.toml", "[volume-cdn]", "[own-cdn]", "plan", "own-cdn, volume-cdn-and-service"),
        ("data/presets/nat.toml", "[cellular]", "[campus]", "plan", "restrictive, campus"),
        ("data/presets/access.toml", "[dsl]", "[satellite]", "plan", "satellite, dsl-2003"),
        ("data/presets/sections/stream.toml", "[short-ladder]", "[tall-ladder]", "plan", "apple-ladder, tall-ladder"),
        ("data/presets/sections/network.toml", "[metro]", "[village]", "compare", "continents, village"),
        ("p2psim/analysis/statistics.py", '"student", "bootstrap"', '"student", "bayes"', "simulate", "student, bayes"),
        ("p2psim/trace/schema.py", '"browser", "simulated"', '"browser", "phone"', "calibrate", "browser, phone"),
        (
            "p2psim/analysis/calibration/conditions.py",
            '"loopback", "lab"',
            '"loopback", "cloud"',
            "calibrate",
            "loopback, cloud",
        ),
    ],
)
def test_what_is_added_shows_in_help(tmp_path: Path, file: str, old: str, new: str, verb: str, added: str) -> None:
    run_edited(tmp_path, {file: (old, new)}, PROGRAM.format(verb=verb, added=added))


def helps() -> Iterator[tuple[str, str]]:
    """Every option of every verb, with its help as it is written."""
    (verbs,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    for verb in COMMANDS:
        for action in verbs.choices[verb]._actions:
            yield f"{verb} {action.dest}", action.help or ""


def test_no_help_text_names_presets_by_hand() -> None:
    words = {
        "average",
        "lab",
        "latency",
        "mobile",
        "none",
        "open",
        "show",
        "simulated",
        "world",
    }  # of other meanings too
    kinds = set(LISTS) - {"limits", "metrics", "gate", "methods"}  # a default among them is named
    names = {name for kind in kinds for name in LISTS[kind]()} - words
    for option, text in helps():
        plain = re.sub(r"\{.*?\}", "", text).partition("for example")[0]
        assert not names & set(re.findall(r"[\w-]+", plain)), f"{option}: {text}"


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_word_in_braces_is_a_list(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    from p2psim.cli import main

    assert main([verb, "--help"]) == 0
    assert "{" not in capsys.readouterr().out.partition("\n\n")[2].partition("examples:")[0]


def test_every_list_has_names() -> None:
    for word, names in LISTS.items():
        assert list(names()), word


def test_a_way_to_intervals_is_refused_before_any_work(capsys: pytest.CaptureFixture[str]) -> None:
    from p2psim.cli import main

    assert main(["simulate", "hundred-thousand", "--intervals", "bayes"]) == 2
    assert "--intervals = 'bayes': accepted: student, bootstrap" in capsys.readouterr().err


def test_a_country_with_unknown_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"fixed": "ftth", "mobile": "mobile", "nat": "fixd", "mobile_nat": "mobile"}
    monkeypatch.setattr(inputs, "read_presets", lambda _: {"kenya": row})
    inputs.countries.cache_clear()
    with pytest.raises(InputError, match=r"countries.toml: kenya.nat = 'fixd': did you mean 'fixed'"):
        inputs.countries()
    inputs.countries.cache_clear()
