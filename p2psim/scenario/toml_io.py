"""Scenarios as TOML text, dotted changes of scenarios, and their digest. Every value is checked here, once."""

import dataclasses
import difflib
import hashlib
import json
import math
import tomllib
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from p2psim.errors import ScenarioError, UnitError, no_such, one_of, warn_renamed
from p2psim.scenario.former_names import present_name, present_names
from p2psim.scenario.model import SCHEMA, Scenario
from p2psim.scenario.policy import COMMON_OPTIONS, Policy
from p2psim.scenario.presets import ABOUT_PRESET, bundled, former_preset_names, section_presets
from p2psim.scenario.records import field_rules, former_names
from p2psim.scenario.validation import check
from p2psim.units import format_quantity, parse_quantity

__all__ = ["canonical_value", "digest", "kind_of", "load", "parse", "replaced", "spelled_default", "to_toml"]


def load(path: object, recorded: bool = False) -> Scenario:
    """Read a scenario file, or a bundled scenario by its name; `recorded` as for `parse`."""
    if not isinstance(path, str | Path):
        raise ScenarioError(f"a scenario's path or bundled name is expected, not a {type(path).__name__}")
    file = _located(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ScenarioError(f"{path}: cannot be read ({reason}); give the path of a scenario in TOML") from None
    return parse(text, str(path), recorded)


def parse(text: str, origin: str = "scenario", recorded: bool = False) -> Scenario:
    """Read a scenario from TOML text.

    Parameters
    ----------
    origin
        Name of the text in messages.
    recorded
        The text was written by p2psim beside a recording: former names of fields are accepted without a warning.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{origin}: not TOML: {error}") from None
    schema = data.pop("schema", SCHEMA)
    if schema != SCHEMA:
        raise ScenarioError(f"{origin}: schema = {schema!r} is not known; this version reads {SCHEMA}")
    try:
        return check(_build(Scenario, present_names(Scenario, data, quiet=recorded), ""))
    except ScenarioError as error:
        raise ScenarioError(f"{origin}: {error}") from None


def _located(path: str | Path) -> Path:
    file = Path(path)
    if file.exists() or file.suffix or len(file.parts) != 1:
        return file
    known = {each.stem: each for each in bundled("scenarios")}
    if file.name not in known:
        near = difflib.get_close_matches(file.name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ScenarioError(f"{path}: no such file and no bundled scenario; {hint}bundled: {', '.join(known)}")
    return known[file.name]


def replaced(scenario: Scenario, changes: Mapping[str, object], canonical: bool = True) -> Scenario:
    """Return a changed scenario; with `canonical`, numbers without unit are in canonical units, otherwise refused."""
    for given, value in changes.items():
        dotted = present_name(Scenario, given)
        scenario = _replace(scenario, dotted.split("."), value, dotted, canonical)
    return check(scenario)


def kind_of(dotted: str) -> Any:
    """Type of a field; raises ScenarioError for an unknown name."""
    kind: Any = Scenario
    for name in present_name(Scenario, dotted).split("."):
        hints = typing.get_type_hints(kind, include_extras=True) if dataclasses.is_dataclass(kind) else {}
        if name not in hints:
            raise ScenarioError(_unknown(dotted, hints, kind if hints else None))
        kind = hints[name]
    return kind


def canonical_value(dotted: str, value: object, canonical: bool = False) -> Any:
    """Value of a field in canonical units; with `canonical`, a number without unit is already in them, else refused."""
    kind = kind_of(dotted)
    return _convert(kind, present_names(kind, value, dotted), dotted, canonical)


def to_toml(scenario: Scenario) -> str:
    """Return a scenario as TOML, without the fields that are at their defaults."""
    lines = [f"schema = {SCHEMA}"]
    sections: list[str] = []
    for name, kind, value in _fields(scenario):
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            body = _changed(value)
            if body:
                sections += ["", f"[{name}]", *body]
        elif _is_records(kind):
            for record in value:
                sections += ["", f"[[{name}]]", *_changed(record)]
        elif value != _default(scenario, name):
            lines.append(f"{name} = {_spell(kind, value)}")
    return "\n".join(lines + sections) + "\n"


def spelled_default(record: Any, name: str) -> str:
    """Default of a field as it is written in TOML."""
    return _spell(_hints(record)[name], _default(record(), name))


def digest(scenario: Scenario) -> str:
    """Hash of what changes results: every field that is not at its default, except name and description.

    So a scenario keeps its digest when later versions add fields; renamed fields are hashed by their former names.
    """
    chosen = dict(_choices(scenario, ""))
    chosen.pop("name", None)
    chosen.pop("description", None)
    return hashlib.sha256(json.dumps(chosen, sort_keys=True, default=_hashed).encode()).hexdigest()[:16]


def _choices(record: Any, prefix: str) -> Iterator[tuple[str, object]]:
    for field in dataclasses.fields(record):
        value, name = getattr(record, field.name), prefix + _hashed_name(field)
        if dataclasses.is_dataclass(value):
            yield from _choices(value, f"{name}.")
        elif value != _default(record, field.name):
            yield name, dict(value) if isinstance(value, Mapping) else value


def _hashed_name(field: "dataclasses.Field[Any]") -> str:
    """Name of a field in digests: the first that it had."""
    return field_rules(field).former or field.name


def _hashed(record: Any) -> dict[str, object]:
    return {_hashed_name(field): getattr(record, field.name) for field in dataclasses.fields(record)}


def _changed(record: Any) -> list[str]:
    return [
        f"{name} = {_spell(kind, value)}" for name, kind, value in _fields(record) if value != _default(record, name)
    ]


def _is_records(kind: Any) -> bool:
    """Return whether a field is a list of records, in TOML an array of tables."""
    inner = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else None
    return isinstance(inner, type) and dataclasses.is_dataclass(inner)


def _fields(record: Any) -> Iterator[tuple[str, Any, Any]]:
    hints = _hints(record.__class__)
    for entry in dataclasses.fields(record):
        yield entry.name, hints[entry.name], getattr(record, entry.name)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _default(record: Any, name: str) -> object:
    return getattr(_blank(record.__class__), name)


@cache
def _blank(cls: Any) -> Any:
    return cls()


def _build(cls: type[Any], data: Mapping[str, object], prefix: str, canonical: bool = False) -> Any:
    hints = typing.get_type_hints(cls, include_extras=True)
    if "preset" in data:
        own = {key: value for key, value in data.items() if key != "preset"}
        data = {**_preset(prefix.rstrip("."), data["preset"]), **own}
    for key in data:
        if key not in hints:
            raise ScenarioError(_unknown(prefix + key, hints, cls))
    examples = {field.name: field_rules(field).example for field in dataclasses.fields(cls)}
    return cls(
        **{key: _convert(hints[key], value, prefix + key, canonical, examples[key]) for key, value in data.items()}
    )


def _of_section(kind: type[Any], where: str) -> str:
    """Hint at a section's fields, for a section that was given a plain value."""
    names = [f"{where}.{entry.name}" for entry in dataclasses.fields(kind)]
    return f"; set one of its fields: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}"


def _preset(section: str, name: object) -> Mapping[str, object]:
    if isinstance(name, str) and name.endswith(".toml"):
        return _own_preset(section, name)
    known = section_presets(section)
    if not known:
        raise ScenarioError(f"{section}.preset = {name!r}: section [{section}] has no presets; set its fields")
    former = former_preset_names(section)
    if name in former:
        warn_renamed(f"{section}.preset={name}", f"{section}.preset={former[str(name)]}")
        name = former[str(name)]
    one_of(f"{section}.preset", name, known, ScenarioError)
    return {key: value for key, value in known[str(name)].items() if key not in ABOUT_PRESET}


def _own_preset(section: str, path: str) -> Mapping[str, object]:
    """Read a user's file that holds one preset of this section."""
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{section}.preset = {path!r}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ScenarioError(f"{section}.preset = {path!r}: not TOML: {error}") from None
    if len(tables) != 1 or not isinstance(next(iter(tables.values())), dict):
        raise ScenarioError(f"{section}.preset = {path!r}: {len(tables)} entries; a file with one table is expected")
    table = {key: value for key, value in next(iter(tables.values())).items() if key not in ABOUT_PRESET}
    fields: Mapping[str, object] = present_names(kind_of(section), table, section)
    return fields


def _replace(record: Any, path: list[str], value: object, dotted: str, canonical: bool) -> Any:
    hints = typing.get_type_hints(type(record), include_extras=True)
    if path[0] not in hints:
        raise ScenarioError(_unknown(dotted, hints, type(record)))
    if len(path) > 1:
        inner = getattr(record, path[0])
        if not dataclasses.is_dataclass(inner):
            raise ScenarioError(f"{dotted}: {path[0]} has no fields")
        if path[1:] == ["preset"]:
            for key, preset in _preset(path[0], value).items():
                record = _replace(record, [path[0], key], preset, f"{path[0]}.{key}", canonical)
            return record
        return dataclasses.replace(record, **{path[0]: _replace(inner, path[1:], value, dotted, canonical)})
    kind, example = hints[path[0]], field_rules(type(record).__dataclass_fields__[path[0]]).example
    converted = _convert(kind, present_names(kind, value, dotted), dotted, canonical, example)
    return dataclasses.replace(record, **{path[0]: converted})


def _unknown(dotted: str, known: Mapping[str, object], record: Any = None) -> str:
    former = {} if record is None else former_names(record)
    return f"{dotted}: {no_such('field', dotted.rsplit('.', 1)[-1], known, former)}"


def _convert(kind: Any, value: object, where: str, canonical: bool = False, example: str = "") -> object:
    instead = f", for example {example}" if example else ""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            raise ScenarioError(f"{where} = {value!r}: a section [{where}] is expected{_of_section(kind, where)}")
        return _build(kind, value, f"{where}.", canonical)
    origin = typing.get_origin(kind)
    if origin is typing.Annotated and typing.get_args(kind)[1] == "overrides":
        return _overrides(value, where, canonical)
    if origin is typing.Annotated:
        return _quantity(value, typing.get_args(kind)[1], where, canonical)
    if origin is Literal:
        if value not in typing.get_args(kind):
            near = difflib.get_close_matches(str(value), typing.get_args(kind), n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ScenarioError(f"{where} = {value!r}: {hint}accepted: {', '.join(map(repr, typing.get_args(kind)))}")
        return value
    if origin is tuple:
        inner = typing.get_args(kind)[0]
        if not isinstance(value, list | tuple):
            raise ScenarioError(f"{where} = {value!r}: a list of {_plural(inner)} is expected{instead}")
        return tuple(_convert(inner, item, f"{where}[{i}]", canonical) for i, item in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        inner = typing.get_args(kind)[1]
        if not isinstance(value, Mapping):
            raise ScenarioError(f"{where} = {value!r}: a table of names and {_plural(inner)} is expected")
        return {str(key): _convert(inner, item, f"{where}.{key}", canonical) for key, item in value.items()}
    if kind is bool:
        if not isinstance(value, bool):
            raise ScenarioError(f"{where} = {value!r}: true or false is expected")
        return value
    if kind is str:
        if not isinstance(value, str):
            raise ScenarioError(f"{where} = {value!r}: a text is expected{instead}")
        return value
    return _number(kind, value, where)


def _plural(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Annotated:
        return f"{typing.get_args(kind)[1]}s"
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return f"{kind.__name__.lower()}s, each a table,"
    return "texts" if kind is str else "numbers"


def _overrides(value: object, where: str, canonical: bool) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ScenarioError(f"{where} = {value!r}: a table of options is expected")
    hints = typing.get_type_hints(Policy, include_extras=True)
    known = {name: kind for name, kind in hints.items() if name not in COMMON_OPTIONS}
    for name in value:
        if name not in known:
            raise ScenarioError(_unknown(f"{where}.{name}", known))
    return {name: _convert(known[name], item, f"{where}.{name}", canonical) for name, item in value.items()}


def _number(kind: Any, value: object, where: str) -> float:
    whole = "whole number" if kind is int else "number"
    if isinstance(value, bool) or not isinstance(value, int | float) or (kind is int and value % 1 != 0):
        raise ScenarioError(f"{where} = {value!r}: a {whole} is expected")
    return int(value) if kind is int else float(value)


def _quantity(value: object, dimension: str, where: str, canonical: bool) -> float:
    if isinstance(value, str):
        try:
            return parse_quantity(value, dimension)
        except UnitError as error:
            raise ScenarioError(f"{where} = {error}") from None
    number = _number(float, value, where)
    if not canonical and dimension != "fraction" and number != 0:
        raise ScenarioError(f"{where} = {value!r}: a {dimension} needs its unit, for example {_example(dimension)}")
    return number


def _example(dimension: str) -> str:
    return {"time": '"4 s"', "rate": '"5 Mbit/s"', "size": '"256 KiB"'}[dimension]


def _spell(kind: Any, value: Any) -> str:
    if typing.get_origin(kind) is typing.Annotated and typing.get_args(kind)[1] == "overrides":
        hints = typing.get_type_hints(Policy, include_extras=True)
        return "{ " + ", ".join(f"{name} = {_spell(hints[name], item)}" for name, item in value.items()) + " }"
    if typing.get_origin(kind) is typing.Annotated:
        dimension = typing.get_args(kind)[1]
        return repr(value) if dimension == "fraction" else json.dumps(format_quantity(value, dimension))
    if isinstance(value, Mapping):
        inner = typing.get_args(kind)[1]
        return "{ " + ", ".join(f"{json.dumps(k)} = {_spell(inner, v)}" for k, v in value.items()) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(_spell(typing.get_args(kind)[0], item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isinf(value):
        return "inf"
    # TOML wants the delete character escaped, JSON does not
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value)
