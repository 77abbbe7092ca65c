"""Whole simulated runs: what must hold for every one, and the behaviour that the real library is known for."""

from collections.abc import Generator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2psim.scenario import Scenario
from p2psim.simulation import Control, Run, run
from p2psim.trace import TABLES, required_columns, totals
from p2psim.trace.totals import TIMELINE, VIEWER_TOTALS

SMALL = Scenario(name="small").replace(
    {
        "duration": "60 s",
        "viewers.count": 8,
        "viewers.arrival_period": "10 s",
        "stream.bitrate": "1 Mbit/s",
        "stream.segment": "2 s",
        "nat.mix": "open",
        "tracker.interval": "20 s",
        "origin.rate": "12 Mbit/s",
    }
)
CHURN = SMALL.replace(
    {
        "viewers.count": 20,
        "viewers.mean_viewing_time": "25 s",
        "viewers.crash_share": 0.5,
        "nat.mix": "mobile",
        "duration": "90 s",
    }
)


def share(result: Run) -> float:
    viewers = result.totals.viewers
    return float(viewers["bytes_p2p"].sum() / (viewers["bytes_p2p"].sum() + viewers["bytes_http"].sum()))


def test_tables_have_the_schema() -> None:
    result = run(CHURN, events=True)
    assert result.trace is not None
    for name in TABLES:
        assert set(required_columns(name)) <= set(result.trace[name].columns), name
    assert set(VIEWER_TOTALS) <= set(result.totals.viewers.columns)
    assert set(TIMELINE) <= set(result.totals.timeline.columns)


@pytest.mark.parametrize("scenario", [SMALL, CHURN], ids=["small", "churn"])
def test_one_seed_gives_one_result(scenario: Scenario) -> None:
    first, again, other = (run(scenario, seed=seed, events=True) for seed in (3, 3, 4))
    assert first.trace is not None
    assert again.trace is not None
    assert other.trace is not None
    for name in TABLES:
        pd.testing.assert_frame_equal(first.trace[name], again.trace[name])
    pd.testing.assert_frame_equal(first.totals.viewers, again.totals.viewers)
    assert not first.trace["transfers"].equals(other.trace["transfers"])


def test_keeping_events_changes_nothing() -> None:
    quiet, loud = run(CHURN, events=False), run(CHURN, events=True)
    pd.testing.assert_frame_equal(quiet.totals.viewers, loud.totals.viewers)
    pd.testing.assert_frame_equal(quiet.totals.timeline, loud.totals.timeline)


@pytest.mark.parametrize("scenario", [SMALL, CHURN], ids=["small", "churn"])
def test_books_balance(scenario: Scenario) -> None:
    """What peers received is what peers sent; the time line, the totals and the trace know the same bytes."""
    result = run(scenario, events=True)
    assert result.trace is not None
    viewers, line, moved = result.totals.viewers, result.totals.timeline, result.trace["transfers"]
    assert viewers["bytes_p2p"].sum() == viewers["bytes_uploaded"].sum()
    for source, column in (("http", "bytes_http"), ("p2p", "bytes_p2p")):
        of_source = moved[moved["source"] == source]
        assert of_source["bytes"].sum() == viewers[column].sum()
        assert line[source].sum() == pytest.approx(viewers[column].sum(), rel=1e-9)
        by_viewer = of_source.groupby("viewer")["bytes"].sum().reindex(viewers["viewer"], fill_value=0)
        assert by_viewer.to_numpy() == pytest.approx(viewers[column].to_numpy())
    sent = moved[moved["source"] == "p2p"].groupby("from_viewer")["bytes"].sum()
    assert sent.reindex(viewers["viewer"], fill_value=0).to_numpy() == pytest.approx(viewers["bytes_uploaded"])


def test_totals_of_the_kernel_are_those_of_its_trace() -> None:
    result = run(CHURN, events=True)
    assert result.trace is not None
    ours = result.totals.viewers.set_index("viewer")
    counted = totals(result.trace).viewers.set_index("viewer").loc[ours.index]
    for column in ("bytes_http", "bytes_p2p", "bytes_uploaded", "stalls", "http_transfers", "p2p_transfers"):
        assert counted[column].to_numpy() == pytest.approx(ours[column].to_numpy()), column
    for column in ("startup", "stalled", "http_time", "p2p_time", "watched", "bytes_played"):
        assert counted[column].to_numpy(float) == pytest.approx(ours[column].to_numpy(float), nan_ok=True, abs=1e-6), (
            column
        )


def test_no_byte_before_its_source_has_it() -> None:
    result = run(CHURN, events=True)
    assert result.trace is not None
    moved = result.trace["transfers"]
    done = moved[moved["outcome"] == "completed"]
    has = done.groupby(["viewer", "segment"])["ended_at"].min()
    peers = moved[(moved["source"] == "p2p") & moved["first_byte_at"].notna()]
    assert len(peers) > 20
    for row in peers.itertuples():
        key: Any = (row.from_viewer, row.segment)
        assert has[key] <= row.first_byte_at


def test_latency_decides() -> None:
    """Everything within 15 s of playback is HTTP: 8 s behind live there is nothing left for peers, 24 s behind much."""
    assert share(run(SMALL.replace({"stream.live_latency": "8 s"}))) < 0.02
    assert share(run(SMALL.replace({"stream.live_latency": "24 s"}))) > 0.4


def test_http_only_has_no_peers() -> None:
    result = run(SMALL.replace({"policy.name": "http-only"}), events=True)
    assert result.trace is not None
    assert share(result) == 0.0
    assert len(result.trace["connections"]) == 0


def test_nobody_reaches_blocked_viewers() -> None:
    result = run(SMALL.replace({"nat.mix": "restrictive", "viewers.count": 30}), events=True)
    assert result.trace is not None
    nat = result.trace["viewers"].set_index("viewer")["nat"]
    opened = result.trace["connections"].query("outcome == 'open'")
    kinds = set(nat.loc[opened["viewer"]]) | set(nat.loc[opened["other"]])
    assert len(opened) > 0
    assert "blocked" not in kinds
    assert set(zip(nat.loc[opened["viewer"]], nat.loc[opened["other"]], strict=True)) == {("port-restricted",) * 2}


def test_viewers_that_do_not_share_send_nothing() -> None:
    result = run(SMALL.replace({"viewers.sharing": 0.5, "viewers.count": 12}))
    viewers = result.totals.viewers
    assert (viewers["bytes_uploaded"] > 0).sum() <= 9
    assert viewers["bytes_p2p"].sum() == viewers["bytes_uploaded"].sum() > 0


def test_warmup_is_cut() -> None:
    full, cut = run(SMALL), run(SMALL.replace({"warmup": "30 s"}))
    assert cut.totals.viewers["bytes_http"].sum() < full.totals.viewers["bytes_http"].sum()
    assert (cut.totals.viewers["watched"] <= 30.0).all()


def test_a_process_of_your_own_can_act() -> None:
    """A researcher adds a behaviour as a SimPy process."""
    seen: list[float] = []

    def census(control: Control) -> None:
        def count() -> Generator[Any, Any, None]:
            while True:
                yield control.env.timeout(10.0)
                seen.append(sum(control.is_present(v) for v in range(len(control.population))))

        control.env.process(count())

    run(SMALL, prepare=census)
    assert seen[-1] > 0
    assert len(seen) == 5


def test_an_overloaded_origin_stalls_playback() -> None:
    result = run(SMALL.replace({"origin.rate": "4 Mbit/s", "policy.name": "http-only"}))
    assert result.totals.viewers["stalled"].sum() > 10


@pytest.mark.slow
def test_events_of_a_long_calendar_do_not_get_lost() -> None:
    """Logs are emptied and the calendar enlarged in the middle of a run."""
    busy = SMALL.replace({"viewers.count": 120, "duration": "120 s", "origin.rate": "unlimited"})
    result = run(busy, events=True)
    assert result.trace is not None
    assert result.trace["transfers"]["bytes"].sum() == pytest.approx(
        result.totals.viewers[["bytes_http", "bytes_p2p"]].to_numpy().sum()
    )


@pytest.mark.slow
def test_a_crowd_that_does_everything_at_once_fits_the_logs() -> None:
    """More entries in one instant, and at the end of the run, than the logs hold."""
    crowd = SMALL.replace(
        {"viewers.count": 12_000, "viewers.arrival_period": "0 s", "duration": "2.5 s", "origin.rate": "unlimited"}
    )
    result = run(crowd, events=True)
    assert result.trace is not None
    transfers = result.trace["transfers"]
    assert len(transfers) > 32_768
    assert transfers["bytes"].sum() == pytest.approx(
        result.totals.viewers[["bytes_http", "bytes_p2p"]].to_numpy().sum()
    )


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 25),
    st.sampled_from(["open", "average", "restrictive"]),
    st.sampled_from(["live", "vod"]),
    st.floats(5, 60),
    st.integers(0, 10**6),
)
def test_what_holds_in_every_run(count: int, mix: str, kind: str, viewing: float, seed: int) -> None:
    scenario = SMALL.replace(
        {
            "viewers.count": count,
            "nat.mix": mix,
            "stream.kind": kind,
            "stream.length": "60 s",
            "viewers.mean_viewing_time": viewing,
            "origin.rate": "unlimited",
        }
    )
    viewers = run(scenario, seed=seed).totals.viewers
    assert viewers["bytes_p2p"].sum() == viewers["bytes_uploaded"].sum()
    assert (viewers["played"] <= viewers["watched"] + 1e-6).all()
    assert (viewers[["wasted_http", "wasted_p2p"]] >= 0).all(axis=None)
    received = viewers["bytes_http"] + viewers["bytes_p2p"]
    assert (viewers["bytes_played"] <= received + 1e-6).all()
    started = viewers[viewers["startup"].notna()]
    assert (started["startup"] > 0).all()
    # a synchronised swarm needs at least one copy of what is played from the origin
    if len(viewers) == 1:
        assert viewers["bytes_p2p"].sum() == 0
    assert not np.isnan(received.to_numpy()).any()
