"""Loopback and malformed messages that the tests of the real peer share."""

import os

import aioice.ice
import pytest

from p2psim.testbed.peer.connection import confine


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Confine the connections of a test to the loopback."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)
    confine()


@pytest.fixture
def malformed() -> list[bytes]:
    """Messages that are no commands, or commands with missing, unknown or damaged fields, or random bytes."""
    return [
        b"",
        b"\0",
        b"cstr",
        b"cstrcend",
        b"cstr\xffcend",
        b"cstr\x00l\x10\x05cend",
        b"cstr\x01i\x0fcend",
        b"cstr\x02i\x01\x05cend",
        b"dstr\x01dend",
        b"dstrcend",
        b"cstrdend",
        b"cstr\x00dend",
        os.urandom(65_535),
        b"cstr" + os.urandom(64) + b"cend",
        b"cstr\x01i\x01\x85r\x01\x01cend",
        b"cstr\x00l\x20\x00cend",
    ]
