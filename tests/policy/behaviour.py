"""Behaviours of the recorder's fake server and peers, such as ``(i, t) => (i === 2 ? "error" : "ok")``.

Its file keeps them as JavaScript: arrow functions of one expression, with numbers, strings, comparisons, logic,
arithmetic, ternaries, and lists with `includes`.
"""

import operator
import re
from collections.abc import Callable
from typing import Any

__all__ = ["Behaviour", "behaviour"]

Behaviour = Callable[[int, float], str]
Scope = dict[str, Any]
Expression = Callable[[Scope], Any]

_TOKEN = re.compile(
    r"""\s*(?:(\d+(?:\.\d+)?)|"([^"]*)"|'([^']*)'|([A-Za-z_]\w*)"""
    r"|(=>|===|!==|==|!=|<=|>=|&&|\|\||[-+*/%<>!?:()\[\]{},;.]))"
)
_LEVELS: list[dict[str, Callable[[Any, Any], Any]]] = [
    {"===": operator.eq, "!==": operator.ne, "==": operator.eq, "!=": operator.ne},
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge},
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.truediv, "%": operator.mod},
]


def behaviour(source: str | None) -> Behaviour:
    """Read a behaviour; none means that all is well."""
    if not source:
        return lambda _id, _ms: "ok"
    parser = _Parser(source)
    names = parser.parameters()
    body = parser.body()
    parser.end()
    return lambda segment, ms: body(dict(zip(names, (segment, ms), strict=False)))


class _Parser:
    def __init__(self, source: str) -> None:
        self._tokens: list[tuple[str, Any]] = []
        offset = 0
        while source[offset:].strip():
            match = _TOKEN.match(source, offset)
            if match is None:
                raise ValueError(f"behaviour {source!r}: unknown at {source[offset:]!r}")
            number, double, single, name, mark = match.groups()
            if number is not None:
                self._tokens.append(("value", float(number)))
            elif double is not None or single is not None:
                self._tokens.append(("value", double if double is not None else single))
            else:
                self._tokens.append(("name", name) if name else ("mark", mark))
            offset = match.end()
        self._at = 0

    def _next(self) -> tuple[str, Any]:
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, mark: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == ("mark", mark):
            self._at += 1
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._accept(mark):
            raise ValueError(f"behaviour: {mark} expected, not {self._tokens[self._at :][:1]}")

    def end(self) -> None:
        if self._at != len(self._tokens):
            raise ValueError(f"behaviour: {self._tokens[self._at]} is too much")

    def parameters(self) -> list[str]:
        names = []
        if self._accept("("):
            while not self._accept(")"):
                names.append(self._next()[1])
                self._accept(",")
        else:
            names.append(self._next()[1])
        self._expect("=>")
        return names

    def body(self) -> Expression:
        if not self._accept("{"):
            return self.expression()
        if self._next() != ("name", "return"):
            raise ValueError("behaviour: a block is a single return")
        result = self.expression()
        self._accept(";")
        self._expect("}")
        return result

    def expression(self) -> Expression:
        condition = self._either()
        if not self._accept("?"):
            return condition
        yes = self.expression()
        self._expect(":")
        no = self.expression()
        return lambda scope: yes(scope) if condition(scope) else no(scope)

    def _either(self) -> Expression:
        left = self._both()
        while self._accept("||"):
            left = (lambda a, b: lambda scope: a(scope) or b(scope))(left, self._both())
        return left

    def _both(self) -> Expression:
        left = self._binary(0)
        while self._accept("&&"):
            left = (lambda a, b: lambda scope: a(scope) and b(scope))(left, self._binary(0))
        return left

    def _binary(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._at < len(self._tokens) and self._tokens[self._at][1] in _LEVELS[level]:
            apply = _LEVELS[level][self._next()[1]]
            left = (lambda f, a, b: lambda scope: f(a(scope), b(scope)))(apply, left, self._binary(level + 1))
        return left

    def _unary(self) -> Expression:
        if self._accept("!"):
            inner = self._unary()
            return lambda scope: not inner(scope)
        if self._accept("-"):
            inner = self._unary()
            return lambda scope: -inner(scope)
        return self._primary()

    def _primary(self) -> Expression:
        if self._accept("("):
            inner = self.expression()
            self._expect(")")
            return inner
        if self._accept("["):
            items = []
            while not self._accept("]"):
                items.append(self.expression())
                self._accept(",")
            self._expect(".")
            if self._next()[1] != "includes":
                raise ValueError("behaviour: of lists only includes is known")
            self._expect("(")
            wanted = self.expression()
            self._expect(")")
            return lambda scope: wanted(scope) in [item(scope) for item in items]
        kind, value = self._next()
        return (lambda scope: scope[value]) if kind == "name" else (lambda _scope: value)
