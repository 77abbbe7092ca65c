import pytest

from tests.policy.behaviour import behaviour


@pytest.mark.parametrize(
    ("source", "segment", "ms", "expected"),
    [
        (None, 1, 0, "ok"),
        ('() => "silent"', 1, 0, "silent"),
        ("i => 'stall'", 1, 0, "stall"),
        ('(i) => (i === 5 ? "absent" : "ok")', 5, 0, "absent"),
        ('(i) => (i === 5 ? "absent" : "ok")', 6, 0, "ok"),
        ('(id, t) => (id === 1 && t < 5000 ? "hang" : "ok")', 1, 4999.5, "hang"),
        ('(id, t) => (id === 1 && t < 5000 ? "hang" : "ok")', 1, 5000, "ok"),
        ('(i, t) => i % 2 !== 0 || t > 10 * (3 - 1) ? "a" : i >= 4 ? "b" : "c"', 4, 20, "b"),
        ('(i) => { return [1, 2].includes(i) ? "a" : !i ? "b" : "c"; }', 2, 0, "a"),
        ('(i) => { return [1, 2].includes(i) ? "a" : !i ? "b" : "c"; }', 0, 0, "b"),
    ],
)
def test_says_what_javascript_would(source: str | None, segment: int, ms: float, expected: str) -> None:
    assert behaviour(source)(segment, ms) == expected


@pytest.mark.parametrize("source", ["() => fetch(1)", "() => `x`", "() => 1 2", "() => {let a = 1; return a}"])
def test_refuses_what_it_does_not_know(source: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        behaviour(source)(1, 0.0)
