"""A user's own policy: one compiled function that decides, segment by segment, what a queue pass does.

::

    # my_policies.py
    from p2psim.policy.custom import BY_HTTP, BY_P2P, FACTS, WAIT, decision

    HOLDERS, URGENT = FACTS.index("holders"), FACTS.index("urgent")

    @decision
    def peers_first(facts):
        if facts[HOLDERS] > 0:
            return BY_P2P
        return BY_HTTP if facts[URGENT] else WAIT

A scenario names it: ``policy.name = "my_policies:peers_first"``. It is asked about each segment of the queue, in
order, that is not there yet, and takes the place of the rules of 2.3 and of their random prefetch; all else (slots,
time-outs, choice of the peer, storage) stays. Simulated and aiortc viewers obey it alike.
"""

import importlib
from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import cfunc, config, njit, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

from p2psim.compiled import entry
from p2psim.errors import ScenarioError

__all__ = ["BY_HTTP", "BY_P2P", "FACTS", "STANDARD", "WAIT", "Decision", "address_of", "call_decision", "decision"]

WAIT, BY_HTTP, BY_P2P, STANDARD = range(4)
"""What a decision gives: leave it as it is, fetch it over HTTP, from a peer, or as 2.3 would."""

FACTS: Final = (
    "start",  # of the segment, seconds of media time
    "end",
    "position",  # of the playhead
    "rate",  # of play
    "high_demand",  # length of the high-demand window, seconds
    "holders",  # neighbours that announce the segment as stored
    "fetchers",  # neighbours that announce it as being loaded over HTTP
    "neighbours",
    "urgent",  # 1: it is in the high-demand window
    "loading",  # 0: no; 1: over HTTP; 2: from a peer
    "http_failures",  # failed attempts over HTTP
    "http_free",  # free slots
    "p2p_free",
    "held",  # 1: the initial hold of HTTP is on
    "awaited",  # 1: the player waits for it
    "draw",  # at random from [0, 1)
)
"""What a decision is given, in order."""

Rule = Callable[[NDArray[np.float64]], int]
_ADDRESSES: dict[int, "Decision"] = {}
_INTERPRETED: Final = bool(getattr(config, "DISABLE_JIT", False))


class Decision:
    """A decision that compiled code can call."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._native = None if _INTERPRETED else _native(rule)
        self.address: int = id(self) if self._native is None else self._native.address
        _ADDRESSES[self.address] = self

    def __call__(self, facts: NDArray[np.float64]) -> int:
        """Decide, in plain Python."""
        return self.rule(facts)


def decision(rule: Rule) -> Decision:
    """Compile a function of the facts that gives WAIT, BY_HTTP, BY_P2P or STANDARD."""
    return Decision(rule)


def _native(rule: Rule) -> Any:
    count, compiled = len(FACTS), njit(rule)

    @cfunc("int64(CPointer(float64))")
    def call(facts):  # type: ignore[no-untyped-def]
        return compiled(numba.carray(facts, (count,)))  # type: ignore[attr-defined]

    return call


def address_of(name: str) -> int:
    """Find the decision that a scenario names as ``package.module:function``; ScenarioError if there is none."""
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ScenarioError(f"policy.name = {name!r}: {error}") from None
    if not isinstance(found, Decision):
        raise ScenarioError(
            f"policy.name = {name!r}: a function decorated with p2psim.policy.custom.decision is expected"
        )
    return found.address


@intrinsic
def _call_native(_context: Any, address: Any, facts: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [ir.DoubleType().as_pointer()])
        pointer = builder.inttoptr(values[0], kind.as_pointer())
        array = make_array(signature.args[1])(context, builder, values[1])  # type: ignore[no-untyped-call]
        return builder.call(pointer, [array.data])

    return types.int64(address, facts), generate


@entry
def _call_compiled(address: int, facts: NDArray[np.float64]) -> int:
    return _call_native(address, facts)  # type: ignore[call-arg]


def _call_interpreted(address: int, facts: NDArray[np.float64]) -> int:
    return int(_ADDRESSES[address](facts))


call_decision = _call_interpreted if _INTERPRETED else _call_compiled
