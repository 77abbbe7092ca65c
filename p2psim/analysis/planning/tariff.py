"""What delivery is billed by, and the bill."""

from dataclasses import dataclass

from p2psim.analysis.prices import prices
from p2psim.errors import InputError

__all__ = ["Delivered", "Tariff", "break_even_cdn", "break_even_fee", "tariff"]

GIGABYTE, MBIT = 1e9, 1e6 / 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Dollars: CDN by gigabyte or by Mbit/s and month, P2P by viewer-hour or gigabyte, relays by gigabyte."""

    cdn_gb: float = 0.0
    cdn_mbit: float = 0.0
    """For each Mbit/s of the 95th percentile of five-minute rates, a month."""
    fee_gb: float = 0.0
    """For each gigabyte from peers."""
    fee_hour: float = 0.0
    """For each hour of a viewer."""
    turn_gb: float = 0.0

    @property
    def text(self) -> str:
        """Say what is paid for."""
        parts = [
            f"${price:g} {what}"
            for price, what in (
                (self.cdn_gb, "per GB of the CDN"),
                (self.cdn_mbit, "per Mbit/s (95th percentile) of the CDN"),
                (self.fee_gb, "per GB from peers"),
                (self.fee_hour, "per viewer-hour"),
                (self.turn_gb, "per GB through relays"),
            )
            if price
        ]
        return ", ".join(parts) or "nothing costs anything"

    def cdn(self, used: "Delivered") -> float:
        """Bill of the CDN alone."""
        return used.origin / GIGABYTE * self.cdn_gb + used.p95 / MBIT * self.cdn_mbit

    def sharing(self, used: "Delivered") -> float:
        """Bill of what sharing needs: fees and relays."""
        return (
            used.p2p / GIGABYTE * self.fee_gb
            + used.viewer_hours * self.fee_hour
            + used.relayed / GIGABYTE * self.turn_gb
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What is billed: bytes, bytes/s, hours."""

    origin: float
    p2p: float
    relayed: float
    p95: float
    viewer_hours: float


def tariff(name: str | None = None, **given: float | None) -> Tariff:
    """Take the prices of a name (data/presets/prices.toml) and replace those that are given; raises InputError."""
    base = prices(name or "cloud-cdn")
    own = {key: price for key, price in given.items() if price is not None}
    if own.get("cdn_gb") and own.get("cdn_mbit"):
        raise InputError("cdn_price and p95_price: a CDN is billed by the gigabyte or by the 95th percentile; give one")
    by_rate = bool(own.get("cdn_mbit"))
    # a planner who names a price of the CDN has a tracker of their own and no fee but the one they name
    fee = base.service if name is not None else 0.0
    chosen = {"cdn_gb": 0.0 if by_rate else base.cdn, "fee_gb": fee, "turn_gb": base.turn}
    return Tariff(**{**chosen, **own})


def break_even_cdn(at: Tariff, without: Delivered, with_: Delivered) -> float:
    """Price of the CDN, by what it is billed by, from which on sharing pays; infinite where it saves nothing."""
    saved = (without.p95 - with_.p95) / MBIT if at.cdn_mbit else (without.origin - with_.origin) / GIGABYTE
    return at.sharing(with_) / saved if saved > 0 else float("inf")


def break_even_fee(at: Tariff, without: Delivered, with_: Delivered) -> float:
    """Fee for a viewer-hour up to which sharing pays, all other prices as they are."""
    other = at.sharing(with_) - with_.viewer_hours * at.fee_hour
    return (at.cdn(without) - at.cdn(with_) - other) / with_.viewer_hours if with_.viewer_hours else 0.0
