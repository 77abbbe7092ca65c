"""Configuration: the options of a tracker, and the sources from which they are read."""
