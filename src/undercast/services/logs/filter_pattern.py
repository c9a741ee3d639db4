"""CloudWatch Logs' filter patterns, compiled to a predicate on messages.

Three languages share one syntax: terms (`ERROR -retry ?timeout "a phrase" %re+gex%`), JSON selectors
(`{ $.level = "error" && $.ms > 100 }`) and space-delimited fields (`[ip, user, status = 5*, ...]`).

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson
import re2

from undercast.services.base import AwsError

Predicate = Callable[[str], bool]
_MISSING = object()

_TERM = re.compile(r'\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|%((?:[^%\\]|\\.)+)%|([^\s"]+))')
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<op>&&|\|\||!=|>=|<=|=|<|>|\(|\)|,|\.\.\.)
      | (?P<path>\$(?:\.[\w:-]+|\[\s*(?:\d+|\*|"[^"]*")\s*\]|\.\[\s*(?:\d+|\*)\s*\])*)
      | "(?P<text>(?:[^"\\]|\\.)*)"
      | %(?P<regex>(?:[^%\\]|\\.)+)%
      | (?P<word>[^\s"&|=!<>(),]+)
    )""",
    re.VERBOSE,
)
_STEP = re.compile(r'\.?\[\s*(?:(\d+)|(\*)|"([^"]*)")\s*\]|\.([\w:-]+)')


def compile_pattern(pattern: str | None) -> Predicate:
    """A predicate for a filter pattern; none, or an empty one, takes every message.

    Raises InvalidParameterException for a pattern that does not parse.
    """
    text = (pattern or "").strip()
    if not text:
        return lambda message: True
    if text.startswith("{") and text.endswith("}"):
        return _JsonPattern(text[1:-1]).compile()
    if text.startswith("[") and text.endswith("]"):
        return _fields(text[1:-1])
    if text[0] in "{[":  # not closed; a term that begins so has to be quoted
        raise _invalid()
    return _terms(text)


def _invalid() -> AwsError:
    return AwsError("InvalidParameterException", "Invalid filter pattern")


def _regex(source: str) -> Callable[[str], bool]:
    # RE2 answers in time linear in the message, whatever the pattern.
    try:
        compiled = re2.compile(source)
    except re2.error as error:
        raise _invalid() from error
    return lambda message: compiled.search(message) is not None


def _terms(text: str) -> Predicate:
    required: list[Predicate] = []
    optional: list[Predicate] = []
    excluded: list[Predicate] = []
    end = 0
    while end < len(text.rstrip()):
        found = _TERM.match(text, end)
        if found is None:
            raise _invalid()
        end = found.end()
        sign, phrase, regex, word = found.groups()
        test = _regex(regex) if regex is not None else _contains(_unescaped(phrase) if word is None else word)
        {"?": optional, "-": excluded, "": required}[sign].append(test)

    def matches(message: str) -> bool:
        if any(test(message) for test in excluded) or not all(test(message) for test in required):
            return False
        # As AWS has it: optional terms decide only where no term is required.
        return bool(required) or not optional or any(test(message) for test in optional)

    return matches


def _contains(term: str) -> Predicate:
    return lambda message: term in message


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


class _JsonPattern:
    """A recursive-descent parser of `{ ... }`: or-expressions of and-expressions of comparisons."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0

    def compile(self) -> Predicate:
        test = self._either()
        if self._next != len(self._tokens):
            raise _invalid()

        def matches(message: str) -> bool:
            try:
                document = orjson.loads(message)
            except orjson.JSONDecodeError:
                return False
            return isinstance(document, dict | list) and test(document)

        return matches

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._next += 1
        return token

    def _either(self) -> Callable[[Any], bool]:
        tests = [self._both()]
        while self._peek() == ("op", "||"):
            self._take()
            tests.append(self._both())
        return lambda document: any(test(document) for test in tests)

    def _both(self) -> Callable[[Any], bool]:
        tests = [self._one()]
        while self._peek() == ("op", "&&"):
            self._take()
            tests.append(self._one())
        return lambda document: all(test(document) for test in tests)

    def _one(self) -> Callable[[Any], bool]:
        kind, value = self._take()
        if (kind, value) == ("op", "("):
            inner = self._either()
            if self._take() != ("op", ")"):
                raise _invalid()
            return inner
        if kind != "path":
            raise _invalid()
        select = _selector(value)
        kind, operator = self._take()
        if kind == "word":
            return self._keyword(select, operator.upper())
        if kind != "op" or operator not in _OPERATORS:
            raise _invalid()
        compare = _comparison(operator, *self._take())
        return lambda document: any(compare(found) for found in select(document))

    def _keyword(self, select: Callable[[Any], list[Any]], word: str) -> Callable[[Any], bool]:
        _, second = self._take()
        phrase = f"{word} {second.upper()}"
        if phrase == "NOT EXISTS":
            return lambda document: not select(document)
        if phrase == "IS NULL":
            return lambda document: any(found is None for found in select(document))
        if phrase in ("IS TRUE", "IS FALSE"):
            wanted = phrase == "IS TRUE"
            return lambda document: any(found is wanted for found in select(document))
        raise _invalid()


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    end, text = 0, text.rstrip()
    while end < len(text):
        found = _TOKEN.match(text, end)
        if found is None or found.lastgroup is None:
            raise _invalid()
        tokens.append((found.lastgroup, found.group(found.lastgroup)))
        end = found.end()
    return tokens


def _selector(path: str) -> Callable[[Any], list[Any]]:
    steps: list[int | str | None] = []
    for index, star, quoted, name in _STEP.findall(path[1:]):
        steps.append(int(index) if index else None if star else quoted or name)

    def select(document: Any) -> list[Any]:
        found = [document]
        for step in steps:
            found = [inner for outer in found for inner in _children(outer, step)]
        return found

    return select


def _children(outer: Any, step: int | str | None) -> list[Any]:
    if step is None:
        return list(outer) if isinstance(outer, list) else []
    if isinstance(step, int):
        return [outer[step]] if isinstance(outer, list) and step < len(outer) else []
    return [outer[step]] if isinstance(outer, dict) and step in outer else []


_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
}


def _comparison(operator: str, kind: str, value: str) -> Callable[[Any], bool]:
    if kind not in ("text", "regex", "word"):
        raise _invalid()
    number = _number(value) if kind == "word" else None
    if number is not None:
        test = _OPERATORS[operator]
        return lambda found: (actual := _number(found)) is not None and test(actual, number)
    if operator not in ("=", "!="):
        raise _invalid()
    match = _regex(value) if kind == "regex" else _wildcard(_unescaped(value) if kind == "text" else value)
    equal = operator == "="
    return lambda found: isinstance(found, str | int | float) and match(_shown(found)) is equal


def _shown(found: str | int | float) -> str:
    return found if isinstance(found, str) else orjson.dumps(found).decode()


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _wildcard(text: str) -> Predicate:
    if "*" not in text:
        return lambda found: found == text
    pattern = re.compile(".*".join(map(re.escape, re.sub(r"\*+", "*", text).split("*"))), re.DOTALL)
    return lambda found: pattern.fullmatch(found) is not None


def _fields(text: str) -> Predicate:
    tests: list[Callable[[str], bool] | None] = []
    rest_at: int | None = None
    for part in _split_fields(text):
        if part == "...":
            if rest_at is not None:
                raise _invalid()
            rest_at = len(tests)
        else:
            tests.append(_field(part))

    def matches(message: str) -> bool:
        found = _words(message)
        if rest_at is None:
            if len(found) != len(tests):
                return False
        else:
            skipped = len(found) - len(tests)
            if skipped < 0:
                return False
            found = found[:rest_at] + found[rest_at + skipped :]
        return all(test is None or test(word) for test, word in zip(tests, found, strict=True))

    return matches


def _split_fields(text: str) -> list[str]:
    return [part.strip() for part in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', text)]


def _field(part: str) -> Callable[[str], bool] | None:
    """The test of one field: `name`, `name = value`, `name != a && name != b`, or `name = a || name = b`."""
    tokens = _tokens(part)
    if len(tokens) <= 1:
        return None
    either: list[list[Callable[[Any], bool]]] = [[]]
    while tokens:
        if len(tokens) < 3 or tokens[1][1] not in _OPERATORS:
            raise _invalid()
        either[-1].append(_comparison(tokens[1][1], *tokens[2]))
        joint, tokens = tokens[3:4], tokens[4:]
        if joint == [("op", "||")]:
            either.append([])
        elif joint not in ([], [("op", "&&")]):
            raise _invalid()
    return lambda word: any(all(test(word) for test in tests) for tests in either)


_WORD = re.compile(r'"([^"]*)"|\[([^\]]*)\]|(\S+)')


def _words(message: str) -> list[str]:
    """The space-delimited fields of a message; quotes and brackets hold one field together."""
    return [quoted or bracketed or plain for quoted, bracketed, plain in _WORD.findall(message)]
