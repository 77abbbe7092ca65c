"""HTTP origin of measured runs: H.264 in HLS, live or on demand, at a chosen rate and latency."""
