import subprocess
import sys

import pytest

import tracker


def test_every_public_name_is_there():
    for name in tracker.__all__:
        assert getattr(tracker, name).__module__.startswith("tracker.")
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(tracker, "no_such_" + "name")


def test_the_brain_loads_no_server():
    program = (
        "import sys, tracker.brain; print([name for name in sys.modules if name in ('asyncio', 'tracker.server')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=".")
    assert done.stdout == "[]\n"
