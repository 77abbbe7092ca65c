"""The player's libraries: packages of npm in versions that are fixed, each file known by its hash.

What is installed in exactly these versions is served from here; for the rest the browser is sent to a public CDN. It
holds the file to the same hash, wherever it comes from.
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
_FOREVER: Final = "public, max-age=31536000, immutable"  # the version is part of the address


def packages() -> list[str]:
    """Name what npm is to install, with versions."""
    return [f"{package}@{entry['version']}" for package, entry in _table().items()]


class Libraries:
    """Answers ``/libraries/PACKAGE@VERSION.js``; `folder` is a node_modules folder, which need not exist."""

    def __init__(self, folder: str) -> None:
        self._found: dict[str, Path] = {}
        self._elsewhere: dict[str, str] = {}
        for package, entry in _table().items():
            name = f"{package}@{entry['version']}.js"
            path = Path(folder) / package / entry["file"]
            if folder and _is_it(path, entry["integrity"]):
                self._found[name] = path
            else:
                self._elsewhere[name] = f"{CDN}/{package}@{entry['version']}/{entry['file']}"

    @property
    def is_complete(self) -> bool:
        """Whether nothing has to come from elsewhere."""
        return not self._elsewhere

    def answer(self, name: str) -> Response | None:
        """Give the file, or say where it is."""
        path = self._found.get(name)
        if path is not None:
            headers = {"Cache-Control": _FOREVER}
            return Response(HTTPStatus.OK, path.read_bytes(), "text/javascript; charset=utf-8", headers)
        address = self._elsewhere.get(name)
        return None if address is None else Response(HTTPStatus.FOUND, headers={"Location": address})


def _table() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = json.loads((STATIC / "libraries.json").read_bytes())
    return table


def _is_it(path: Path, integrity: str) -> bool:
    """Whether a file is there and has a hash in the notation of subresource integrity."""
    algorithm, _, expected = integrity.partition("-")
    try:
        return base64.b64encode(hashlib.new(algorithm, path.read_bytes()).digest()).decode("ascii") == expected
    except OSError:
        return False
