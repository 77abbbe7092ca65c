"""Checks before a measured run: scenarios, ports, trackers."""

import socket
from threading import Thread

import pytest

from p2psim.errors import PortInUseError, ScenarioError, TrackerUnreachableError
from p2psim.scenario import Scenario, bundled
from p2psim.testbed.feasibility import check_feasible, check_port, check_tracker


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"nat.mix": "average"}, "nat.mix = 'average'"),
        ({"nat.mix": "open", "nat.failure": 0.1}, "nat.failure = 0.1"),
        ({"nat.mix": "open", "relay.availability": 0.5}, "[relay] needs a lab"),
        ({"nat.mix": "open", "network.loss": 0.01}, "network.loss = 0.01"),
        ({"nat.mix": "open", "stream.ladder": [1e5, 2e5]}, "stream.ladder"),
        ({"nat.mix": "open", "viewers.count": 1000}, "viewers.count = 1000"),
        ({"nat.mix": "open", "channels.count": 2, "policy.swarmId": "one"}, "policy.swarmId = 'one'"),
        ({"nat.mix": "open", "channels.count": 2, "viewers.browsers": 1}, "viewers.browsers = 1"),
    ],
)
def test_a_scenario_that_a_loopback_cannot_measure_is_refused_in_one_line(
    changes: dict[str, object], field: str
) -> None:
    with pytest.raises(ScenarioError, match="accepted") as raised:
        check_feasible(Scenario().replace(changes))
    assert field in str(raised.value)
    assert "\n" not in str(raised.value)


MEASURED = sorted(path.stem for path in bundled("scenarios") if path.stem.startswith("measured-"))
IN_LABS = {"measured-nat", "measured-relay"}


@pytest.mark.parametrize("name", ["live-24s", "live-8s", "vod-staggered", *MEASURED])
def test_bundled_scenarios_for_measuring_are_accepted(name: str) -> None:
    [path] = [path for path in bundled("scenarios") if path.stem == name]
    check_feasible(Scenario.load(str(path)), in_lab=name in IN_LABS)


def test_a_port_in_use_is_refused() -> None:
    check_port(0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port}"):
            check_port(port)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ws:///", "nonsense", "ws://127.0.0.1:9/"])
def test_urls_without_a_tracker_are_refused(url: str) -> None:
    with pytest.raises(TrackerUnreachableError) as raised:
        check_tracker(url)
    assert url in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "is_tracker"),
    [(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", True), (b"HTTP/1.1 404 Not Found\r\n\r\n", False), (b"", False)],
)
def test_only_a_websocket_server_is_a_tracker(answer: bytes, is_tracker: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                assert b"Upgrade: websocket" in connection.recv(4096)
                connection.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        url = f"ws://127.0.0.1:{server.getsockname()[1]}/tracker/ws?x=1"
        if is_tracker:
            check_tracker(url)
        else:
            with pytest.raises(TrackerUnreachableError, match="no WebSocket server"):
                check_tracker(url)
        thread.join(5)
