"""Network models in compiled code: sharing of links among flows, NAT traversal, round trips of pairs."""
