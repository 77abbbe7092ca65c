"""The options of a tracker, and where they come from."""

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from tracker.brain import BrainOptions
from tracker.errors import OptionError

__all__ = ["Options", "parse_arguments"]


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

    max_message: int = 256 * 1024
    """Bytes of one message of a client; an announce with ten offers has some 15 KB."""

    max_backlog: int = 1024 * 1024
    """Bytes that a client may leave unread before it is dropped."""

    ping_interval: float = 25.0
    """Seconds between pings; proxies cut what is idle for 60 s."""

    request_timeout: float = 20.0
    """Seconds in which a new connection must have said what it wants."""

    log_level: str = "info"
    """Least severe log lines written: debug, info, warning or error."""

    log_format: str = "text"
    """Form of log lines on standard error: text or json."""

    def __post_init__(self) -> None:
        BrainOptions.__post_init__(self)
        _require(0 <= self.port <= 65535, "port", self.port, "a number from 0 to 65535")
        _require(self.max_message >= 1024, "max_message", self.max_message, "at least 1024 bytes")
        _require(self.max_backlog >= 1024, "max_backlog", self.max_backlog, "at least 1024 bytes")
        _require(self.ping_interval > 0, "ping_interval", self.ping_interval, "a positive number of seconds")
        _require(self.request_timeout > 0, "request_timeout", self.request_timeout, "a positive number of seconds")
        levels = ("debug", "info", "warning", "error")
        _require(self.log_level in levels, "log_level", self.log_level, "one of " + ", ".join(levels))
        _require(self.log_format in ("text", "json"), "log_format", self.log_format, "text or json")


def _require(is_good: bool, name: str, value: object, accepted: str) -> None:
    if not is_good:
        raise OptionError(f"{name} = {value!r}: {accepted} is accepted")


_KINDS = {"int": int, "float": float, "str": str, "float | None": float}


def parse_arguments(arguments: Sequence[str] | None = None) -> tuple[Options, bool]:
    """Read the command line; return the options, and whether to speak JSON.

    Raises
    ------
    OptionError
        When an option is unknown or makes no sense.
    """
    parser = _Parser(prog="python -m tracker", description="WebTorrent tracker", allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="say the address as one JSON object")
    for field in dataclasses.fields(Options):
        flag = "--" + field.name.replace("_", "-")
        kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
        parser.add_argument(flag, type=_KINDS[kind], default=argparse.SUPPRESS, metavar="X", help=f"[{field.default}]")
    given = vars(parser.parse_args(arguments))
    is_json = given.pop("json")
    return Options(**given), is_json


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionError(message)
