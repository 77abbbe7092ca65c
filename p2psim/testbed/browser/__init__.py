"""Viewers in Chromium: the process that runs them, their page, and what its probe recorded."""
