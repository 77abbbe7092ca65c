"""Real viewer, from joining to leaving: its sessions on successive channels, over one access link."""

import asyncio
import math
from typing import Final

import aiohttp

from p2psim.rng import stream
from p2psim.testbed.peer.config import RunEnvironment, ViewerPlan
from p2psim.testbed.peer.connection import AccessLinks
from p2psim.testbed.peer.session import ChannelSession, SessionContext
from p2psim.testbed.peer.shaping import Downlink, Uplink
from p2psim.trace.schema import SAMPLE_PERIOD
from p2psim.wire import new_peer_id

__all__ = ["Viewer"]

_REQUEST_TIMEOUT: Final = 10.0


class Viewer:
    """Viewer that watches as planned: ``await Viewer(plan, environment).watch()``."""

    def __init__(self, plan: ViewerPlan, environment: RunEnvironment) -> None:
        self._plan, self._environment, self._clock = plan, environment, environment.clock
        self._policy = environment.scenario.policy.of_stream("main")
        self._rng = stream(environment.seed, 0, "peer", plan.index)
        self._peer_id = new_peer_id(self._rng, self._policy.trackerClientVersionPrefix)
        uplink, downlink = (_rate(rate) if plan.is_paced else math.inf for rate in (plan.uplink, plan.downlink))
        self._links = AccessLinks(Uplink(self._clock, uplink), Downlink(self._clock, downlink))
        self._session: ChannelSession | None = None
        self._leaving: list[asyncio.Task[None]] = []

    async def watch(self) -> None:
        """Join, play, zap and leave at the planned times."""
        await self._clock.sleep_until(self._plan.joined_at)
        joined_at = self._clock.now()
        self._schedule_uplink_changes(joined_at)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_REQUEST_TIMEOUT)
        headers = {"X-Viewer": self._plan.name}
        web = aiohttp.ClientSession(timeout=timeout, headers=headers, connector=aiohttp.TCPConnector(limit_per_host=6))
        signals = aiohttp.ClientSession()
        context = SessionContext(
            plan=self._plan,
            environment=self._environment,
            peer_id=self._peer_id,
            rng=self._rng,
            links=self._links,
            web=web,
            signals=signals,
        )
        session = self._session = ChannelSession(context, self._plan.channel).begin()
        sampling = asyncio.get_running_loop().create_task(self._sample())
        try:
            for number, (at, channel) in enumerate(self._plan.zaps, start=1):
                await session.wait(at - self._clock.now())
                self._leaving.append(asyncio.get_running_loop().create_task(session.leave()))
                session = self._session = ChannelSession(context, channel, number, session.log).begin()
            await session.wait(self._plan.left_at - self._clock.now())
            sampling.cancel()
            await self._leave(session, joined_at)
        finally:
            sampling.cancel()
            session.cancel()
            await web.close()
            if self._plan.departure == "crash":
                self._environment.abandoned_sessions.append(signals)
            else:
                await signals.close()

    def _schedule_uplink_changes(self, now: float) -> None:
        rate = _rate(self._plan.uplink)
        for at, share in self._plan.uplink_changes:
            changed_rate = rate * share if share > 0 else 0.0
            if at <= now:
                self._links.uplink.change(changed_rate)
            else:
                self._clock.call_later(at - now, self._links.uplink.change, changed_rate)

    async def _sample(self) -> None:
        at = self._clock.now()
        while True:
            at += SAMPLE_PERIOD
            await self._clock.sleep_until(at)
            if self._session is not None:
                self._session.write_sample(at)

    async def _leave(self, session: ChannelSession, joined_at: float) -> None:
        left_at, plan = self._clock.now(), self._plan
        await (session.vanish() if plan.departure == "crash" else session.leave())
        await asyncio.gather(*self._leaving)
        session.write_sample(left_at)
        session.log.write(
            "viewer", peer_id=self._peer_id, joined_at=joined_at, left_at=left_at, departure=plan.departure,
            uplink=plan.uplink, downlink=plan.downlink, device=plan.device, role=plan.role, nat=plan.nat,
            channel=plan.channel,
        )  # fmt: skip


def _rate(rate: float | None) -> float:
    return math.inf if rate is None else rate
