"""The grammar of label selectors, apart from their meaning: text in, (key, operator, values) out.

    selector     = [ requirement { "," requirement } ]
    requirement  = KEY | "!" KEY | KEY ("=" | "==" | "!=" | ">" | "<") [VALUE] | KEY ("in" | "notin") "(" values ")"

`in` and `notin` are words of the grammar only where an operator stands; elsewhere they are keys and values like any
other. Values may be empty. What is wrong is said as Kubernetes says it, since its users search for those sentences.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Term = tuple[str, str, list[str]]

# Longest first. A run of symbols that starts with none of them is an error token of its own.
_TOKEN = re.compile(r"[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^=!(),<> \t\r\n]+))?")
_BINARY = {"in": "in", "notin": "notin", "=": "=", "==": "==", "!=": "!=", ">": "gt", "<": "lt"}
_END = ""
_WORD = "word"


class GrammarError(ValueError):
    """The text does not follow the grammar."""


class Parser:
    """Reads one selector's text. `check_key` may raise for a key that no label can have."""

    def __init__(self, text: str, check_key: Callable[[str], None]) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._check_key = check_key

    def terms(self) -> list[Term]:
        """All requirements in the order written. Raises `GrammarError`, or what `check_key` raises."""
        terms: list[Term] = []
        kind, text = self._peek()
        if kind == _END:
            return terms
        if kind not in (_WORD, "!"):
            raise GrammarError(f"found '{text}', expected: !, identifier, or 'end of string'")
        while True:
            terms.append(self._term())
            kind, text = self._take()
            if kind == _END:
                return terms
            if kind != ",":
                raise GrammarError(f"found '{text}', expected: ',' or 'end of string'")
            kind, text = self._peek()
            if kind not in (_WORD, "!"):
                raise GrammarError(f"found '{text}', expected: identifier after ','")

    def _term(self) -> Term:
        negated = self._peek()[0] == "!"
        if negated:
            self._take()
        kind, key = self._take()
        if kind != _WORD:
            raise _requirement_error(f"found '{key}', expected: identifier")
        self._check_key(key)
        if self._peek()[0] in (_END, ","):
            return key, "!" if negated else "exists", []
        if negated:
            # `!a=b`: Kubernetes ends the requirement at the key and stumbles over what follows.
            return key, "!", []
        _, word = self._take()
        operator = _BINARY.get(word)
        if operator is None:
            raise _requirement_error(f"found '{word}', expected: in, notin, =, ==, !=, gt, lt")
        return key, operator, self._value_set() if operator in ("in", "notin") else self._value()

    def _value(self) -> list[str]:
        kind, text = self._peek()
        if kind in (_END, ","):
            return [""]
        self._take()
        if kind != _WORD:
            raise _requirement_error(f"found '{text}', expected: identifier")
        return [text]

    def _value_set(self) -> list[str]:
        """The values in parentheses; between commas, and beside them, nothing at all is the empty value."""
        kind, text = self._take()
        if kind != "(":
            raise _requirement_error(f"found '{text}' expected: '('")
        kind, text = self._peek()
        if kind not in (_WORD, ",", ")"):
            raise _requirement_error(f"found '{text}', expected: ',', ')' or identifier")
        values = {""} if kind in (",", ")") else set()
        while True:
            kind, text = self._take()
            if kind == ")":
                return sorted(values)
            after, after_text = self._peek()
            if kind == _WORD:
                values.add(text)
                if after not in (",", ")"):
                    raise _requirement_error(f"found '{after_text}', expected: ',' or ')'")
            elif kind == ",":
                if after in (",", ")"):
                    values.add("")
            else:
                raise _requirement_error(f"found '{text}', expected: ',', or identifier")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at]

    def _take(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        # The end is never passed: whoever asks again is told of the end again.
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token


def _requirement_error(message: str) -> GrammarError:
    return GrammarError(f"unable to parse requirement: {message}")


def _tokens(text: str) -> list[tuple[str, str]]:
    """(kind, text) pairs: a symbol is its own kind. The last token is always the end."""
    tokens: list[tuple[str, str]] = []
    for match in _TOKEN.finditer(text):
        symbol, word = match.groups()
        if symbol:
            tokens.append((symbol, symbol))
        elif word:
            tokens.append((_WORD, word))
    tokens.append((_END, ""))
    return tokens
