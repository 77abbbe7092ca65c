"""Comparison of simulated and measured runs: tests of equivalence, distances, the gate, JUnit output."""
