"""What a tracker answers over HTTP."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias

from tracker.brain import Brain
from tracker.http import Request, Response, as_json, info_hash_of
from tracker.swarm import C, Swarm

__all__ = ["Router", "Status"]

Status: TypeAlias = Callable[[], dict[str, object]]

_LISTED = 100  # swarms in the statistics, the largest


class Router:
    """Finds the answer to a request.

    Parameters
    ----------
    brain
        Whose swarms to tell of.
    status
        Gives what the server itself knows: connections, uptime.
    """

    def __init__(self, brain: Brain[C], status: Status):
        self._swarms: dict[str, Swarm[C]] = brain.swarms
        self._counts = brain.counts
        self._status = status

    def answer(self, request: Request) -> Response:
        """Answer a request that does not want to become a WebSocket."""
        path = request.path.rstrip("/") or "/"
        if path == "/health":
            response = as_json({"status": "ok"})
        elif path in ("/tracker/stats", "/stats.json"):
            response = as_json(self.statistics())
        elif path.startswith("/tracker/peers/"):
            response = self._peers(path.removeprefix("/tracker/peers/"))
        else:
            response = as_json({"error": "not found"}, HTTPStatus.NOT_FOUND)
        if request.method not in ("GET", "HEAD"):
            response = as_json({"error": "GET and HEAD are accepted"}, HTTPStatus.METHOD_NOT_ALLOWED)
            response.headers["Allow"] = "GET, HEAD"
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cache-Control"] = "no-store"
        return response

    def statistics(self) -> dict[str, object]:
        """Tell how much there is and what was done."""
        counts = self._counts
        largest = sorted(self._swarms.values(), key=len, reverse=True)[:_LISTED]
        return {
            **self._status(),
            "swarms": len(self._swarms),
            "peers": counts.peers,
            "announces": counts.announces,
            "offers": counts.offers,
            "answers": counts.answers,
            "scrapes": counts.scrapes,
            "failures": counts.failures,
            "largest": [
                {
                    "info_hash": swarm.info_hash.encode("latin-1").hex(),
                    "peers": len(swarm),
                    "complete": swarm.complete,
                    "incomplete": swarm.incomplete,
                }
                for swarm in largest
            ],
        }

    def _peers(self, text: str) -> Response:
        info_hash = info_hash_of(text)
        if info_hash is None:
            error = "an info hash is 40 hexadecimal digits or 20 percent-encoded characters"
            return as_json({"error": error}, HTTPStatus.BAD_REQUEST)
        swarm = self._swarms.get(info_hash)
        if swarm is None:
            return as_json({"error": "no such swarm"}, HTTPStatus.NOT_FOUND)
        return as_json(
            {
                "info_hash": info_hash.encode("latin-1").hex(),
                "complete": swarm.complete,
                "incomplete": swarm.incomplete,
                "downloaded": swarm.downloaded,
                "peers": [
                    {"peer_id": member.peer_id.encode("latin-1").hex(), "complete": member.is_complete}
                    for member in swarm.members
                ],
            }
        )
