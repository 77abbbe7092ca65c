"""The command `p2psim`: one module per verb."""

from p2psim.cli.main import main

__all__ = ["main"]
