"""Dimensions from their entries in TOML alone: read, placed, worded, judged, reported; refused in one line."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from p2psim.analysis import dimensions as module
from p2psim.analysis.claims.boundaries import boundary_cases
from p2psim.analysis.claims.definitions import load_claims, select
from p2psim.analysis.claims.verdicts import Judge
from p2psim.analysis.dimensions import Dimension, dimensions, number_of, read_dimensions, reference_changes, unit_of
from p2psim.analysis.runs import Runs
from p2psim.cli.validate import _print
from p2psim.errors import InputError
from p2psim.report import Validation, write_validation
from p2psim.report.validation import _boundaries_parts
from p2psim.scenario import DATA, Scenario

BUNDLED = (DATA / "dimensions.toml").read_text()
OWN = """
[[dimension]]
name = "offers"
what = "offers per announce"
field = "tracker.offers"
values = [2, 10, 5]

[[dimension]]
name = "origin"
what = "origin over what its viewers play"
scale = "log"
field = "origin.rate"
over = "stream.bitrate"
values = [10, 100]

[[dimension]]
name = "matching"
what = "how peers are matched"
field = "tracker.matching"
values = ["locality", "random"]
at = [1, 0]

[[dimension]]
name = "bitrate"
what = "bitrate"
field = "stream.bitrate"
values = ["2 Mbit/s", "8 Mbit/s"]

[[dimension]]
name = "symmetric"
what = "homes behind symmetric NATs"
field = "nat.shares"
values = [{ public = 1.0 }, { public = 0.5, symmetric = 0.5 }]
at = "nat.shares.symmetric"
unit = "share"

[[dimension]]
name = "homes"
what = "devices per home"
field = "household.preset"
values = ["alone", "second-screens"]
at = [1, 2]
changes = { "nat.mix" = "mobile" }
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Dimension]]:
    """The bundled dimensions with those of a user beside them."""
    (tmp_path / "dimensions.toml").write_text(BUNDLED + OWN)
    monkeypatch.setattr(module, "DATA", tmp_path)
    module._bundled.cache_clear()
    dimensions.cache_clear()
    yield {each.name: each for each in dimensions()}
    monkeypatch.undo()
    module._bundled.cache_clear()
    dimensions.cache_clear()


def places(dimension: Dimension) -> list[float]:
    return [place for place, _ in dimension.scenarios(Scenario())]


def test_places_of_dimensions_of_ones_own(own: dict[str, Dimension]) -> None:
    assert len(own) == 12
    assert places(own["offers"]) == [2, 5, 10]
    assert places(own["origin"]) == [10, 100]
    assert places(own["matching"]) == [0, 1]
    assert [each.tracker.matching for _, each in own["matching"].scenarios(Scenario())] == ["random", "locality"]
    assert places(own["bitrate"]) == [250_000, 1_000_000]
    assert places(own["symmetric"]) == [0, 0.5]
    assert own["homes"].scenarios(Scenario())[0][1].nat.mix == "mobile"
    assert places(own["offers"].fewer()) == [2, 5, 10]
    assert places(replace(own["matching"], values=("random", "locality", "random"), at=(3, 2, 1)).fewer()) == [1, 2, 3]


def test_units_are_those_of_the_fields(own: dict[str, Dimension]) -> None:
    assert own["bitrate"].unit == "rate"
    assert own["latency"].unit == "time"
    assert own["offers"].unit == own["uplink"].unit == "number"
    assert unit_of("viewers.crash_share") == "share"
    assert unit_of("network.backlog") == "size"


@pytest.mark.slow
def test_every_claim_has_cases_along_them(own: dict[str, Dimension]) -> None:
    labels: dict[str, list[str]] = {}
    for claim in load_claims():
        for dimension in own.values():
            cases = boundary_cases(claim, dimension)
            labels[dimension.name] = labels.get(dimension.name) or [case.label for case in cases]
            grows = bool(claim.reference.sizes) and dimension.field == "viewers.count"
            assert len(cases) == (0 if grows else len(dimension.values))
    assert labels["bitrate"] == ["bitrate 2 Mbit/s", "bitrate 8 Mbit/s"]
    assert labels["symmetric"] == ["homes behind symmetric NATs 0 %", "homes behind symmetric NATs 50 %"]


def test_another_name_for_the_number_of_viewers_is_left_out_of_growth_too() -> None:
    (growth,) = select(load_claims(), ["C10"])
    (viewers,) = (each for each in dimensions() if each.name == "viewers")
    assert boundary_cases(growth, replace(viewers, name="audience")) == ()


@pytest.mark.slow
def test_they_are_judged_printed_and_reported(
    own: dict[str, Dimension], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (claim,) = select(load_claims(), ["C12"])
    around = {
        "stream.live_latency": "36 s",
        "duration": "60 s",
        "warmup": "20 s",
        "viewers.count": 12,
        "stream.bitrate": "4 Mbit/s",
    }
    small = replace(claim, around=around, cases=claim.cases[:1])
    asked = [own[name] for name in ("offers", "origin", "matching", "bitrate", "symmetric", "homes", "nat")]
    result = Judge(Runs(1), 1, 2, (), asked).judge(small)
    assert [each.dimension.name for each in result.boundaries] == [each.name for each in asked]
    _print([result], [])
    printed = capsys.readouterr().out
    path = write_validation(tmp_path / "report", Validation(results=[result], comparisons=[], seed=1, replications=2))
    report, table = path.read_text(), pd.read_csv(path.parent / "boundaries.csv")
    for each in asked:
        assert each.what in printed
        assert f"<th>{each.what}" in report
        assert each.name in set(table["dimension"])


@pytest.mark.slow
def test_the_report_names_the_reference_of_the_file(
    own: dict[str, Dimension], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reference_changes() == {"stream.live_latency": "36 s", "duration": "200 s"}
    (tmp_path / "dimensions.toml").write_text(BUNDLED.replace('"36 s"\nduration', '"40 s"\nduration') + OWN)
    module._bundled.cache_clear()
    (claim,) = select(load_claims(), ["C12"])
    small = replace(claim, around={"duration": "30 s", "warmup": "5 s", "viewers.count": 3}, cases=claim.cases[:1])
    result = Judge(Runs(1), 1, 2, (), [own["offers"]]).judge(small)
    assert "changed to stream.live_latency = 40 s, duration = 200 s" in "".join(_boundaries_parts([result], tmp_path))


ENTRY = {
    "name": '"x"',
    "what": '"some number"',
    "field": '"tracker.offers"',
    "values": "[1, 2]",
}


def written(**changes: str | None) -> str:
    entry = {key: value for key, value in (ENTRY | changes).items() if value is not None}
    return "schema = 1\n[[dimension]]\n" + "\n".join(f"{key} = {value}" for key, value in entry.items())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("schema = 2", "schema = 2 is not known; this version reads 1"),
        ("schema = ", "not TOML"),
        ("schema = 1\ndimensions = 3", "dimensions: no such key; did you mean 'dimension'"),
        ("schema = 1\ndimension = 3", "tables [[dimension]] are expected"),
        ("schema = 1\nreference = 3", "reference = 3: a table [reference]"),
        (
            'schema = 1\n[reference]\n"stream.latncy" = "3 s"',
            "stream.latncy: no such field; did you mean 'live_latency'",
        ),
        (written(name=None), "dimension 1: name is missing"),
        (written(values=None), "dimension 'x': values is missing"),
        (written(what="3"), "dimension 'x': what = 3: a text is expected"),
        (written(feild='"a"'), "dimension 'x': feild: no such key; did you mean 'field'"),
        (written(field='"tracker.ofers"'), "field = tracker.ofers: no such field; did you mean 'offers'"),
        (written(values="3"), "values = 3: a list of at least two"),
        (written(values="[3]"), "values = [3]: a list of at least two"),
        (written(values='["a", "b"]'), "dimension 'x': tracker.offers = 'a': a whole number is expected"),
        (written(values="[1, 1]"), "2 of its values at 1: a place of its own"),
        (written(values="[0, 1]", scale='"log"'), "1 of its values at 0: places above 0 are expected"),
        (written(field='"origin.rate"', values='["unlimited", "1 Mbit/s"]'), "1 of its values at inf: finite places"),
        (written(scale='"lin"'), "scale = 'lin': did you mean 'linear'? accepted: linear, log"),
        (written(unit='"percent"'), "unit = 'percent': accepted: number, time, size, rate, share"),
        (written(field='"stream.live_latency"', values='["8 s", "9 s"]', unit='"share"'), "accepted: 'time'"),
        (
            written(field='"nat.mix"', values='["open", "mobile"]'),
            "nat.mix = 'open': a number is expected, or at with a number for each",
        ),
        (written(field='"nat.mix"', values='["open", "mobile"]', at="[1]"), "at = [1]: a number for each of the 2"),
        (written(field='"nat.mix"', values='["open", "mobile"]', at='["a", "b"]'), "a number for each of the 2"),
        (written(field='"nat.mix"', values='["open", "x"]', at="[1, 2]"), "nat.mix = 'x': accepted: open"),
        (written(at='"connecting"'), "at = 'connecting': connecting: no such field"),
        (written(at='"connecting"'), "or 'connecting pairs'"),
        (written(at='"nat.mix"'), "nat.mix = 'average': a number is expected"),
        (written(over='"stream.bitrte"'), "stream.bitrte: no such field; did you mean 'bitrate'"),
        (
            written(over='"stream.bitrate"', values='["a", "b"]'),
            "values: 'a': a number is expected, in multiples of",
        ),
        (written(over='"network.loss"'), "over: network.loss = 0: a finite number above 0"),
        (written(over='"origin.rate"'), "over: origin.rate = inf: a finite number above 0"),
        (written(changes="3"), "changes = 3: a table of a scenario's fields"),
        (written(changes='{ "viewers.arivals" = "poisson" }'), "no such field; did you mean 'arrivals'"),
        (BUNDLED + OWN.replace('"offers"', '"latency"', 1), "name = 'latency' is that of 2 dimensions"),
        (BUNDLED + OWN.replace('"offers per announce"', '"live latency"'), "what = 'live latency' is that of 2"),
    ],
)
def test_a_malformed_entry_is_refused_in_one_line(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "dimensions.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_dimensions(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_dimensions("nowhere.toml")


def test_a_value_that_a_claims_scenario_refuses_names_claim_and_dimension() -> None:
    (latency,) = (each for each in dimensions() if each.name == "latency")
    (claim,) = select(load_claims(), ["C1"])
    with pytest.raises(InputError, match=r"claim C1: dimension 'latency': stream\.live_latency"):
        boundary_cases(replace(claim, around={"stream.playlist_segments": 10}), latency)


def test_numbers_of_a_scenario() -> None:
    scenario = Scenario().replace({"access.mix": {"custom": 0.6, "mobile": 0.4}})
    assert number_of(scenario, "viewers.count") == 100
    assert number_of(scenario, "access.mix.mobile") == 0.4
    assert number_of(scenario, "access.mix.fibre") == 0
