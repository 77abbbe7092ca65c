"""Sources of the options: defaults, TOML file, environment variables and command-line flags.

A later source overrides an earlier one: the defaults, a TOML file (``--config FILE``, or the variable TRACKER_CONFIG),
environment variables (``TRACKER_MAX_OFFERS=5``), flags (``--max-offers 5``). An unknown option is an error in each of
them.
"""

import argparse
import ast
import dataclasses
import inspect
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

from p2p_tracker.config.options import ServerOptions, TrackerOptions, require
from p2p_tracker.errors import OptionError

__all__ = ["Invocation", "describe_options", "parse_arguments"]

_PREFIX = "TRACKER_"
_TYPES: dict[str, object] = get_type_hints(ServerOptions)


@dataclass(frozen=True, slots=True)
class Invocation:
    """Parsed command line."""

    options: ServerOptions
    is_json: bool
    """True if the address is printed as JSON."""
    token_seconds: float | None
    """Lifetime of a token to print instead of running the tracker; None runs the tracker."""
    token_swarms: tuple[str, ...]
    """Info hashes for which the token is valid; an empty tuple means all."""


def parse_arguments(arguments: Sequence[str] | None, environment: Mapping[str, str]) -> Invocation:
    """Return the options that command line, environment and file give together.

    Raises
    ------
    OptionError
        When an option is unknown or invalid, or the file cannot be read.
    """
    given = vars(_parser().parse_args(arguments))
    is_json, token_seconds, _ = given.pop("json"), given.pop("make_token"), given.pop("debug")
    token_swarms = tuple(given.pop("for_swarm"))
    path = given.pop("config") or environment.get(_PREFIX + "CONFIG", "")
    values = {**_from_file(path), **_from_environment(environment)}
    values |= {name: _from_text(name, text) if isinstance(text, str) else text for name, text in given.items()}
    return Invocation(ServerOptions(**values), is_json, token_seconds, token_swarms)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m p2p_tracker",
        description="A WebTorrent tracker.",
        epilog="Exit status: 0 when told to stop, 2 when it cannot run as asked, 70 after an error of its own, "
        "130 when interrupted before it listens, 141 when nobody reads its output.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", default="", help="TOML file with options")
    parser.add_argument("--json", action="store_true", help="print the address as a JSON object")
    parser.add_argument("--debug", action="store_true", help="show where in the program an error happened")
    parser.add_argument(
        "--make-token", metavar="SECONDS", type=float, help="print a token that is valid for SECONDS, and exit"
    )
    meaning = "info hash for which the token is valid; may be repeated; without it, the token is valid for all"
    parser.add_argument("--for-swarm", metavar="HASH", action="append", default=[], help=meaning)
    for name, default, text in describe_options():
        flag = "--" + name.replace("_", "-")
        text = f"{text} [{default}]".replace("%", "%%")
        if _TYPES[name] is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
        else:
            parser.add_argument(flag, default=argparse.SUPPRESS, metavar="X", help=text)
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionError(message)


def describe_options() -> list[tuple[str, str, str]]:
    """Return name, default and meaning of every option, from the fields and docstrings of the options' classes."""
    meanings: dict[str, str] = {}
    for option_type in (TrackerOptions, ServerOptions):
        body = ast.parse(inspect.getsource(option_type)).body[0]
        assert isinstance(body, ast.ClassDef)
        for line, after in zip(body.body, body.body[1:], strict=False):
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                assert isinstance(after, ast.Expr)
                assert isinstance(after.value, ast.Constant)
                meanings[line.target.id] = str(after.value.value)
    return [
        (field.name, _formatted(field.default), meanings[field.name]) for field in dataclasses.fields(ServerOptions)
    ]


def _formatted(default: object) -> str:
    return ",".join(default) if isinstance(default, tuple) else str(default)


def _from_file(path: str) -> dict[str, Any]:
    if not path:
        return {}
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"{path}: {error}") from None
    for name, value in values.items():
        _require_known(name, path)
        values[name] = _from_toml(name, value)
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        if variable.startswith(_PREFIX) and variable != _PREFIX + "CONFIG":
            name = variable.removeprefix(_PREFIX).lower()
            _require_known(name, "the environment")
            values[name] = _from_text(name, text)
    return values


def _require_known(name: str, where: str) -> None:
    if name not in _TYPES:
        raise OptionError(f"{name} in {where}: no such option; python -m p2p_tracker --help lists the options")


def _from_toml(name: str, value: object) -> object:
    option_type = _TYPES[name]
    if option_type == tuple[str, ...]:
        is_valid = isinstance(value, list) and all(isinstance(item, str) for item in value)
        require(is_valid, name, value, "a list of strings")
        return tuple(value) if isinstance(value, list) else ()
    if option_type in (float, float | None):
        require(isinstance(value, int | float) and not isinstance(value, bool), name, value, "a number")
        return value
    assert isinstance(option_type, type)
    require(
        type(value) is option_type,
        name,
        value,
        {int: "a whole number", bool: "true or false"}.get(option_type, "a string"),
    )
    return value


def _from_text(name: str, text: str) -> object:
    option_type = _TYPES[name]
    if option_type is str:
        return text
    if option_type == tuple[str, ...]:
        return tuple(part for part in (part.strip() for part in text.split(",")) if part)
    if option_type is bool:
        require(text in ("true", "false"), name, text, "true or false")
        return text == "true"
    try:
        return int(text) if option_type is int else float(text)
    except ValueError:
        raise OptionError(f"{name} = {text!r}: a {'whole ' if option_type is int else ''}number is accepted") from None
