import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.config.sources import describe_options, parse_arguments
from p2p_tracker.errors import OptionError

TRACKER = Path(__file__).parents[3] / "tracker"


def options(arguments: Sequence[str] = (), environment: Mapping[str, str] = MappingProxyType({})) -> ServerOptions:
    return parse_arguments(arguments, environment).options


def written(text: str, folder: Path) -> list[str]:
    """Write a configuration file; return the flag that names it."""
    path = folder / "tracker.toml"
    path.write_text(text)
    return ["--config", str(path)]


def test_the_later_source_wins(tmp_path: Path) -> None:
    file = 'port = 1\ninterval = 2\nmax_offers = 3\nhost = "a"\nallow_origins = ["x", "y"]\nrequire_origin = true\n'
    environment = {"TRACKER_INTERVAL": "4", "TRACKER_MAX_OFFERS": "5", "HOME": "/", "TRACKER_STUN_URLS": "a, b"}
    parsed = options([*written(file, tmp_path), "--max-offers", "6", "--no-require-origin"], environment)
    assert (parsed.port, parsed.interval, parsed.max_offers, parsed.host) == (1, 4, 6, "a")
    assert parsed.allow_origins == ("x", "y")
    assert parsed.stun_urls == ("a", "b")
    assert parsed.require_origin is False


def test_an_environment_variable_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text("port = 7")
    assert options(environment={"TRACKER_CONFIG": str(tmp_path / "t.toml")}).port == 7


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("no_such = 1", "no_such"),
        ("port = '1'", "port"),
        ("port = 1.5", "port"),
        ("port = true", "port"),
        ("interval = true", "interval"),
        ("allow_origins = 'x'", "allow_origins"),
        ("allow_origins = [1]", "allow_origins"),
        ("require_origin = 1", "require_origin"),
        ("host = 1", "host"),
        ("port = ", "tracker.toml"),
        ("[server]\nport = 1", "server"),
    ],
)
def test_invalid_files_are_refused_with_one_line_that_names_the_option(file: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=named) as caught:
        options(written(file, tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--port", "x"], {}),
        (["--interval", "soon"], {}),
        (["--interval", "nan"], {}),
        (["--interval", "inf"], {}),
        (["surplus"], {}),
        ([], {"TRACKER_NO_SUCH": "1"}),
        ([], {"TRACKER_REQUIRE_ORIGIN": "yes"}),
        (["--config", "/no/such/file"], {}),
        (["--tls-certificate", "x"], {}),
        (["--log-format", "xml"], {}),
        (["--max-connections", "-1"], {}),
        (["--announce-burst", "0"], {}),
    ],
)
def test_invalid_flags_and_variables_are_refused(arguments: list[str], environment: dict[str, str]) -> None:
    with pytest.raises(OptionError):
        options(arguments, environment)


def test_every_option_has_a_description_and_a_flag(tmp_path: Path) -> None:
    described = {name: (default, meaning) for name, default, meaning in describe_options()}
    assert list(described) == [field.name for field in dataclasses.fields(ServerOptions)]
    assert all(meaning for _, meaning in described.values())
    for field in dataclasses.fields(ServerOptions):
        flag = "--" + field.name.replace("_", "-")
        if isinstance(field.default, bool):
            assert getattr(options([flag]), field.name) is True
        elif isinstance(field.default, tuple):
            assert getattr(options([flag, "a,b"]), field.name) == ("a", "b")
    assert options(["--heartbeat-timeout", "inf"]).heartbeat_timeout == math.inf
    assert options(["--membership-timeout", "9"]).membership_timeout == 9


def test_the_readme_lists_every_option_with_default_and_meaning() -> None:
    readme = (TRACKER / "README.md").read_text(encoding="utf-8")
    for name, default, meaning in describe_options():
        assert f"| `{name}` | `{default}` | {meaning} |" in readme or f"| `{name}` |  | {meaning} |" in readme, name


def test_the_example_configuration_is_valid() -> None:
    path = TRACKER / "deploy" / "tracker.toml"
    assert options(["--config", str(path)]).drain == 60


def test_flags_ask_for_a_token() -> None:
    invocation = parse_arguments(["--make-token", "60", "--for-swarm", "a", "--for-swarm", "b"], {})
    assert (invocation.token_seconds, invocation.token_swarms) == (60.0, ("a", "b"))
