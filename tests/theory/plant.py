"""Plants errors one after the other, each by replacing a function, and shows that each makes its test fail.

    python -m tests.theory.plant [--only NAME …] [--list]

An error in compiled code is tried interpreted, on a test whose runs are small; a few need the real speed, and their
kernels are compiled anew. Before a test is trusted to fail, it is seen to pass without the error. Exit status 1: a
test did not notice its error, or an error no longer fits the code.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tests.theory.errors import ERRORS
from tests.theory.planting import Error, How, resolve
from tests.theory.plugin import BROKEN, NAME, UNCACHED

__all__ = ["main", "outcome_of", "row"]

ROOT = Path(__file__).parents[2]
_OUTCOMES = {0: "NOT NOTICED", 1: "noticed", BROKEN: "BREAKS THE CODE"}


def main() -> int:
    """Plant the chosen errors and print what became of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="errors whose names contain one of these")
    parser.add_argument("--list", action="store_true", help="print the list as a table, and do nothing")
    options = parser.parse_args()
    chosen = [e for e in ERRORS if options.only is None or any(part in e.name for part in options.only)]
    if options.list:
        print("\n".join(map(row, chosen)))
        return 0
    missed = 0
    passing: set[tuple[str, How]] = set()
    for error in chosen:
        outcome = outcome_of(error, passing)
        missed += outcome != "noticed"
        print(f"{outcome:22} {error.name:52} {error.how.value:14} {error.test}", flush=True)
    return 1 if missed else 0


def row(error: Error) -> str:
    """Return the row of an error in the table of the README."""
    return f"| {error.name} | {error.test.replace('::', ' ').replace('.py', '')} |"


def outcome_of(error: Error, passing: set[tuple[str, How]]) -> str:
    """Return whether the test of an error notices it; `passing` holds tests that pass without one, and grows."""
    try:
        resolve(error.target)
    except LookupError:
        return "NO SUCH FUNCTION"
    if (error.test, error.how) not in passing and _status(error, planted=False) != 0:
        return "FAILS WITHOUT IT"
    passing.add((error.test, error.how))
    return _OUTCOMES[_status(error, planted=True)]


def _status(error: Error, *, planted: bool) -> int:
    """Run the test of an error; return pytest's exit status, or BROKEN."""
    is_interpreted = error.how is How.INTERPRETED
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/theory/{error.test}"]
    if planted:
        command += ["-p", "tests.theory.plugin"]
    if is_interpreted:  # numpy warns of infinite links
        command += ["-W", "ignore::RuntimeWarning"]
    found = subprocess.run(
        command,
        cwd=ROOT,
        env={
            **os.environ,
            "NUMBA_DISABLE_JIT": "1" if is_interpreted else "0",
            NAME: error.name,
            UNCACHED: "1" if planted and error.how is How.COMPILED else "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode not in _OUTCOMES:
        raise SystemExit(f"{error.name}: pytest ended with status {found.returncode}\n{found.stdout}{found.stderr}")
    if found.returncode == BROKEN:
        print(found.stdout[-2000:], file=sys.stderr)
    return found.returncode


if __name__ == "__main__":
    sys.exit(main())
