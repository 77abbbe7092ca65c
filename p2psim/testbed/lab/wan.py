"""WAN between homes and servers of a lab: ``python -m p2psim.testbed.lab.wan``, one process for a lab.

Each node has a TUN device whose file this process has inherited. A packet from one device goes to that of its
destination after the delay between the two nodes, or is lost. Packets to unknown (for example private) addresses are
dropped without an answer, as on the Internet.

The plan is one line of JSON on standard input, which is answered by ``{"ready": …}``. Every further line is answered by
a report; the process ends when standard input is closed.
"""

import ctypes
import heapq
import json
import os
import select
import sys
import time
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from p2psim.testbed.lab.blueprint import Impairment

__all__ = ["Report", "Wan", "WanPlan", "main"]

_MOST_BYTES: Final = 65_536
_READ_AT_ONCE: Final = 64
_MOST_WAITING: Final = 50_000
_SET_TIMER_SLACK: Final = 29
_LATE: Final = 0.005
"""Seconds; packets delivered later than this count as late."""


class WanPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes by number: the files of their devices, their addresses, and the impairments between them."""

    files: list[int]
    addresses: dict[str, int]
    """Hexadecimal digits of an IPv4 address, or of the first half of an IPv6 address → node."""
    impairments: list[list[Impairment]]
    """From the first node to the second."""
    seed: int = 1


class Report(msgspec.Struct, kw_only=True):
    """Packets that the WAN has carried."""

    packets: int = 0
    bytes: int = 0
    lost: int = 0
    """Packets dropped at random."""
    homeless: int = 0
    """Packets dropped because no node has the address."""
    overflown: int = 0
    """Packets dropped because a queue was full."""
    late: int = 0
    """Packets delivered more than 5 ms after their time, because this process did not have the CPU."""
    latest: float = 0.0
    """Seconds by which the latest packet was late."""
    cpu: float = 0.0
    """Seconds of CPU."""


class Wan:
    """Carrier of packets between files; ``step`` is one iteration of its loop."""

    def __init__(self, plan: WanPlan) -> None:
        self.report = Report()
        self._files = plan.files
        self._nodes = {file: node for node, file in enumerate(plan.files)}
        self._addresses = {bytes.fromhex(digits): node for digits, node in plan.addresses.items()}
        self._impairments = plan.impairments
        self._rng = np.random.default_rng(plan.seed)
        self._waiting: list[tuple[float, int, int, bytes]] = []
        self._serial = 0

    def step(self, others: Sequence[int] = ()) -> bool:
        """Wait for packets, deliver those that are due, and return whether one of the files `others` can be read."""
        timeout = max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None
        ready = select.select([*self._files, *others], [], [], timeout)[0]
        for file in ready:
            node = self._nodes.get(file)
            if node is not None:
                self._take(file, node)
        self._deliver()
        return any(file in others for file in ready)

    def _take(self, file: int, source: int) -> None:
        for _ in range(_READ_AT_ONCE):
            try:
                packet = os.read(file, _MOST_BYTES)
            except OSError:  # no more packets for now, or the device was removed
                return
            target = self._addresses.get(packet[16:20] if packet[0] >> 4 == 4 else packet[24:32])
            if target is None:
                self.report.homeless += 1
            else:
                self._hold(packet, target, self._impairments[source][target])

    def _hold(self, packet: bytes, target: int, impairment: Impairment) -> None:
        if impairment.loss and self._rng.random() < impairment.loss:
            self.report.lost += 1
        elif len(self._waiting) >= _MOST_WAITING:
            self.report.overflown += 1
        else:
            delay = (
                max(0.0, impairment.delay + impairment.jitter * self._rng.standard_normal())
                if impairment.jitter
                else impairment.delay
            )
            self._serial += 1
            heapq.heappush(self._waiting, (time.monotonic() + delay, self._serial, self._files[target], packet))

    def _deliver(self) -> None:
        waiting, report = self._waiting, self.report
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            due, _, file, packet = heapq.heappop(waiting)
            try:
                os.write(file, packet)
            except OSError:
                report.overflown += 1
                continue
            report.packets += 1
            report.bytes += len(packet)
            if now - due > _LATE:
                report.late += 1
            report.latest = max(report.latest, now - due)


def main() -> int:
    """Carry packets until standard input is closed; return the exit status."""
    # else the kernel's default timer slack of 50 µs adds to every delay
    ctypes.CDLL(None).prctl(_SET_TIMER_SLACK, 1, 0, 0, 0)
    control = sys.stdin.fileno()
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(control, _MOST_BYTES)
        if not piece:
            return 1
        line += piece
    wan = Wan(msgspec.json.decode(line, type=WanPlan))
    print(json.dumps({"ready": os.getpid()}), flush=True)
    while True:
        if wan.step([control]):
            if not os.read(control, _MOST_BYTES):
                return 0
            wan.report.cpu = time.process_time()
            print(msgspec.json.encode(wan.report).decode(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
