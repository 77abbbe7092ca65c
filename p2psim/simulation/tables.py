"""Tables of a finished run, built from its arrays: totals always, the event trace on request."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from p2psim.scenario import Population, Scenario
from p2psim.scenario.population import device_names, region_names, viewer_name
from p2psim.scenario.roles import ROLES
from p2psim.scenario.zapping import channel_names
from p2psim.simulation.control.signalling import Announcement, Attempt
from p2psim.simulation.kernel.state import (
    AWAY,
    BIN_FAR,
    BIN_FILLED,
    BIN_HTTP,
    BIN_ORIGIN,
    BIN_P2P,
    BIN_PEERS,
    BIN_RELAYED,
    BIN_SECOND,
    BIN_STALLED,
    BIN_VIEWERS,
    STARTING,
    KernelState,
)
from p2psim.simulation.kernel.transfers import LATE
from p2psim.trace import table
from p2psim.trace.schema import OUTCOMES, SAMPLE_PERIOD, STATES
from p2psim.trace.totals import Totals

__all__ = ["names", "tables", "totals"]

_STATES = dict(enumerate(STATES, STARTING))
_OUTCOMES = np.array(OUTCOMES)


def names(count: int) -> np.ndarray[Any, Any]:
    """Return the names of all viewers, followed by the empty name of no viewer (index -1)."""
    return np.array([*map(viewer_name, range(count)), ""], dtype=object)


def totals(scenario: Scenario, people: Population, kernel: KernelState, seed: int, replication: int) -> Totals:
    """Return the totals per viewer and per second."""
    return Totals(
        scenario, seed, replication, "simulated", _viewer_totals(scenario, people, kernel), _timeline(scenario, kernel)
    )


def _viewer_totals(scenario: Scenario, people: Population, kernel: KernelState) -> pd.DataFrame:
    viewer = kernel.viewer
    left_at = np.where(np.isnan(viewer["left_at"]), scenario.duration, viewer["left_at"])
    with np.errstate(invalid="ignore", divide="ignore"):
        latency = viewer["latency_sum"] / viewer["latency_ticks"]
        peers = np.where(viewer["ticks"] > 0, viewer["peers_sum"] / np.maximum(viewer["ticks"], 1), 0.0)
    counted_from = np.maximum(people.joined_at, scenario.warmup)
    frame = {
        "viewer": names(len(people))[:-1],
        **_viewer_columns(scenario, people),
        "left_at": left_at,
        "bytes_http": viewer["bytes_http"],
        "bytes_p2p": viewer["bytes_p2p"],
        "bytes_uploaded": viewer["bytes_up"],
        "bytes_relayed": kernel.viewer_totals["bytes_relayed"],
        "bytes_far": kernel.viewer_totals["bytes_far"],
        "wasted_http": np.maximum(0.0, viewer["bytes_http"] - viewer["played_http"]),
        "wasted_p2p": np.maximum(0.0, viewer["bytes_p2p"] - viewer["played_p2p"]),
        "bytes_played": viewer["played_http"] + viewer["played_p2p"],
        "watched": np.maximum(0.0, left_at - counted_from),
        "played": viewer["played"],
        "startup": viewer["first_frame"] - people.joined_at,
        "stalls": viewer["stalls"],
        "poisoned": viewer["poisoned"],
        "stalled": viewer["stalled"],
        "latency": latency,
        "peers": peers,
        "http_transfers": viewer["http_transfers"],
        "p2p_transfers": viewer["p2p_transfers"],
        "http_wait": viewer["http_wait"],
        "p2p_wait": viewer["p2p_wait"],
        "http_time": viewer["http_time"],
        "p2p_time": viewer["p2p_time"],
        "switches": kernel.viewer_totals["switches"],
        "zaps": kernel.viewer_totals["zaps"],
        "zap_wait": kernel.viewer_totals["zap_wait"],
    }
    has_joined = viewer["state"] != AWAY
    # a single copy of each column: memory use of a large run peaks here
    return pd.DataFrame({name: column[has_joined] for name, column in frame.items()}, copy=False)


def _viewer_columns(scenario: Scenario, people: Population) -> dict[str, Any]:
    regions, devices = np.array(region_names(scenario), object), np.array(device_names(), object)
    return {
        "joined_at": people.joined_at,
        "left_at": people.left_at,
        "departure": np.array(people.departures, object),
        "nat": np.array(people.nat_names, object),
        "uplink": people.uplink,
        "downlink": people.downlink,
        "device": devices[people.device],
        "actor": np.full(len(people), "simulated", object),
        "region": regions[people.region],
        "home": people.home,
        "role": np.array(ROLES)[people.role],
    }


def _timeline(scenario: Scenario, kernel: KernelState) -> pd.DataFrame:
    bins = kernel.bins[: int(np.ceil(scenario.duration))]
    viewers = bins[:, BIN_VIEWERS]
    return pd.DataFrame(
        {
            "at": np.arange(len(bins), dtype=float),
            "viewers": viewers.astype(np.int64),
            "stalled": bins[:, BIN_STALLED].astype(np.int64),
            "peers": np.where(viewers > 0, bins[:, BIN_PEERS] / np.maximum(viewers, 1), 0.0),
            "http": bins[:, BIN_HTTP],
            "p2p": bins[:, BIN_P2P],
            "origin": bins[:, BIN_ORIGIN],
            "relayed": bins[:, BIN_RELAYED],
            "far": bins[:, BIN_FAR],
            "filled": bins[:, BIN_FILLED],
            "second": bins[:, BIN_SECOND],
        }
    )


def tables(
    scenario: Scenario,
    people: Population,
    kernel: KernelState,
    logs: dict[str, np.ndarray[Any, Any]],
    attempts: Sequence[Attempt],
    announcements: Sequence[Announcement],
) -> dict[str, pd.DataFrame]:
    """Return the tables of the event trace; `logs` are those of `Simulation.logs`."""
    viewer_names = names(len(people))
    left_at = np.where(np.isnan(kernel.viewer["left_at"]), scenario.duration, kernel.viewer["left_at"])
    transfers = _transfers(scenario, kernel, viewer_names, logs["transfer_log"])
    channel = _channels(scenario)
    return {
        "viewers": table(
            "viewers",
            {
                "viewer": viewer_names[:-1],
                "channel": channel[people.channel],
                **_viewer_columns(scenario, people),
                "left_at": left_at,
            }
            | {"neighbourhood": people.neighbourhood, "carrier": people.carrier},
        ),
        "transfers": transfers,
        "segments": _segments(scenario, kernel, viewer_names, left_at, logs["played_log"], logs["state_log"]),
        "connections": _connections(viewer_names, attempts, logs["connection_log"]),
        "announces": _announces(viewer_names, announcements),
        "playback": _playback(viewer_names, logs["state_log"]),
        "samples": _samples(people, viewer_names, left_at, transfers, logs["connection_log"], logs["state_log"]),
        "origin": _origin(transfers),
    }


def _channels(scenario: Scenario) -> np.ndarray[Any, Any]:
    return np.array(channel_names(scenario), object)


def _transfers(
    scenario: Scenario, kernel: KernelState, viewer_names: np.ndarray[Any, Any], log: np.ndarray[Any, Any]
) -> pd.DataFrame:
    log, late = _with_late(log)
    over_http = log["source"] == 1
    second = kernel.s.first_edge + kernel.s.edges
    edges = np.where(
        log["via"] == second, "second", np.char.add("edge-", (log["via"] - kernel.s.first_edge).astype(str))
    )
    frame = table(
        "transfers",
        {
            "viewer": viewer_names[log["viewer"]],
            "stream": _channels(scenario)[log["channel"]],
            "segment": log["segment"],
            "source": np.where(over_http, "http", "p2p"),
            "from_viewer": viewer_names[log["other"]],
            "relayed": ~over_http & (log["via"] == 1),
            "started_at": log["started_at"],
            "first_byte_at": log["first_byte_at"],
            "ended_at": log["ended_at"],
            "bytes": log["bytes"].astype(np.int64),
            "first_byte": log["first_byte"],
            "outcome": _OUTCOMES[log["outcome"]],
            "quality": log["level"],
            "server": np.where(over_http, edges if kernel.s.edges else "origin", ""),
            "late_bytes": late.astype(np.int64),
        },
    )
    return frame.sort_values(["started_at", "viewer", "segment"], kind="stable", ignore_index=True)


def _with_late(log: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Add late bytes to their transfers; return the transfers, and the late bytes of each."""
    is_late = log["outcome"] == LATE
    transfers, late_entries = log[~is_late], log[is_late]
    key = ["viewer", "segment", "other", "started_at"]
    row = {entry: index for index, entry in enumerate(transfers[key].tolist())}
    late_bytes = np.zeros(len(transfers))
    np.add.at(late_bytes, [row[entry] for entry in late_entries[key].tolist()], late_entries["bytes"])
    transfers = transfers.copy()
    transfers["bytes"] += late_bytes
    return transfers, late_bytes


def _segments(
    scenario: Scenario,
    kernel: KernelState,
    viewer_names: np.ndarray[Any, Any],
    left_at: np.ndarray[Any, Any],
    log: np.ndarray[Any, Any],
    states: np.ndarray[Any, Any],
) -> pd.DataFrame:
    length = scenario.stream.segment
    live = scenario.stream.kind == "live"
    available = (
        (log["segment"] + 1 - scenario.stream.playlist_segments) * length if live else np.full(len(log), -np.inf)
    )
    is_played = (log["played_at"] <= left_at[log["viewer"]]) & (log["played_at"] <= _next_start(log, states))
    size = kernel.size[log["level"]]
    http = np.minimum(log["http"], size)
    return table(
        "segments",
        {
            "viewer": viewer_names[log["viewer"]],
            "stream": _channels(scenario)[log["channel"]],
            "segment": log["segment"],
            "quality": log["level"],
            "size": size.astype(np.int64),
            "available_at": available,
            "requested_at": log["requested_at"],
            "completed_at": log["done_at"],
            "due_at": log["due_at"],
            "played_at": np.where(is_played, log["played_at"], np.nan),
            "bytes_http": http.astype(np.int64),
            "bytes_p2p": (size - http).astype(np.int64),
            "poisoned": log["poisoned"].astype(bool),
        },
    )


def _next_start(log: np.ndarray[Any, Any], states: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the time of the next start on another channel, after which buffered segments are never played."""
    next_start = np.full(len(log), np.inf)
    begun = states[states["state"] == STARTING]
    counts = np.bincount(begun["viewer"], minlength=1)
    for v in np.flatnonzero(counts > 1):
        entries = np.flatnonzero(log["viewer"] == v)
        starts = np.append(np.sort(begun["at"][begun["viewer"] == v]), np.inf)
        next_start[entries] = starts[np.searchsorted(starts, log["done_at"][entries], side="right")]
    return next_start


def _connections(
    viewer_names: np.ndarray[Any, Any], attempts: Sequence[Attempt], log: np.ndarray[Any, Any]
) -> pd.DataFrame:
    opened: dict[tuple[int, int], list[float]] = {}
    closed: dict[tuple[int, int], list[float]] = {}
    for a, b, at, change in zip(log["a"], log["b"], log["at"], log["change"], strict=True):
        (opened if change else closed).setdefault((min(a, b), max(a, b)), []).append(float(at))
    rows = []
    for attempt in attempts:
        pair = (min(attempt.viewer, attempt.other), max(attempt.viewer, attempt.other))
        opened_at, closed_at, outcome = float("nan"), float("nan"), attempt.outcome
        if outcome == "open":
            if attempt.opens_at in opened.get(pair, ()):
                opened_at = attempt.opens_at
                closed_at = min((t for t in closed.get(pair, ()) if t >= opened_at), default=float("nan"))
            else:
                outcome = "duplicate"
        times = attempt.initiated_at, attempt.answered_at, opened_at, closed_at
        rows.append((viewer_names[attempt.viewer], viewer_names[attempt.other], *times, attempt.path, outcome))
    columns = ("viewer", "other", "initiated_at", "answered_at", "opened_at", "closed_at", "path", "outcome")
    return table("connections", dict(zip(columns, _transposed(rows, len(columns)), strict=True)))


def _announces(viewer_names: np.ndarray[Any, Any], announcements: Sequence[Announcement]) -> pd.DataFrame:
    rows = [
        (viewer_names[a.viewer], a.at, a.event, a.offers_sent, a.offers_received, a.answers_received, a.peers_known)
        for a in announcements
    ]
    columns = ("viewer", "at", "event", "offers_sent", "offers_received", "answers_received", "peers_known")
    return table("announces", dict(zip(columns, _transposed(rows, len(columns)), strict=True)))


def _transposed(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _playback(viewer_names: np.ndarray[Any, Any], log: np.ndarray[Any, Any]) -> pd.DataFrame:
    return table(
        "playback",
        {
            "viewer": viewer_names[log["viewer"]],
            "at": log["at"],
            "state": [_STATES[state] for state in log["state"]],
            "position": log["position"],
            "buffer": log["buffer"],
            "latency": log["latency"],
        },
    )


def _origin(transfers: pd.DataFrame) -> pd.DataFrame:
    http = transfers[transfers["source"] == "http"]
    return table(
        "origin",
        {
            "at": http["started_at"].to_numpy(),
            "viewer": http["viewer"].to_numpy(),
            "path": [f"/segment-{segment}.ts" for segment in http["segment"]],
            "bytes": http["bytes"].to_numpy(),
            "status": np.where(http["first_byte"] > 0, 206, 200),
            "duration": (http["ended_at"] - http["started_at"]).to_numpy(),
        },
    )


def _samples(
    people: Population,
    viewer_names: np.ndarray[Any, Any],
    left_at: np.ndarray[Any, Any],
    transfers: pd.DataFrame,
    connections: np.ndarray[Any, Any],
    states: np.ndarray[Any, Any],
) -> pd.DataFrame:
    """Return samples of each viewer every 2 s, computed from the other logs, as its page would count."""
    rows = []
    received = dict(iter(transfers.groupby("viewer")))
    served = dict(iter(transfers[transfers["source"] == "p2p"].groupby("from_viewer")))
    for v in range(len(people)):
        at = np.arange(people.joined_at[v] + SAMPLE_PERIOD, left_at[v] + 1e-9, SAMPLE_PERIOD)
        down, p2p = _cumulated(received.get(viewer_names[v]), at)
        up, _ = _cumulated(served.get(viewer_names[v]), at)
        peers = _degree(v, connections, at)
        for i, t in enumerate(at):
            last = i - 1
            rows.append(
                (
                    viewer_names[v],
                    t,
                    peers[i],
                    (down[i] - (down[last] if i else 0)) / SAMPLE_PERIOD,
                    (up[i] - (up[last] if i else 0)) / SAMPLE_PERIOD,
                    p2p[i] / down[i] if down[i] else 0.0,
                    int(down[i]),
                    int(up[i]),
                    _buffer(v, states, t),
                )
            )
    columns = ("viewer", "at", "peers", "download_rate", "upload_rate", "p2p_share", "downloaded", "uploaded", "buffer")
    return table("samples", dict(zip(columns, _transposed(rows, len(columns)), strict=True)))


def _cumulated(
    group: pd.DataFrame | None, at: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the bytes transferred up to each time, in all and over P2P; running transfers count in proportion."""
    if group is None or len(at) == 0:
        return np.zeros(len(at)), np.zeros(len(at))
    begin = group["first_byte_at"].fillna(group["ended_at"]).to_numpy()[:, None]
    end = group["ended_at"].to_numpy()[:, None]
    share = np.clip((at[None, :] - begin) / np.maximum(end - begin, 1e-9), 0.0, 1.0)
    transferred = share * group["bytes"].to_numpy()[:, None]
    p2p = (group["source"] == "p2p").to_numpy()
    return transferred.sum(axis=0), transferred[p2p].sum(axis=0)


def _degree(v: int, log: np.ndarray[Any, Any], at: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the number of connections of a viewer at each time."""
    changes = log[(log["a"] == v) | (log["b"] == v)]
    steps = np.where(changes["change"] == 1, 1, -1)
    order = np.argsort(changes["at"], kind="stable")
    cumulated = np.concatenate([[0], np.cumsum(steps[order])])
    return np.asarray(cumulated[np.searchsorted(changes["at"][order], at, side="right")])


def _buffer(v: int, log: np.ndarray[Any, Any], t: float) -> float:
    """Return the seconds buffered at the last change of state; a page counts the same way between its updates."""
    changes = log[(log["viewer"] == v) & (log["at"] <= t)]
    return float(changes["buffer"][-1]) if len(changes) else 0.0
