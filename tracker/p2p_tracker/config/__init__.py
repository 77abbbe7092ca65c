"""Configuration: the tracker's options, and reading them from file, environment and command line."""
