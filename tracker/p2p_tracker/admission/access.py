"""Who may use a tracker, and for what."""

import re
from collections.abc import Sequence
from fnmatch import translate
from pathlib import Path

from p2p_tracker.errors import OptionError
from p2p_tracker.server.http import info_hash_of

__all__ = ["HashRule", "OriginRule", "listed"]


def listed(entries: Sequence[str], name: str) -> list[str]:
    """Resolve entries of the form ``@FILE`` to the lines of the file; empty lines and ``#`` comments do not count.

    Raises
    ------
    OptionError
        When a file cannot be read.
    """
    found: list[str] = []
    for entry in entries:
        if not entry.startswith("@"):
            found.append(entry)
            continue
        try:
            lines = Path(entry[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"{name} = {entry!r}: {error}") from None
        found += [text for line in lines if (text := line.partition("#")[0].strip())]
    return found


class HashRule:
    """Which info hashes are served: those allowed (all, if none is named) and not denied.

    Raises
    ------
    OptionError
        When an entry is no info hash.
    """

    def __init__(self, allowed: Sequence[str], denied: Sequence[str]):
        self._allowed = _hashes(allowed, "allow_hashes") if allowed else None
        self._denied = _hashes(denied, "deny_hashes")

    @property
    def is_open(self) -> bool:
        """Whether everything is served."""
        return self._allowed is None and not self._denied

    def allows(self, info_hash: str) -> bool:
        """Tell whether a swarm is served."""
        return (self._allowed is None or info_hash in self._allowed) and info_hash not in self._denied


def _hashes(entries: Sequence[str], name: str) -> frozenset[str]:
    found = set()
    for entry in listed(entries, name):
        info_hash = info_hash_of(entry)
        if info_hash is None:
            raise OptionError(f"{name} = {entry!r}: 40 hexadecimal digits or 20 characters are accepted")
        found.add(info_hash)
    return frozenset(found)


class OriginRule:
    """Pages of which origins may connect: those allowed (all, if none is named) and not denied.

    Entries may hold wildcards: ``https://*.example.org``. A client that sends no origin is no browser, and may connect
    unless an origin is required.
    """

    def __init__(self, allowed: Sequence[str], denied: Sequence[str], *, is_required: bool = False):
        self._allowed = [_pattern(entry) for entry in listed(allowed, "allow_origins")]
        self._denied = [_pattern(entry) for entry in listed(denied, "deny_origins")]
        self._is_required = is_required

    def allows(self, origin: str | None) -> bool:
        """Tell whether a page may connect."""
        if origin is None:
            return not self._is_required
        is_allowed = not self._allowed or any(pattern.match(origin.lower()) for pattern in self._allowed)
        return is_allowed and not any(pattern.match(origin.lower()) for pattern in self._denied)


def _pattern(entry: str) -> re.Pattern[str]:
    return re.compile(translate(entry.lower().rstrip("/")))
