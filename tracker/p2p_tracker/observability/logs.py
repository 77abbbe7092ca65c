"""Log of the tracker: one line per event, as text or as JSON."""

import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Mapping

from p2p_tracker.core.events import Observer

__all__ = ["EventLog", "readable", "set_up"]

log = logging.getLogger("p2p_tracker")


def readable(identifier: str) -> str:
    """Return an identifier as it is if it is printable ASCII, and otherwise in hexadecimal."""
    is_printable = identifier.isascii() and identifier.isprintable()
    return identifier if is_printable else identifier.encode("latin-1", "replace").hex()


class EventLog(Observer):
    """Observer that logs events: frequent ones at level debug, changes of swarms at info, refusals at warning.

    Parameters
    ----------
    clock
        Function that returns a monotonic time in seconds.
    rate
        Maximum lines per second and kind of event; `flush` logs the number of omitted lines. 0 means no limit.
    """

    def __init__(self, clock: Callable[[], float], rate: int = 0):
        self._clock = clock
        self._rate = rate
        self._second = clock()
        self._written: Counter[str] = Counter()
        self.sees_messages = log.isEnabledFor(logging.DEBUG)

    def announced(self, info_hash: str, peer_id: str, event: str, offers: int) -> None:
        """Log an announce."""
        fields = {"kind": event or "update", "offers": offers}
        self._write(logging.DEBUG, "announce", info_hash, {"peer": readable(peer_id), **fields})

    def swarm_created(self, info_hash: str) -> None:
        """Log a new swarm."""
        self._write(logging.INFO, "swarm created", info_hash, {})

    def peer_added(self, info_hash: str, peer_id: str, total: int) -> None:
        """Log a new peer."""
        self._write(logging.INFO, "peer added", info_hash, {"peer": readable(peer_id), "total": total})

    def peers_sent(self, info_hash: str, peer_id: str, count: int) -> None:
        """Log the number of peers chosen for an announce or a list."""
        self._write(logging.DEBUG, "peers sent", info_hash, {"peer": readable(peer_id), "count": count})

    def signal_relayed(self, info_hash: str, from_peer_id: str, to_peer_id: str, kind: str) -> None:
        """Log a relayed offer, answer or signal."""
        fields = {"kind": kind, "from": readable(from_peer_id), "to": readable(to_peer_id)}
        self._write(logging.DEBUG, "signal relayed", info_hash, fields)

    def peer_removed(self, info_hash: str, peer_id: str, remaining: int, reason: str) -> None:
        """Log a removed peer."""
        fields = {"peer": readable(peer_id), "remaining": remaining, "reason": reason}
        self._write(logging.INFO, "peer removed", info_hash, fields)

    def swarm_removed(self, info_hash: str) -> None:
        """Log a removed swarm."""
        self._write(logging.INFO, "swarm removed", info_hash, {})

    def refused(self, info_hash: str, reason: str) -> None:
        """Log a refused message."""
        self._write(logging.WARNING, "refused", info_hash, {"reason": reason})

    def connection_refused(self, reason: str) -> None:
        """Log a refused connection."""
        self._write(logging.WARNING, "connection refused", "", {"reason": reason})

    def flush(self) -> None:
        """Log the numbers of omitted lines, if the current second is over."""
        if self._rate and self._clock() - self._second >= 1.0:
            self._next_second()

    def _write(self, level: int, event: str, info_hash: str, fields: Mapping[str, object]) -> None:
        if not log.isEnabledFor(level):
            return
        if self._rate:
            if self._clock() - self._second >= 1.0:
                self._next_second()
            self._written[event] += 1
            if self._written[event] > self._rate:
                return
        _write(level, event, {"swarm": readable(info_hash), **fields} if info_hash else fields)

    def _next_second(self) -> None:
        written, self._written = self._written, Counter()
        self._second = self._clock()
        for event, count in written.items():
            if count > self._rate:
                _write(logging.WARNING, "lines left out", {"of": event, "count": count - self._rate})


def _write(level: int, event: str, fields: Mapping[str, object]) -> None:
    pairs = " ".join(f"{name}={value}" for name, value in fields.items())
    log.log(level, "%s %s", event, pairs, extra={"event_name": event, "fields": fields})


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        line = {"at": round(record.created, 3), "level": record.levelname.lower()}
        line["event"] = getattr(record, "event_name", None) or record.getMessage()
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps({**line, **fields})


def set_up(level: str, form: str) -> None:
    """Write the log to standard error; `form` is ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(_JsonFormatter() if form == "json" else text)
    log.handlers[:] = [handler]
    log.setLevel(level.upper())
    log.propagate = False
