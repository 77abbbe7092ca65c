"""Compiled kernel of the simulation: kernel state, event loop, transfers, players and connections of all viewers."""
