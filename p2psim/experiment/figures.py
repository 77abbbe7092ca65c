"""Figures of results; matplotlib is imported when the first one is drawn."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from p2psim.analysis.steady_state import welch
from p2psim.scenario import Scenario

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Figures", "Tables"]


class Tables(Protocol):
    """What is drawn: tables of replications, as `p2psim.experiment.results.Results` has them."""

    @property
    def scenario(self) -> Scenario:
        """Scenario of the replications."""

    @property
    def viewers(self) -> pd.DataFrame:
        """One row per viewer and replication."""

    @property
    def timeline(self) -> pd.DataFrame:
        """One row per second and replication."""

    @property
    def segments(self) -> pd.DataFrame:
        """One row per segment, viewer and replication."""

    def graph(self, at: float, replication: int = 0) -> "nx.Graph[str]":
        """Return the swarm at a time."""

    def warmup(self, quantity: str = "p2p_ratio") -> float:
        """Seconds from the start to cut in a study of the steady state."""


class Figures:
    """Figures of `Results`; each method returns the axes, and draws on `ax` if it is given."""

    def __init__(self, results: Tables) -> None:
        self._results = results

    def timeline(self, ax: Any = None) -> Any:
        """Rates of the origin and of peers over time, averaged over replications."""
        return _draw("timeline", self._results.timeline, ax)

    def raster(self, ax: Any = None, replication: int = 0) -> Any:
        """Source of each segment of each viewer; needs ``events=True``."""
        return _draw("raster", self._one(self._results.segments, replication), ax)

    def distribution(self, column: str = "startup", ax: Any = None) -> Any:
        """Cumulative distribution of a column of `Results.viewers`."""
        return _draw("distribution", self._results.viewers, ax, column=column)

    def shares(self, ax: Any = None) -> Any:
        """Cumulative distribution of the viewers' P2P shares."""
        viewers = self._results.viewers
        received = viewers["bytes_http"] + viewers["bytes_p2p"]
        table = viewers.assign(p2p_share=viewers["bytes_p2p"] / received.where(received > 0))
        return _draw("distribution", table, ax, column="p2p_share")

    def graph(self, at: float, by: str = "nat", ax: Any = None, replication: int = 0) -> Any:
        """Graph of the swarm at a time, viewers coloured by an attribute; needs ``events=True``."""
        return _draw("graph", self._results.graph(at, replication), ax, by=by)

    def welch(self, quantity: str = "p2p_ratio", window: float = 60.0, ax: Any = None) -> Any:
        """Welch's plot for the end of the warm-up: a smoothed quantity over time, with the cut of MSER-5."""
        table = welch(self._results.timeline, quantity, window)
        cut = self._results.scenario.warmup
        return _draw("welch", table, ax, name=quantity, detected=self._results.warmup(quantity), cut=cut)

    @staticmethod
    def _one(table: pd.DataFrame, replication: int) -> pd.DataFrame:
        return table[table["replication"] == replication]


def _draw(figure: str, table: Any, ax: Any, **options: Any) -> Any:
    # imported by name, because plots and experiments are layers beside each other
    return getattr(import_module("p2psim.plots"), figure)(table, ax=ax, **options)
