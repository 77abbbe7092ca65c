"""Figures for Prometheus, read from the tracker's own counters when they are asked for."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from p2p_tracker.server.http import Response

__all__ = ["exposition"]

_GAUGES = {
    "connections": "WebSockets open",
    "swarms": "swarms",
    "peers": "peers in all swarms",
    "uptime": "seconds since the start",
    "memory": "bytes of memory in use",
    "cpu": "seconds of processor time used",
}
_COUNTERS = {
    "announces": "announces received",
    "offers": "offers relayed",
    "answers": "answers relayed",
    "signals": "other signals relayed",
    "scrapes": "scrapes answered",
    "failures": "messages refused",
    "connections_opened": "WebSockets accepted",
    "connections_refused": "WebSockets refused",
    "bytes_received": "bytes received",
    "bytes_sent": "bytes sent",
}


class _Figures(Collector):
    def __init__(self, values: Callable[[], Mapping[str, float]]):
        self._values = values

    def collect(self) -> Iterable[Metric]:
        values = self._values()
        for name, meaning in _GAUGES.items():
            yield GaugeMetricFamily(f"tracker_{name}", meaning, value=values[name])
        for name, meaning in _COUNTERS.items():
            yield CounterMetricFamily(f"tracker_{name}", meaning, value=values[name])


def exposition(values: Callable[[], Mapping[str, float]]) -> Callable[[], Response]:
    """Make the answer to a scrape of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Figures(values))
    return lambda: Response(body=generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
