import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.tracker.clients import (
    client,
    exchange,
    get,
    receive,
    tracker,
)
from tests.tracker.examples import wire_announce

pytestmark = pytest.mark.asyncio


async def test_prometheus_reads_the_metrics() -> None:
    async with tracker() as server, client(server) as one, client(server) as two:
        await exchange(one, wire_announce(1))
        await exchange(two, wire_announce(2, count=2))
        await receive(one)
        answer = await get(server, "/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        values = {
            sample.name: sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }
        assert values["tracker_connections"] == values["tracker_peers"] == values["tracker_announces_total"] == 2
        assert values["tracker_offers_total"] == values["tracker_swarms"] == 1
        assert values["tracker_memory"] > 1e6
        assert values["tracker_bytes_sent_total"] > 100
