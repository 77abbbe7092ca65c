"""Plans of a measured run: the options of its clip and its origin, and the plan of each viewer."""

import math
from collections.abc import Mapping
from itertools import takewhile
from typing import Final

from p2psim.scenario import Population, Scenario
from p2psim.scenario.population import device_names, viewer_name
from p2psim.scenario.roles import ROLES
from p2psim.scenario.zapping import channel_names, itinerary, zapping_stream
from p2psim.testbed.faults import Change
from p2psim.testbed.hosts import ORIGIN, Hosts
from p2psim.testbed.origin.media import ClipOptions, ladder
from p2psim.testbed.origin.schedule import OriginOptions
from p2psim.testbed.peer.config import ViewerPlan

__all__ = ["clip_options", "origin_options", "viewer_plans"]

_CLIP_SEGMENTS: Final = 8


def clip_options(scenario: Scenario) -> ClipOptions:
    """Return the options of the clip that the origin shows."""
    return ClipOptions(
        rungs=ladder(scenario.stream.bitrate),
        segment_duration=scenario.stream.segment,
        segment_count=_CLIP_SEGMENTS,
    )


def origin_options(scenario: Scenario, port: int, hosts: Hosts) -> OriginOptions:
    """Return the options of the origin; `port` 0 stands for any free one."""
    stream, origin = scenario.stream, scenario.origin
    return OriginOptions(
        host=hosts.address(ORIGIN),
        port=port,
        kind=stream.kind,
        channels=tuple(channel_names(scenario)),
        window=stream.playlist_segments,
        segment_count=math.ceil(stream.length / stream.segment),
        encrypted=stream.encrypted,
        rate=None if hosts.enforces_rates else _limit(origin.rate),
        connection_rate=_limit(origin.rate_per_connection),
        latency=0.0 if hosts.enforces_rates else origin.time_to_first_byte,
    )


def _limit(rate: float) -> float | None:
    """Return a rate, or None if it is unlimited."""
    return None if math.isinf(rate) else rate


def viewer_plans(
    scenario: Scenario, population: Population, uplinks: Mapping[int, list[Change]], seed: int, *, is_paced: bool
) -> list[ViewerPlan]:
    """Return the plans of all viewers; `uplinks` has the changes of uplinks by viewer."""
    channels = channel_names(scenario)
    return [
        ViewerPlan(
            index=index,
            name=viewer_name(index),
            joined_at=float(population.joined_at[index]),
            left_at=float(population.left_at[index]),
            departure=departure,
            uplink=_limit(float(population.uplink[index])),
            downlink=_limit(float(population.downlink[index])),
            device=device_names()[population.device[index]],
            uploads=bool(population.uploads[index]),
            channel=channels[population.channel[index]],
            zaps=[(at, channels[channel]) for at, channel in _zaps(scenario, population, seed, index)],
            role=ROLES[population.role[index]],
            uplink_changes=uplinks.get(index, []),
            nat=population.nat_names[index],
            is_paced=is_paced,
        )
        for index, departure in enumerate(population.departures)
    ]


def _zaps(scenario: Scenario, population: Population, seed: int, index: int) -> list[tuple[float, int]]:
    """Return the times at which a viewer changes channels before it leaves, and the numbers of the new channels."""
    channel, joined_at = int(population.channel[index]), float(population.joined_at[index])
    zaps = itinerary(scenario, channel, joined_at, zapping_stream(seed, 0, index))
    return list(takewhile(lambda zap: zap[0] < population.left_at[index], zaps))
