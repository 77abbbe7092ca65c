"""Records that are made by name: a field that is none, and a quantity that is none, get an answer that helps."""

import typing
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

from p2psim.errors import ScenarioError, UnitError, no_such
from p2psim.units import parse_quantity

__all__ = ["by_name"]

T = TypeVar("T")


def by_name(cls: type[T]) -> type[T]:
    """Let a dataclass take quantities in words too, and refuse unknown fields with the one that was meant."""
    record: Any = cls
    made: Callable[..., None] = record.__init__

    @wraps(made)
    def init(self: T, *values: object, **named: object) -> None:
        hints, name = _hints(record), cls.__name__
        if values:
            example = next(iter(hints))
            raise ScenarioError(f"{name}({values[0]!r}): fields are given by name, for example {name}({example}=…)")
        for field in named:
            if field not in hints:
                raise ScenarioError(f"{name}({field}=…): {no_such('field', field, hints)}")
        made(self, **{field: _read(hints[field], value, f"{name}({field}=…)") for field, value in named.items()})

    record.__init__ = init
    return cls


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
