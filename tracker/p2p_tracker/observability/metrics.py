"""Prometheus metrics, read from the tracker's counters at each scrape."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from p2p_tracker.server.http import Response

__all__ = ["exposition"]

_GAUGES = {
    "connections": "Open WebSockets.",
    "swarms": "Swarms with at least one peer.",
    "peers": "Memberships (peer ids in swarms), summed over all swarms.",
    "uptime": "Seconds since the tracker started.",
    "memory": "Resident memory of the process in bytes.",
    "cpu": "Processor time used by the process in seconds.",
}
_COUNTERS = {
    "announces": "Announces received.",
    "offers": "Offers relayed to other peers.",
    "answers": "Answers relayed to other peers.",
    "signals": "Messages of the extension action signal relayed to other peers.",
    "scrapes": "Scrapes answered over WebSocket.",
    "failures": "Messages refused with a failure reason or a close code.",
    "connections_opened": "WebSocket handshakes completed, including connections that were then refused.",
    "connections_refused": "WebSockets refused by an admission rule or a limit.",
    "bytes_received": "Bytes received from all connections, HTTP included.",
    "bytes_sent": "Bytes sent to all connections, HTTP included.",
}


class _Counters(Collector):
    def __init__(self, values: Callable[[], Mapping[str, float]]):
        self._values = values

    def collect(self) -> Iterable[Metric]:
        values = self._values()
        for name, meaning in _GAUGES.items():
            yield GaugeMetricFamily(f"tracker_{name}", meaning, value=values[name])
        for name, meaning in _COUNTERS.items():
            yield CounterMetricFamily(f"tracker_{name}", meaning, value=values[name])


def exposition(values: Callable[[], Mapping[str, float]]) -> Callable[[], Response]:
    """Return a function whose result is the response to a Prometheus scrape."""
    registry = CollectorRegistry()
    registry.register(_Counters(values))
    return lambda: Response(body=generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
