"""Builder of the tables of a measured trace from the event logs of its processes."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from p2psim.scenario import Scenario
from p2psim.testbed.peer.candidate_path import joint_path
from p2psim.trace import Recorder
from p2psim.trace.schema import Path as IcePath

__all__ = ["ByteBalance", "RunFacts", "build_tables", "read_events"]

Event = Mapping[str, Any]

_STREAM: Final = "main"
"""Channel of a scenario with only one."""
_SAME_CONNECTION: Final = 2.0
"""Greatest difference of the times at which the two ends of one connection open, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Facts of a whole run."""

    scenario: Scenario
    started_at: float
    """Monotonic time at which the run's clock is 0; times in the origin's log are monotonic."""
    first_segment_at: float
    """Second of the run at which segment 0 became available."""
    expected_digests: Callable[[str, int], Collection[str]]
    """Digests of a segment of a channel: of its plain bytes and, if it is encrypted, of the bytes served."""


@dataclass(frozen=True, slots=True)
class ByteBalance:
    """Segment bytes by who counted them: of those sent, all were received or lost in a crash."""

    p2p_sent: int
    p2p_received: int
    p2p_lost: int
    """Bytes sent by or to viewers that crashed, and not received."""
    http_sent: int
    http_received: int
    http_lost: int
    """Bytes sent by the origin to viewers that crashed, and not read."""
    segments_held: int
    segments_wrong: int
    """Segments held whose bytes were not the origin's."""

    def to_dict(self) -> dict[str, int]:
        """Return plain values, and the bytes that were neither received nor lost (0 unless something is wrong)."""
        names = ("p2p_sent", "p2p_received", "p2p_lost", "http_sent", "http_received", "http_lost")
        values = {name: getattr(self, name) for name in (*names, "segments_held", "segments_wrong")}
        return values | {
            "p2p_unexplained": self.p2p_sent - self.p2p_received - self.p2p_lost,
            "http_unexplained": self.http_sent - self.http_received - self.http_lost,
        }


def read_events(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the events of several logs; null becomes NaN."""
    events = []
    for path in paths:
        with path.open(encoding="utf-8") as file:
            events += [_with_nan(json.loads(line)) for line in file]
    return events


def _with_nan(event: dict[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in event.items()}


def build_tables(
    facts: RunFacts, events: Sequence[Event], origin_events: Sequence[Event]
) -> tuple[Recorder, ByteBalance]:
    """Return the tables of a trace and the balance of its bytes.

    `events` are those of all viewers, `origin_events` the responses of the origin.
    """
    return _TraceBuilder(facts, events, origin_events).finish()


class _TraceBuilder:
    def __init__(self, facts: RunFacts, events: Sequence[Event], origin_events: Sequence[Event]) -> None:
        self._facts = facts
        self._rows = Recorder()
        self._by_kind: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            self._by_kind[event["event"]].append(event)
        self._origin = origin_events
        self._expected = cache(facts.expected_digests)
        self._viewers = {event["viewer"]: event for event in self._by_kind["viewer"]}
        self._names = {event["peer_id"]: event["viewer"] for event in self._by_kind["viewer"]}
        self._paths = _paths(self._by_kind["link"], self._name)
        self._crashed = {name for name, event in self._viewers.items() if event["departure"] == "crash"}

    def finish(self) -> tuple[Recorder, ByteBalance]:
        for viewer in self._viewers.values():
            self._add_viewer(viewer)
        self._add_transfers()
        for event in self._by_kind["segment"]:
            self._add_segment(event)
        for event in self._by_kind["connection"]:
            self._add_connection(event)
        for event in self._by_kind["announce"]:
            self._add_announce(event)
        for event in self._by_kind["playback"]:
            self._add_playback(event)
        for event in self._by_kind["sample"]:
            self._rows.add("samples", **_without(event, "event"))
        for event in self._origin:
            at = event["at"] - self._facts.started_at
            self._rows.add("origin", **_without(event, "event") | {"at": at})
        return self._rows, self._byte_balance()

    def _name(self, peer: str) -> str:
        return str(self._names.get(peer, peer))

    def _until_left(self, viewer: str, at: float) -> float:
        """Return the time of an event, or the time at which the viewer left if that is earlier."""
        return min(at, self._viewers[viewer]["left_at"]) if viewer in self._viewers else at

    # -- rows ---------------------------------------------------------------------------------------------------

    def _add_viewer(self, event: Event) -> None:
        rates = {name: math.inf if math.isnan(event[name]) else event[name] for name in ("uplink", "downlink")}
        self._rows.add(
            "viewers", viewer=event["viewer"], joined_at=event["joined_at"], left_at=event["left_at"],
            departure=event["departure"], channel=event.get("channel", _STREAM),
            nat=event.get("nat", "public"), device=event["device"],
            actor=event.get("actor", "aiortc"), peer_id=event["peer_id"],
            role=event.get("role", "honest"), **rates,
        )  # fmt: skip

    def _add_transfers(self) -> None:
        late: Counter[tuple[str, int]] = Counter()
        for event in self._by_kind["late"]:
            late[event["viewer"], event["transfer"]] += event["bytes"]
        for event in self._by_kind["transfer"]:
            viewer, after = event["viewer"], late[event["viewer"], event["transfer"]]
            self._rows.add(
                "transfers", viewer=viewer, stream=_stream(event), segment=event["segment"],
                source=event["source"], from_viewer=self._name(event["peer"]), relayed=self._is_relayed(event),
                started_at=event["started_at"], first_byte_at=event["first_byte_at"],
                ended_at=self._until_left(viewer, event["ended_at"]), bytes=event["bytes"] + after,
                first_byte=event["first_byte"], outcome=event["outcome"], header_at=event["header_at"],
                late_bytes=after,
            )  # fmt: skip

    def _is_relayed(self, event: Event) -> bool:
        is_p2p = event["source"] == "p2p"
        return is_p2p and self._path(event["viewer"], event["peer"], event["started_at"]) == "relay"

    def _path(self, viewer: str, peer: str, at: float) -> str:
        """Return the path of the last connection between two viewers that was open by a time."""
        paths = self._paths.get(frozenset((viewer, self._name(peer))), [])
        before = [path for opened_at, path in paths if opened_at <= at + _SAME_CONNECTION]
        return before[-1] if before else "host"

    def _add_segment(self, event: Event) -> None:
        stream = self._facts.scenario.stream
        ahead = event["segment"] * stream.segment if stream.kind == "live" else 0.0
        self._rows.add(
            "segments", quality=0, available_at=self._facts.first_segment_at + ahead,
            poisoned=bool(event["digest"]) and event["digest"] not in self._expected_digests(event),
            stream=_stream(event), **_without(event, "event", "digest", "stream"),
        )  # fmt: skip

    def _add_connection(self, event: Event) -> None:
        viewer = event["viewer"]
        self._rows.add(
            "connections", viewer=viewer, other=self._name(event["peer"]), initiated_at=event["initiated_at"],
            answered_at=event["answered_at"], opened_at=event["opened_at"],
            closed_at=self._until_left(viewer, event["closed_at"]),
            path=self._path(viewer, event["peer"], event["opened_at"]), outcome=event["outcome"],
        )  # fmt: skip

    def _add_announce(self, event: Event) -> None:
        self._rows.add(
            "announces", viewer=event["viewer"], at=event["at"], event=event["sort"], offers_sent=event["offers"],
            offers_received=event["offer"], answers_received=event["answer"], peers_known=event["peers"],
        )  # fmt: skip

    def _add_playback(self, event: Event) -> None:
        stream, latency = self._facts.scenario.stream, math.nan
        if stream.kind == "live":
            began_at = self._facts.first_segment_at - stream.segment
            latency = event["at"] - began_at - event["position"]
        self._rows.add("playback", latency=latency, **_without(event, "event"))

    # -- balance of bytes ---------------------------------------------------------------------------------------

    def _byte_balance(self) -> ByteBalance:
        sent, received, lost = self._p2p_balance()
        http_sent, http_received = Counter[str](), Counter[str]()
        for event in self._origin:
            if event["status"] in (200, 206) and event["path"].endswith(".ts"):
                http_sent[event["viewer"]] += event["bytes"]
        for event in self._by_kind["segment"]:
            http_received[event["viewer"]] += event["bytes_http"]
        held = [event for event in self._by_kind["segment"] if event["digest"]]
        return ByteBalance(
            p2p_sent=sent,
            p2p_received=received,
            p2p_lost=lost,
            http_sent=http_sent.total(),
            http_received=http_received.total(),
            http_lost=sum(http_sent[name] - http_received[name] for name in self._crashed),
            segments_held=len(held),
            segments_wrong=sum(event["digest"] not in self._expected_digests(event) for event in held),
        )

    def _expected_digests(self, event: Event) -> Collection[str]:
        return self._expected(_stream(event), event["segment"])

    def _p2p_balance(self) -> tuple[int, int, int]:
        """Return the bytes that viewers sent and received, and those lost in crashes, summed over pairs."""
        sent, received = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for event in self._by_kind["link"]:
            viewer, other = event["viewer"], self._name(event["peer"])
            sent[viewer, other] += event["sent"]
            received[other, viewer] += event["received"]
        crashed = [pair for pair in sent if self._crashed & set(pair)]
        return sent.total(), received.total(), sum(sent[pair] - received[pair] for pair in crashed)


def _paths(links: Sequence[Event], name: Callable[[str], str]) -> dict[frozenset[str], list[tuple[float, IcePath]]]:
    """Return the times at which connections of each pair of viewers opened, and their paths, in the order of time.

    Each end sees a path of its own; those of the two ends of one connection are joined.
    """
    by_pair: dict[frozenset[str], list[tuple[float, IcePath]]] = defaultdict(list)
    for event in sorted(
        (event for event in links if isinstance(event.get("path"), str)), key=lambda event: event["opened_at"]
    ):
        paths = by_pair[frozenset((event["viewer"], name(event["peer"])))]
        if paths and event["opened_at"] - paths[-1][0] < _SAME_CONNECTION:
            paths[-1] = paths[-1][0], joint_path(paths[-1][1], event["path"])
        else:
            paths.append((event["opened_at"], event["path"]))
    return by_pair


def _stream(event: Event) -> str:
    return str(event.get("stream", _STREAM))


def _without(event: Event, *names: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in names}
