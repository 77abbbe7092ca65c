"""The list of the channels page, from a file of the operator: a JSON array of objects.

Each has a ``name`` and the ``url`` of its stream (HLS opens the player that shares, anything else the plain one), and
may have a ``logo`` (address of a picture), a ``quality`` and a ``group`` (short words), and ``options`` (numbers, by
the names that p2p-media-loader gives them).
"""

from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from p2p_tracker.errors import OptionError
from p2p_tracker.web import STATIC

__all__ = ["Channel", "read_channels"]


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one can watch."""

    name: str
    url: str
    logo: str = ""
    quality: str = ""
    group: str = ""
    options: dict[str, float] = {}

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("a channel needs a name")
        for address in filter(None, (self.url, self.logo)):
            if urlsplit(address).scheme not in ("http", "https", ""):
                raise ValueError(f"{address!r}: an address of http or https, or a path, is accepted")
        if not self.url:
            raise ValueError(f"{self.name!r} has no url")


def read_channels(path: str) -> bytes:
    """Read the list, as JSON for the page; no path gives the demonstration.

    Raises
    ------
    OptionError
        When it cannot be read or makes no sense.
    """
    try:
        text = Path(path).read_bytes() if path else (STATIC / "channels.json").read_bytes()
        return msgspec.json.encode(msgspec.json.decode(text, type=list[Channel]))
    except (OSError, msgspec.MsgspecError) as error:
        raise OptionError(f"channels = {path!r}: {error}") from None
