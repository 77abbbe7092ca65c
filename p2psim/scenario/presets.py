"""Presets by name, each with its source, read from data/presets."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from p2psim.errors import ScenarioError, no_such
from p2psim.scenario.nat_kinds import NAT_KINDS
from p2psim.units import parse_quantity

__all__ = [
    "ABOUT_PRESET",
    "DATA",
    "DEFAULT_PRICES",
    "DESKTOP",
    "MOBILE",
    "AccessProfile",
    "Place",
    "access_profiles",
    "bundled",
    "crypto_rates",
    "former_preset_names",
    "ladders",
    "nat_mixes",
    "nat_sources",
    "places",
    "profiles",
    "read_presets",
    "section_presets",
]

_PACKAGE = Path(__file__).resolve().parents[1]
DATA = _PACKAGE / "data" if (_PACKAGE / "data").is_dir() else _PACKAGE.parent / "data"
"""Folder of the bundled data: in an installed package inside of it, in a checkout beside it."""


DESKTOP, MOBILE = "desktop", "mobile"
"""Classes of devices (data/presets/devices.toml) that more than their processor tells apart: the first watches behind
an access link of the custom profile, the second keeps fewer segments."""


DEFAULT_PRICES = "cloud-cdn"
"""Set of data/presets/prices.toml of a plan that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessProfile:
    """Access link: medians of its rates (bytes/s), sigma of their lognormal distribution, device and source."""

    uplink: float
    downlink: float
    spread: float
    device: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Coordinates of a place, degrees."""

    latitude: float
    longitude: float
    source: str


@cache
def access_profiles() -> Mapping[str, AccessProfile | None]:
    """Access profiles by name; `custom` is None, as the scenario describes it."""
    profiles: dict[str, AccessProfile | None] = {}
    for name, row in read_presets("access").items():
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


def profiles() -> list[str]:
    """Names of the access profiles that data/presets/access.toml describes."""
    return [name for name, profile in access_profiles().items() if profile is not None]


@cache
def nat_mixes() -> Mapping[str, tuple[float, ...]]:
    """NAT mixes by name: the share of each of NAT_KINDS; raises ScenarioError for a kind that does not exist."""
    mixes = read_presets("nat")
    for name, row in mixes.items():
        for kind in row.keys() - {"source", *NAT_KINDS}:
            raise ScenarioError(f"data/presets/nat.toml: {name}.{kind}: {no_such('kind of NAT', kind, NAT_KINDS)}")
    return {name: tuple(float(str(row.get(kind, 0.0))) for kind in NAT_KINDS) for name, row in mixes.items()}


@cache
def nat_sources() -> Mapping[str, str]:
    """Sources of the NAT mixes by name."""
    return {name: str(row.get("source", "")) for name, row in read_presets("nat").items()}


@cache
def crypto_rates() -> Mapping[str, float]:
    """Rates at which the processors of the device classes encrypt and decrypt, bytes/s."""
    return {name: parse_quantity(str(row["crypto"]), "rate") for name, row in read_presets("devices").items()}


@cache
def places() -> Mapping[str, Place]:
    """Places by name."""
    return {
        name: Place(
            latitude=float(str(row["latitude"])), longitude=float(str(row["longitude"])), source=str(row["source"])
        )
        for name, row in read_presets("places").items()
    }


@cache
def section_presets(section: str) -> Mapping[str, Mapping[str, object]]:
    """Return the presets of a scenario's section: name → fields as in TOML, and keys of ABOUT_PRESET."""
    path = DATA / "presets" / "sections" / f"{section}.toml"
    return read_presets(f"sections/{section}") if path.exists() else {}


def ladders() -> Mapping[str, Any]:
    """Bitrates of ladders by name: the presets of [stream] that have some."""
    return {name: row["ladder"] for name, row in section_presets("stream").items() if "ladder" in row}


ABOUT_PRESET = ("source", "former")
"""Keys of a preset that are no fields: where its values are from, and the name that it had in the version before."""


@cache
def former_preset_names(section: str) -> Mapping[str, str]:
    """Return former name → present name of the presets of a scenario's section."""
    return {str(row["former"]): name for name, row in section_presets(section).items() if "former" in row}


def bundled(kind: str) -> list[Path]:
    """Return the paths of the bundled ``scenarios``, ``designs`` of sweeps, or measured ``traces``, sorted by name."""
    folder = DATA / kind
    if kind == "traces":
        return [path.parent for path in sorted(folder.glob("*/manifest.json"))]
    return sorted(folder.glob("*.toml"))


@cache
def read_presets(name: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the tables of a file of data/presets by name."""
    with (DATA / "presets" / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)
