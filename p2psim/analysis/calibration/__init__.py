"""Calibration: network parameters estimated from measured traces, with intervals."""
