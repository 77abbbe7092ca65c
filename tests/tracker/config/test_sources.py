import dataclasses
import math
from pathlib import Path

import pytest
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.config.sources import describe_options, parse_arguments
from p2p_tracker.errors import OptionError

TRACKER = Path(__file__).parents[3] / "tracker"


def options(arguments=(), environment=None, file=None, tmp_path=None):
    if file is not None:
        (tmp_path / "tracker.toml").write_text(file)
        arguments = ["--config", str(tmp_path / "tracker.toml"), *arguments]
    return parse_arguments(arguments, environment or {}).options


def test_the_later_source_wins(tmp_path):
    file = 'port = 1\ninterval = 2\nmax_offers = 3\nhost = "a"\nallow_origins = ["x", "y"]\nrequire_origin = true\n'
    environment = {"TRACKER_INTERVAL": "4", "TRACKER_MAX_OFFERS": "5", "HOME": "/", "TRACKER_STUN_URLS": "a, b"}
    found = options(["--max-offers", "6", "--no-require-origin"], environment, file, tmp_path)
    assert (found.port, found.interval, found.max_offers, found.host) == (1, 4, 6, "a")
    assert found.allow_origins == ("x", "y")
    assert found.stun_urls == ("a", "b")
    assert found.require_origin is False


def test_the_file_may_be_named_by_the_environment(tmp_path):
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
def test_wrong_files_are_refused_by_name(file, named, tmp_path):
    with pytest.raises(OptionError, match=named) as caught:
        options(file=file, tmp_path=tmp_path)
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
def test_wrong_flags_and_variables_are_refused(arguments, environment):
    with pytest.raises(OptionError):
        options(arguments, environment)


def test_every_option_is_described_and_settable_in_every_way(tmp_path):
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


def test_the_readme_lists_the_options_as_they_are():
    readme = (TRACKER / "README.md").read_text(encoding="utf-8")
    for name, default, meaning in describe_options():
        assert f"| `{name}` | `{default}` | {meaning} |" in readme or f"| `{name}` |  | {meaning} |" in readme, name


def test_the_example_of_a_configuration_is_valid():
    path = TRACKER / "deploy" / "tracker.toml"
    assert options(["--config", str(path)]).drain == 60


def test_tokens_are_asked_for_by_flag():
    invocation = parse_arguments(["--make-token", "60", "--for-swarm", "a", "--for-swarm", "b"], {})
    assert (invocation.token_seconds, invocation.token_swarms) == (60.0, ("a", "b"))
