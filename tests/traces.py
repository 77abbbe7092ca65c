"""Small traces made by hand, whose totals are known."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from p2psim.scenario import Scenario
from p2psim.trace import Manifest, Recorder, Trace

__all__ = ["TraceBuilder", "duet"]

World = Literal["simulated", "measured"]
NO_CHANGES: Mapping[str, object] = MappingProxyType({})


class TraceBuilder:
    """Builder of a trace, event by event; the trace has no discrepancies."""

    def __init__(
        self, duration: float = 20.0, world: World = "simulated", changes: Mapping[str, object] = NO_CHANGES
    ) -> None:
        self.scenario = Scenario(name="story").replace({"duration": duration, **changes})
        self.world = world
        self.rows = Recorder()

    def viewer(self, name: str, joined: float = 0.0, left: float | None = None, departure: str = "end") -> None:
        self.rows.add(
            "viewers", viewer=name, joined_at=joined, left_at=self.scenario.duration if left is None else left,
            departure=departure, channel="main", nat="public", uplink=1e6, downlink=5e6, device="desktop",
            actor="simulated",
        )  # fmt: skip

    def http(self, viewer: str, segment: int, start: float, end: float, size: int, **more: Any) -> None:
        first = more.pop("first", start)
        self._transfer(viewer, ("http", ""), segment, (start, first, end), size, **more)
        self.rows.add(
            "origin", at=first, viewer=viewer, path=f"/main/{segment}.ts", bytes=size, status=200, duration=end - first
        )

    def p2p(self, viewer: str, other: str, segment: int, start: float, end: float, size: int, **more: Any) -> None:
        self._transfer(viewer, ("p2p", other), segment, (start, more.pop("first", start), end), size, **more)

    def _transfer(
        self, viewer: str, sender: tuple[str, str], segment: int, times: tuple[float, float, float], size: int,
        outcome: str = "completed", relayed: bool = False,
    ) -> None:  # fmt: skip
        """Add a transfer; `times` are those of its start, its first byte and its end."""
        (source, other), (start, first, end) = sender, times
        self.rows.add(
            "transfers", viewer=viewer, stream="main", segment=segment, source=source, from_viewer=other,
            relayed=relayed, started_at=start, first_byte_at=first, ended_at=end, bytes=size, first_byte=0,
            outcome=outcome,
        )  # fmt: skip

    def segment(self, viewer: str, segment: int, size: int, played: float = math.nan, http: int = 0) -> None:
        self.rows.add(
            "segments", viewer=viewer, stream="main", segment=segment, quality=0, size=size, available_at=0.0,
            requested_at=0.0, completed_at=played, due_at=played, played_at=played, bytes_http=http,
            bytes_p2p=size - http,
        )  # fmt: skip

    def state(self, viewer: str, at: float, state: str, latency: float = math.nan) -> None:
        self.rows.add("playback", viewer=viewer, at=at, state=state, position=0.0, buffer=0.0, latency=latency)

    def connection(
        self, viewer: str, other: str, opened: float, closed: float = math.nan, outcome: str = "open"
    ) -> None:
        self.rows.add(
            "connections", viewer=viewer, other=other, initiated_at=opened, opened_at=opened, closed_at=closed,
            path="host", outcome=outcome,
        )  # fmt: skip

    def sample(self, viewer: str, at: float, peers: int = 0, uploaded: int = 0) -> None:
        self.rows.add(
            "samples", viewer=viewer, at=at, peers=peers, download_rate=0.0, upload_rate=0.0, p2p_share=0.0,
            downloaded=0, uploaded=uploaded, buffer=0.0,
        )  # fmt: skip

    def announce(self, viewer: str, at: float, known: int, event: str = "") -> None:
        self.rows.add(
            "announces", viewer=viewer, at=at, event=event, offers_sent=5, offers_received=0, answers_received=0,
            peers_known=known,
        )  # fmt: skip

    def trace(self, seed: int = 1, replication: int = 0, name: str = "") -> Trace:
        manifest = Manifest(
            world=self.world, scenario_digest=self.scenario.digest, seed=seed, replication=replication,
            duration=self.scenario.duration, name=name,
        )  # fmt: skip
        return Trace(manifest, self.scenario, self.rows.tables())


def duet(world: World = "simulated") -> Trace:
    """Return a trace of two viewers with two segments each: "a" over HTTP, "b" one of them from "a"; "b" stalls."""
    builder = TraceBuilder(world=world)
    builder.viewer("a")
    builder.viewer("b", joined=2.0, left=18.0, departure="clean")
    builder.http("a", 0, 0.0, 2.0, 4000, first=0.5)
    builder.http("a", 1, 2.0, 4.0, 4000, first=2.5)
    builder.http("b", 0, 2.0, 3.0, 4000, first=2.5)
    builder.p2p("b", "a", 1, 4.0, 8.0, 4000, first=4.25)
    builder.http("b", 2, 8.0, 9.0, 1000, outcome="aborted")
    for viewer, begin in (("a", 2.0), ("b", 3.0)):
        builder.segment(viewer, 0, 4000, played=begin, http=4000)
        builder.segment(viewer, 1, 4000, played=begin + 4, http=4000 if viewer == "a" else 0)
    builder.state("a", 0.0, "starting")
    builder.state("a", 2.0, "playing", latency=10.0)
    builder.state("a", 10.0, "ended")
    builder.state("b", 2.0, "starting")
    builder.state("b", 3.0, "playing", latency=10.0)
    builder.state("b", 7.0, "stalled")
    builder.state("b", 8.0, "playing", latency=11.0)
    builder.state("b", 12.0, "ended")
    builder.connection("b", "a", 3.0, 18.0)
    builder.connection("a", "b", 3.5, 18.0)
    return builder.trace(name="duet")
