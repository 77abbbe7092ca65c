"""HTTP responses of the tracker's pages, their files, their libraries and the list of channels."""

import mimetypes
from http import HTTPStatus

from p2p_tracker.errors import OptionError
from p2p_tracker.server.http import Response, as_json
from p2p_tracker.web import STATIC
from p2p_tracker.web.channels import read_channels
from p2p_tracker.web.libraries import Libraries

__all__ = ["Pages"]

_SUFFIXES = (".html", ".css", ".js", ".mjs", ".svg", ".png", ".ico", ".json")
_POLICY = {"Content-Security-Policy": "frame-ancestors 'self'"}


class Pages:
    """Web pages by path: ``/NAME`` is NAME.html (``/`` is index.html), ``/web/NAME`` is a file of the pages.

    Also served are the player's libraries (``/libraries/…``) and the list of channels (``/channels.json``).

    Raises
    ------
    OptionError
        When the list of channels cannot be read.
    """

    def __init__(self, libraries: str = "", channels: str = "") -> None:
        self._libraries = Libraries(libraries)
        self._channels = channels
        read_channels(channels)

    def find(self, path: str) -> Response | None:
        """Return the response to a path; None if there is no such page."""
        if path == "/channels.json":
            return self._list()
        if path.startswith("/libraries/"):
            return self._libraries.answer(path.removeprefix("/libraries/"))
        name = path.removeprefix("/web/") if path.startswith("/web/") else f"{path.strip('/') or 'index'}.html"
        return _file(name)

    def _list(self) -> Response:
        """Return the list, which is read again because operators change it while the tracker runs."""
        try:
            return Response(HTTPStatus.OK, read_channels(self._channels), "application/json")
        except OptionError as error:
            return as_json({"error": str(error)}, HTTPStatus.INTERNAL_SERVER_ERROR)


def _file(name: str) -> Response | None:
    if "/" in name or "\\" in name or name.startswith(".") or not name.endswith(_SUFFIXES):
        return None
    try:
        body = (STATIC / name).read_bytes()
    except (OSError, ValueError):
        return None
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    return Response(HTTPStatus.OK, body, content_type, dict(_POLICY))
