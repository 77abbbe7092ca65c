"""The command `p2psim`: one module per verb."""

import gc
import os

# The kernels have no loop worth vectorising, and not to try spares a sixth of their compilation. It must be said before
# Numba is imported, and is inherited by worker processes.
os.environ.setdefault("NUMBA_LOOP_VECTORIZE", "0")
os.environ.setdefault("NUMBA_SLP_VECTORIZE", "0")
# compiling makes millions of objects, hardly any of them garbage in cycles: looking for it costs a seventh of the time
gc.set_threshold(200_000, 20, 50)

from p2psim.cli.main import main

__all__ = ["main"]
