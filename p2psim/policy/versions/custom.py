"""A user's own policy: one compiled function that decides, segment by segment, what a queue pass does.

::

    # my_policies.py
    from p2psim.policy.versions.custom import BY_HTTP, BY_P2P, WAIT, decision

    @decision
    def peers_first(facts):
        if facts.holders > 0:
            return BY_P2P
        return BY_HTTP if facts.urgent else WAIT

A scenario names it: ``policy.name = "my_policies:peers_first"``. It is asked about each segment of the queue, in
order, that is not there yet, and takes the place of the rules of 2.3 and of their random prefetch; all else (slots,
time-outs, choice of the peer, storage) stays. `p2psim.policy.facts.Facts` lists what it may read. Simulated and
aiortc viewers obey it alike.
"""

import importlib
from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import cfunc, config, njit, types
from numba.core.errors import NumbaError
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

from p2psim.compiled import entry, inner
from p2psim.errors import ScenarioError
from p2psim.policy.facts import FACT, Facts, collect
from p2psim.policy.queue import in_window, is_offered
from p2psim.policy.queue_pass import (
    Pass,
    abort_request,
    assign_urgent,
    begin_pass,
    free_slot,
    is_settled,
    is_urgent,
    serve_urgent,
    start_http,
    start_p2p,
)
from p2psim.policy.state.commands import Commands
from p2psim.policy.state.options import Options
from p2psim.policy.state.records import HTTP, P2P, Loaders, Timeline
from p2psim.policy.state.requests import find
from p2psim.policy.versions import v2_3
from p2psim.scenario.policy import Policy

__all__ = [
    "BY_HTTP",
    "BY_P2P",
    "STANDARD",
    "WAIT",
    "Decision",
    "address_of",
    "decision",
    "option_overrides",
    "queue_pass",
    "wakes_at",
]

WAIT, BY_HTTP, BY_P2P, STANDARD = range(4)
"""Results of a decision: leave the segment as it is, fetch it over HTTP, from a peer, or as 2.3 would."""

Rule = Callable[[Any], int]
_DECISIONS: dict[int, "Decision"] = {}
_INTERPRETED: Final = bool(getattr(config, "DISABLE_JIT", False))


class Decision:
    """A decision that compiled code can call."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._native = None if _INTERPRETED else _native(rule)
        self.address: int = id(self) if self._native is None else self._native.address
        _DECISIONS[self.address] = self

    def __call__(self, facts: Facts) -> int:
        """Decide, in plain Python."""
        return self.rule(facts)


def decision(rule: Rule) -> Decision:
    """Compile a function of the facts (`Facts`) that returns WAIT, BY_HTTP, BY_P2P or STANDARD.

    Raises ScenarioError for a function that cannot be compiled.
    """
    return Decision(rule)


def _native(rule: Rule) -> Any:
    compiled = njit(rule)

    def call(facts):  # type: ignore[no-untyped-def]
        return compiled(numba.carray(facts, (1,), FACT)[0])  # type: ignore[attr-defined]

    try:
        return cfunc("int64(voidptr)")(call)
    except NumbaError as error:
        name = getattr(rule, "__name__", repr(rule))
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise ScenarioError(
            f"decision {name}: cannot be compiled ({reason}); it reads facts by "
            f"name (facts.holders) and returns WAIT, BY_HTTP, BY_P2P or STANDARD; facts: {', '.join(Facts._fields)}"
        ) from None


def address_of(name: str) -> int:
    """Return the address of the decision that a scenario names as ``package.module:function``.

    Raises ScenarioError if there is none.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ScenarioError(f"policy.name = {name!r}: {error}") from None
    if not isinstance(found, Decision):
        raise ScenarioError(
            f"policy.name = {name!r}: a function decorated with p2psim.policy.versions.custom.decision is expected"
        )
    return found.address


@intrinsic
def _call_native(_context: Any, address: Any, facts: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.IntType(64), [pointer])
        function = builder.inttoptr(values[0], kind.as_pointer())
        array = make_array(signature.args[1])(context, builder, values[1])  # type: ignore[no-untyped-call]
        return builder.call(function, [builder.bitcast(array.data, pointer)])

    return types.int64(address, facts), generate


@entry
def _call_compiled(address: int, facts: NDArray[np.float64]) -> int:
    return _call_native(address, facts)  # type: ignore[call-arg]


def _call_interpreted(address: int, facts: NDArray[np.float64]) -> int:
    return int(_DECISIONS[address](Facts(*facts)))


_call_decision = _call_interpreted if _INTERPRETED else _call_compiled


wakes_at = v2_3.wakes_at


def option_overrides(policy: Policy) -> dict[str, Any]:
    """Return the address of the decision."""
    return {"decide": address_of(policy.name)}


@inner
def queue_pass(L: Loaders, o: Options, T: Timeline, v: int, now: float, out: Commands) -> float:
    """Ask the user's function about each segment of the queue that is not there yet."""
    q = begin_pass(L, o, T, v, now, out)
    serve_urgent(L, o, v, q.held, out)
    for segment in range(q.begin, q.end):
        if not is_settled(L, v, segment):
            _obey(L, o, T, v, segment, q, out)
    return q.loaded


@inner
def _obey(L: Loaders, o: Options, T: Timeline, v: int, segment: int, q: Pass, out: Commands) -> None:
    """Do with one segment what the user's own function says."""
    facts = collect(L, o, T, v, segment, q)
    for k in range(len(facts)):
        out.facts[k] = facts[k]
    choice, i = _call_decision(o.decide, out.facts), find(L, v, segment)
    if choice == STANDARD:
        if is_urgent(L, T, v, segment, q):
            assign_urgent(L, o, v, i, segment, q, out)
        elif (
            facts.loading == 0
            and facts.p2p_free > 0
            and is_offered(L, v, segment)
            and in_window(L, T, v, segment, q.windows.p2p)
        ):
            start_p2p(L, v, segment, out)
    elif choice == BY_HTTP and facts.loading != HTTP and free_slot(L, v, HTTP, o.http_slots, segment, q.end, out):
        if facts.loading == P2P:
            abort_request(L, v, find(L, v, segment), out)
        start_http(L, v, segment, out)
    elif choice == BY_P2P and facts.loading == 0 and free_slot(L, v, P2P, o.p2p_slots, segment, q.end, out):
        start_p2p(L, v, segment, out)
