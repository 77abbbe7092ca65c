"""The options of a tracker, and where they come from.

One set of options, four sources; the later wins: the defaults below, a TOML file (``--config FILE``, or the variable
TRACKER_CONFIG), environment variables (``TRACKER_MAX_OFFERS=5``), flags (``--max-offers 5``). A name that is no option
is an error in all of them.
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

from tracker.brain import BrainOptions
from tracker.errors import OptionError

__all__ = ["Invocation", "Options", "describe_options", "parse_arguments"]

_PREFIX = "TRACKER_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(BrainOptions):
    """How a tracker behaves and where it listens.

    Raises
    ------
    OptionError
        When a value makes no sense.
    """

    host: str = "127.0.0.1"
    """Name or address to listen on; empty means every address of the machine."""

    port: int = 8000
    """TCP port for WebSocket and HTTP; 0 takes a free one."""

    tls_certificate: str = ""
    """File with the certificate chain (PEM); with it, only wss and https are spoken."""

    tls_key: str = ""
    """File with the private key of the certificate."""

    max_message: int = 256 * 1024
    """Bytes of one message of a client; an announce with ten offers has some 15 KB."""

    max_backlog: int = 1024 * 1024
    """Bytes that a client may leave unread before it is dropped."""

    ping_interval: float = 25.0
    """Seconds between pings; proxies cut what is idle for 60 s."""

    request_timeout: float = 20.0
    """Seconds in which a new connection must have said what it wants."""

    max_connections: int = 0
    """Connections in all; 0 is no limit."""

    max_memory: float = 2048.0
    """MiB by which the process may grow; above, no peer is let in, and slow readers are dropped. 0 is no limit."""

    max_refusals: int = 100
    """Messages of one connection that are refused before it is closed; one a second is forgiven. 0 is no limit."""

    max_connections_per_address: int = 0
    """Connections of one IPv4 address or IPv6 /64; 0 is no limit. Behind a proxy, name it in trusted_proxies."""

    announce_rate: float = 0.0
    """Announces per second that one IPv4 address or IPv6 /64 may send in the long run; 0 is no limit."""

    announce_burst: float = 200.0
    """Announces that one address may send at once, where announce_rate is set."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose X-Forwarded-For is believed."""

    allow_hashes: tuple[str, ...] = ()
    """Info hashes that are served, in hexadecimal or as 20 characters, or @FILE; none named means all."""

    deny_hashes: tuple[str, ...] = ()
    """Info hashes that are not served."""

    allow_origins: tuple[str, ...] = ()
    """Origins of pages that may connect, such as https://*.example.org, or @FILE; none named means all."""

    deny_origins: tuple[str, ...] = ()
    """Origins of pages that may not connect."""

    require_origin: bool = False
    """Whether clients that send no origin (all that are no browsers) are turned away."""

    token_secret: str = ""
    """Secret of the signed tokens that clients must bring as ?token=; empty lets everybody in."""

    publish_swarms: bool = True
    """Whether info hashes and peers are shown over HTTP; counts always are."""

    geo_databases: tuple[str, ...] = ()
    """MaxMind files (.mmdb) with providers and countries, for matching by locality."""

    stun_urls: tuple[str, ...] = ()
    """STUN servers that /tracker/ice names, such as stun:stun.example.org."""

    turn_urls: tuple[str, ...] = ()
    """TURN servers that /tracker/ice names, such as turn:turn.example.org?transport=udp."""

    turn_secret: str = ""
    """Secret shared with the TURN servers (coturn: static-auth-secret)."""

    turn_lifetime: float = 6 * 3600.0
    """Seconds that a password for the TURN servers is good for."""

    libraries: str = "node_modules"
    """Folder of npm packages with the player's libraries; those it lacks come from a public CDN."""

    channels: str = ""
    """JSON file with the list of the channels page; without it there is a demonstration."""

    drain: float = 0.0
    """Seconds over which connections are closed when told to stop, so that clients do not come back all at once."""

    log_level: str = "info"
    """Least severe log lines written: debug, info, warning or error."""

    log_format: str = "text"
    """Form of log lines on standard error: text or json."""

    log_rate: int = 200
    """Lines per second of one kind of event; what is more is counted and told once a second. 0 is no limit."""

    def __post_init__(self) -> None:
        BrainOptions.__post_init__(self)
        _require(0 <= self.port <= 65535, "port", self.port, "a number from 0 to 65535")
        _require(
            bool(self.tls_certificate) == bool(self.tls_key), "tls_key", self.tls_key, "a file with tls_certificate"
        )
        for name in ("max_message", "max_backlog"):
            _require(getattr(self, name) >= 1024, name, getattr(self, name), "at least 1024 bytes")
        for name in ("ping_interval", "request_timeout", "turn_lifetime"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "a positive number of seconds")
        _require(self.announce_burst >= 1, "announce_burst", self.announce_burst, "at least 1")
        for name in _NOT_NEGATIVE:
            _require(getattr(self, name) >= 0, name, getattr(self, name), "a number that is not negative")
        levels = ("debug", "info", "warning", "error")
        _require(self.log_level in levels, "log_level", self.log_level, "one of " + ", ".join(levels))
        _require(self.log_format in ("text", "json"), "log_format", self.log_format, "text or json")


_NOT_NEGATIVE = (
    "max_connections",
    "max_memory",
    "max_refusals",
    "max_connections_per_address",
    "announce_rate",
    "drain",
    "log_rate",
)


def _require(is_good: bool, name: str, value: object, accepted: str) -> None:
    if not is_good:
        raise OptionError(f"{name} = {value!r}: {accepted} is accepted")


_KINDS: dict[str, object] = get_type_hints(Options)


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a command line asks for."""

    options: Options
    is_json: bool
    """Whether to say the address as JSON."""
    token_seconds: float | None
    """If given, make a token that lives so long, and do not serve."""
    token_swarms: tuple[str, ...]


def parse_arguments(arguments: Sequence[str] | None, environment: Mapping[str, str]) -> Invocation:
    """Put together the options of a command line, its environment and its file.

    Raises
    ------
    OptionError
        When an option is unknown or makes no sense.
    """
    given = vars(_parser().parse_args(arguments))
    is_json, token_seconds = given.pop("json"), given.pop("make_token")
    token_swarms = tuple(given.pop("for_swarm"))
    path = given.pop("config") or environment.get(_PREFIX + "CONFIG", "")
    values = {**_from_file(path), **_from_environment(environment)}
    values |= {name: _from_text(name, text) if isinstance(text, str) else text for name, text in given.items()}
    return Invocation(Options(**values), is_json, token_seconds, token_swarms)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m tracker", description="A WebTorrent tracker.", allow_abbrev=False)
    parser.add_argument("--config", metavar="FILE", default="", help="TOML file with options")
    parser.add_argument("--json", action="store_true", help="say the address as one JSON object")
    parser.add_argument(
        "--make-token", metavar="SECONDS", type=float, help="print a token that lives so long, and stop"
    )
    parser.add_argument("--for-swarm", metavar="HASH", action="append", default=[], help="what the token is good for")
    for name, default, text in describe_options():
        flag = "--" + name.replace("_", "-")
        text = f"{text} [{default}]".replace("%", "%%")
        if _KINDS[name] is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
        else:
            parser.add_argument(flag, default=argparse.SUPPRESS, metavar="X", help=text)
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionError(message)


def describe_options() -> list[tuple[str, str, str]]:
    """List name, default and meaning of every option, as they stand in the code."""
    meanings: dict[str, str] = {}
    for kind in (BrainOptions, Options):
        body = ast.parse(inspect.getsource(kind)).body[0]
        assert isinstance(body, ast.ClassDef)
        for line, after in zip(body.body, body.body[1:], strict=False):
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                assert isinstance(after, ast.Expr)
                assert isinstance(after.value, ast.Constant)
                meanings[line.target.id] = str(after.value.value)
    return [(field.name, _shown(field.default), meanings[field.name]) for field in dataclasses.fields(Options)]


def _shown(default: object) -> str:
    return ",".join(default) if isinstance(default, tuple) else str(default)


def _from_file(path: str) -> dict[str, Any]:
    if not path:
        return {}
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"{path}: {error}") from None
    for name, value in values.items():
        _known(name, path)
        values[name] = _from_toml(name, value)
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        if variable.startswith(_PREFIX) and variable != _PREFIX + "CONFIG":
            name = variable.removeprefix(_PREFIX).lower()
            _known(name, "the environment")
            values[name] = _from_text(name, text)
    return values


def _known(name: str, where: str) -> None:
    if name not in _KINDS:
        raise OptionError(f"{name} in {where} is no option; see python -m tracker --help")


def _from_toml(name: str, value: object) -> object:
    kind = _KINDS[name]
    if kind == tuple[str, ...]:
        is_good = isinstance(value, list) and all(isinstance(item, str) for item in value)
        _require(is_good, name, value, "a list of strings")
        return tuple(value) if isinstance(value, list) else ()
    if kind in (float, float | None):
        _require(isinstance(value, int | float) and not isinstance(value, bool), name, value, "a number")
        return value
    assert isinstance(kind, type)
    _require(type(value) is kind, name, value, {int: "a whole number", bool: "true or false"}.get(kind, "a string"))
    return value


def _from_text(name: str, text: str) -> object:
    kind = _KINDS[name]
    if kind is str:
        return text
    if kind == tuple[str, ...]:
        return tuple(part for part in (part.strip() for part in text.split(",")) if part)
    if kind is bool:
        _require(text in ("true", "false"), name, text, "true or false")
        return text == "true"
    try:
        return int(text) if kind is int else float(text)
    except ValueError:
        raise OptionError(f"{name} = {text!r}: a {'whole ' if kind is int else ''}number is accepted") from None
