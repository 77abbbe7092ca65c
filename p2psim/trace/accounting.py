"""Totals of a trace, and checks that its bytes are conserved.

Bytes of a transfer are spread evenly between its first byte and its end; a state of the player lasts until the next
one; a connection counts once for each of its two ends, whichever of them recorded it. Totals of viewers exclude the
scenario's warm-up, except for the time to the first frame. The timeline covers the whole run.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from p2psim.trace.store import Trace
from p2psim.trace.totals import BIN, TIMELINE, VIEWER_TOTALS, Totals

__all__ = ["discrepancies", "media_responses", "totals"]

Floats = NDArray[np.float64]
_NO_MEDIA = (".m3u8", ".key", ".bin", ".json")


def totals(trace: Trace) -> Totals:
    """Return the totals of a trace."""
    manifest = trace.manifest
    states = _states(trace)
    links = _links(trace)
    return Totals(
        scenario=trace.scenario,
        seed=manifest.seed,
        replication=manifest.replication,
        world=manifest.world,
        viewers=_viewers(trace, states, links),
        timeline=_timeline(trace, states, links),
    )


def media_responses(trace: Trace) -> pd.DataFrame:
    """Return the rows of the table `origin` that carried media: no playlists, no keys, no errors."""
    origin = trace["origin"]
    media = ~origin["path"].str.split("?").str[0].str.endswith(_NO_MEDIA)
    return origin[media & origin["status"].isin([200, 206])]


def discrepancies(trace: Trace, tolerance: float = 0.0) -> list[str]:
    """Return a line for each sum of bytes that two columns disagree on by more than a relative tolerance.

    Bytes in flight when a transfer is aborted need a tolerance above 0 in measured traces.
    """
    return list(_imbalances(trace, tolerance))


def _imbalances(trace: Trace, tolerance: float) -> Iterator[str]:
    transfers, viewers = trace["transfers"], set(trace["viewers"]["viewer"])
    p2p = transfers[transfers["source"] == "p2p"]
    for column, rows in (("viewer", transfers), ("from_viewer", p2p)):
        for stranger in sorted(set(rows[column]) - viewers):
            yield f"transfers.{column}: {stranger!r} is no viewer of the run"
    if len(trace["origin"]):
        sent = float(media_responses(trace)["bytes"].sum())
        received = float(transfers.loc[transfers["source"] == "http", "bytes"].sum())
        if abs(sent - received) > tolerance * max(sent, received):
            yield f"http: the origin sent {sent:.0f} bytes, viewers received {received:.0f}"
    yield from _upload_imbalances(trace, p2p, tolerance)
    yield from _segment_imbalances(trace, tolerance)


def _upload_imbalances(trace: Trace, p2p: pd.DataFrame, tolerance: float) -> Iterator[str]:
    """Compare what uploaders counted, at their last sample, with what downloaders had received by then."""
    if not len(trace["samples"]):
        return
    last = trace["samples"].sort_values("at").groupby("viewer").last()
    out = p2p.groupby("from_viewer")["bytes"].sum()
    ended = p2p["ended_at"].fillna(np.inf) <= p2p["from_viewer"].map(last["at"]).astype(float).fillna(-np.inf)
    before = p2p[ended].groupby("from_viewer")["bytes"].sum()
    for viewer, row in last.iterrows():
        counted, least, most = float(row["uploaded"]), float(before.get(viewer, 0)), float(out.get(viewer, 0))
        if not least * (1 - tolerance) <= counted <= most * (1 + tolerance):
            yield f"p2p: {viewer} counted {counted:.0f} bytes uploaded, its peers received {least:.0f} to {most:.0f}"


def _segment_imbalances(trace: Trace, tolerance: float) -> Iterator[str]:
    played = trace["segments"][trace["segments"]["played_at"].notna()]
    held = played["bytes_http"] + played["bytes_p2p"]
    short = int((held < played["size"] * (1 - tolerance)).sum())
    if short:
        yield f"segments: {short} of {len(played)} segments were played with fewer bytes than their size"
    received = float(trace["transfers"]["bytes"].sum())
    total = float((trace["segments"]["bytes_http"] + trace["segments"]["bytes_p2p"]).sum())
    if total > received * (1 + tolerance):
        yield f"segments: viewers held {total:.0f} bytes, but received only {received:.0f}"


def _viewers(trace: Trace, states: pd.DataFrame, links: pd.DataFrame) -> pd.DataFrame:
    base = trace.with_defaults("viewers").set_index("viewer")
    columns = ["joined_at", "departure", "nat", "uplink", "downlink", "device", "actor", "region", "home", "role"]
    out = base[columns].copy()
    out["left_at"] = base["left_at"].fillna(trace.manifest.duration)
    out["watched"] = (out["left_at"] - out["joined_at"].clip(lower=trace.scenario.warmup)).clip(lower=0.0)
    transfers, warmup = _counted(trace), trace.scenario.warmup
    parts = [
        *_received(transfers, warmup),
        _uploaded(transfers),
        _played(trace, out),
        _switches(trace),
        _watching(states, out, warmup),
        _zaps(trace),
        _peers(trace, links, out),
    ]
    for part in parts:
        for column in part:
            out[column] = part[column].reindex(out.index)
    if trace.scenario.stream.kind != "live":
        out["latency"] = np.nan
    out["wasted_http"] = out["bytes_http"] - out.pop("kept_http").fillna(0.0)
    out["wasted_p2p"] = out["bytes_p2p"].fillna(0.0) - out.pop("kept_p2p").fillna(0.0)
    out = out.reset_index()
    for column, kind in VIEWER_TOTALS.items():
        if column not in out:
            out[column] = 0.0
        if kind != "str" and column not in ("startup", "latency"):
            out[column] = out[column].fillna(0)
    waste = ["wasted_http", "wasted_p2p"]
    out[waste] = out[waste].clip(lower=0.0)
    return _typed(out, VIEWER_TOTALS)


def _counted(trace: Trace) -> pd.DataFrame:
    """Return the transfers with a column `counted`: their bytes after the warm-up."""
    rows, warmup = _marked(trace), trace.scenario.warmup
    begin = rows["first_byte_at"].fillna(rows["started_at"])
    end = np.maximum(rows["ended_at"].fillna(trace.manifest.duration), begin)
    lasts = (end - begin).clip(lower=1e-9)
    after = ((end - begin.clip(lower=warmup)) / lasts).clip(lower=0.0, upper=1.0)
    return rows.assign(counted=rows["bytes"] * after.where(begin < warmup, 1.0))


def _received(transfers: pd.DataFrame, warmup: float) -> Iterator[pd.DataFrame]:
    for source in ("http", "p2p"):
        rows = transfers[transfers["source"] == source]
        done = rows[(rows["outcome"] == "completed") & (rows["ended_at"] >= warmup)]
        by_viewer = done.assign(
            wait=done["first_byte_at"] - done["started_at"], time=done["ended_at"] - done["started_at"]
        ).groupby("viewer")
        yield pd.DataFrame(
            {
                f"bytes_{source}": rows.groupby("viewer")["counted"].sum(),
                f"{source}_transfers": by_viewer.size(),
                f"{source}_wait": by_viewer["wait"].sum(),
                f"{source}_time": by_viewer["time"].sum(),
            }
        )


def _uploaded(transfers: pd.DataFrame) -> pd.DataFrame:
    p2p = transfers[transfers["source"] == "p2p"]
    sums = {"bytes_uploaded": p2p.groupby("from_viewer")["counted"].sum()}
    for name in ("relayed", "far"):
        sums[f"bytes_{name}"] = p2p[p2p[name]].groupby("viewer")["counted"].sum()
    return pd.DataFrame(sums)


def _marked(trace: Trace) -> pd.DataFrame:
    """Return the transfers with flags: `far` if one came from another region, `second` if from a second CDN."""
    rows, region = trace.with_defaults("transfers"), trace.with_defaults("viewers").set_index("viewer")["region"]
    here, there = rows["viewer"].map(region), rows["from_viewer"].map(region)
    return rows.assign(far=there.notna() & (here != there), second=rows["server"] == "second")


def _switches(trace: Trace) -> pd.DataFrame:
    """Return the changes of quality between segments that a viewer played one after another."""
    rows = trace["segments"]
    rows = rows[rows["played_at"] >= trace.scenario.warmup].sort_values(["viewer", "played_at"], kind="stable")
    groups = rows.groupby("viewer")
    same_stream = groups["stream"].shift() == rows["stream"]
    changed = same_stream & (groups["quality"].shift() != rows["quality"])
    return pd.DataFrame({"switches": changed.groupby(rows["viewer"]).sum()})


def _played(trace: Trace, viewers: pd.DataFrame) -> pd.DataFrame:
    """Return the bytes played, and those of each source among them; bytes received twice count once."""
    segments = trace.with_defaults("segments")
    played = segments[segments["played_at"] >= trace.scenario.warmup]
    received = (played["bytes_http"] + played["bytes_p2p"]).clip(lower=1)
    share = (played["size"] / received).clip(upper=1.0)
    rows = played.assign(kept_http=played["bytes_http"] * share, kept_p2p=played["bytes_p2p"] * share)
    sums = rows.groupby("viewer")[["size", "kept_http", "kept_p2p", "poisoned"]].sum()
    return sums.rename(columns={"size": "bytes_played"}).reindex(viewers.index)


def _states(trace: Trace) -> pd.DataFrame:
    """Return intervals of the players (viewer, state, begin, end, latency, fresh); `fresh`: the last state differs."""
    rows = trace["playback"].sort_values(["viewer", "at"], kind="stable")
    left_at = trace["viewers"].set_index("viewer")["left_at"].fillna(trace.manifest.duration)
    groups = rows.groupby("viewer")
    last = rows["viewer"].map(left_at)
    end = groups["at"].shift(-1).fillna(last)
    return pd.DataFrame(
        {
            "viewer": rows["viewer"],
            "state": rows["state"],
            "begin": rows["at"],
            "end": np.maximum(np.minimum(end, last), rows["at"]),
            "latency": rows["latency"],
            "fresh": groups["state"].shift() != rows["state"],
        }
    )


def _watching(states: pd.DataFrame, viewers: pd.DataFrame, warmup: float) -> pd.DataFrame:
    lasts = (states["end"] - states["begin"].clip(lower=warmup)).clip(lower=0.0)
    playing, stalled = states["state"] == "playing", states["state"] == "stalled"
    counted = playing & states["latency"].notna()
    weighted = (states["latency"] * lasts)[counted].groupby(states["viewer"]).sum()
    first = states[playing].groupby("viewer")["begin"].min()
    return pd.DataFrame(
        {
            "played": lasts[playing].groupby(states["viewer"]).sum(),
            "startup": first - viewers["joined_at"],
            "stalls": (stalled & states["fresh"] & (states["begin"] >= warmup)).groupby(states["viewer"]).sum(),
            "stalled": lasts[stalled].groupby(states["viewer"]).sum(),
            "latency": weighted / lasts[counted].groupby(states["viewer"]).sum(),
        }
    )


def _zaps(trace: Trace) -> pd.DataFrame:
    """Return how often each viewer changed channels, and the sum of the seconds to the first frame there."""
    rows = trace["playback"].sort_values(["viewer", "at"], kind="stable")
    session = (rows["state"] == "starting").groupby(rows["viewer"]).cumsum()
    rows = rows.assign(session=session)[session > 1]
    begun = rows[rows["state"] == "starting"].groupby(["viewer", "session"])["at"].min()
    shown = rows[rows["state"] == "playing"].groupby(["viewer", "session"])["at"].min()
    begun = begun[begun >= trace.scenario.warmup]
    waits = (shown.reindex(begun.index) - begun).groupby("viewer")
    return pd.DataFrame({"zaps": waits.size(), "zap_wait": waits.sum()})


def _links(trace: Trace) -> pd.DataFrame:
    """Return the intervals (a, b, begin, end) of connections; those of one pair that overlap are merged."""
    rows = trace["connections"]
    rows = rows[(rows["outcome"] == "open") & rows["opened_at"].notna()]
    ends = np.sort(rows[["viewer", "other"]].to_numpy(dtype=str), axis=1) if len(rows) else np.empty((0, 2), str)
    closed = rows["closed_at"].fillna(trace.manifest.duration)
    links = pd.DataFrame(
        {"a": ends[:, 0], "b": ends[:, 1], "begin": rows["opened_at"].to_numpy(), "end": closed.to_numpy()}
    ).sort_values(["a", "b", "begin"], kind="stable")
    reached = links.groupby(["a", "b"])["end"].cummax()
    before = reached.groupby([links["a"], links["b"]]).shift().fillna(-np.inf)
    links["begin"] = np.maximum(links["begin"], before)
    return links[links["end"] > links["begin"]].reset_index(drop=True)


def _peers(trace: Trace, links: pd.DataFrame, viewers: pd.DataFrame) -> pd.DataFrame:
    """Return the mean number of connected peers: from connections, or from the samples of a viewer without any."""
    lasts = (links["end"] - links["begin"].clip(lower=trace.scenario.warmup)).clip(lower=0.0)
    held = lasts.groupby(links["a"]).sum().add(lasts.groupby(links["b"]).sum(), fill_value=0.0)
    mean = held.reindex(viewers.index) / viewers["watched"].where(viewers["watched"] > 0)
    return pd.DataFrame({"peers": mean.fillna(trace["samples"].groupby("viewer")["peers"].mean())})


def _timeline(trace: Trace, states: pd.DataFrame, links: pd.DataFrame) -> pd.DataFrame:
    duration = trace.manifest.duration
    bins = max(1, int(np.ceil(duration / BIN - 1e-9)))
    at: Floats = np.arange(bins, dtype=np.float64) * BIN
    viewers = trace["viewers"]
    watching = _present(at, viewers["joined_at"], viewers["left_at"].fillna(duration))
    stalled = states[states["state"] == "stalled"]
    transfers = _marked(trace)
    flows = {source: _spread(transfers[transfers["source"] == source], bins, duration) for source in ("http", "p2p")}
    flows |= {name: _spread(transfers[transfers[name]], bins, duration) for name in ("relayed", "far", "second")}
    columns = {
        "at": at,
        "viewers": watching,
        "stalled": _present(at, stalled["begin"], stalled["end"]),
        "peers": 2.0 * _present(at, links["begin"], links["end"]) / np.maximum(watching, 1),
        "http": flows["http"],
        "p2p": flows["p2p"],
        "origin": _sent(trace, bins, duration) if len(trace["origin"]) else flows["http"],
        "relayed": flows["relayed"],
        "far": flows["far"],
        "filled": np.zeros(bins),  # a trace has no events of what edges fetch
        "second": flows["second"],
    }
    return _typed(pd.DataFrame(columns), TIMELINE)


def _present(at: Floats, begin: pd.Series, end: pd.Series) -> NDArray[np.int64]:
    """Return the number of intervals [begin, end) that contain each time."""
    begun = np.searchsorted(np.sort(begin.to_numpy(float)), at, side="right")
    over = np.searchsorted(np.sort(end.to_numpy(float)), at, side="right")
    return (begun - over).astype(np.int64)


def _spread(rows: pd.DataFrame, bins: int, duration: float) -> Floats:
    begin = rows["first_byte_at"].fillna(rows["started_at"]).to_numpy(float)
    return _binned(begin, rows["ended_at"].fillna(duration).to_numpy(float), rows["bytes"].to_numpy(float), bins)


def _sent(trace: Trace, bins: int, duration: float) -> Floats:
    rows = media_responses(trace)
    begin = rows["at"].to_numpy(float)
    lasts = rows["duration"].fillna(0.0).to_numpy(float)
    return _binned(begin, np.minimum(begin + lasts, max(duration, 0.0)), rows["bytes"].to_numpy(float), bins)


def _binned(begin: Floats, end: Floats, amount: Floats, bins: int) -> Floats:
    """Return the sums per bin of amounts that flow evenly from begin to end; the outermost bins take the rest."""
    some = amount > 0
    limit = bins * BIN
    begin = np.clip(begin[some], 0.0, np.nextafter(limit, 0.0))
    end = np.clip(np.maximum(end[some], begin), 0.0, limit)
    amount = amount[some]
    first = (begin / BIN).astype(np.int64)
    last = np.maximum(first, np.ceil(end / BIN).astype(np.int64) - 1)
    touched = last - first + 1
    flow = np.repeat(np.arange(len(amount)), touched)
    slot = first[flow] + np.arange(len(flow)) - np.repeat(np.cumsum(touched) - touched, touched)
    inside = np.minimum(end[flow], (slot + 1) * BIN) - np.maximum(begin[flow], slot * BIN)
    lasts = (end - begin)[flow]
    share = np.where(lasts > 0, inside / np.where(lasts > 0, lasts, 1.0), 1.0)
    return np.bincount(slot, weights=amount[flow] * share, minlength=bins).astype(np.float64)


def _typed(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    kinds: dict[str, Any] = {"str": "str", "int": np.int64, "float": np.float64}
    return frame[list(columns)].astype({name: kinds[kind] for name, kind in columns.items()})
