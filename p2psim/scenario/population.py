"""Viewers that a scenario and a seed make; simulations and measurements draw the same ones.

Each property of a viewer has its own random stream, and is drawn by inversion of one uniform number: if one property of
the scenario changes, the others stay as they were (common random numbers). Properties of a home (link, NAT, place,
carrier) are drawn once for all its viewers; in homes of one, home and viewer have the same number.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from p2psim.rng import stream
from p2psim.scenario.arrivals import arrival_times, viewing_times
from p2psim.scenario.model import Viewers
from p2psim.scenario.nat_kinds import NAT_KINDS
from p2psim.scenario.presets import DESKTOP, MOBILE, access_profiles, crypto_rates, nat_mixes
from p2psim.scenario.roles import FREE_RIDER, ROLES, SHARES
from p2psim.scenario.scenario import Scenario

__all__ = [
    "CLEAN",
    "CRASH",
    "DEPARTURES",
    "END",
    "HAIRPIN",
    "HOST",
    "NOWHERE",
    "NO_WAY",
    "Departure",
    "Population",
    "channel_shares",
    "device_names",
    "nat_shares",
    "populate",
    "region_names",
    "viewer_name",
]

Departure = Literal["clean", "crash", "end"]
DEPARTURES = get_args(Departure)
CLEAN, CRASH, END = range(len(DEPARTURES))
"""Numbers of the departures: with a `stopped` announce, without one, and at the end of the run."""
NOWHERE = -1
"""Number of the neighbourhood or carrier of viewers who are behind none."""
NO_WAY, HAIRPIN, HOST = 0, 1, 2
"""How two viewers of one home connect: not at all, through their router, over the local network."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]
Draw = Callable[[str], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Viewers of one replication, in order of arrival; arrays have shape (viewers,), except where a field says so."""

    joined_at: Floats
    left_at: Floats
    """Departure times, at most the end of the run."""
    departure: NDArray[np.int8]
    uplink: Floats
    """Part of the home's uplink that may be used to upload, bytes/s."""
    downlink: Floats
    """Downlink of the home, bytes/s."""
    nat: NDArray[np.int8]
    """NAT kind of the home, index into NAT_KINDS."""
    ipv6: Bools
    device: NDArray[np.int8]
    """Index into `device_names`."""
    uploads: Bools
    role: NDArray[np.int8]
    """Index into ROLES."""
    p2p: Bools
    """True if the device takes part in peer-to-peer at all."""
    home: Ints
    within: NDArray[np.int8]
    """How viewers of the home connect to each other: HOST, HAIRPIN or NO_WAY."""
    neighbourhood: Ints
    """Shared link of the access network, or NOWHERE."""
    region: NDArray[np.int16]
    """Index into `region_names`."""
    carrier: NDArray[np.int16]
    """Carrier-grade NAT, or NOWHERE."""
    carrier_nat: NDArray[np.int8]
    """NAT kind of each carrier; shape (carriers,)."""
    carrier_hairpin: Bools
    """True if the carrier hairpins between two of its homes; shape (carriers,)."""
    channel: Ints
    """First channel of the viewer."""

    def __len__(self) -> int:
        return len(self.joined_at)

    @property
    def mobile(self) -> Bools:
        """True for viewers whose device is a phone."""
        phone: Bools = self.device == device_names().index(MOBILE)
        return phone

    @property
    def nat_names(self) -> list[str]:
        """Name of each viewer's NAT kind."""
        return [NAT_KINDS[kind] for kind in self.nat]

    @property
    def departures(self) -> list[Departure]:
        """Name of each viewer's departure."""
        return [DEPARTURES[kind] for kind in self.departure]


def viewer_name(index: int) -> str:
    """Name of a viewer in all tables, simulated and measured."""
    return f"v{index:04d}"


def device_names() -> list[str]:
    """Names of the device classes, in the order of their numbers."""
    return list(crypto_rates())


def region_names(scenario: Scenario) -> list[str]:
    """Names of the audience's places, in the order of their numbers; a single empty one if the scenario has none."""
    return list(scenario.regions.mix) or [""]


def channel_shares(scenario: Scenario) -> Floats:
    """Share of the viewers on each channel by Zipf's law, adding up to 1; shape (channels,)."""
    weights = np.arange(1, scenario.channels.count + 1, dtype=float) ** -scenario.channels.zipf
    shares: Floats = weights / weights.sum()
    return shares


def nat_shares(scenario: Scenario) -> tuple[float, ...]:
    """Return the shares of the homes behind each of `NAT_KINDS`."""
    own = scenario.nat.shares
    return tuple(own.get(kind, 0.0) for kind in NAT_KINDS) if own else nat_mixes()[scenario.nat.mix]


def populate(scenario: Scenario, seed: int, replication: int = 0) -> Population:
    """Draw the viewers of one replication."""
    joined = arrival_times(scenario, seed, replication)
    count = len(joined)

    def draw(purpose: str) -> Floats:
        return stream(seed, replication, purpose).random(count)

    home = _homes(scenario, count, seed, replication)

    def draw_home(purpose: str) -> Floats:
        return draw(purpose)[home]

    role = _roles(scenario.viewers, draw("role"))
    left = joined + viewing_times(scenario.viewers, draw("viewing"))
    end = left >= scenario.duration
    departure = np.where(draw("crash") < scenario.viewers.crash_share, CRASH, CLEAN)
    uplink, downlink, device = _links(scenario, draw_home)
    if scenario.devices.mix:
        device = _numbered(scenario.devices.mix, device_names())[_pick(scenario.devices.mix, draw("device"))]
    region = _pick(scenario.regions.mix, draw_home("region")) if scenario.regions.mix else np.zeros(count, int)
    carriers = scenario.carrier.count
    layered = draw_home("carrier") < scenario.carrier.home_share
    return Population(
        joined_at=joined,
        left_at=np.minimum(left, scenario.duration),
        departure=np.where(end, END, departure).astype(np.int8),
        uplink=uplink * scenario.access.lent,
        downlink=downlink,
        nat=_nat_kinds(scenario, draw_home("nat")),
        ipv6=draw_home("ipv6") < scenario.nat.ipv6,
        device=device.astype(np.int8),
        uploads=~_is_one_of(device, scenario.devices.upload_off)
        & (draw("sharing") < scenario.viewers.sharing)
        & (role != ROLES.index(FREE_RIDER)),
        role=role,
        p2p=~_is_one_of(device, scenario.devices.p2p_off),
        home=home,
        within=_ways_within(scenario, draw_home("host")),
        neighbourhood=_neighbourhoods(scenario, home, region),
        region=region.astype(np.int16),
        carrier=np.where(layered, (draw_home("which carrier") * carriers).astype(int), NOWHERE).astype(np.int16),
        carrier_nat=_carrier_kinds(scenario, stream(seed, replication, "carrier kind").random(carriers)),
        carrier_hairpin=stream(seed, replication, "carrier hairpin").random(carriers) < scenario.carrier.hairpin,
        channel=_choose(channel_shares(scenario), draw("channel")).astype(np.int32),
    )


def _choose(shares: Sequence[float] | Floats, u: Floats) -> NDArray[np.int64]:
    """Indices drawn with the given shares, by inversion of the uniform draws `u`."""
    edges = np.cumsum(shares)
    return np.asarray(np.minimum(np.searchsorted(edges, u * edges[-1], side="right"), len(edges) - 1), np.int64)


def _pick(mix: Mapping[str, float], u: Floats) -> NDArray[np.int64]:
    return _choose(list(mix.values()), u)


def _numbered(mix: Mapping[str, float], names: Sequence[str]) -> NDArray[np.int64]:
    return np.array([names.index(name) for name in mix])


def _homes(scenario: Scenario, count: int, seed: int, replication: int) -> Ints:
    """Home of each viewer: homes of random sizes are filled with viewers in random order."""
    shares = scenario.household.size_shares
    if len(shares) == 1:
        return np.arange(count, dtype=np.int32)
    rng = stream(seed, replication, "household")
    sizes = 1 + _choose(shares, rng.random(count))
    home = np.empty(count, np.int32)
    home[rng.permutation(count)] = np.repeat(np.arange(count), sizes)[:count]
    return home


def _ways_within(scenario: Scenario, u: Floats) -> NDArray[np.int8]:
    """How viewers of each home connect: HOST with one probability, otherwise HAIRPIN with another."""
    household = scenario.household
    hairpin = household.direct_share + (1 - household.direct_share) * household.hairpin
    return np.where(u < household.direct_share, HOST, np.where(u < hairpin, HAIRPIN, NO_WAY)).astype(np.int8)


def _neighbourhoods(scenario: Scenario, home: Ints, region: NDArray[np.int64]) -> Ints:
    """Neighbourhood of each viewer: homes of a region in their order; a home is never split."""
    if scenario.neighbourhood.viewers == 0:
        return np.full(len(home), NOWHERE, np.int32)
    order = np.lexsort((home, region))
    starts = np.concatenate([[True], home[order][1:] != home[order][:-1]]) if len(home) else np.zeros(0, bool)
    first = np.maximum.accumulate(np.where(starts, np.arange(len(home)), 0))
    neighbourhood = np.empty(len(home), np.int32)
    neighbourhood[order] = first // scenario.neighbourhood.viewers
    return neighbourhood


def _nat_kinds(scenario: Scenario, u: Floats) -> NDArray[np.int8]:
    return _choose(nat_shares(scenario), u).astype(np.int8)


def _carrier_kinds(scenario: Scenario, u: Floats) -> NDArray[np.int8]:
    kinds = scenario.carrier.kinds
    chosen = _numbered(kinds, NAT_KINDS)[_pick(kinds, u)]
    return np.asarray(chosen, np.int8)


def _roles(viewers: Viewers, u: Floats) -> NDArray[np.int8]:
    shares = np.cumsum([getattr(viewers, field) for field in SHARES.values()])
    number = np.searchsorted(shares, u, side="right")
    return np.where(number < len(shares), number + 1, 0).astype(np.int8)


def _is_one_of(device: NDArray[np.int64], names: Sequence[str]) -> Bools:
    return np.isin(device, [device_names().index(name) for name in names])


def _links(scenario: Scenario, draw: Draw) -> tuple[Floats, Floats, NDArray[np.int64]]:
    access = scenario.access
    chosen = _pick(access.mix, draw("profile"))
    normal = ndtri(np.maximum(draw("link"), 1e-300))
    uplink, downlink = np.empty(len(chosen)), np.empty(len(chosen))
    device = np.zeros(len(chosen), int)
    for index, name in enumerate(access.mix):
        profile = access_profiles()[name]
        here = chosen == index
        up, down, sigma = (
            (profile.uplink, profile.downlink, profile.spread)
            if profile is not None
            else (access.uplink, access.downlink, access.spread)
        )
        uplink[here] = up * np.exp(sigma * normal[here])
        downlink[here] = down * np.exp(sigma * normal[here])
        device[here] = device_names().index(profile.device if profile is not None else DESKTOP)
    return uplink, downlink, device
