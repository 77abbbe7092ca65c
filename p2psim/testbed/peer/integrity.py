"""Integrity and decryption of segments at the viewer: validation by signed hashes, and HLS AES-128 for playback."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import aiohttp

from p2psim.wire import MediaPlaylist, MediaSegment, RemoteProtocolError
from p2psim.wire.protection import (
    SegmentHashes,
    decrypt_segment,
    default_iv,
    hashes_url,
    open_manifest,
    segment_hash,
)

__all__ = ["Keys", "SegmentValidator"]

_RETRY: Final = 1.0
_log = logging.getLogger(__name__)

Verdict = Callable[[bool], None]


class SegmentValidator:
    """Validator of segments by the hash manifest of a media playlist, which is fetched when a hash is missing.

    Verdicts wait until the manifest has been fetched (the loader's timeouts bound the wait). A manifest that is not
    signed with `public_key` validates no segment.
    """

    def __init__(
        self, web: aiohttp.ClientSession, playlist_url: str, public_key: str, address: Callable[[int], str]
    ) -> None:
        self._web, self._url, self._key, self._address = web, hashes_url(playlist_url), public_key, address
        self._hashes = SegmentHashes("", {})
        self._waiting: list[tuple[int, bytes, Verdict]] = []
        self._fetching: asyncio.Task[None] | None = None

    def validate(self, segment: int, data: bytes, verdict: Verdict) -> None:
        """Call `verdict` with True if the data are valid, else False, as soon as the hash of the segment is known."""
        expected = self._hashes.expected(self._address(segment))
        if expected is not None:
            verdict(segment_hash(data) == expected)
            return
        self._waiting.append((segment, data, verdict))
        self.refresh()

    def refresh(self) -> None:
        """Fetch the manifest again, unless that is in progress, because the playlist has new segments."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())

    async def close(self) -> None:
        """Stop fetching; pending validations get no verdict."""
        self._waiting.clear()
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def _fetch(self) -> None:
        while True:
            try:
                async with self._web.get(self._url) as response:
                    response.raise_for_status()
                    self._hashes = open_manifest(await response.read(), self._key)
                break
            except RemoteProtocolError as error:
                _log.warning("%s: %s", self._url, error)
                break
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                _log.warning("%s: %s", self._url, error)
                if not self._waiting:
                    return
                await asyncio.sleep(_RETRY)
        waiting, self._waiting = self._waiting, []
        for segment, data, verdict in waiting:
            verdict(self._hashes.expected(self._address(segment)) == segment_hash(data))


class Keys:
    """Keys of an encrypted stream (HLS AES-128), by their URLs."""

    def __init__(self, web: aiohttp.ClientSession) -> None:
        self._web = web
        self._keys: dict[str, bytes] = {}

    async def fetch(self, media: MediaPlaylist) -> None:
        """Fetch the missing keys of a playlist."""
        for url in {segment.key.url for segment in media.segments if segment.key is not None} - self._keys.keys():
            try:
                async with self._web.get(url) as response:
                    response.raise_for_status()
                    self._keys[url] = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                _log.warning("%s: %s", url, error)

    def open(self, segment: MediaSegment, data: bytes) -> bytes:
        """Return the decrypted bytes of a segment; none if it cannot be decrypted."""
        key = segment.key
        if key is None:
            return data
        try:
            return decrypt_segment(data, self._keys[key.url], key.iv or default_iv(segment.media_sequence))
        except (RemoteProtocolError, KeyError) as error:
            _log.warning("%s cannot be decrypted: %s", segment.url, error)
            return b""
