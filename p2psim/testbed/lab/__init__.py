"""Hosts with access links and NATs of their own on one machine, from the fields that the simulator reads.

A `Blueprint` says what there is; `Lab` builds it out of network namespaces, nft and tc; `Relay` is its STUN and TURN
server; ``python -m p2psim.testbed.lab.nat_matrix`` shows which viewers reach each other in it.

What a lab cannot reproduce:

* It has no radio and no shared medium: a downlink is a constant rate with a short queue, and neighbourhoods that share
  equipment are not built.
* Delay, its spread and loss come from one process between all homes. It waits for the CPU like any other: what it
  delivers late is counted in its report. Jitter reorders packets. One machine carries some 50,000 packets per second.
* Packets that hairpin in a home or a carrier go out of it and come back, on the home's link as well.
* Mappings do not expire during a run, and ports are never predictable. A NAT drops silently; it sends no ICMP.
* Within a home there is neither rate nor delay; all homes behind one carrier are as far from others as its first one.
* All hosts share one clock, one CPU, and the kernel's own TCP. The peers are aiortc's, not a browser's.
"""
