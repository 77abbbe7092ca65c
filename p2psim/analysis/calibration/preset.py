"""A calibration as a preset of the section `network`: TOML with intervals and provenance in it."""

import datetime as dt
import math
import re
import tomllib
import typing
from pathlib import Path

from p2psim.analysis.calibration.fit import Calibration
from p2psim.analysis.calibration.identification import Estimate
from p2psim.analysis.formatting import format_interval, format_value
from p2psim.errors import InputError
from p2psim.scenario import Network
from p2psim.trace.atomic_files import replacing
from p2psim.units import format_quantity

__all__ = ["NAME", "preset_text", "write_preset"]

NAME = "calibrated"
_ROUNDED = 4
"""Significant figures; the intervals are wider than that."""


def preset_text(found: Calibration, name: str = NAME, made_on: dt.date | None = None) -> str:
    """Write the fields that the traces tell as the table `name`.

    Raises InputError for a name that is none, or where the traces tell nothing.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise InputError(f"name = {name!r}: letters, digits, - and _ are accepted")
    if not found.values:
        raise InputError("these traces tell no parameter: there is nothing to write")
    lines = [
        f"[{name}]",
        f"# fitted by p2psim calibrate{f' on {made_on}' if made_on else ''}, from the traces (digest)",
    ]
    lines += [f"# {run}: {digest}" for run, digest in sorted(found.sources.items())]
    lines += [f"# kept out of the fit: {', '.join(found.held_out) or 'nothing'}"]
    for estimate in found.estimates.values():
        if estimate.value is None:
            lines.append(f"# {estimate.name}: {estimate.how}")
        else:
            unit = _dimension(estimate.name) or "number"
            told = format_interval(estimate.interval, "number" if unit == "fraction" else unit)
            lines += [f"# {told}: {estimate.how}", f"{estimate.name} = {_spelled(estimate)}"]
    actor = f" of {found.actor}" if found.actor else ""
    error = (
        ""
        if math.isnan(found.mean_error)
        else f"; P2P share kept out: off by {format_value(found.mean_error, 'points')}"
    )
    lines.append(f'source = "fitted to {len(found.sources)} measured traces{actor} (digests above){error}"')
    return "\n".join(lines) + "\n"


def write_preset(found: Calibration, path: Path, name: str = NAME, made_on: dt.date | None = None) -> None:
    """Write the preset to a file; what else is in the file stays, a table of the same name is replaced."""
    text = preset_text(found, name, made_on)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        tomllib.loads(before)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML ({error}); give a new file, or one of presets") from None
    rest = re.sub(rf"^\[{re.escape(name)}\]\n(?:(?!\[).*\n?)*", "", before, flags=re.MULTILINE).rstrip()
    with replacing(path) as file:
        file.write((f"{rest}\n\n" if rest else "").encode() + text.encode())


def _spelled(found: Estimate) -> str:
    dimension, rounded = _dimension(found.name), float(f"{found.interval.mean:.{_ROUNDED}g}")
    return repr(rounded) if dimension in ("fraction", "") else f'"{format_quantity(rounded, dimension)}"'


def _dimension(name: str) -> str:
    kind = typing.get_type_hints(Network, include_extras=True)[name]
    return str(typing.get_args(kind)[1]) if typing.get_origin(kind) is typing.Annotated else ""
