"""Capabilities of the machine: each missing one is named."""

from collections.abc import Iterator

import pytest

from p2psim.errors import MissingToolError
from p2psim.testbed.lab import capabilities


@pytest.fixture(autouse=True)
def _no_cache() -> Iterator[None]:
    capabilities.missing_capabilities.cache_clear()
    yield
    capabilities.missing_capabilities.cache_clear()


def test_programs_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(MissingToolError, match=r"tc is not installed \(package iproute2\); nft is not installed"):
        capabilities.check_lab()


def test_a_missing_right_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert capabilities.missing_capabilities() == (
        "a lab needs root (or a user namespace, as made by unshare --user --map-root-user)",
    )


def test_a_missing_relay_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingToolError, match=r"turnserver is not installed \(package coturn\)"):
        capabilities.check_relay()


@pytest.mark.lab
def test_parts_of_the_kernel_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "_DEVICES", "link add name lan type no-such-type\n")
    (line,) = [line for line in capabilities.missing_capabilities() if line.startswith("veth and bridge")]
    assert "trial: ip -batch - ended with status" in line
