"""What a tracker answers over HTTP."""

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

__all__ = ["Router", "Source"]

_LISTED_SWARMS = 100  # in the statistics, the largest
_LISTED_PEERS = 1000  # of one swarm
_MANY = 1000  # swarms, from where on the largest are looked for once a second at most


class Source(Protocol):
    """Where the answers come from."""

    def figures(self) -> Mapping[str, float]:
        """Give every counter and gauge."""
        ...

    def is_ready(self) -> bool:
        """Tell whether new clients are welcome."""
        ...

    def ice(self, request: Request) -> Response:
        """Name STUN and TURN servers."""
        ...


class Router:
    """Finds the answer to a request.

    Parameters
    ----------
    swarms
        The swarms of a tracker, by info hash.
    source
        Knows the rest.
    pages
        Everything that is meant for people.
    is_public
        Whether info hashes and peers are shown.
    """

    def __init__(self, swarms: Mapping[str, Swarm[C]], source: Source, pages: Pages, *, is_public: bool):
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
        exposed = exposition(source.figures)

    def answer(self, request: Request) -> Response:
        """Answer a request that does not want to become a WebSocket."""
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
        """Tell how much there is and what was done."""
        figures = self._source.figures()
        if not self._is_public:
            return dict(figures)
        return {**figures, "largest": self._find_largest(figures["uptime"])}

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
        if self._source.is_ready():
            return as_json({"status": "ready"})
        return as_json({"status": "not ready"}, HTTPStatus.SERVICE_UNAVAILABLE)

    def _peers(self, text: str) -> Response:
        if not self._is_public:
            return as_json({"error": "peers are not shown here"}, HTTPStatus.FORBIDDEN)
        info_hash = info_hash_of(text)
        if info_hash is None:
            error = "an info hash is 40 hexadecimal digits or 20 percent-encoded characters"
            return as_json({"error": error}, HTTPStatus.BAD_REQUEST)
        swarm = self._swarms.get(info_hash)
        if swarm is None:
            return as_json({"error": "no such swarm"}, HTTPStatus.NOT_FOUND)
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
