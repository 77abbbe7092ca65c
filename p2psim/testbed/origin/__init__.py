"""The HTTP origin of measured runs: real H.264 HLS, live or on demand, at a chosen rate and delay."""
