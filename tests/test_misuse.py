"""Wrong use of the Python API is answered by one line that says what to write instead."""

from collections.abc import Callable

import pandas as pd
import pytest

import p2psim
from p2psim import Scenario, plots, simulate
from p2psim.errors import InputError, P2PSimError
from p2psim.experiment import Results
from p2psim.scenario.model import Regions, Stream
from p2psim.trace import Trace


@pytest.fixture(scope="module")
def results() -> Results:
    return simulate(Scenario().replace({"viewers.count": 3, "duration": 30.0}), 2, jobs=1, progress=False)


@pytest.mark.parametrize(
    ("misuse", "says"),
    [
        (lambda: Scenario().replace(**{"nat.mixx": "open"}), "did you mean 'mix'"),
        (lambda: Scenario().replace(**{"nat.mix": "mobil"}), "did you mean 'mobile'"),
        (lambda: Scenario().replace(viewers=3), "set one of its fields: viewers.count"),
        (lambda: Scenario().replace({"stream.live_latency": "8 Mbit/s"}), 'write for example "4 s"'),
        (lambda: Scenario().replace({"stream.kind": "life"}), "did you mean 'live'"),
        (lambda: Scenario(nat="mobile"), "Scenario().replace({'nat."),  # type: ignore[arg-type]
        (lambda: Scenario(natt="mobile"), "Scenario(natt=…): no such field; did you mean 'nat'"),  # type: ignore[call-arg]
        (lambda: Scenario("live-24s"), "by name, for example Scenario(name=…)"),  # type: ignore[call-arg]
        (lambda: Scenario(cdn="regional"), "Scenario().replace({'cdn."),  # type: ignore[arg-type]
        (lambda: Scenario(nat=Stream()), "Scenario().replace({'nat."),  # type: ignore[arg-type]
        (lambda: Stream(latancy=8.0), "Stream(latancy=…): no such field; did you mean 'live_latency'"),  # type: ignore[call-arg]
        (
            lambda: Stream(live_latency="8 Mbit/s"),  # type: ignore[arg-type]
            "Stream(live_latency=…): '8 Mbit/s' is not a time: write for example",
        ),
        (lambda: Regions(mixx={}), "did you mean 'mix'"),  # type: ignore[call-arg]
        (lambda: Scenario.load(3), "path or bundled name is expected, not a int"),  # type: ignore[arg-type]
        (lambda: simulate("live-24"), "did you mean 'live-24s'"),
        (lambda: simulate(3), "not a int"),  # type: ignore[arg-type]
        (lambda: simulate("live-24s", 2.5), "replications = 2.5: a whole number"),  # type: ignore[arg-type]
        (lambda: p2psim.measure("live-24"), "did you mean 'live-24s'"),
        (lambda: p2psim.compare("live-24"), "did you mean 'live-24s'"),
        (lambda: p2psim.compare(Scenario()), "difference(a, b)"),  # type: ignore[arg-type]
        (lambda: simulate("live-24s", seed=-1), "seed = -1: a whole number of at least 0"),
        (lambda: simulate("live-24s", seed="x"), "seed = 'x': a whole number of at least 0"),  # type: ignore[arg-type]
        (lambda: simulate("live-24s", jobs=0), "jobs = 0: a whole number of at least 1"),
        (lambda: simulate("live-24s", jobs=True), "jobs = True: a whole number"),
        (lambda: simulate("live-24s", precision="2 %"), "precision = '2 %': a share"),  # type: ignore[arg-type]
        (lambda: simulate("live-24s", prepare=3), "prepare = 3: a function is expected"),  # type: ignore[arg-type]
        (lambda: p2psim.difference("live-24s", "live-8s", "p2p"), "accepted: p2p_ratio"),
        (lambda: p2psim.compare("live-24s", margin=-1), "margin = -1: a share above 0"),
        (
            lambda: p2psim.compare("live-24s", gate={"speed": 1.0}),
            "gate = 'speed': did you mean 'peers'? accepted: p2p_ratio",
        ),
        (lambda: p2psim.sweep("latncy"), "did you mean 'latency'? accepted:"),
        (lambda: p2psim.sweep(3), "a bundled name is expected, not a int"),  # type: ignore[arg-type]
        (lambda: plots.timeline(pd.DataFrame(), ax=3), "Axes of matplotlib are expected, not a int"),  # type: ignore[arg-type]
        (lambda: Scenario().replace({"nat.mix": {"open": 0.5}}), "shares of your own are [nat.shares]"),
        (lambda: Scenario().replace({"stream.ladder": "apple"}), 'for example ["1 Mbit/s", "3 Mbit/s"]'),
        (lambda: Scenario().replace({"duration": 1e9}), "at most 31 days"),
        (lambda: p2psim.plan(100, replications=2.5), "replications = 2.5: a whole number"),  # type: ignore[arg-type]
        (lambda: p2psim.plan(100, jobs=0), "jobs = 0: a whole number of at least 1"),
        (lambda: p2psim.plan(1000, bitrate="6 Mbits"), "5 Mbit/s"),
        (lambda: p2psim.plan(1000, mobile=30), "write '30 %' or 0.3"),
    ],
)
def test_calls(misuse: Callable[[], object], says: str) -> None:
    with pytest.raises(P2PSimError) as caught:
        misuse()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sections_take_quantities_in_words() -> None:
    assert Stream(live_latency="8 s") == Stream(live_latency=8.0)  # type: ignore[arg-type]
    assert Scenario(stream=Stream(bitrate="2 Mbit/s")).stream.bitrate == 250_000.0  # type: ignore[arg-type]


def test_results_in_the_place_of_something_else(results: Results) -> None:
    with pytest.raises(InputError, match=r"write simulate\(results.scenario\)"):
        simulate(results)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"not a Results; .*difference\(a, b\)"):
        p2psim.compare(results)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="did you mean 'p2p_ratio'"):
        results.interval("p2p_ration")
    with pytest.raises(InputError, match="simulate with events=True"):
        results.plot.raster()


@pytest.mark.parametrize(
    ("figure", "says"),
    [
        ("timeline", "it draws results.timeline"),
        ("raster", "it draws results.segments"),
        ("tornado", "it draws plan.sensitivities"),
        ("cost", "it draws plan.costs"),
        ("claims", "help(p2psim.plots.claims)"),
        ("boundaries", "help(p2psim.plots.boundaries)"),
    ],
)
def test_a_table_of_the_wrong_kind(results: Results, figure: str, says: str) -> None:
    with pytest.raises(InputError, match="this table has no column") as caught:
        getattr(plots, figure)(results.viewers)
    assert says in str(caught.value)


def test_no_table_at_all(results: Results) -> None:
    with pytest.raises(InputError, match=r"not a Results; it draws results.timeline"):
        plots.timeline(results)  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match=r"a graph of networkx is expected, not a DataFrame; it draws results.graph\(t\)"
    ):
        plots.graph(pd.DataFrame())
    with pytest.raises(InputError, match="did you mean 'startup'"):
        results.plot.distribution("start_up")


def test_a_bundled_trace_has_a_name() -> None:
    assert Trace.read("live-24s").name == "live-24s"
