"""Metrics of a trace that was worked out on paper."""

import dataclasses
import math
import re

import numpy as np
import pandas as pd
import pytest

from p2psim.analysis.metrics import METRICS, estimate, jain, metrics, percentile_rate, sums
from p2psim.trace import Totals, totals
from tests.traces import TraceBuilder, duet


@pytest.fixture(scope="module")
def run() -> Totals:
    return totals(duet())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("p2p_ratio", 4000 / 17000),
        ("offload", 1 - 13000 / 16000),
        ("origin_rate", 13000 / 20),
        ("wasted_bytes", 1000),
        ("relay_bytes", 0),
        ("stall_ratio", 1 / 36),
        ("stalls", 0.5),
        ("started", 1),
        ("startup", 1.5),
        ("latency", 10.25),
        ("swarm", 36 / 20),
        ("wait", 1.75 / 4),
        ("added_wait", 0.25 - 0.5),
        ("added_time", 4 - 5 / 3),
    ],
)
def test_metric(run: Totals, name: str, expected: float) -> None:
    assert metrics(run)[name] == pytest.approx(expected)


def test_metrics_against_http_only_need_it(run: Totals) -> None:
    assert "origin_saving" not in metrics(run)
    found = metrics(run, run)
    assert found["origin_saving"] == found["added_startup"] == found["wait_reduction"] == 0
    assert found["origin_left"] == 1
    assert list(found) == list(METRICS)


def test_saving_is_against_the_paired_run(run: Totals) -> None:
    double = dataclasses.replace(run, timeline=run.timeline.assign(origin=run.timeline["origin"] * 2))
    assert metrics(run, double)["origin_saving"] == pytest.approx(0.5)
    assert metrics(run, double)["origin_saving_p95"] == pytest.approx(0.5)


def warm(warmup: float) -> Totals:
    trace = duet()
    scenario = trace.scenario.replace({"warmup": warmup})
    return totals(dataclasses.replace(trace, scenario=scenario))


def test_warmup_is_cut() -> None:
    found = metrics(warm(4.0))
    assert found["p2p_ratio"] == pytest.approx(4000 / 5000), "only b's second segment and the aborted one come later"
    assert found["origin_rate"] == pytest.approx(1000 / 16)
    assert found["offload"] == pytest.approx(1 - 1000 / 8000), "of two segments each, the second is played after"
    assert found["added_wait"] == pytest.approx(0.25 - 0.5), "a's second segment ends just then and counts"
    assert found["startup"] == pytest.approx(1.5), "nobody joined later, so everybody counts"


def test_who_never_sees_a_frame_is_not_forgotten(run: Totals) -> None:
    lost = dataclasses.replace(run, viewers=run.viewers.assign(startup=[math.nan, 2.0]))
    assert metrics(lost)["started"] == 0.5
    assert metrics(lost)["startup"] == 2.0


def test_later_viewers_alone_count_for_the_start() -> None:
    found = metrics(warm(1.0))
    assert found["startup"] == 1.0
    assert found["stalls"] == 0.5


def test_stalls_before_the_warmup_do_not_count() -> None:
    assert metrics(warm(7.0))["stalls"] == 0.5
    assert metrics(warm(7.5))["stalls"] == 0.0


def test_ratio_over_replications_is_of_totals(run: Totals) -> None:
    small = TraceBuilder()
    small.viewer("a")
    small.http("a", 0, 0.0, 1.0, 1000)
    found = estimate("p2p_ratio", [sums(run), sums(totals(small.trace()))])
    assert found.mean == pytest.approx(4000 / 18000)
    assert found.low < found.mean < found.high


def test_complement_keeps_the_interval_in_order(run: Totals) -> None:
    double = dataclasses.replace(run, timeline=run.timeline.assign(origin=run.timeline["origin"] * 1.5))
    found = estimate("offload", [sums(run), sums(double)])
    assert found.low < found.mean < found.high
    assert found.mean == pytest.approx(1 - 2.5 * 13000 / 32000)


def test_billed_percentile_is_of_five_minutes() -> None:
    rates = np.repeat(np.arange(1.0, 21.0), 300)  # 20 bins of 5 minutes at 1, 2, … 20 bytes/s
    assert percentile_rate(pd.DataFrame({"origin": rates})) == (19.0, 300.0), "the highest 5 % are not billed"


def test_short_runs_say_their_bin() -> None:
    rate, width = percentile_rate(pd.DataFrame({"origin": np.ones(120)}))
    assert (rate, width) == (1.0, 6.0)


def test_jain() -> None:
    assert jain(pd.Series([2.0, 2.0, 2.0])) == pytest.approx(1)
    assert jain(pd.Series([1.0, 0.0, 0.0, 0.0])) == pytest.approx(0.25)
    assert math.isnan(jain(pd.Series([0.0, 0.0])))


def test_empty_run_has_no_ratio() -> None:
    story = TraceBuilder()
    story.viewer("a")
    found = metrics(totals(story.trace()))
    assert math.isnan(found["p2p_ratio"])
    assert math.isnan(found["startup"])
    assert found["stalls"] == 0


def test_descriptions_are_understandable_alone_and_fit_into_tables() -> None:
    texts = [metric.text for metric in METRICS.values()]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert len(text) < 50, text
        assert re.search(r"\b(these|the same|its 95th)\b", text) is None, text
