"""How commands end: the status says what happened, one line says why, and nothing else is written."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import pytest

from p2psim.cli import main
from p2psim.errors import InputError
from p2psim.exit_status import MEANINGS
from p2psim.testbed.lab import nat_matrix

ROOT = Path(__file__).parents[2]
BOTH: list[tuple[str, Callable[[Sequence[str]], int], list[str]]] = [
    ("p2psim", main, ["simulate", "live-24s"]),
    ("matrix", nat_matrix.main, []),
]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Errors that commands raise, the first first."""
    errors: list[BaseException] = []

    def fail(*_: object, **__: object) -> int:
        raise errors.pop(0)

    monkeypatch.setattr("p2psim.cli.simulate.execute", fail)
    monkeypatch.setattr("p2psim.testbed.lab.nat_matrix.measure_pairs", fail)
    return errors


# -- errors that nobody foresaw -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (KeyError("left\nright"), "KeyError: 'left\\nright'"),
        (RuntimeError("two\nlines"), "RuntimeError: two lines"),
        (AssertionError(), "AssertionError"),
        (MemoryError(), "MemoryError"),
        (OSError("no file is to blame"), "OSError: no file is to blame"),
        (BrokenPipeError(32, "Broken pipe"), "BrokenPipeError: [Errno 32] Broken pipe"),
    ],
)
def test_an_unforeseen_error_is_one_line_and_status_70(
    failing: list[BaseException], error: BaseException, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, run, arguments in BOTH:
        failing.append(error)
        assert run(arguments) == 70
        assert capsys.readouterr().err == f"{name}: internal error: {says}; --debug shows where\n"


def test_a_long_error_is_cut(failing: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    failing.append(RuntimeError("word " * 1000))
    assert main(["simulate", "live-24s"]) == 70
    said = capsys.readouterr().err
    assert len(said) < 400
    assert said.endswith("word …; --debug shows where\n")


@pytest.mark.parametrize("arguments", [["--debug", "simulate", "live-24s"], ["simulate", "live-24s", "--debug"]])
def test_debug_shows_where_an_error_happened(
    failing: list[BaseException], arguments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(KeyError("x"))
    assert main(arguments) == 70
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):\n")
    assert "in fail\n" in said
    assert said.endswith("\np2psim: internal error: KeyError: 'x'\n")

    failing.append(KeyError("x"))
    assert nat_matrix.main(["--debug"]) == 70
    assert capsys.readouterr().err.startswith("Traceback (most recent call last):\n")


def test_an_error_before_the_arguments_are_understood(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(import_module("p2psim.cli.main"), "COMMANDS", ("nowhere",))
    assert main(["simulate"]) == 70
    assert capsys.readouterr().err.startswith("p2psim: internal error: ModuleNotFoundError: No module named")
    assert main(["simulate", "--debug"]) == 70
    assert capsys.readouterr().err.startswith("Traceback")


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (InputError("viewers.count = 0: at least 1"), 2, "viewers.count = 0: at least 1"),
        (PermissionError(13, "Permission denied", "/root/x"), 2, "/root/x: Permission denied"),
        (OSError(28, "No space left on device"), 2, "the output cannot be written: No space left on device"),
        (SystemExit("a policy of the user gives up"), 2, "a policy of the user gives up"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyboardInterrupt("interrupted; 3 runs are kept"), 130, "interrupted; 3 runs are kept"),
    ],
)
def test_other_ends_have_their_own_status(
    failing: list[BaseException], error: BaseException, status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, run, arguments in BOTH:
        failing.append(error)
        assert run(arguments) == status
        assert capsys.readouterr().err == f"{name}: {says}\n"


def test_help_and_guide_tell_every_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out.split("exit status:")[1]
    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    for status, meaning in MEANINGS.items():
        assert re.search(rf"^  {status} +{re.escape(meaning[:20])}", shown, re.MULTILINE)
        assert re.search(rf"^\| {status} \| ", guide, re.MULTILINE)
    for each in ("p2psim --debug", "--debug"):
        assert each in guide


# -- as a shell sees it ---------------------------------------------------------------------------------------------


def command(code: str = "") -> list[str]:
    """Return the command `p2psim`, whose ``simulate`` does what `code` says."""
    body = textwrap.indent(textwrap.dedent(code), "    ")
    return [
        sys.executable,
        "-c",
        "import sys, time\nfrom p2psim.cli import main, simulate\n"
        f"def execute(arguments):\n{body or '    pass'}\n    return 0\n"
        "simulate.execute = execute\nsys.exit(main())",
    ]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["simulate", "live-24s"], "print('a line')"),
        (["simulate", "live-24s"], "print('a line\\n' * 100_000)"),
        (["simulate", "live-24s"], "print('a line'); sys.stdout.flush()"),
        (["--help"], ""),
        (["simulate", "--help"], ""),
        (["--version"], ""),
    ],
)
def test_a_reader_that_has_gone_is_status_141_and_silence(arguments: list[str], code: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*command(code), *arguments],
            stdout=writer,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_line_that_nobody_reads_does_not_change_the_status() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        for more, status in (([], 2), (["simulate", "none.toml", "--set", "x"], 0), (["simulate", "x"], 70)):
            code = "raise KeyError('x')" if status == 70 else ""
            done = subprocess.run(
                [*command(code), *more], stdout=writer, stderr=writer, env=ENVIRONMENT, timeout=60, check=False
            )
            assert done.returncode == status
    finally:
        os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_status_2() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*command("print('a line')"), "simulate", "x"],
            stdout=full, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "p2psim: the output cannot be written: No space left on device\n"


def test_without_a_standard_output_a_command_works() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command("print('a line')"), "simulate", "x"],
        stderr=subprocess.PIPE, env=ENVIRONMENT, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("number", "status", "says"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "interrupted")]
)
def test_signals(number: signal.Signals, status: int, says: str) -> None:
    code = """
        print("ready", flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        [*command(code), "simulate", "x"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (status, f"p2psim: {says}\n")
