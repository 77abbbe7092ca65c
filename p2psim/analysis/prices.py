"""What delivery costs: prices with their sources, and bills."""

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
    """Dollars for each gigabyte: from the CDN, fee of a P2P service, through relays."""

    cdn: float
    service: float
    turn: float
    source: str


@cache
def _all() -> Mapping[str, Prices]:
    with (DATA / "presets" / "prices.toml").open("rb") as file:
        return {name: Prices(**row) for name, row in tomllib.load(file).items()}


def prices(name: str) -> Prices:
    """Give a set of prices of data/presets/prices.toml; raises InputError."""
    return _all()[one_of("prices", name, _all())]


def bill(found: Sums, at: Prices, prefix: str = "") -> float:
    """Price the bytes of one replication, in dollars; `prefix` ``base_`` prices its `http-only` pair."""
    size = {name: found[f"{prefix}{name}_bytes"] / GIGABYTE for name in ("origin", "p2p", "relay")}
    return size["origin"] * at.cdn + size["p2p"] * at.service + size["relay"] * at.turn
