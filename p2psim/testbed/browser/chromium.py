"""Chromium and the npm packages that its pages run: found on this machine, or named as missing."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from p2p_tracker.web.libraries import Libraries, packages

from p2psim.errors import MissingToolError

__all__ = ["FLAGS", "browser_versions", "check_browser", "find_chromium", "find_libraries"]

FLAGS: Final = (
    "--no-sandbox",  # root has none
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",  # candidates by address: a loopback has no multicast DNS
)
"""How Chromium is started, so that pages play and find each other on a loopback."""

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_CACHE: Final = Path.home() / ".cache" / "p2psim" / "npm"
_INSTALL_TIMEOUT: Final = 180.0


def find_chromium() -> str:
    """Path of the program; MissingToolError if there is none."""
    for name in (os.environ.get("CHROMIUM", ""), *_NAMES):
        path = shutil.which(name) if name else None
        if path is not None:
            return path
    raise MissingToolError("chromium: no such program; apt-get install chromium brings it, CHROMIUM may name another")


def find_libraries() -> Path:
    """Folder with hls.js and p2p-media-loader in the versions of the player.

    It is the one that NODE_MODULES names, ``node_modules`` here, or one in the cache, which npm fills once.
    """
    for folder in (os.environ.get("NODE_MODULES", ""), "node_modules", str(_CACHE / "node_modules")):
        if Libraries(folder).is_complete:
            return Path(folder).resolve()
    return _install()


def _install() -> Path:
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(_CACHE), *packages()]
    _CACHE.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingToolError(f"{' '.join(command)}: {error}") from None
    folder = _CACHE / "node_modules"
    if done.returncode or not Libraries(str(folder)).is_complete:
        last = (done.stderr.strip().splitlines() or ["other files than expected"])[-1]
        raise MissingToolError(f"{' '.join(command)}: {last}")
    return folder


def browser_versions() -> list[str]:
    """Tell what the pages run on and what they run."""
    done = subprocess.run([find_chromium(), "--version"], capture_output=True, text=True, timeout=30, check=False)
    return [done.stdout.strip(), *packages()]


def check_browser() -> None:
    """Raise MissingToolError unless browsers can be driven here."""
    if importlib.util.find_spec("playwright") is None:
        raise MissingToolError("playwright: not installed; pip install 'p2psim[browser]' brings it")
    find_chromium()
