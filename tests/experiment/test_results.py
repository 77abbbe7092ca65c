"""Replications of a small scenario, really simulated."""

import dataclasses
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from p2psim import Scenario, Trace, simulate
from p2psim.analysis.metrics import METRICS
from p2psim.analysis.statistics import FewReplicationsWarning
from p2psim.errors import InputError
from p2psim.experiment import Results
from p2psim.simulation import Control
from p2psim.trace import TIMELINE, VIEWER_TOTALS, discrepancies


def small() -> Scenario:
    changes = {"duration": "60 s", "viewers.count": 6, "viewers.arrival_period": "5 s"}
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
    summary = results.summary(raw=True).set_index("metric")
    assert list(summary.columns) == ["mean", "low", "high", "unit"]
    assert list(summary.index) == [name for name, metric in METRICS.items() if not metric.paired]
    totals = results.timeline[["http", "p2p"]].sum()
    assert summary.loc["p2p_ratio", "mean"] == pytest.approx(totals["p2p"] / totals.sum())
    assert (summary["low"].dropna() <= summary["mean"].loc[summary["low"].dropna().index]).all()


def test_a_summary_is_in_units_that_people_read_and_describes_each_metric(results: Results) -> None:
    shown, raw = results.summary(), results.summary(raw=True)
    assert list(shown.columns) == ["metric", "mean", "low", "high", "unit", "description"]
    assert list(raw.columns) == ["metric", "mean", "low", "high", "unit"]
    shares = shown[shown["unit"] == "%"]
    assert {"p2p_ratio", "stall_ratio"} <= set(shares["metric"])
    exact = 100 * raw.loc[raw["metric"] == "p2p_ratio", "mean"].item()
    assert shares.loc[shares["metric"] == "p2p_ratio", "mean"].item() == pytest.approx(exact, abs=0.005)
    rate = shown.set_index("metric").loc["origin_rate"]
    assert rate["unit"] == "Mbit/s"
    assert rate["mean"] == pytest.approx(results.interval("origin_rate").mean * 8e-6, rel=1e-3)
    assert rate["description"] == "mean rate of the origin"
    assert "share of media bytes that came from peers" in repr(shown)


def test_files_are_for_programs(results: Results, tmp_path: Path) -> None:
    saved = pd.read_csv(results.save(tmp_path / "out") / "summary.csv")
    pd.testing.assert_frame_equal(saved, results.summary(raw=True))


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_processes(results: Results) -> None:
    again = simulate(small(), replications=3, jobs=2, progress=False)
    pd.testing.assert_frame_equal(again.viewers, results.viewers)
    pd.testing.assert_frame_equal(again.timeline, results.timeline)


def test_one_replication_alone_is_the_same(results: Results) -> None:
    alone = simulate(small(), replications=1, progress=False)
    first = results.viewers[results.viewers["replication"] == 0]
    pd.testing.assert_frame_equal(alone.viewers, first.reset_index(drop=True))
    assert alone.summary().set_index("metric")["low"].isna()["p2p_ratio"]


def test_another_seed_gives_other_runs(results: Results) -> None:
    other = simulate(small(), replications=1, seed=2, progress=False)
    assert other.metrics["p2p_ratio"][0] != results.metrics["p2p_ratio"][0]


def test_baseline_is_the_same_viewers_without_peers(results: Results) -> None:
    base = results.baseline
    assert (base.viewers["joined_at"] == results.viewers["joined_at"]).all()
    assert base.timeline["p2p"].sum() == 0
    saving = results.summary(baseline=True, raw=True).set_index("metric").loc["origin_saving"]
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


def test_save_writes_what_can_be_read_again(results: Results, tmp_path: Path) -> None:
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


def test_progress_is_told_to_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    simulate(small(), replications=2, jobs=1, progress=True)
    shown = capsys.readouterr()
    assert "simulating" in shown.err
    assert shown.out == ""


def test_few_replications_are_warned_of(results: Results) -> None:
    with pytest.warns(FewReplicationsWarning, match="3 replications"):
        results.summary()


def test_the_bootstrap_gives_the_same_means_and_other_intervals(results: Results) -> None:
    one, other = (results.summary(method=method, raw=True).set_index("metric") for method in ("student", "bootstrap"))
    pd.testing.assert_series_equal(one["mean"], other["mean"])
    assert not one["low"].equals(other["low"])
    pd.testing.assert_frame_equal(
        other.reset_index(), results.summary(method="bootstrap", raw=True)
    )  # drawn from the seed
    with pytest.raises(InputError, match="student, bootstrap"):
        results.summary(method="magic")


@pytest.mark.slow
def test_replications_go_on_until_the_interval_is_narrow_enough() -> None:
    found = simulate(small(), 3, jobs=1, progress=False, precision=0.08, metric="origin_rate", most=60)
    interval = found.interval("origin_rate")
    assert 3 < len(found.runs) < 60
    assert (interval.high - interval.low) / 2 <= 0.08 * interval.mean
    again = simulate(small(), len(found.runs), jobs=1, progress=False)
    pd.testing.assert_frame_equal(again.summary(), found.summary())


def test_an_unknown_option_is_answered_by_the_one_that_was_meant() -> None:
    with pytest.raises(InputError, match="option = 'precison': did you mean 'precision'"):
        simulate(small(), 2, precison=0.1)  # type: ignore[call-arg]


def test_replications_end_at_the_most() -> None:
    assert len(simulate(small(), 2, jobs=1, progress=False, precision=1e-9, most=4).runs) == 4


@pytest.mark.parametrize("wrong", [{"precision": 0.0}, {"precision": 2.0}, {"precision": 0.1, "metric": "speed"}])
def test_a_precision_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        simulate(small(), 2, progress=False, **wrong)


def test_a_simulation_goes_on_from_its_checkpoint(tmp_path: Path, results: Results) -> None:
    keep = {"jobs": 1, "events": True, "progress": False, "checkpoint": tmp_path, "every": 5.0}
    first = simulate(small(), 2, **keep)  # type: ignore[arg-type]
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(kept) == 2
    found = simulate(small(), 3, **keep)  # type: ignore[arg-type]
    assert kept.items() <= {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}.items()
    pd.testing.assert_frame_equal(found.viewers, results.viewers)
    pd.testing.assert_frame_equal(found.segments, results.segments)
    assert len(first.runs) == 2


def test_warmup_and_batches_of_a_long_run() -> None:
    steady = small().replace({"duration": 300.0, "viewers.arrival_period": 20.0})
    found = simulate(steady, 2, jobs=1, progress=False)
    assert 0 < found.warmup("viewers") <= 40  # everybody has come after 20 s
    later = dataclasses.replace(found, scenario=steady.replace({"warmup": 60.0}))
    batches = later.batches("p2p_ratio", replication=1, batches=10)
    run = found.timeline[(found.timeline["replication"] == 1) & (found.timeline["at"] >= 60)]
    assert batches.interval.mean == pytest.approx(run["p2p"].sum() / (run["p2p"] + run["http"]).sum())
    assert batches.interval.low < batches.interval.mean < batches.interval.high


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_processes_of_ones_own_act_in_every_replication(jobs: int, results: Results) -> None:
    def leaving(control: Control) -> Generator[Any, Any, None]:
        yield control.env.timeout(20.0)
        control.leave(control.viewers()[0])

    found = simulate(results.scenario, 2, jobs=jobs, progress=False, prepare=lambda c: c.env.process(leaving(c)))
    for made in (found, found.baseline):
        assert ((made.viewers["left_at"] == 20.0).groupby(made.viewers["replication"]).sum() == 1).all()
    with pytest.raises(InputError, match="checkpoint, prepare: pass only one of them"):
        simulate(results.scenario, 2, prepare=lambda c: None, checkpoint="nowhere")
