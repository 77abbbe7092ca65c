"""Tariffs of delivery, bills, and break-even prices."""

from dataclasses import dataclass

from p2psim.analysis.prices import GIGABYTE, prices
from p2psim.errors import InputError
from p2psim.scenario.presets import DEFAULT_PRICES

__all__ = ["Delivered", "Tariff", "break_even_cdn", "break_even_fee", "tariff"]

MBIT = 1e6 / 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Prices in dollars: of the CDN, of a P2P service, and of relays."""

    cdn_gb: float = 0.0
    """Per gigabyte of the CDN."""
    cdn_mbit: float = 0.0
    """Per month and Mbit/s of the 95th percentile of the CDN's five-minute rates."""
    fee_gb: float = 0.0
    """Per gigabyte from peers."""
    fee_hour: float = 0.0
    """Per viewer-hour."""
    turn_gb: float = 0.0
    """Per gigabyte through relays."""

    @property
    def text(self) -> str:
        """List of the prices."""
        parts = [
            f"${price:g} {item}"
            for price, item in (
                (self.cdn_gb, "per GB of the CDN"),
                (self.cdn_mbit, "per Mbit/s (95th percentile) of the CDN"),
                (self.fee_gb, "per GB from peers"),
                (self.fee_hour, "per viewer-hour"),
                (self.turn_gb, "per GB through relays"),
            )
            if price
        ]
        return ", ".join(parts) or "all prices are 0"

    def cdn(self, used: "Delivered") -> float:
        """Return the bill of the CDN."""
        return used.origin / GIGABYTE * self.cdn_gb + used.p95 / MBIT * self.cdn_mbit

    def sharing(self, used: "Delivered") -> float:
        """Return the bill of sharing: fees and relays."""
        return (
            used.p2p / GIGABYTE * self.fee_gb
            + used.viewer_hours * self.fee_hour
            + used.relayed / GIGABYTE * self.turn_gb
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Billed amounts: bytes, the 95th percentile in bytes/s, viewer-hours."""

    origin: float
    p2p: float
    relayed: float
    p95: float
    viewer_hours: float


def tariff(name: str | None = None, **given: float | None) -> Tariff:
    """Return the named prices (data/presets/prices.toml), with the given ones replaced; raises InputError."""
    base = prices(name or DEFAULT_PRICES)
    own = {key: price for key, price in given.items() if price is not None}
    if own.get("cdn_gb") and own.get("cdn_mbit"):
        raise InputError(
            "cdn_price, p95_price: one of them is accepted; a CDN is billed by the gigabyte or by the 95th percentile"
        )
    by_rate = bool(own.get("cdn_mbit"))
    # without named prices, the planner is assumed to run a tracker of their own, without a fee
    fee = base.service if name is not None else 0.0
    chosen = {"cdn_gb": 0.0 if by_rate else base.cdn, "fee_gb": fee, "turn_gb": base.turn}
    return Tariff(**{**chosen, **own})


def break_even_cdn(prices: Tariff, without: Delivered, shared: Delivered) -> float:
    """Return the price of the CDN (per GB, or per Mbit/s) above which sharing pays; infinite if it saves nothing."""
    saved = (without.p95 - shared.p95) / MBIT if prices.cdn_mbit else (without.origin - shared.origin) / GIGABYTE
    return prices.sharing(shared) / saved if saved > 0 else float("inf")


def break_even_fee(prices: Tariff, without: Delivered, shared: Delivered) -> float:
    """Return the fee per viewer-hour up to which sharing pays, with all other prices unchanged."""
    other = prices.sharing(shared) - shared.viewer_hours * prices.fee_hour
    return (prices.cdn(without) - prices.cdn(shared) - other) / shared.viewer_hours if shared.viewer_hours else 0.0
