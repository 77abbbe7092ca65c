"""Bundles: named arrays, numbers and other bundles, which compiled code gets behind one pointer.

A bundle passed by value would be dozens of words in each call, with a reference count for every array: minutes of
compilation, and most of a run spent on counting. Here compiled code reads an address and the shape from a table of
words when it uses a field. It owns nothing: whoever holds the Python object keeps the arrays alive.

Fields are fixed when a bundle is made (compiled code takes the table for constant); arrays change in place.
"""

from dataclasses import dataclass, fields
from hashlib import blake2b
from numbers import Integral, Real
from typing import Any, dataclass_transform

import numpy as np
from llvmlite import ir
from numba import from_dtype, types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import NativeValue, infer_getattr, lower_getattr_generic, models, register_model, unbox
from numba.np.arrayobj import make_array, populate_array

from p2psim.numba_internals import try_common_rules_first

__all__ = ["Bundle", "records"]

_WORD = ir.IntType(64)
_LINE = 64
"""Bytes of a cache line."""
_TRUTH = (bool, np.bool)
_NUMBERS: dict[Any, Any] = {bool: _TRUTH, int: Integral, float: Real}
"""Types accepted for a field of each kind of number."""


def records(shape: int | tuple[int, ...], kind: "np.dtype[np.void]") -> Any:
    """Make zeroed records, the first on the start of a cache line."""
    needed = int(np.prod(shape)) * kind.itemsize
    raw = np.zeros(needed + _LINE, np.uint8)
    start = -raw.ctypes.data % _LINE
    return raw[start : start + needed].view(kind).reshape(shape).view(np.recarray)


class BundleType(types.Type):
    """Numba's type of a bundle: the name of its class, then name and type of each field."""

    def __init__(self, title: str, parts: tuple[tuple[str, Any], ...]) -> None:
        self.title = title
        self.parts = parts
        # the name becomes part of every symbol: a digest keeps it short
        digest = blake2b(repr([(name, str(kind)) for name, kind in parts]).encode(), digest_size=6).hexdigest()
        super().__init__(name=f"{title}_{digest}")

    def part(self, attribute: str) -> tuple[int, Any] | None:
        """First word and type of a field."""
        place = 0
        for name, kind in self.parts:
            if name == attribute:
                return place, kind
            place += 1 + kind.ndim if isinstance(kind, types.Array) else 1
        return None


register_model(BundleType)(models.OpaqueModel)


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Bundle:
    """Base of bundles: a subclass lists its fields as a dataclass does."""

    _numba_type_: BundleType
    _words: "np.ndarray[Any, np.dtype[np.int64]]"
    _address: int

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, eq=False, kw_only=True)(cls)

    def __reduce__(self) -> tuple[Any, ...]:
        # addresses are this process's own
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return _rebuild, (type(self), values)

    def __post_init__(self) -> None:
        parts: list[tuple[str, Any]] = []
        words: list[int] = []
        for field in fields(self):  # type: ignore[arg-type]
            name = f"{type(self).__name__}.{field.name}"
            value = _as_declared(field.type, getattr(self, field.name), name)
            object.__setattr__(self, field.name, value)
            kind, entries = _describe(value, name)
            parts.append((field.name, kind))
            words += entries
        table = np.array(words, np.int64)
        object.__setattr__(self, "_numba_type_", BundleType(type(self).__name__, tuple(parts)))
        object.__setattr__(self, "_words", table)
        object.__setattr__(self, "_address", table.ctypes.data)


def _rebuild(cls: type[Bundle], values: dict[str, Any]) -> Bundle:
    return cls(**values)


def _as_declared(declared: Any, value: Any, name: str) -> Any:
    """Return a number as the kind that its field declares: a whole number for a float would compile all code anew."""
    if declared not in _NUMBERS:
        return value
    if isinstance(value, _NUMBERS[declared]) and isinstance(value, _TRUTH) == (declared is bool):
        return declared(value)
    raise TypeError(f"{name} = {value!r}: {'true or false' if declared is bool else declared.__name__} is expected")


def _describe(value: Any, name: str) -> tuple[Any, list[int]]:
    """Type of a field, and the words that stand for its value."""
    if isinstance(value, Bundle):
        return value._numba_type_, [value._address]
    if isinstance(value, np.ndarray):
        if not value.flags.c_contiguous:
            raise TypeError(f"{name}: arrays of a bundle are contiguous")
        return types.Array(from_dtype(value.dtype), value.ndim, "C"), [value.ctypes.data, *value.shape]
    if isinstance(value, bool):
        return types.boolean, [int(value)]
    if isinstance(value, int):
        return types.int64, [value]
    if isinstance(value, float):
        return types.float64, [int(np.float64(value).view(np.int64))]
    raise TypeError(f"{name} = {value!r}: a bundle holds arrays, numbers and bundles")


@unbox(BundleType)
def _unbox(_: BundleType, bundle: Any, c: Any) -> NativeValue:
    """Return the address of the table to compiled code."""
    held = c.pyapi.object_getattr_string(bundle, "_address")
    address = c.pyapi.long_as_longlong(held)
    c.pyapi.decref(held)
    return NativeValue(c.builder.inttoptr(address, cgutils.voidptr_t))


@infer_getattr
class _BundleFields(AttributeTemplate):
    """Types of the fields."""

    key = BundleType

    def generic_resolve(self, value: BundleType, attr: str) -> Any:  # type: ignore[override]
        found = value.part(attr)
        return None if found is None else found[1]


try_common_rules_first()


@lower_getattr_generic(BundleType)
def _read_field(context: Any, builder: Any, bundle: BundleType, address: Any, attribute: str) -> Any:
    """Read a field from the table: arrays come without an owner, so nothing counts references to them."""
    found = bundle.part(attribute)
    assert found is not None
    place, kind = found
    table = builder.bitcast(address, _WORD.as_pointer())
    constant = builder.module.add_metadata([])

    def word(i: int) -> Any:
        value = builder.load(builder.gep(table, [ir.Constant(_WORD, place + i)]))
        value.set_metadata("invariant.load", constant)
        return value

    if isinstance(kind, types.Array):
        return _array(context, builder, kind, word)
    if isinstance(kind, BundleType):
        return builder.inttoptr(word(0), cgutils.voidptr_t)
    if kind == types.float64:
        return builder.bitcast(word(0), ir.DoubleType())
    if kind == types.boolean:
        return builder.icmp_unsigned("!=", word(0), ir.Constant(_WORD, 0))
    return word(0)


def _array(context: Any, builder: Any, kind: Any, word: Any) -> Any:
    element = context.get_data_type(kind.dtype)
    size = context.get_abi_sizeof(element)
    shape = [word(1 + axis) for axis in range(kind.ndim)]
    strides = [ir.Constant(_WORD, size)]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    array = make_array(kind)(context, builder)
    data = builder.inttoptr(word(0), element.as_pointer())
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
    return array._getvalue()
