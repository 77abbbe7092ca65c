"""Presets: names → explicit records, each with its source, read from data/presets."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from p2psim.errors import ScenarioError, no_such
from p2psim.scenario.nat_kinds import NAT_KINDS
from p2psim.units import parse_quantity

__all__ = [
    "DATA",
    "DESKTOP",
    "MOBILE",
    "AccessProfile",
    "Place",
    "access_profiles",
    "bundled",
    "crypto_rates",
    "nat_mixes",
    "nat_sources",
    "places",
    "section_presets",
]

_PACKAGE = Path(__file__).resolve().parents[1]
DATA = _PACKAGE / "data" if (_PACKAGE / "data").is_dir() else _PACKAGE.parent / "data"
"""The bundled data: inside an installed package, or beside it in a checkout."""


DESKTOP, MOBILE = "desktop", "mobile"
"""Classes of devices (data/presets/devices.toml) that more than their processor tells apart: the first watches behind
an access link of the custom profile, the second keeps fewer segments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessProfile:
    """Medians of an access link (bytes/s), the sigma of their lognormal spread, the device and the source."""

    uplink: float
    downlink: float
    spread: float
    device: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place on earth, degrees."""

    latitude: float
    longitude: float
    source: str


@cache
def access_profiles() -> Mapping[str, AccessProfile | None]:
    """Profiles by name; `custom` is None: the scenario describes it."""
    profiles: dict[str, AccessProfile | None] = {}
    for name, row in _read("access").items():
        profiles[name] = (
            AccessProfile(
                uplink=parse_quantity(str(row["uplink"]), "rate"),
                downlink=parse_quantity(str(row["downlink"]), "rate"),
                spread=float(str(row["spread"])),
                device=str(row["device"]),
                source=str(row["source"]),
            )
            if "uplink" in row
            else None
        )
    return profiles


@cache
def nat_mixes() -> Mapping[str, tuple[float, ...]]:
    """Shares of `NAT_KINDS` by the name of the mix; raises ScenarioError for a kind that is none."""
    mixes = _read("nat")
    for name, row in mixes.items():
        for kind in row.keys() - {"source", *NAT_KINDS}:
            raise ScenarioError(f"data/presets/nat.toml: {name}.{kind}: {no_such('kind of NAT', kind, NAT_KINDS)}")
    return {name: tuple(float(str(row.get(kind, 0.0))) for kind in NAT_KINDS) for name, row in mixes.items()}


@cache
def nat_sources() -> Mapping[str, str]:
    """Where the mixes of NATs come from, by their names."""
    return {name: str(row.get("source", "")) for name, row in _read("nat").items()}


@cache
def crypto_rates() -> Mapping[str, float]:
    """What the processor of a class of devices can encrypt and decrypt, bytes/s."""
    return {name: parse_quantity(str(row["crypto"]), "rate") for name, row in _read("devices").items()}


@cache
def places() -> Mapping[str, Place]:
    """Places by name."""
    return {
        name: Place(
            latitude=float(str(row["latitude"])), longitude=float(str(row["longitude"])), source=str(row["source"])
        )
        for name, row in _read("places").items()
    }


@cache
def section_presets(section: str) -> Mapping[str, Mapping[str, object]]:
    """Presets of a section of the scenario: name → fields as in TOML, and `source`; none for most sections."""
    path = DATA / "presets" / "sections" / f"{section}.toml"
    return _read(f"sections/{section}") if path.exists() else {}


def bundled(kind: str) -> list[Path]:
    """List bundled ``scenarios``, ``designs`` of sweeps, or measured ``traces``, sorted by name."""
    folder = DATA / kind
    if kind == "traces":
        return [path.parent for path in sorted(folder.glob("*/manifest.json"))]
    return sorted(folder.glob("*.toml"))


def _read(name: str) -> Mapping[str, Mapping[str, object]]:
    with (DATA / "presets" / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)
