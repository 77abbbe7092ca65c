"""Former names of fields and presets: accepted everywhere, with a warning that gives the present name."""

import dataclasses
import json
import tomllib
import warnings
from pathlib import Path
from typing import Any

import pytest

from p2psim.analysis.planning.inputs import countries
from p2psim.cli import main
from p2psim.errors import RenamedWarning, ScenarioError
from p2psim.experiment import Design
from p2psim.scenario import Fault, Scenario, Stream, bundled
from p2psim.scenario.presets import former_preset_names, section_presets
from p2psim.scenario.records import former_names
from p2psim.scenario.scenario import parse
from p2psim.scenario.toml_io import canonical_value, kind_of
from p2psim.trace import Trace

SECTIONS: dict[str, Any] = {
    field.name: field.type for field in dataclasses.fields(Scenario) if dataclasses.is_dataclass(field.type)
}
RENAMED = {f"{section}.{former}": f"{section}.{present}" for section, record in SECTIONS.items()
           for former, present in former_names(record).items()}  # fmt: skip
OLD_FAULTS = {"what": "uplinks", "at": 5.0, "lasts": 3.0, "left": 0.25, "share": 0.5}
FAULT = {"kind": "uplinks", "at": 5.0, "duration": 3.0, "capacity_left": 0.25, "home_share": 0.5}
TEXT = (
    'name = "old"\n[stream]\nlatency = "8 s"\n[origin]\nlatency = "5 ms"\n[[faults]]\nwhat = "tracker"\nlasts = "3 s"\n'
)


def test_latency_says_which() -> None:
    assert {name: RENAMED[name] for name in RENAMED if name.endswith(".latency")} == {
        "stream.latency": "stream.live_latency",
        "tracker.latency": "tracker.one_way_delay",
        "origin.latency": "origin.time_to_first_byte",
        "cdn.latency": "cdn.time_to_first_byte",
        "relay.latency": "relay.added_rtt",
    }


def test_no_former_name_is_a_present_one() -> None:
    for record in (*SECTIONS.values(), Fault):
        assert not former_names(record).keys() & {field.name for field in dataclasses.fields(record)}


@pytest.mark.parametrize(("former", "present"), RENAMED.items())
def test_a_former_name_sets_the_field_and_warns_with_the_present_one(former: str, present: str) -> None:
    section, name = present.split(".")
    value = getattr(getattr(Scenario(), section), name)
    with pytest.warns(RenamedWarning, match=f"^{former} is now called {present}; .*") as caught:
        assert Scenario().replace({former: value}) == Scenario()
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    assert caught[0].filename == __file__


def test_the_warning_is_one_that_python_shows_by_default() -> None:
    assert issubclass(RenamedWarning, FutureWarning)


def test_toml_with_former_names() -> None:
    with pytest.warns(RenamedWarning) as caught:
        scenario = parse(TEXT)
    assert [str(warning.message).split(";")[0] for warning in caught] == [
        "stream.latency is now called stream.live_latency",
        "origin.latency is now called origin.time_to_first_byte",
        "faults[0].what is now called faults[0].kind",
        "faults[0].lasts is now called faults[0].duration",
    ]
    assert scenario.stream.live_latency == 8.0
    assert scenario.faults == (Fault(kind="tracker", duration=3.0),)
    assert tomllib.loads(scenario.to_toml())["stream"] == {"live_latency": "8 s"}


def test_a_field_by_both_names_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"stream.latency is the former name of stream.live_latency: give stream"):
        parse('[stream]\nlatency = "8 s"\nlive_latency = "8 s"')


def test_keywords_attributes_and_replace_of_records() -> None:
    with pytest.warns(RenamedWarning, match=r"^Stream\(latency=…\) is now called Stream\(live_latency=…\)"):
        stream: Any = Stream(latency="8 s")  # type: ignore[call-arg]
    assert stream == Stream(live_latency=8.0)
    with pytest.warns(RenamedWarning, match=r"^Stream.latency is now called Stream.live_latency"):
        assert stream.latency == 8.0
    with pytest.warns(RenamedWarning):
        assert dataclasses.replace(stream, latency=9.0).live_latency == 9.0
    with pytest.warns(RenamedWarning):
        assert Fault(**OLD_FAULTS) == Fault(**FAULT)  # type: ignore[arg-type]


def test_tables_of_faults_and_whole_sections_in_changes() -> None:
    with pytest.warns(RenamedWarning) as caught:
        changed = Scenario().replace({"faults": [OLD_FAULTS], "stream": {"latency": "8 s"}})
    assert changed == Scenario().replace({"faults": [FAULT], "stream.live_latency": "8 s"})
    told = [str(warning.message).split(";")[0] for warning in caught]
    assert "faults[0].left is now called faults[0].capacity_left" in told
    assert "stream.latency is now called stream.live_latency" in told


def test_designs_of_sweeps_keep_the_name_that_they_use() -> None:
    """So that a notebook written for the former name still finds its column."""
    with pytest.warns(RenamedWarning):
        design = Design.of("live-24s", grid={"stream.latency": [8.0, 12.0]}, replications=1)
    assert design.factors == ["stream.latency"]
    assert [point.scenario.stream.live_latency for point in design.points] == [8.0, 12.0]
    with pytest.warns(RenamedWarning):
        assert canonical_value("stream.latency", "8 s") == 8.0
    with pytest.warns(RenamedWarning):
        assert kind_of("stream.latency") == kind_of("stream.live_latency")


def test_presets_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[mine]\nlatency = "8 s"\nsource = "measured"\n')
    with pytest.warns(RenamedWarning, match=r"stream.latency is now called"):
        assert Scenario().replace({"stream.preset": str(path)}).stream.live_latency == 8.0


@pytest.mark.parametrize(("former", "present"), [("brazil", "brazil-cities"), ("world", "world-cities")])
def test_presets_of_places_and_of_countries_have_different_names(former: str, present: str) -> None:
    assert not countries().keys() & section_presets("regions").keys()
    assert former_preset_names("regions")[former] == present
    with pytest.warns(RenamedWarning, match=f"regions.preset={former} is now called regions.preset={present}"):
        old = Scenario().replace({"regions.preset": former})
    assert old == Scenario().replace({"regions.preset": present})


def test_the_digest_of_a_scenario_does_not_depend_on_renamed_fields() -> None:
    """As version 0.1.0 computed them, before fields were renamed."""
    changes: dict[str, object] = {
        "stream.live_latency": 8.0,
        "viewers.mean_viewing_time": 60.0,
        "relay.availability": 0.5,
        "faults": [{**FAULT, "kind": "origin", "capacity_left": 0.0}],
    }
    assert Scenario().replace({"faults": [FAULT]}).digest == "ca45a956d725ff1b"
    assert Scenario().replace(changes).digest == "df9b41c51106218c"


def test_bundled_traces_are_read_without_a_warning() -> None:
    old = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for folder in bundled("traces"):
            old += "\nlatency = " in (folder / "scenario.toml").read_text()
            recorded = json.loads((folder / "manifest.json").read_text())["scenario_digest"]
            assert parse((folder / "scenario.toml").read_text(), recorded=True).digest == recorded
        assert Trace.read("live-24s").name == "live-24s"
    assert old > 40  # they are recordings of the version before, and stay as they were recorded


def test_nothing_bundled_uses_a_former_name() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in bundled("scenarios"):
            Scenario.load(path)
        for path in bundled("designs"):
            Design.load(path)


def test_the_command_line_tells_each_name_once_and_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.toml"
    path.write_text(TEXT)
    arguments = [
        "simulate",
        str(path),
        "--set",
        "viewers.over=1 s",
        "--set",
        "viewers.count=2",
        "--set",
        "duration=20 s",
    ]
    arguments += ["--set", "stream.latency=9 s", "--replications", "1", "--jobs", "1", "--no-baseline", "--quiet"]
    for _ in range(2):
        assert main([*arguments, "--json"]) == 0
        shown = capsys.readouterr()
        json.loads(shown.out)
        told = [line for line in shown.err.splitlines() if "is now called" in line]
        assert "p2psim: warning: stream.latency is now called stream.live_latency; " in told[0]
        assert len(told) == len(set(told)) == 5
        assert all(line.startswith("p2psim: warning: ") for line in told)
