"""Allow and deny rules for info hashes and page origins."""

import re
from collections.abc import Sequence
from fnmatch import translate
from pathlib import Path

from p2p_tracker.errors import OptionError
from p2p_tracker.server.http import info_hash_of

__all__ = ["HashRule", "OriginRule", "read_entries"]


def read_entries(entries: Sequence[str], name: str) -> list[str]:
    """Return entries with those of the form ``@FILE`` replaced by the lines of the file.

    Empty lines and ``#`` comments of a file are skipped.

    Raises
    ------
    OptionError
        When a file cannot be read.
    """
    resolved: list[str] = []
    for entry in entries:
        if not entry.startswith("@"):
            resolved.append(entry)
            continue
        try:
            lines = Path(entry[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"{name} = {entry!r}: {error}") from None
        resolved += [text for line in lines if (text := line.partition("#")[0].strip())]
    return resolved


class HashRule:
    """Rule for the info hashes that are served: those allowed (all, if the list is empty) and not denied.

    Raises
    ------
    OptionError
        When an entry is not an info hash.
    """

    def __init__(self, allowed: Sequence[str], denied: Sequence[str]):
        self._allowed = _hashes(allowed, "allow_hashes") if allowed else None
        self._denied = _hashes(denied, "deny_hashes")

    @property
    def is_open(self) -> bool:
        """True if every info hash is served."""
        return self._allowed is None and not self._denied

    def allows(self, info_hash: str) -> bool:
        """Return whether an info hash is served."""
        return (self._allowed is None or info_hash in self._allowed) and info_hash not in self._denied


def _hashes(entries: Sequence[str], name: str) -> frozenset[str]:
    info_hashes = set()
    for entry in read_entries(entries, name):
        info_hash = info_hash_of(entry)
        if info_hash is None:
            raise OptionError(f"{name} = {entry!r}: 40 hexadecimal digits or 20 characters are accepted")
        info_hashes.add(info_hash)
    return frozenset(info_hashes)


class OriginRule:
    """Rule for the origins whose pages may connect: those allowed (all, if the list is empty) and not denied.

    Entries may contain wildcards: ``https://*.example.org``. A client that sends no origin is not a browser; it may
    connect unless an origin is required.
    """

    def __init__(self, allowed: Sequence[str], denied: Sequence[str], *, is_required: bool = False):
        self._allowed = [_pattern(entry) for entry in read_entries(allowed, "allow_origins")]
        self._denied = [_pattern(entry) for entry in read_entries(denied, "deny_origins")]
        self._is_required = is_required

    def allows(self, origin: str | None) -> bool:
        """Return whether a client with this Origin header may connect."""
        if origin is None:
            return not self._is_required
        is_allowed = not self._allowed or any(pattern.match(origin.lower()) for pattern in self._allowed)
        return is_allowed and not any(pattern.match(origin.lower()) for pattern in self._denied)


def _pattern(entry: str) -> re.Pattern[str]:
    return re.compile(translate(entry.lower().rstrip("/")))
