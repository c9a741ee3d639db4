"""The regular expressions of AWS's models, matched in linear time whatever a caller sends."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import lru_cache

import re2

log = logging.getLogger(__name__)

_JAVA_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})")
# Patterns RE2 has no words for (look-ahead) go to Python's engine, which may take exponential time:
# only texts up to this length are given to it.
_BACKTRACKING_LIMIT = 512

Matcher = Callable[[str], bool]

_REMEMBERED_LENGTH = 256


@lru_cache(maxsize=2048)
def matcher(pattern: str) -> Matcher:
    """Whether a text as a whole satisfies a model's pattern. A pattern nobody can read accepts everything."""
    options = re2.Options()
    options.log_errors = False
    try:
        linear = re2.compile(_JAVA_ESCAPE.sub(r"\\x{\1}", pattern), options)
        return _remembering(lambda text: linear.fullmatch(text) is not None)
    except re2.error:
        pass
    try:
        backtracking = re.compile(pattern)
    except re.error:
        log.debug("a model's pattern can not be read: %s", pattern)
        return lambda text: True
    return lambda text: len(text) > _BACKTRACKING_LIMIT or backtracking.fullmatch(text) is not None


def _remembering(fits: Matcher) -> Matcher:
    """Short texts (names, mostly the same ones at every call) are matched once."""
    known = lru_cache(maxsize=1024)(fits)
    return lambda text: known(text) if len(text) <= _REMEMBERED_LENGTH else fits(text)
