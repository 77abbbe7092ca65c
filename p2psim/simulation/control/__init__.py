"""The control plane: arrivals, departures, faults, tracker messages, in SimPy's time."""
