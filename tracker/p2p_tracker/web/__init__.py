"""Web pages of the tracker: dashboard, player, list of channels, and the player's libraries."""

from importlib.resources import files
from typing import Final

__all__ = ["STATIC"]

STATIC: Final = files(__name__) / "static"
"""Folder of pages, scripts, styles and the tables that they read."""
