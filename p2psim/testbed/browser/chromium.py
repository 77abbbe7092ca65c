"""Paths and versions of Chromium and of the npm packages that its pages run."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from p2p_tracker.web.libraries import Libraries, packages

from p2psim.errors import MissingToolError
from p2psim.user_cache import user_cache

__all__ = ["FLAGS", "browser_versions", "check_browser", "find_chromium", "find_libraries"]

FLAGS: Final = (
    "--no-sandbox",  # not available to root
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",  # candidates by address: a loopback has no multicast DNS
)
"""Command-line flags of Chromium with which pages play and connect to each other on a loopback."""

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_CACHE: Final = user_cache("npm")
_INSTALL_TIMEOUT: Final = 180.0


def find_chromium() -> str:
    """Return the path of the program.

    Raises
    ------
    MissingToolError
        There is none.
    """
    for name in (os.environ.get("CHROMIUM", ""), *_NAMES):
        path = shutil.which(name) if name else None
        if path is not None:
            return path
    raise MissingToolError("chromium: no such program; install the package chromium, or set CHROMIUM to its path")


def find_libraries() -> Path:
    """Return a folder with hls.js and p2p-media-loader in the versions that the player's page needs.

    It is that of the environment variable NODE_MODULES, ``node_modules`` in the working directory, or one in the
    cache, which npm fills once.

    Raises
    ------
    MissingToolError
        npm cannot install them.
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
    """Return the versions of Chromium and of the npm packages."""
    done = subprocess.run([find_chromium(), "--version"], capture_output=True, text=True, timeout=30, check=False)
    return [done.stdout.strip(), *packages()]


def check_browser() -> None:
    """Check that browsers can be controlled on this machine.

    Raises
    ------
    MissingToolError
        Playwright or Chromium is missing.
    """
    if importlib.util.find_spec("playwright") is None:
        raise MissingToolError("playwright: not installed; install it with pip install 'p2psim[browser]'")
    find_chromium()
