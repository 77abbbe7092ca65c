"""Inputs of a plan: reading, checks, and the scenario that they describe."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from p2psim.analysis.formatting import format_value
from p2psim.analysis.planning.audience import Audience, constant, event, read_csv
from p2psim.analysis.planning.tariff import Tariff, tariff
from p2psim.errors import InputError, one_of
from p2psim.scenario import NAT_KINDS, Scenario
from p2psim.scenario.presets import access_profiles, nat_mixes, profiles, read_presets, section_presets
from p2psim.units import format_quantity, parse_quantity

__all__ = ["Inputs", "PlanInputs", "countries", "read_inputs"]

LENT = 0.5
"""Share of an uplink used for uploads to peers: an assumption, and therefore one of the varied inputs."""
_STAYS = Scenario().replace({"viewers.preset": "globosat"}).viewers
VIEWING, SPREAD = _STAYS.mean_viewing_time, _STAYS.viewing_time_spread
"""Mean seconds that a viewer stays, and their lognormal sigma: preset `globosat` of [viewers]."""
LEAST_RATE = 100e3 / 8
"""Lowest bitrate that is accepted, bytes/s."""
MOST_VIEWERS = 1e8
ROOM = 20.0
"""Seconds of a playlist beyond the live latency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInputs:
    """Inputs of a plan as users give them: quantities as text with a unit, or numbers in canonical units.

    `read_inputs` checks them.
    """

    viewers: float | str | None = None
    """Concurrent viewers; with an event, at its peak."""
    event: str | None = None
    """Name of a curve over time (data/presets/events.toml)."""
    csv: str | Path | None = None
    """File with concurrent viewers over time, instead of `viewers` and `event`."""
    channels: int | str = 1
    zipf: float | str = 1.0
    """Exponent of the popularity of the channels."""
    bitrate: float | str | None = None
    ladder: Any = None
    """Bitrates, or the name of a preset of the section `stream` that has some; instead of `bitrate`."""
    country: str = "world"
    access: Mapping[str, Any] | str | None = None
    """Access profile → share, instead of the country's links."""
    nat: str | None = None
    """Name of a NAT mix for all viewers."""
    mobile: float | str = 0.0
    """Share of the viewers on mobile networks."""
    latency: float | str = "24 s"
    """Live latency."""
    segment: float | str = "4 s"
    viewing: float | str = VIEWING
    """Mean time that a viewer stays."""
    lent: float | str = LENT
    """Share of an uplink that may be used for uploads to peers."""
    relay: float | str = 0.0
    """Share of the pairs that need a relay which have one."""
    changes: Mapping[str, Any] | None = None
    """Other fields of the scenario by dotted name."""
    prices: str | None = None
    """Name of a set of prices (data/presets/prices.toml)."""
    cdn_price: float | str | None = None
    p95_price: float | str | None = None
    fee_hour: float | str | None = None
    fee_gb: float | str | None = None
    turn_price: float | str | None = None
    hours: float | str | None = None
    """Billed hours of a constant audience."""
    times: float | str = 1.0
    """Number of times that an audience over time is billed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Checked inputs of a plan in canonical units."""

    audience: Audience
    bitrate: float
    """Bytes/s; with a ladder, its highest step."""
    ladder: tuple[float, ...] = ()
    country: str = "world"
    access: Mapping[str, float] = field(default_factory=dict)
    """Access profile → share; empty: those of the country."""
    nat: str = ""
    """NAT mix of all viewers; empty: those of the country, for fixed and mobile networks."""
    mobile: float = 0.0
    latency: float = 24.0
    segment: float = 4.0
    viewing: float = VIEWING
    """Mean time that a viewer stays."""
    spread: float = SPREAD
    """Sigma of lognormally distributed viewing times."""
    lent: float = LENT
    relay: float = 0.0
    """Share of the pairs that need a relay which have one."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of the scenario by dotted name."""
    tariff: Tariff
    hours: float = 720.0
    """Billed hours of a constant audience."""
    times: float = 1.0
    """Number of times that an audience over time is billed."""

    @property
    def seconds(self) -> float:
        """Billed seconds."""
        return self.hours * 3600 if self.audience.is_constant else self.audience.seconds * self.times

    @property
    def scenario(self) -> Scenario:
        """Scenario without the audience."""
        changes: dict[str, Any] = {
            "stream.bitrate": self.bitrate,
            "stream.ladder": self.ladder,
            "stream.live_latency": self.latency,
            "stream.segment": self.segment,
            "stream.playlist_segments": max(15, math.ceil((self.latency + ROOM) / self.segment)),
            "access.mix": self.access_mix,
            "access.lent": self.lent,
            "nat.shares": self.nat_shares,
            "relay.availability": self.relay,
        }
        return Scenario(name="plan").replace({**changes, **self.changes})

    @property
    def access_mix(self) -> dict[str, float]:
        """Access profile → share."""
        if self.access:
            return dict(self.access)
        country = countries()[self.country]
        both = {country["fixed"]: 1 - self.mobile, country["mobile"]: self.mobile}
        return {name: share for name, share in both.items() if share > 0}

    @property
    def nat_shares(self) -> dict[str, float]:
        """Kind of NAT → share of the viewers."""
        country = countries()[self.country]
        home, away = (nat_mixes()[self.nat or country[where]] for where in ("nat", "mobile_nat"))
        mixed = {
            kind: (1 - self.mobile) * at_home + self.mobile * on_the_move
            for kind, at_home, on_the_move in zip(NAT_KINDS, home, away, strict=True)
        }
        return {kind: round(share, 12) for kind, share in mixed.items() if share > 0}

    def changed(self, **changes: Any) -> "Inputs":
        """Return a copy with these fields changed."""
        return dataclasses.replace(self, **changes)

    def rows(self) -> list[tuple[str, str]]:
        """Return name and value of every input as text."""
        audience = self.audience
        number = f"{audience.peak:,.0f} viewers" if audience.is_constant else f"up to {audience.peak:,.0f} viewers"
        curve = "" if audience.is_constant else f", {audience.name}, {format_quantity(audience.seconds, 'time')}"
        channels = f", {audience.channels} channels (Zipf {audience.zipf:g})" if audience.channels > 1 else ""
        steps = ", ".join(format_quantity(step, "rate") for step in self.ladder)
        return [
            ("audience", number + curve + channels),
            ("bitrate", steps or format_quantity(self.bitrate, "rate")),
            ("access", ", ".join(f"{format_value(share, 'share')} {name}" for name, share in self.access_mix.items())),
            ("share of the uplink used", format_value(self.lent, "share")),
            (
                "NAT",
                self.nat
                or ", ".join(f"{format_value(share, 'share')} {kind}" for kind, share in self.nat_shares.items()),
            ),
            ("relays", f"for {format_value(self.relay, 'share')} of the pairs that need one" if self.relay else "none"),
            ("live latency", format_quantity(self.latency, "time")),
            ("segments", format_quantity(self.segment, "time")),
            ("viewing time", f"{format_quantity(self.viewing, 'time')} on average"),
            *((name, str(value)) for name, value in self.changes.items()),
            ("billed", f"{self.seconds / 3600:.4g} h"),
            ("prices", self.tariff.text),
        ]


@cache
def countries() -> Mapping[str, Mapping[str, str]]:
    """Return the links and NATs of each country's viewers (data/presets/countries.toml); raises InputError."""
    rows = read_presets("countries")
    for name, row in rows.items():
        for key in ("fixed", "mobile", "nat", "mobile_nat"):
            known = nat_mixes() if key.endswith("nat") else profiles()
            one_of(f"data/presets/countries.toml: {name}.{key}", row.get(key), known)
    return rows


def read_inputs(given: PlanInputs) -> Inputs:
    """Return the checked inputs in canonical units; raises InputError that names the value and what is accepted."""
    channels, zipf = _whole("channels", given.channels, 10_000), _number("zipf", given.zipf, 0, 5)
    audience = _audience(given.viewers, given.event, given.csv, channels, zipf)
    steps = _ladder(given.ladder)
    if steps and given.bitrate is not None:
        raise InputError(f"bitrate = {given.bitrate!r}: a ladder is given too; one of them is accepted")
    if given.hours is not None and not audience.is_constant:
        raise InputError(
            f"hours = {given.hours!r}: accepted for a constant audience; use times for an audience over time"
        )
    inputs = Inputs(
        audience=audience,
        bitrate=steps[-1] if steps else _rate("bitrate", "5 Mbit/s" if given.bitrate is None else given.bitrate),
        ladder=steps,
        country=one_of("country", _lower(given.country), countries()),
        access=_access(given.access),
        nat="" if given.nat is None else one_of("nat", _lower(given.nat), nat_mixes()),
        mobile=_share("mobile", given.mobile),
        latency=_time("latency", given.latency),
        segment=_time("segment", given.segment),
        viewing=_time("viewing", given.viewing),
        lent=_share("lent", given.lent),
        relay=_share("relay", given.relay),
        changes=dict(given.changes or {}),
        tariff=tariff(
            given.prices,
            cdn_gb=_price("cdn_price", given.cdn_price),
            cdn_mbit=_price("p95_price", given.p95_price),
            fee_gb=_price("fee_gb", given.fee_gb),
            fee_hour=_price("fee_hour", given.fee_hour),
            turn_gb=_price("turn_price", given.turn_price),
        ),
        hours=720.0 if given.hours is None else _number("hours", given.hours, 1e-3, 1e5),
        times=_number("times", given.times, 1, 1e4),
    )
    if inputs.access and inputs.mobile:
        raise InputError(f"mobile = {given.mobile!r}: access is given too; one of them is accepted")
    _ = inputs.scenario  # an invalid scenario is refused before any simulation
    return inputs


def _audience(
    viewers: float | str | None, name: str | None, path: str | Path | None, channels: int, zipf: float
) -> Audience:
    if path is not None:
        if viewers is not None or name is not None:
            raise InputError(f"csv = {str(path)!r}: viewers or event are given too; one of them is accepted")
        return read_csv(path, channels, zipf)
    if viewers is None:
        raise InputError(
            "viewers is missing: give the number of concurrent viewers (20000), or a csv of them over time"
        )
    count = _whole("viewers", viewers, int(MOST_VIEWERS))
    return constant(count, channels, zipf) if name is None else event(_lower(name), count, channels, zipf)


def _ladder(given: Any) -> tuple[float, ...]:
    if given is None or given == "":
        return ()
    if isinstance(given, str) and "/s" not in given and "bps" not in given:
        known = {name: row["ladder"] for name, row in section_presets("stream").items() if "ladder" in row}
        given = known[one_of("ladder", _lower(given), known)]
    steps = given.split(",") if isinstance(given, str) else list(given)
    rates = tuple(_rate("ladder", step.strip() if isinstance(step, str) else step) for step in steps)
    if list(rates) != sorted(set(rates)):
        raise InputError(f"ladder = {given!r}: bitrates must ascend, for example '1 Mbit/s, 3 Mbit/s, 6 Mbit/s'")
    return rates


def _access(given: Mapping[str, Any] | str | None) -> dict[str, float]:
    if not given:
        return {}
    if isinstance(given, str):
        pairs = [part.rpartition(":") for part in given.split(",")]
        given = {name.strip() or share.strip(): share.strip() if colon else 1.0 for name, colon, share in pairs}
    known = [name for name in access_profiles() if name != "custom"]
    shares = {one_of("access", _lower(name), known): _share(f"access {name}", share) for name, share in given.items()}
    if not math.isclose(sum(shares.values()), 1.0, abs_tol=0.005):
        raise InputError(f"access = {dict(given)!r}: shares add up to {sum(shares.values()):.0%}, 100 % is expected")
    return shares


def _lower(text: Any) -> str:
    return str(text).strip().lower().replace(" ", "-")


def _whole(what: str, value: float | str, most: int) -> int:
    number = _number(what, value, 1, most)
    if number % 1:
        raise InputError(f"{what} = {value!r}: a whole number is expected")
    return int(number)


def _number(what: str, value: float | str, least: float, most: float) -> float:
    try:
        number = float(value.replace(",", "").replace("_", "")) if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not least <= number <= most:
        raise InputError(f"{what} = {value!r}: a number from {least:,g} to {most:,.0f} is expected")
    return number


def _rate(what: str, value: float | str) -> float:
    rate = _quantity(what, value, "rate")
    if not LEAST_RATE <= rate < math.inf:
        rate_text = "unlimited" if math.isinf(rate) else format_quantity(rate, "rate")
        raise InputError(f"{what} = {value!r}: {rate_text} is not a bitrate of video; write for example '6 Mbit/s'")
    return rate


def _time(what: str, value: float | str) -> float:
    seconds = _quantity(what, value, "time")
    if not 0 < seconds < math.inf:
        raise InputError(f"{what} = {value!r}: a time above 0 is expected, for example '24 s'")
    return seconds


def _share(what: str, value: float | str) -> float:
    share = _quantity(what, value, "fraction")
    if not 0 <= share <= 1:
        raise InputError(f"{what} = {value!r}: a share is expected: write '30 %' or 0.3")
    return share


def _quantity(what: str, value: float | str, dimension: str) -> float:
    if isinstance(value, str):
        try:
            return parse_quantity(value, dimension)
        except InputError as error:
            raise InputError(f"{what}: {error}") from None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise InputError(f"{what} = {value!r}: a {dimension} is expected")
    return number


def _price(what: str, value: float | str | None) -> float | None:
    if value is None:
        return None
    text = value.strip().removeprefix("$").removesuffix("$/GB").removesuffix("$") if isinstance(value, str) else value
    try:
        price = float(text)
    except (TypeError, ValueError):
        price = math.nan
    if not 0 <= price < math.inf:
        raise InputError(f"{what} = {value!r}: dollars of at least 0 are expected, for example 0.02")
    return price
