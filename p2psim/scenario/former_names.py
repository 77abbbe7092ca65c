"""Former names of fields: accepted wherever a scenario is described, with a warning that gives the present name.

A field says its former name beside its default (`p2psim.scenario.records.setting`).
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from p2psim.errors import ScenarioError, warn_renamed
from p2psim.scenario.records import former_names

__all__ = ["present_name", "present_names"]


def present_name(record: Any, dotted: str) -> str:
    """Return the present form of a dotted name; a name that is no field is returned as it is."""
    kind, names = record, []
    for name in dotted.split("."):
        known = dataclasses.is_dataclass(kind)
        names.append(former_names(kind).get(name, name) if known else name)
        kind = typing.get_type_hints(kind, include_extras=True).get(names[-1]) if known else None
    present = ".".join(names)
    if present != dotted:
        warn_renamed(dotted, present)
    return present


def present_names(kind: Any, value: object, where: str = "", quiet: bool = False) -> Any:
    """Return a field's value, table or list of tables with the present names of all fields in it.

    Parameters
    ----------
    kind
        Type of the field, or a scenario's record.
    where
        Dotted name of the value, for messages.
    quiet
        No warning: for scenarios that p2psim itself has recorded.

    Raises
    ------
    ScenarioError
        For a table that has a field by both names.
    """
    if typing.get_origin(kind) is tuple and isinstance(value, list | tuple):
        inner = typing.get_args(kind)[0]
        return type(value)(present_names(inner, item, f"{where}[{i}]", quiet) for i, item in enumerate(value))
    if not dataclasses.is_dataclass(kind) or not isinstance(value, Mapping):
        return value
    record: Any = kind
    hints, known = typing.get_type_hints(record, include_extras=True), former_names(record)
    prefix = where and f"{where}."
    table = {}
    for key, item in value.items():
        name = known.get(key, key)
        if name != key and name in value:
            raise ScenarioError(f"{prefix}{key} is the former name of {prefix}{name}: give {prefix}{name} alone")
        if name != key and not quiet:
            warn_renamed(prefix + key, prefix + name)
        table[name] = present_names(hints.get(name), item, prefix + str(name), quiet)
    return table
