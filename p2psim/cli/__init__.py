"""The command line program `p2psim`: one module per command."""

import os

# The kernels have no loop that vectorising speeds up; disabling it saves a sixth of their compilation time. It must be
# set before Numba is imported, and worker processes inherit it.
os.environ.setdefault("NUMBA_LOOP_VECTORIZE", "0")
os.environ.setdefault("NUMBA_SLP_VECTORIZE", "0")

from p2psim.cli.main import main

__all__ = ["main"]
