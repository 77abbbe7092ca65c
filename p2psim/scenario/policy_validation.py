"""Checks of the loader's options; every refusal is one line with the value and what is accepted."""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from p2psim.errors import ScenarioError
from p2psim.scenario.policy import LOADERS, Policy

__all__ = ["check_policy"]

_OWN_FUNCTION: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_HEADER: Final = re.compile(r"[A-Za-z0-9-]+")


def check_policy(policy: Policy, prefix: str, check_numbers: Callable[[object, str], None]) -> None:
    """Raise ScenarioError for an option that is not accepted; `check_numbers` checks the ranges of single fields."""
    refusals = [
        (
            policy.name not in LOADERS and not _OWN_FUNCTION.fullmatch(policy.name),
            f"name = {policy.name!r}: accepted: {', '.join(map(repr, LOADERS))}, or 'package.module:function'",
        ),
        (
            not policy.trackerClientVersionPrefix.isascii() or len(policy.trackerClientVersionPrefix) >= 20,
            f"trackerClientVersionPrefix = {policy.trackerClientVersionPrefix!r}: fewer than 20 ASCII characters",
        ),
    ]
    refusals += [
        (
            urlsplit(url).scheme not in ("ws", "wss"),
            f"announceTrackers: {url!r} is not the address of a tracker (ws: or wss:)",
        )
        for url in policy.announceTrackers
    ]
    refusals += [
        (
            url.partition(":")[0] not in ("stun", "stuns", "turn", "turns"),
            f"rtcConfig: {url!r} is not a stun: or turn: URL",
        )
        for url in policy.rtcConfig
    ]
    refusals += [
        (
            _HEADER.fullmatch(name) is None or not value.isprintable(),
            f"httpRequestSetup: {name!r} is not an HTTP header",
        )
        for name, value in policy.httpRequestSetup.items()
    ]
    for is_refused, why in refusals:
        if is_refused:
            raise ScenarioError(prefix + why)
    for kind in ("mainStream", "secondaryStream"):
        if getattr(policy, kind):
            chosen = policy.of_stream("main" if kind == "mainStream" else "secondary")
            check_numbers(chosen, f"{prefix}{kind}.")
            check_policy(chosen, f"{prefix}{kind}.", check_numbers)
