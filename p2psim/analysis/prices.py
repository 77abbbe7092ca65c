"""Prices of delivery with their sources, and bills computed from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from p2psim.analysis.metrics import Sums
from p2psim.errors import one_of
from p2psim.scenario.presets import read_presets

__all__ = ["GIGABYTE", "Prices", "all_prices", "bill", "prices"]

GIGABYTE = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dollars per gigabyte: of the CDN, of a P2P service (its fee), of relays (TURN)."""

    cdn: float
    service: float
    turn: float
    source: str


@cache
def all_prices() -> Mapping[str, Prices]:
    """Sets of prices by name, from data/presets/prices.toml."""
    return {name: Prices(**row) for name, row in read_presets("prices").items()}


def prices(name: str) -> Prices:
    """Return a set of prices of data/presets/prices.toml; raises InputError for an unknown name."""
    return all_prices()[one_of("prices", name, all_prices())]


def bill(totals: Sums, tariff: Prices, prefix: str = "") -> float:
    """Return the bill of one replication in dollars; with `prefix` ``base_`` that of its paired `http-only` run."""
    gigabytes = {name: totals[f"{prefix}{name}_bytes"] / GIGABYTE for name in ("origin", "p2p", "relay")}
    return gigabytes["origin"] * tariff.cdn + gigabytes["p2p"] * tariff.service + gigabytes["relay"] * tariff.turn
