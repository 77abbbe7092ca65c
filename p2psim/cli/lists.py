"""Lists of names in help texts: read from the data and the program's own tables when help is asked for.

A help text says ``{countries}`` where the names of the countries are to stand; `LISTS` has all such words.
"""

import argparse
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["LISTS", "HelpFormatter"]


def _actors() -> Iterable[str]:
    from p2psim.trace.schema import ACTORS

    return ACTORS


def _claims() -> Iterable[str]:
    from p2psim.analysis.claims.definitions import load_claims

    return (claim.id for claim in load_claims())


def _countries() -> Iterable[str]:
    from p2psim.scenario.presets import read_presets

    return read_presets("countries")


def _default_prices() -> Iterable[str]:
    from p2psim.scenario.presets import DEFAULT_PRICES

    return (DEFAULT_PRICES,)


def _bundled(kind: str) -> Iterable[str]:
    from p2psim.scenario import bundled

    return (path.stem for path in bundled(kind))


def _events() -> Iterable[str]:
    from p2psim.scenario.presets import read_presets

    return read_presets("events")


def _gate() -> Iterable[str]:
    from p2psim.analysis.comparison.gate import GATE

    return GATE


def _ladders() -> Iterable[str]:
    from p2psim.scenario.presets import ladders

    return ladders()


def _limits() -> Iterable[str]:
    from p2psim.analysis.comparison.gate import LIMITS

    return LIMITS


def _methods() -> Iterable[str]:
    from p2psim.analysis.statistics import METHODS

    return METHODS


def _metrics() -> Iterable[str]:
    from p2psim.analysis.metrics import METRICS

    return METRICS


def _nat_mixes() -> Iterable[str]:
    from p2psim.scenario.presets import nat_mixes

    return nat_mixes()


def _networks() -> Iterable[str]:
    from p2psim.scenario.presets import section_presets

    return section_presets("network")


def _places() -> Iterable[str]:
    from p2psim.analysis.calibration.conditions import PLACES

    return PLACES


def _prices() -> Iterable[str]:
    from p2psim.scenario.presets import read_presets

    return read_presets("prices")


def _profiles() -> Iterable[str]:
    from p2psim.scenario.presets import profiles

    return profiles()


LISTS: Mapping[str, Callable[[], Iterable[str]]] = {
    "actors": _actors,
    "claims": _claims,
    "countries": _countries,
    "default_prices": _default_prices,
    "designs": lambda: _bundled("designs"),
    "events": _events,
    "gate": _gate,
    "ladders": _ladders,
    "limits": _limits,
    "methods": _methods,
    "metrics": _metrics,
    "nat_mixes": _nat_mixes,
    "networks": _networks,
    "places": _places,
    "prices": _prices,
    "profiles": _profiles,
    "scenarios": lambda: _bundled("scenarios"),
}
"""Word in a help text → what reads the names that take its place."""


class _Names(Mapping[str, str]):
    """The lists as texts, each read when it is first needed."""

    def __getitem__(self, word: str) -> str:
        return ", ".join(LISTS[word]()).replace("%", "%%")

    def __iter__(self) -> Iterator[str]:
        return iter(LISTS)

    def __len__(self) -> int:
        return len(LISTS)


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Formats help with examples as they are written, fills lists of names in, and breaks no name at its hyphens."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return None if action.help is None else action.help.format_map(_Names())

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)
