"""pytest plugin that plants the error named by the environment variable P2PSIM_PLANTED before the tests are collected.

A test notices an error by an assertion that fails. An exception of any other kind means that the wrong function does
not fit the code: the session ends with the status BROKEN.
"""

import os

import pytest
from numba.core.dispatcher import Dispatcher

__all__ = ["BROKEN", "NAME", "UNCACHED", "is_assertion"]

BROKEN = 77
"""Exit status of a session in which the code itself failed."""
NAME = "P2PSIM_PLANTED"
UNCACHED = "P2PSIM_PLANTED_UNCACHED"
"""Environment variable that is 1 where no machine code may be read from a cache or written to one."""

_failures: list[BaseException] = []

if os.environ.get(UNCACHED) == "1":
    setattr(Dispatcher, "enable_caching", lambda _: None)  # noqa: B010 - a method is replaced on purpose


def pytest_configure() -> None:
    """Replace the function."""
    from tests.theory.errors import ERRORS
    from tests.theory.planting import plant

    plant(next(error for error in ERRORS if error.name == os.environ[NAME]))


def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    """Remember where a test raised anything but a failed assertion."""
    if call.excinfo is not None and not is_assertion(call.excinfo.value):
        _failures.append(call.excinfo.value)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Set the exit status."""
    if _failures:
        session.exitstatus = BROKEN


def is_assertion(error: BaseException) -> bool:
    """Return whether an error, or one of a group that Hypothesis found, is a failed assertion."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_assertion(each) for each in error.exceptions)
    return isinstance(error, AssertionError | pytest.fail.Exception)
