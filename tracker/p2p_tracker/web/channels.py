"""List of the channels page, read from the operator's file: a JSON array of objects.

Each object has a ``name`` and the ``url`` of a stream or video (HLS is shared between viewers, anything else is played
over HTTP only). It may have a ``logo`` (URL of a picture), a ``quality`` and a ``group`` (short texts), and ``options``
(numeric options of p2p-media-loader by their names).
"""

from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from p2p_tracker.errors import OptionError
from p2p_tracker.web import STATIC

__all__ = ["Channel", "read_channels"]


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Channel: a stream or video with what the page shows of it."""

    name: str
    url: str
    logo: str = ""
    quality: str = ""
    group: str = ""
    options: dict[str, float] = {}

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError(f"name = {self.name!r}: a channel needs a name")
        for address in filter(None, (self.url, self.logo)):
            if urlsplit(address).scheme not in ("http", "https", ""):
                raise ValueError(f"{address!r}: a URL of http or https, or a path, is accepted")
        if not self.url:
            raise ValueError(f"the channel {self.name!r} needs a url")


def read_channels(path: str) -> bytes:
    """Return the validated list as JSON for the page; with an empty path, the list of demonstration streams.

    Raises
    ------
    OptionError
        When the file cannot be read or is not such a list.
    """
    try:
        text = Path(path).read_bytes() if path else (STATIC / "channels.json").read_bytes()
        return msgspec.json.encode(msgspec.json.decode(text, type=list[Channel]))
    except (OSError, msgspec.MsgspecError) as error:
        raise OptionError(f"channels = {path!r}: {error}") from None
