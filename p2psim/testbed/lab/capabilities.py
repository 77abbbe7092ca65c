"""Capabilities that a lab needs of a machine: rights, programs and parts of the kernel, each tried out."""

import os
import shutil
import sys
from functools import cache
from typing import Final

from p2psim.errors import MissingToolError, TestbedError
from p2psim.testbed.lab.blueprint import Translation
from p2psim.testbed.lab.namespace import Namespace
from p2psim.testbed.lab.nat_rules import nat_rules
from p2psim.testbed.lab.netconfig import rate_commands

__all__ = ["RELAY", "check_lab", "check_relay", "missing_capabilities"]

RELAY: Final = "turnserver"
_PROGRAMS: Final = {"ip": "iproute2", "tc": "iproute2", "nft": "nftables"}
_NATS: Final = (
    Translation(mapping="EI", filtering="AD"),
    Translation(mapping="AD", filtering="EI"),
    Translation(mapping="APD", filtering="APD"),
)


@cache
def missing_capabilities() -> tuple[str, ...]:
    """Return a line for each capability that this machine lacks; tried once per process."""
    if sys.platform != "linux":
        return (f"a lab needs Linux; this is {sys.platform}",)
    if os.geteuid() != 0:
        return ("a lab needs root (or a user namespace, as made by unshare --user --map-root-user)",)
    programs = [f"{name} is not installed (package {of})" for name, of in _PROGRAMS.items() if not shutil.which(name)]
    return tuple(programs or _kernel())


def _kernel() -> list[str]:
    """Return a line for each part of the kernel that does not work in a new namespace."""
    try:
        trial = Namespace("trial")
    except TestbedError as error:
        return [f"no network namespaces: {error}"]
    try:
        return [f"{part}: {error}" for part, error in ((part, _try(trial, part)) for part in _TRIALS) if error]
    finally:
        trial.close()


_DEVICES: Final = "link add name lan type bridge\nlink add name a type veth peer name b\n"
_TRIALS: Final = ("TUN devices", "veth and bridge", "tc tbf", "nft NAT")


def _try(trial: Namespace, part: str) -> str:
    """Return the error of a part of the kernel; empty if it works."""
    try:
        match part:
            case "TUN devices":
                os.close(trial.open_tun("wan"))
            case "veth and bridge":
                trial.run(["ip", "-batch", "-"], _DEVICES)
            case "tc tbf":
                trial.run(["tc", "-batch", "-"], rate_commands({"lan": 1e6}, ethernet=["lan"]))
            case "nft NAT":
                for nat in _NATS:
                    trial.run(["nft", "-f", "-"], "table ip nat\ndelete table ip nat\n")
                    trial.run(["nft", "-f", "-"], nat_rules(nat, "198.18.0.1", hairpin=False))
    except (OSError, TestbedError) as error:
        return str(error)
    return ""


def check_lab() -> None:
    """Check that this machine can have a lab.

    Raises
    ------
    MissingToolError
        It lacks a capability; the message names all that it lacks.
    """
    missing = missing_capabilities()
    if missing:
        raise MissingToolError("; ".join(missing))


def check_relay() -> None:
    """Check that this machine has a STUN and TURN server.

    Raises
    ------
    MissingToolError
        It has none.
    """
    if not shutil.which(RELAY):
        raise MissingToolError(f"{RELAY} is not installed (package coturn)")
