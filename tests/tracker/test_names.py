import subprocess
import sys

import p2p_tracker
import pytest


def test_every_public_name_can_be_imported() -> None:
    for name in p2p_tracker.__all__:
        assert getattr(p2p_tracker, name).__module__.startswith("p2p_tracker.")
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(p2p_tracker, "no_such_" + "name")


def test_importing_the_core_does_not_load_the_server() -> None:
    program = (
        "import sys, p2p_tracker.core.tracker; "
        "print([name for name in sys.modules if name in ('asyncio', 'p2p_tracker.server.server')])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=".")
    assert result.stdout == "[]\n"
