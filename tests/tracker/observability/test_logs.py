import json
import logging
from collections.abc import Callable, Iterator

import pytest
from p2p_tracker.core.events import Observer
from p2p_tracker.observability.logs import EventLog, readable, set_up

from tests.tracker.examples import SWARM, peer


@pytest.fixture
def log_lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[str]]]:
    lines: list[str] = []

    def read() -> list[str]:
        lines.extend(capsys.readouterr().err.splitlines())
        return lines

    yield read
    logging.getLogger("p2p_tracker").handlers.clear()


def notify_of_everything(observer: Observer) -> None:
    observer.announced(SWARM, peer(1), "", 5)
    observer.swarm_created(SWARM)
    observer.peer_added(SWARM, peer(1), 1)
    observer.peers_sent(SWARM, peer(1), 3)
    observer.signal_relayed(SWARM, peer(1), peer(2), "offer")
    observer.peer_removed(SWARM, peer(1), 0, "stopped")
    observer.swarm_removed(SWARM)
    observer.refused(SWARM, "why")


def test_each_event_is_a_line_with_its_fields(log_lines: Callable[[], list[str]]) -> None:
    set_up("debug", "json")
    log = EventLog(lambda: 0.0)
    assert log.sees_messages
    notify_of_everything(log)
    log.connection_refused("full")
    lines = [json.loads(line) for line in log_lines()]
    assert [line["event"] for line in lines] == [
        "announce",
        "swarm created",
        "peer added",
        "peers sent",
        "signal relayed",
        "peer removed",
        "swarm removed",
        "refused",
        "connection refused",
    ]
    assert lines[0] | {"kind": "update", "offers": 5} == lines[0]
    assert lines[2]["total"] == 1
    assert lines[4] | {"kind": "offer", "from": peer(1), "to": peer(2)} == lines[4]
    assert lines[5] | {"remaining": 0, "reason": "stopped", "swarm": SWARM} == lines[5]


def test_text_lines_are_readable_and_level_info_omits_frequent_events(log_lines: Callable[[], list[str]]) -> None:
    set_up("info", "text")
    log = EventLog(lambda: 0.0)
    assert not log.sees_messages
    notify_of_everything(log)
    lines = log_lines()
    assert len(lines) == 5
    assert lines[1].endswith(f"INFO peer added swarm={SWARM} peer={peer(1)} total=1")


def test_lines_over_the_rate_are_counted_instead_of_logged(log_lines: Callable[[], list[str]]) -> None:
    set_up("info", "text")
    now = [0.0]
    log = EventLog(lambda: now[0], rate=10)
    for _ in range(1000):
        log.refused(SWARM, "no")
    log.swarm_created(SWARM)
    log.flush()
    assert len(log_lines()) == 11
    now[0] = 1.0
    log.flush()
    assert log_lines()[-1].endswith("WARNING lines left out of=refused count=990")
    log.refused(SWARM, "no")
    assert len(log_lines()) == 13
    now[0] = 2.5
    log.refused(SWARM, "no")
    assert len(log_lines()) == 14


def test_errors_keep_their_traceback_in_json(log_lines: Callable[[], list[str]]) -> None:
    set_up("info", "json")
    try:
        raise ValueError("gone wrong")
    except ValueError:
        logging.getLogger("p2p_tracker").exception("failed")
    line = json.loads(log_lines()[0])
    assert line["event"] == "failed"
    assert "gone wrong" in line["error"]


@pytest.mark.parametrize(("identifier", "shown"), [("plain-id", "plain-id"), ("\xff\x00", "ff00"), ("a\n", "610a")])
def test_identifiers_with_unprintable_characters_are_shown_in_hexadecimal(identifier: str, shown: str) -> None:
    assert readable(identifier) == shown


def test_the_base_observer_ignores_every_event() -> None:
    notify_of_everything(Observer())
