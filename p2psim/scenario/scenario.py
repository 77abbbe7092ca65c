"""Scenarios as they are used: the record of all fields, with what reads, changes and writes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from p2psim.scenario import toml_io
from p2psim.scenario.model import ScenarioRecord
from p2psim.scenario.records import by_name

__all__ = ["Scenario", "load", "parse"]


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario(ScenarioRecord):
    """Everything that a run depends on, except its seed (the fields are those of `ScenarioRecord`)."""

    def replace(self, changes: Mapping[str, object] | None = None, /, **more: object) -> "Scenario":
        """Return a changed copy; names are dotted (``"nat.mix"``), values in canonical units or texts with a unit."""
        return toml_io.replaced(self, {**(changes or {}), **more})

    @staticmethod
    def load(path: str | Path) -> "Scenario":
        """Read a TOML file; raises ScenarioError with one line that names the value at fault."""
        return load(path)

    def to_toml(self) -> str:
        """Return TOML text that `load` reads back to an equal scenario."""
        return toml_io.to_toml(self)

    @property
    def digest(self) -> str:
        """Hash of everything that changes results, so not of name and description."""
        return toml_io.digest(self)


def load(path: object, recorded: bool = False) -> Scenario:
    """Read a scenario file, or a bundled scenario by its name; `recorded` as for `p2psim.scenario.toml_io.parse`."""
    return toml_io.load(path, Scenario, recorded)


def parse(text: str, origin: str = "scenario", recorded: bool = False) -> Scenario:
    """Read a scenario from TOML text; for the parameters see `p2psim.scenario.toml_io.parse`."""
    return toml_io.parse(text, Scenario, origin, recorded)
