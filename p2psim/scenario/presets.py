"""Presets: names → explicit records, each with its source, read from data/presets."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from p2psim.units import parse_quantity

__all__ = [
    "ABOUT_PRESET",
    "DATA",
    "NAT_KINDS",
    "AccessProfile",
    "Place",
    "access_profiles",
    "bundled",
    "crypto_rates",
    "former_preset_names",
    "nat_mixes",
    "nat_sources",
    "places",
    "section_presets",
]

_PACKAGE = Path(__file__).resolve().parents[1]
DATA = _PACKAGE / "data" if (_PACKAGE / "data").is_dir() else _PACKAGE.parent / "data"
"""The bundled data: inside an installed package, or beside it in a checkout."""

NAT_KINDS = (
    "public",
    "full-cone",
    "restricted",
    "port-restricted",
    "symmetric",
    "blocked",
    "AD/EI",
    "AD/AD",
    "AD/APD",
    "APD/EI",
    "APD/AD",
)
"""Kinds of NAT: in the words of RFC 3489 where it has one, else as mapping/filtering of RFC 4787: EI independent of the
endpoint, AD dependent on the address, APD on address and port. `p2psim.network.nat` knows the rules."""


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
    """Shares of NAT_KINDS by the name of the mix."""
    return {name: tuple(float(str(row.get(kind, 0.0))) for kind in NAT_KINDS) for name, row in _read("nat").items()}


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
    """Return the presets of a scenario's section: name → fields as in TOML, and keys of ABOUT_PRESET."""
    path = DATA / "presets" / "sections" / f"{section}.toml"
    return _read(f"sections/{section}") if path.exists() else {}


ABOUT_PRESET = ("source", "former")
"""Keys of a preset that are no fields: where its values are from, and the name that it had in the version before."""


@cache
def former_preset_names(section: str) -> Mapping[str, str]:
    """Return former name → present name of the presets of a scenario's section."""
    return {str(row["former"]): name for name, row in section_presets(section).items() if "former" in row}


def bundled(kind: str) -> list[Path]:
    """List bundled ``scenarios``, ``designs`` of sweeps, or measured ``traces``, sorted by name."""
    folder = DATA / kind
    if kind == "traces":
        return [path.parent for path in sorted(folder.glob("*/manifest.json"))]
    return sorted(folder.glob("*.toml"))


def _read(name: str) -> Mapping[str, Mapping[str, object]]:
    with (DATA / "presets" / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)
