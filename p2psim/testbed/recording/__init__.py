"""Recording of a measured run: event logs of its processes, and the trace built from them."""
