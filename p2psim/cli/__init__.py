"""The command `p2psim`: one module per verb."""

import os

# The kernels have no loop worth vectorising, and not to try spares a sixth of their compilation. It must be said before
# Numba is imported, and is inherited by worker processes.
os.environ.setdefault("NUMBA_LOOP_VECTORIZE", "0")
os.environ.setdefault("NUMBA_SLP_VECTORIZE", "0")

from p2psim.cli.main import main

__all__ = ["main"]
