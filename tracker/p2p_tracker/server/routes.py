"""HTTP routes of the tracker."""

import heapq
import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Protocol

from p2p_tracker.core.swarm import C, Swarm
from p2p_tracker.observability.logs import readable
from p2p_tracker.observability.metrics import exposition
from p2p_tracker.server.http import Request, Response, as_json, info_hash_of
from p2p_tracker.web.pages import Pages

__all__ = ["Router", "StatusSource"]

_LISTED_SWARMS = 100  # the largest swarms, in the statistics
_LISTED_PEERS = 1000  # peers listed of one swarm
_MANY = 1000  # with this many swarms, the largest are searched for at most once a second


class StatusSource(Protocol):
    """Source of the metrics and states that the routes report."""

    def metrics(self) -> Mapping[str, float]:
        """Return every counter and gauge by name."""
        ...

    def closed_reason(self) -> str:
        """Return why new clients are refused; an empty text if they are not."""
        ...

    def ice(self, request: Request) -> Response:
        """Return the response that lists STUN and TURN servers."""
        ...


class Router:
    """Router of HTTP requests.

    Parameters
    ----------
    swarms
        The tracker's swarms by info hash.
    source
        Metrics, readiness and ICE servers.
    pages
        Web pages and their files.
    is_public
        Whether info hashes and peers are shown.
    """

    def __init__(self, swarms: Mapping[str, Swarm[C]], source: StatusSource, pages: Pages, *, is_public: bool):
        self._swarms: Mapping[str, Swarm[C]] = swarms
        self._source = source
        self._pages = pages
        self._is_public = is_public
        self._largest: list[dict[str, object]] = []
        self._largest_at = -math.inf
        self._routes: dict[str, Callable[[Request], Response]] = {
            "/health": lambda _: as_json({"status": "ok"}),
            "/ready": self._ready,
            "/tracker/stats": lambda _: as_json(self.statistics()),
            "/stats.json": lambda _: as_json(self.statistics()),
            "/tracker/ice": source.ice,
            "/metrics": lambda _: exposed(),
        }
        exposed = exposition(source.metrics)

    def answer(self, request: Request) -> Response:
        """Return the response to a request that does not ask for an upgrade to WebSocket."""
        if request.method == "OPTIONS":
            response = Response(HTTPStatus.NO_CONTENT)
            response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
            response.headers["Access-Control-Allow-Headers"] = request.headers.get(
                "access-control-request-headers", "*"
            )
            response.headers["Access-Control-Max-Age"] = "86400"
            response.headers["Allow"] = "GET, HEAD, OPTIONS"
        elif request.method in ("GET", "HEAD"):
            response = self._find(request)
        else:
            response = as_json({"error": "GET, HEAD and OPTIONS are accepted"}, HTTPStatus.METHOD_NOT_ALLOWED)
            response.headers["Allow"] = "GET, HEAD, OPTIONS"
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def statistics(self) -> dict[str, object]:
        """Return the metrics, and the largest swarms if they are public."""
        metrics = self._source.metrics()
        if not self._is_public:
            return dict(metrics)
        return {**metrics, "largest": self._find_largest(metrics["uptime"])}

    def _find_largest(self, now: float) -> list[dict[str, object]]:
        if len(self._swarms) < _MANY or now - self._largest_at >= 1.0:
            largest = heapq.nlargest(_LISTED_SWARMS, self._swarms.values(), key=len)
            self._largest, self._largest_at = [_summary(swarm) for swarm in largest], now
        return self._largest

    def _find(self, request: Request) -> Response:
        path = request.path.rstrip("/") or "/"
        route = self._routes.get(path)
        if route is not None:
            return route(request)
        if path.startswith("/tracker/peers/"):
            return self._peers(path.removeprefix("/tracker/peers/"))
        return self._pages.find(path) or as_json({"error": "not found"}, HTTPStatus.NOT_FOUND)

    def _ready(self, _: Request) -> Response:
        reason = self._source.closed_reason()
        if not reason:
            return as_json({"status": "ready"})
        return as_json({"status": "not ready", "reason": reason}, HTTPStatus.SERVICE_UNAVAILABLE)

    def _peers(self, text: str) -> Response:
        if not self._is_public:
            return as_json({"error": "this tracker does not publish its peers"}, HTTPStatus.FORBIDDEN)
        info_hash = info_hash_of(text)
        if info_hash is None:
            error = f"{text!r} is not an info hash: 40 hexadecimal digits or 20 percent-encoded characters are accepted"
            return as_json({"error": error}, HTTPStatus.BAD_REQUEST)
        swarm = self._swarms.get(info_hash)
        if swarm is None:
            return as_json({"error": "this tracker has no such swarm"}, HTTPStatus.NOT_FOUND)
        peers = [
            {"peer_id": member.peer_id.encode("latin-1").hex(), "name": readable(member.peer_id)}
            | {"complete": member.is_complete}
            for member in swarm.members[:_LISTED_PEERS]
        ]
        return as_json({**_summary(swarm), "peers": peers})


def _summary(swarm: Swarm[C]) -> dict[str, object]:
    return {
        "info_hash": swarm.info_hash.encode("latin-1").hex(),
        "name": readable(swarm.info_hash),
        "size": len(swarm),
        "complete": swarm.complete,
        "incomplete": swarm.incomplete,
        "downloaded": swarm.downloaded,
    }
