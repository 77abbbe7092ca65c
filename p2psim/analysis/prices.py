"""Prices of delivery with their sources, and bills computed from them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from p2psim.analysis.metrics import Sums
from p2psim.errors import one_of
from p2psim.scenario import DATA

__all__ = ["Prices", "bill", "prices"]

GIGABYTE = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dollars per gigabyte: of the CDN, of a P2P service (its fee), of relays (TURN)."""

    cdn: float
    service: float
    turn: float
    source: str


@cache
def _all() -> Mapping[str, Prices]:
    with (DATA / "presets" / "prices.toml").open("rb") as file:
        return {name: Prices(**row) for name, row in tomllib.load(file).items()}


def prices(name: str) -> Prices:
    """Return a set of prices of data/presets/prices.toml; raises InputError for an unknown name."""
    return _all()[one_of("prices", name, _all())]


def bill(totals: Sums, tariff: Prices, prefix: str = "") -> float:
    """Return the bill of one replication in dollars; with `prefix` ``base_`` that of its paired `http-only` run."""
    gigabytes = {name: totals[f"{prefix}{name}_bytes"] / GIGABYTE for name in ("origin", "p2p", "relay")}
    return gigabytes["origin"] * tariff.cdn + gigabytes["p2p"] * tariff.service + gigabytes["relay"] * tariff.turn
