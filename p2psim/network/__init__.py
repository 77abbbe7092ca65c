"""Pure kernels of the network: sharing of links, NAT traversal, latency of pairs."""
