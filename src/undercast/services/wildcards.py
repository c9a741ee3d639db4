"""IAM's wildcards."""

from __future__ import annotations


def matches(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern: `*` stands for any text, `?` for one character.

    By hand and in quadratic time at worst: patterns come from users and functions, and a regular expression
    made of a hostile one could keep the whole server busy.
    """
    star = -1
    mark = 0
    i = j = 0
    while i < len(text):
        if j < len(pattern) and pattern[j] == "*":
            star, mark = j, i
            j += 1
        elif j < len(pattern) and pattern[j] in ("?", text[i]):
            i += 1
            j += 1
        elif star >= 0:
            mark += 1
            i, j = mark, star + 1
        else:
            return False
    return all(rest == "*" for rest in pattern[j:])


def arn_like(pattern: str, arn: str) -> bool:
    """ArnLike: six parts between colons, each matched by itself, `*` and `?` being wildcards.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    wanted, actual = pattern.split(":", 5), arn.split(":", 5)
    return len(wanted) == len(actual) and all(map(matches, wanted, actual))
