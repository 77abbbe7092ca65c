"""Calibrations as presets of the section `network`: TOML with intervals and provenance as comments."""

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
from p2psim.trace.atomic_files import atomic_write
from p2psim.units import format_quantity

__all__ = ["NAME", "preset_text", "write_preset"]

NAME = "calibrated"
"""Default name of a preset."""
_ROUNDED = 4
"""Significant figures of values; the intervals are wider."""


def preset_text(calibration: Calibration, name: str = NAME, fitted_on: dt.date | None = None) -> str:
    """Return the identified fields as the TOML table `name`.

    Raises InputError for an invalid name, or if no field is identified.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise InputError(f"name = {name!r}: letters, digits, - and _ are accepted")
    if not calibration.values:
        raise InputError("no parameter is identified by these traces, so there is no preset to write; give more traces")
    lines = [
        f"[{name}]",
        f"# fitted by p2psim calibrate{f' on {fitted_on}' if fitted_on else ''}, from the traces (digest)",
    ]
    lines += [f"# {run}: {digest}" for run, digest in sorted(calibration.sources.items())]
    lines += [f"# kept out of the fit: {', '.join(calibration.held_out) or 'nothing'}"]
    for estimate in calibration.estimates.values():
        if estimate.value is None:
            lines.append(f"# {estimate.name}: {estimate.how}")
        else:
            unit = _dimension(estimate.name) or "number"
            interval = format_interval(estimate.interval, "number" if unit == "fraction" else unit)
            lines += [f"# {interval}: {estimate.how}", f"{estimate.name} = {_toml_value(estimate)}"]
    actor = f" of {calibration.actor}" if calibration.actor else ""
    error = (
        ""
        if math.isnan(calibration.mean_error)
        else f"; P2P share kept out: off by {format_value(calibration.mean_error, 'points')}"
    )
    lines.append(f'source = "fitted to {len(calibration.sources)} measured traces{actor} (digests above){error}"')
    return "\n".join(lines) + "\n"


def write_preset(calibration: Calibration, path: Path, name: str = NAME, fitted_on: dt.date | None = None) -> None:
    """Write the preset to a file, replacing a table of the same name; other tables of the file stay."""
    text = preset_text(calibration, name, fitted_on)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        tomllib.loads(before)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML ({error}); give a new file, or a file of presets") from None
    rest = re.sub(rf"^\[{re.escape(name)}\]\n(?:(?!\[).*\n?)*", "", before, flags=re.MULTILINE).rstrip()
    with atomic_write(path) as file:
        file.write((f"{rest}\n\n" if rest else "").encode() + text.encode())


def _toml_value(estimate: Estimate) -> str:
    dimension, rounded = _dimension(estimate.name), float(f"{estimate.interval.mean:.{_ROUNDED}g}")
    return repr(rounded) if dimension in ("fraction", "") else f'"{format_quantity(rounded, dimension)}"'


def _dimension(name: str) -> str:
    kind = typing.get_type_hints(Network, include_extras=True)[name]
    return str(typing.get_args(kind)[1]) if typing.get_origin(kind) is typing.Annotated else ""
