"""Comparison of simulated and measured runs: equivalence tests, distances, the gate, JUnit output."""
