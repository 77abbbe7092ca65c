"""Web pages of the tracker: dashboard, player and channel list, with their libraries."""

from importlib.resources import files
from typing import Final

__all__ = ["STATIC"]

STATIC: Final = files(__name__) / "static"
"""Folder of the pages, scripts and styles."""
