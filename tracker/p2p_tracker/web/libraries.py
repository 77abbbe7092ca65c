"""Libraries of the player: npm packages in fixed versions, with the hash of each file (``libraries.json``).

The tracker serves the files that are installed in these versions, and redirects to a public CDN for the others. The
browser checks the hash of a file wherever it comes from.
"""

import base64
import hashlib
import json
from http import HTTPStatus
from pathlib import Path
from typing import Final

from p2p_tracker.server.http import Response
from p2p_tracker.web import STATIC

__all__ = ["CDN", "Libraries", "packages"]

CDN: Final = "https://cdn.jsdelivr.net/npm"
_FOREVER: Final = "public, max-age=31536000, immutable"  # the version is part of the URL


def packages() -> list[str]:
    """Return the packages with their versions, as ``npm install`` takes them."""
    return [f"{package}@{entry['version']}" for package, entry in _table().items()]


class Libraries:
    """Responses to ``/libraries/PACKAGE@VERSION.js``; `folder` is a node_modules folder, which need not exist."""

    def __init__(self, folder: str) -> None:
        self._installed: dict[str, Path] = {}
        self._redirects: dict[str, str] = {}
        for package, entry in _table().items():
            name = f"{package}@{entry['version']}.js"
            path = Path(folder) / package / entry["file"]
            if folder and _has_hash(path, entry["integrity"]):
                self._installed[name] = path
            else:
                self._redirects[name] = f"{CDN}/{package}@{entry['version']}/{entry['file']}"

    @property
    def is_complete(self) -> bool:
        """True if every library is installed in the folder."""
        return not self._redirects

    def answer(self, name: str) -> Response | None:
        """Return the file, a redirect to the CDN, or None if there is no such library."""
        path = self._installed.get(name)
        if path is not None:
            headers = {"Cache-Control": _FOREVER}
            return Response(HTTPStatus.OK, path.read_bytes(), "text/javascript; charset=utf-8", headers)
        url = self._redirects.get(name)
        return None if url is None else Response(HTTPStatus.FOUND, headers={"Location": url})


def _table() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = json.loads((STATIC / "libraries.json").read_bytes())
    return table


def _has_hash(path: Path, integrity: str) -> bool:
    """Return whether a file exists and has a hash, given in the notation of subresource integrity."""
    algorithm, _, expected = integrity.partition("-")
    try:
        return base64.b64encode(hashlib.new(algorithm, path.read_bytes()).digest()).decode("ascii") == expected
    except OSError:
        return False
