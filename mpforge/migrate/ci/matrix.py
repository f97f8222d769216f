"""Expand the matrix of a GitHub job into its combinations.

Rules: "Running variations of jobs in a workflow" of GitHub's documentation.
"""

import itertools
from collections.abc import Mapping
from typing import Any

from mpforge.migrate.ci.expressions import UNKNOWN, Unknown, interpolated

MOST = 256
"""GitHub's own limit."""


class OpenContext(dict[str, Any]):
    """A context that has more than is known: every other member is unknown."""

    otherwise = UNKNOWN


def combinations(strategy: Any, contexts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the values of ``matrix`` for each job; without a matrix, one whose members are unknown."""
    strategy = interpolated(strategy, contexts)
    matrix = strategy.get("matrix") if isinstance(strategy, dict) else None
    matrix = _evaluated(matrix, contexts)
    if isinstance(strategy, Unknown) or isinstance(matrix, Unknown):
        return [OpenContext()]
    if not isinstance(matrix, dict) or not matrix:
        return [OpenContext()]
    include, exclude = matrix.get("include", []), matrix.get("exclude", [])
    axes = {name: values for name, values in matrix.items() if name not in ("include", "exclude")}
    if isinstance(include, Unknown) and not axes:
        return [OpenContext()]
    found = _product(axes)
    found = [one for one in found if not any(_excludes(rule, one) for rule in _tables(exclude))]
    return _included(found, _tables(include), tuple(axes))[:MOST]


def _evaluated(value: Any, contexts: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _evaluated(inner, contexts) for key, inner in value.items()}
    if isinstance(value, list):
        return [_evaluated(inner, contexts) for inner in value]
    return interpolated(value, contexts)


def _product(axes: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not axes:
        return []
    listed = [
        values if isinstance(values, list) and values else [UNKNOWN] for values in axes.values()
    ]
    choices = itertools.islice(itertools.product(*listed), MOST * 4)
    return [dict(zip(axes, choice, strict=True)) for choice in choices]


def _tables(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _excludes(rule: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    """Return whether an exclusion names this combination; a partial one excludes all that have its values."""
    return bool(rule) and all(key in one and _same(value, one[key]) for key, value in rule.items())


def _same(rule: Any, value: Any) -> bool:
    if isinstance(rule, dict) and isinstance(value, dict):
        return all(key in value and _same(inner, value[key]) for key, inner in rule.items())
    return not isinstance(rule, Unknown) and not isinstance(value, Unknown) and bool(rule == value)


def _included(
    found: list[dict[str, Any]], include: list[dict[str, Any]], axes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Add each included table to the combinations that it does not contradict, else as one of its own."""
    originals = [dict(one) for one in found]
    result = [dict(one) for one in found]
    for table in include:
        shared = [key for key in table if key in axes]
        fits = [
            n
            for n, original in enumerate(originals)
            if all(_same(table[k], original[k]) for k in shared)
        ]
        for n in fits:
            result[n] |= table
        if not fits:
            result.append(dict(table))
    return result or [{}]
