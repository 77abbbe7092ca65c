"""Replications of a small scenario, really simulated."""

import math

import pandas as pd
import pytest

from p2psim import Scenario, Trace, simulate
from p2psim.analysis.metrics import METRICS
from p2psim.errors import InputError
from p2psim.experiment import Results
from p2psim.trace import TIMELINE, VIEWER_TOTALS, discrepancies


def small() -> Scenario:
    changes = {"duration": "60 s", "viewers.count": 6, "viewers.over": "5 s"}
    return Scenario.load("live-24s").replace(changes)


@pytest.fixture(scope="module")
def results() -> Results:
    return simulate(small(), replications=3, events=True, jobs=1, progress=False)


def test_tables_have_the_columns_of_the_contract(results: Results) -> None:
    assert list(results.viewers.columns) == ["replication", *VIEWER_TOTALS]
    assert list(results.timeline.columns) == ["replication", *TIMELINE]
    assert results.viewers["replication"].unique().tolist() == [0, 1, 2]
    assert len(results.timeline) == 3 * 60
    assert {"viewer", "segment", "bytes_p2p"} <= set(results.segments)
    assert {"viewer", "other", "opened_at"} <= set(results.connections)


def test_summary_is_of_all_replications(results: Results) -> None:
    summary = results.summary().set_index("metric")
    assert list(summary.columns) == ["mean", "low", "high", "unit"]
    assert list(summary.index) == [name for name, metric in METRICS.items() if not metric.paired]
    totals = results.timeline[["http", "p2p"]].sum()
    assert summary.loc["p2p_ratio", "mean"] == pytest.approx(totals["p2p"] / totals.sum())
    assert (summary["low"].dropna() <= summary["mean"].loc[summary["low"].dropna().index]).all()


def test_results_do_not_depend_on_the_number_of_processes(results: Results) -> None:
    again = simulate(small(), replications=3, jobs=2, progress=False)
    pd.testing.assert_frame_equal(again.viewers, results.viewers)
    pd.testing.assert_frame_equal(again.timeline, results.timeline)


def test_one_replication_alone_is_the_same(results: Results) -> None:
    alone = simulate(small(), replications=1, progress=False)
    first = results.viewers[results.viewers["replication"] == 0]
    pd.testing.assert_frame_equal(alone.viewers, first.reset_index(drop=True))
    assert math.isnan(alone.summary().set_index("metric").loc["p2p_ratio", "low"])


def test_another_seed_gives_other_runs(results: Results) -> None:
    other = simulate(small(), replications=1, seed=2, progress=False)
    assert other.metrics["p2p_ratio"][0] != results.metrics["p2p_ratio"][0]


def test_baseline_is_the_same_viewers_without_peers(results: Results) -> None:
    base = results.baseline
    assert (base.viewers["joined_at"] == results.viewers["joined_at"]).all()
    assert base.timeline["p2p"].sum() == 0
    saving = results.summary(baseline=True).set_index("metric").loc["origin_saving"]
    expected = 1 - results.timeline["origin"].sum() / base.timeline["origin"].sum()
    assert saving["mean"] == pytest.approx(expected)
    assert results.baseline is base, "simulated once"


def test_books_of_simulated_traces_balance(results: Results) -> None:
    for trace in results.traces:
        assert discrepancies(trace) == []


def test_events_must_be_asked_for() -> None:
    plain = simulate(small(), replications=1, progress=False)
    with pytest.raises(InputError, match="events=True"):
        _ = plain.segments


def test_save_writes_what_can_be_read_again(results: Results, tmp_path) -> None:
    folder = results.save(tmp_path / "out")
    assert Scenario.load(str(folder / "scenario.toml")) == results.scenario
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "viewers.parquet"), results.viewers)
    assert len(pd.read_csv(folder / "metrics.csv")) == 3
    assert Trace.read(folder / "trace-2").manifest.replication == 2


def test_refusals() -> None:
    with pytest.raises(InputError, match="replications = 0"):
        simulate(small(), replications=0)
    with pytest.raises(InputError, match="no bundled scenario"):
        simulate("nonsense")


def test_figures_are_drawn_by_name(results: Results) -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.use("Agg")
    for draw in (results.plot.timeline, results.plot.raster, results.plot.distribution, results.plot.shares):
        assert draw().has_data()
    plt.close("all")


def test_progress_is_told_to_the_end(capsys) -> None:
    simulate(small(), replications=2, jobs=1, progress=True)
    shown = capsys.readouterr()
    assert "simulating" in shown.err
    assert shown.out == ""
