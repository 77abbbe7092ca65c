"""Keyword-only dataclasses with helpful errors for unknown fields and malformed quantities.

What holds for one field (its range, the name that it had before) stands beside the field, in `setting`.
"""

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, TypeVar

from p2psim.errors import ScenarioError, UnitError, no_such, warn_renamed
from p2psim.units import parse_quantity

__all__ = ["FieldRules", "by_name", "field_rules", "former_names", "setting"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRules:
    """What one field accepts beyond its type; numbers are never negative, and finite unless `unlimited`."""

    positive: bool = False
    """Zero is refused."""
    unlimited: bool = False
    """Infinity is accepted."""
    least: float | None = None
    most: float | None = None
    example: str = ""
    """What to write, for fields for which a value of another type is a likely mistake."""
    former: str = ""
    """Name of the field in the version before; accepted with a warning. Digests are still computed from it, so that
    recorded scenarios keep theirs."""


def setting(
    default: Any = dataclasses.MISSING,
    *,
    factory: Any = dataclasses.MISSING,
    positive: bool = False,
    unlimited: bool = False,
    least: float | None = None,
    most: float | None = None,
    example: str = "",
    former: str = "",
) -> Any:
    """Dataclass field with a default (or a `factory` of defaults) and the `FieldRules` of the other arguments."""
    rules = FieldRules(
        positive=positive, unlimited=unlimited, least=least, most=most, example=example, former=former
    )  # fmt: skip
    return dataclasses.field(default=default, default_factory=factory, metadata={"rules": rules})


def field_rules(field: "dataclasses.Field[Any]") -> FieldRules:
    """Rules of a field; those of a plain field refuse nothing but negative and infinite numbers."""
    rules: FieldRules = field.metadata.get("rules", _PLAIN)
    return rules


_PLAIN = FieldRules()


@cache
def former_names(record: Any) -> Mapping[str, str]:
    """Former name → present name of the fields of a dataclass."""
    return {field_rules(field).former: field.name for field in dataclasses.fields(record) if field_rules(field).former}


def by_name(cls: type[T]) -> type[T]:
    """Make a dataclass accept quantities with units, refuse unknown fields, and know its fields' former names."""
    record: Any = cls
    plain_init: Callable[..., None] = record.__init__

    @wraps(plain_init)
    def init(self: T, *values: object, **named: object) -> None:
        hints, name = _hints(record), cls.__name__
        if values:
            example = next(iter(hints))
            raise ScenarioError(f"{name}({values[0]!r}): fields are given by name, for example {name}({example}=…)")
        for former, present in former_names(record).items():
            if former in named:  # `dataclasses.replace` gives the present name too, with the old value
                warn_renamed(f"{name}({former}=…)", f"{name}({present}=…)")
                named[present] = named.pop(former)
        for field in named:
            if field not in hints:
                raise ScenarioError(f"{name}({field}=…): {no_such('field', field, hints, former_names(record))}")
        plain_init(self, **{field: _read(hints[field], value, f"{name}({field}=…)") for field, value in named.items()})

    record.__init__ = init
    for former, present in former_names(record).items():
        setattr(record, former, _former_attribute(cls.__name__, former, present))
    return cls


def _former_attribute(record: str, former: str, present: str) -> property:
    def read(self: object) -> object:
        warn_renamed(f"{record}.{former}", f"{record}.{present}")
        return getattr(self, present)

    return property(read, doc=f"Former name of `{present}`.")


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _read(kind: Any, value: object, where: str) -> object:
    if typing.get_origin(kind) is not typing.Annotated or not isinstance(value, str):
        return value
    dimension = typing.get_args(kind)[1]
    if dimension == "overrides":
        return value
    try:
        return parse_quantity(value, dimension)
    except UnitError as error:
        raise ScenarioError(f"{where}: {error}") from None
