"""Which options of the loader make sense: every refusal is one line with the value and what is accepted."""

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
    """Raise ScenarioError unless the options make sense; `check_numbers` is the check that every section passes."""
    http, p2p = policy.simultaneousHttpDownloads, policy.simultaneousP2PDownloads
    refusals = [
        (
            policy.name not in LOADERS and not _OWN_FUNCTION.fullmatch(policy.name),
            f"name = {policy.name!r}: accepted: {', '.join(map(repr, LOADERS))}, or 'package.module:function'",
        ),
        (not 1 <= policy.maxPeers <= 512, f"maxPeers = {policy.maxPeers}: 1 to 512"),
        (not 1 <= http <= 16, f"simultaneousHttpDownloads = {http}: 1 to 16"),
        (p2p > 16, f"simultaneousP2PDownloads = {p2p}: 0 to 16"),
        (policy.p2pErrorRetries < 1, f"p2pErrorRetries = {policy.p2pErrorRetries}: at least 1"),
        (
            not 1024 <= policy.webRtcMaxMessageSize <= 262_144,
            f"webRtcMaxMessageSize = {policy.webRtcMaxMessageSize}: 1024 to 262144 bytes",
        ),
        (
            not policy.trackerClientVersionPrefix.isascii() or len(policy.trackerClientVersionPrefix) >= 20,
            f"trackerClientVersionPrefix = {policy.trackerClientVersionPrefix!r}: fewer than 20 ASCII characters",
        ),
    ]
    refusals += [
        (urlsplit(url).scheme not in ("ws", "wss"), f"announceTrackers: {url!r} is no address of a tracker (ws, wss)")
        for url in policy.announceTrackers
    ]
    refusals += [
        (
            url.partition(":")[0] not in ("stun", "stuns", "turn", "turns"),
            f"rtcConfig: {url!r} is no stun: or turn: URL",
        )
        for url in policy.rtcConfig
    ]
    refusals += [
        (_HEADER.fullmatch(name) is None or not value.isprintable(), f"httpRequestSetup: {name!r} is no HTTP header")
        for name, value in policy.httpRequestSetup.items()
    ]
    for is_refused, why in refusals:
        if is_refused:
            raise ScenarioError(prefix + why)
    for kind in ("mainStream", "secondaryStream"):
        if getattr(policy, kind):
            chosen = policy.of_stream("main" if kind == "mainStream" else "secondary")
            check_numbers(chosen, "policy.")
            check_policy(chosen, f"{prefix}{kind}.", check_numbers)
