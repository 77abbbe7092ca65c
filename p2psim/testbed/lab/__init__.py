"""Lab: hosts with access links and NATs of their own on one machine, from the same scenario as a simulation.

A `Blueprint` describes it; `Lab` builds it of network namespaces, nft and tc; `Relay` is its STUN and TURN server;
``python -m p2psim.testbed.lab.nat_matrix`` shows which pairs of viewers connect in it.

What a lab cannot reproduce:

* Radio and shared media: a downlink has a constant rate and a short queue, and neighbourhoods that share equipment are
  not built.
* Exact delays: delay, jitter and loss come from one process between all homes, which waits for the CPU like any other;
  its report counts packets that were late. Jitter reorders packets. One machine carries some 50,000 packets per second.
* Hairpinning inside a router: such packets leave the home or the carrier and come back, over the home's link as well.
* Expiry of mappings, predictable ports, and ICMP: mappings last for the run, and a NAT drops packets silently.
* Rates and delays within a home; all homes behind one carrier have the delays of its first one.
* Separate clocks and CPUs: all hosts share those of the machine, and the kernel's TCP. Peers are aiortc, not browsers.
"""
