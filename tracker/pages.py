"""The files of the tracker's pages."""

import mimetypes
from http import HTTPStatus
from importlib.resources import files

from tracker.http import Response

__all__ = ["page"]

_WEB = files("tracker") / "web"
_SUFFIXES = (".html", ".css", ".js", ".mjs", ".svg", ".png", ".ico", ".json")
_POLICY = {"Content-Security-Policy": "frame-ancestors 'self'"}


def page(path: str) -> Response | None:
    """Find a page: ``/`` is index.html, ``/watch`` is watch.html, ``/web/NAME`` is any file."""
    name = path.removeprefix("/web/") if path.startswith("/web/") else f"{path.strip('/') or 'index'}.html"
    if "/" in name or "\\" in name or name.startswith(".") or not name.endswith(_SUFFIXES):
        return None
    try:
        body = (_WEB / name).read_bytes()
    except (OSError, ValueError):
        return None
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    return Response(HTTPStatus.OK, body, content_type, dict(_POLICY))
