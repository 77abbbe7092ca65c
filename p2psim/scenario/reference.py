"""What can be set, as Markdown: every field with its default and reason, every preset with its source.

``python -m p2psim.scenario.reference > docs/scenario.md`` writes the page that readers see.
"""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from p2psim.scenario.model import Scenario
from p2psim.scenario.nat_kinds import KINDS
from p2psim.scenario.presets import access_profiles, nat_sources, section_presets
from p2psim.scenario.toml_io import spelled_default

__all__ = ["reference"]

_HEAD = """# What can be set

Written by `python -m p2psim.scenario.reference`; edit the records in `p2psim/scenario`, not this page. A field is set
by its dotted name, `p2psim simulate live-24s --set stream.latency="28 s"`, or in a TOML file under its section.
Quantities need a unit ("4 s", "5 Mbit/s", "256 KiB", "30 %"); "unlimited" is accepted for rates and times.
`SECTION.preset` takes the name of one of the section's presets, or the path of a TOML file with one table.
"""


def reference() -> str:
    """Give the page."""
    parts = [_HEAD, "## Of the run\n", *_table("", Scenario, sections=False)]
    for entry in dataclasses.fields(Scenario):
        kind: Any = entry.type
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            parts += [
                f"\n## [{entry.name}]\n",
                f"{_said(kind)}\n",
                *_table(f"{entry.name}.", kind),
                *_presets(entry.name),
            ]
    return "\n".join([*parts, *_named()]) + "\n"


def _table(prefix: str, kind: type[Any], sections: bool = True) -> Iterator[str]:
    yield "| field | default | |"
    yield "|---|---|---|"
    reasons = _reasons(kind)
    for entry in dataclasses.fields(kind):
        if sections or not dataclasses.is_dataclass(entry.type):
            default = spelled_default(kind, entry.name).replace("|", "\\|")
            yield f"| `{prefix}{entry.name}` | `{default}` | {reasons.get(entry.name, '')} |"


def _presets(section: str) -> Iterator[str]:
    known = section_presets(section)
    if known:
        yield "\n| preset | source |"
        yield "|---|---|"
        for name, row in known.items():
            yield f"| `{section}.preset={name}` | {_line(str(row.get('source', '')))} |"


def _named() -> Iterator[str]:
    yield "\n## Profiles for access.mix\n\n| profile | source |\n|---|---|"
    for name, profile in access_profiles().items():
        yield f"| `{name}` | {_line(profile.source) if profile else 'described by the fields of [access]'} |"
    yield "\n## Mixes for nat.mix\n\n| mix | source |\n|---|---|"
    for name, source in nat_sources().items():
        yield f"| `{name}` | {_line(source)} |"
    yield "\n## Kinds of NAT for nat.shares and carrier.kinds\n"
    yield "| kind | mapping, filtering (RFC 4787) | |\n|---|---|---|"
    for kind in KINDS:
        rule = f"{kind.mapping}, {kind.filtering}" if kind.translates and not kind.blocks_udp else ""
        yield f"| `{kind.name}` | {rule} | {_line(kind.description)} |"


def _reasons(kind: type[Any]) -> dict[str, str]:
    """Field → what is written below it."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for above, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(above, ast.AnnAssign) and isinstance(above.target, ast.Name) and isinstance(below, ast.Expr):
            found[above.target.id] = _line(str(ast.literal_eval(below.value)))
    return found


def _said(kind: type[Any]) -> str:
    return _line((inspect.getdoc(kind) or "").split("\n\n")[0])


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(reference(), end="")
