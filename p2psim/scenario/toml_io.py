"""Scenarios as text: TOML in and out, dotted changes, digest. Everything is checked here, once."""

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

from p2psim.errors import ScenarioError, UnitError, no_such, one_of
from p2psim.scenario.model import SCHEMA, Scenario
from p2psim.scenario.policy import COMMON_OPTIONS, Policy
from p2psim.scenario.presets import bundled, section_presets
from p2psim.scenario.validation import check
from p2psim.units import format_quantity, parse_quantity

__all__ = ["canonical_value", "digest", "kind_of", "load", "parse", "replaced", "spelled_default", "to_toml"]


def load(path: object) -> Scenario:
    """Read a scenario file, or a bundled scenario by its name."""
    if not isinstance(path, str | Path):
        raise ScenarioError(f"a scenario's path or bundled name is expected, not a {type(path).__name__}")
    file = _located(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ScenarioError(f"{path}: cannot be read ({reason}); give the path of a scenario in TOML") from None
    return parse(text, origin=str(path))


def parse(text: str, origin: str = "scenario") -> Scenario:
    """Read a scenario from TOML text; `origin` names it in messages."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{origin}: not TOML: {error}") from None
    schema = data.pop("schema", SCHEMA)
    if schema != SCHEMA:
        raise ScenarioError(f"{origin}: schema = {schema!r} is not known; this version reads {SCHEMA}")
    try:
        return check(_build(Scenario, data, ""))
    except ScenarioError as error:
        raise ScenarioError(f"{origin}: {error}") from None


def _located(path: str | Path) -> Path:
    file = Path(path)
    if file.exists() or file.suffix or len(file.parts) != 1:
        return file
    known = {found.stem: found for found in bundled("scenarios")}
    if file.name not in known:
        near = difflib.get_close_matches(file.name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ScenarioError(f"{path}: no such file and no bundled scenario; {hint}bundled: {', '.join(known)}")
    return known[file.name]


def replaced(scenario: Scenario, changes: Mapping[str, object], canonical: bool = True) -> Scenario:
    """Apply dotted changes to a scenario; with `canonical` bare numbers are in canonical units, else units are due."""
    for dotted, value in changes.items():
        scenario = _replace(scenario, dotted.split("."), value, dotted, canonical)
    return check(scenario)


def kind_of(dotted: str) -> Any:
    """Type of a field; raises ScenarioError for a name that is none."""
    kind: Any = Scenario
    for name in dotted.split("."):
        hints = typing.get_type_hints(kind, include_extras=True) if dataclasses.is_dataclass(kind) else {}
        if name not in hints:
            raise ScenarioError(_unknown(dotted, hints))
        kind = hints[name]
    return kind


def canonical_value(dotted: str, value: object, canonical: bool = False) -> Any:
    """Read a value of a field; with `canonical` bare numbers are in canonical units, else units are due."""
    return _convert(kind_of(dotted), value, dotted, canonical)


def to_toml(scenario: Scenario) -> str:
    """Write a scenario; fields at their defaults are left out, but for the section's first reason to be there."""
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
    """Write the default of a field as in TOML."""
    return _spell(_hints(record)[name], _default(record(), name))


def digest(scenario: Scenario) -> str:
    """Hash what changes results: every field that is not at its default, but for name and description.

    So a scenario keeps its digest when later versions add fields.
    """
    chosen = dict(_choices(scenario, ""))
    chosen.pop("name", None)
    chosen.pop("description", None)
    return hashlib.sha256(json.dumps(chosen, sort_keys=True, default=dataclasses.asdict).encode()).hexdigest()[:16]


def _choices(record: Any, prefix: str) -> Iterator[tuple[str, object]]:
    for name, _, value in _fields(record):
        if dataclasses.is_dataclass(value):
            yield from _choices(value, f"{prefix}{name}.")
        elif value != _default(record, name):
            yield prefix + name, dict(value) if isinstance(value, Mapping) else value


def _changed(record: Any) -> list[str]:
    return [
        f"{name} = {_spell(kind, value)}" for name, kind, value in _fields(record) if value != _default(record, name)
    ]


def _is_records(kind: Any) -> bool:
    """Whether a field is a list of records, in TOML an array of tables."""
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
            raise ScenarioError(_unknown(prefix + key, hints))
    return cls(**{key: _convert(hints[key], value, prefix + key, canonical) for key, value in data.items()})


def _of_section(kind: type[Any], where: str) -> str:
    """Name fields of a section, for those who give it a bare value."""
    names = [f"{where}.{entry.name}" for entry in dataclasses.fields(kind)]
    return f"; set one of its fields: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}"


def _preset(section: str, name: object) -> Mapping[str, object]:
    if isinstance(name, str) and name.endswith(".toml"):
        return _own_preset(section, name)
    known = section_presets(section)
    if not known:
        raise ScenarioError(f"{section}.preset: this section has no presets")
    if name not in known:
        one_of(f"{section}.preset", name, known, ScenarioError)
    return {key: value for key, value in known[str(name)].items() if key != "source"}


def _own_preset(section: str, path: str) -> Mapping[str, object]:
    """Read a file that holds one preset of this section."""
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{section}.preset = {path!r}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ScenarioError(f"{section}.preset = {path!r}: not TOML: {error}") from None
    if len(tables) != 1 or not isinstance(next(iter(tables.values())), dict):
        raise ScenarioError(f"{section}.preset = {path!r}: {len(tables)} entries; a file with one table is expected")
    return {key: value for key, value in next(iter(tables.values())).items() if key != "source"}


def _replace(record: Any, path: list[str], value: object, dotted: str, canonical: bool) -> Any:
    hints = typing.get_type_hints(type(record), include_extras=True)
    if path[0] not in hints:
        raise ScenarioError(_unknown(dotted, hints))
    if len(path) > 1:
        inner = getattr(record, path[0])
        if not dataclasses.is_dataclass(inner):
            raise ScenarioError(f"{dotted}: {path[0]} has no fields of its own")
        if path[1:] == ["preset"]:
            for key, preset in _preset(path[0], value).items():
                record = _replace(record, [path[0], key], preset, f"{path[0]}.{key}", canonical)
            return record
        return dataclasses.replace(record, **{path[0]: _replace(inner, path[1:], value, dotted, canonical)})
    return dataclasses.replace(record, **{path[0]: _convert(hints[path[0]], value, dotted, canonical)})


def _unknown(dotted: str, known: Mapping[str, object]) -> str:
    return f"{dotted}: {no_such('field', dotted.rsplit('.', 1)[-1], known)}"


def _convert(kind: Any, value: object, where: str, canonical: bool = False) -> object:
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
            raise ScenarioError(f"{where} = {value!r}: a list of {_plural(inner)} is expected{_INSTEAD.get(where, '')}")
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
            raise ScenarioError(f"{where} = {value!r}: a text is expected{_INSTEAD.get(where, '')}")
        return value
    return _number(kind, value, where)


_INSTEAD = {
    "stream.ladder": ', for example ["1 Mbit/s", "3 Mbit/s"]',
    "viewers.joins": ', for example ["0 s", "2.5 s"]',
    "nat.mix": "; shares of your own are [nat.shares]",
}
"""What to write, where a value of another kind is a likely mistake."""


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
