"""Control plane of the simulation: arrivals, departures, faults and tracker messages, on a SimPy clock."""
