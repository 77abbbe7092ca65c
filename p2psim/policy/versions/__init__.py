"""Loader versions: one module each, and the registry that gives each its number.

A version is a module with functions named as the hooks of `p2psim.policy.interface`; what it does not define is taken
from `defaults`. `p2psim.scenario.policy.LOADERS` names the modules.
"""

from importlib import import_module
from types import ModuleType
from typing import Any, Final

from p2psim.policy.versions import custom, defaults, disabled
from p2psim.scenario.policy import LOADERS, Policy

__all__ = ["VERSIONS", "hook_of", "number_of"]

VERSIONS: Final[tuple[ModuleType, ...]] = (
    *(import_module(f"p2psim.policy.versions.{loader.module}") for loader in LOADERS.values()),
    disabled,
    custom,
)
"""Modules by number (`Options.version`)."""


def number_of(policy: Policy) -> int:
    """Return the number of the version that decides for viewers with this policy."""
    if policy.isP2PDisabled:
        return VERSIONS.index(disabled)
    if policy.is_custom:
        return VERSIONS.index(custom)
    return list(LOADERS).index(policy.name)


def hook_of(version: ModuleType, name: str) -> Any:
    """Return a version's own hook, or the default."""
    return getattr(version, name, getattr(defaults, name, None))
