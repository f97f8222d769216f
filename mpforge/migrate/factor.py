"""Write options that many wheels have as few tables: common ones once, the rest as overrides.

Every wheel's options are leaves by path, such as ``("build", "environment", "CFLAGS")``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Pair = tuple[str, str]
"""A target and a Python."""
Leaves = Mapping[tuple[str, ...], Any]

_TABLES = frozenset({"environment", "config-settings", "repair"})


def leaves_of(sections: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, ...], Any]:
    """Return the leaves of a wheel's ``build`` and ``test`` tables."""
    found: dict[tuple[str, ...], Any] = {}
    for section, table in sections.items():
        for key, value in table.items():
            if key in _TABLES and isinstance(value, dict):
                found |= {(section, key, name): inner for name, inner in value.items()}
            else:
                found[section, key] = value
    return found


def factored(wheels: Mapping[Pair, Leaves]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the common tables, and overrides with the leaves of those wheels that differ.

    A leaf is common if every wheel has it; the common value is the most frequent one. What is left is
    grouped by the wheels that share it; their ``select`` is the shortest.
    """
    base: dict[str, Any] = {}
    groups: dict[tuple[Pair, ...], dict[str, Any]] = {}
    paths = dict.fromkeys(path for leaves in wheels.values() for path in leaves)
    for path in paths:
        by_value: dict[str, list[Pair]] = {}
        for pair, leaves in wheels.items():
            if path in leaves:
                by_value.setdefault(repr(leaves[path]), []).append(pair)
        ordered = sorted(by_value.values(), key=len, reverse=True)
        if sum(map(len, ordered)) == len(wheels):
            common = ordered.pop(0)
            _put(base, path, wheels[common[0]][path])
        for pairs in ordered:
            _put(groups.setdefault(tuple(pairs), {}), path, wheels[pairs[0]][path])
    matrix: dict[str, list[str]] = {}
    for target, python in wheels:
        matrix.setdefault(target, []).append(python)
    overrides = [
        {"select": _one_or_more(selecting(pairs, matrix)), **options}
        for pairs, options in groups.items()
    ]
    return base, overrides


def _put(tables: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        tables = tables.setdefault(key, {})
    tables[path[-1]] = value


def _one_or_more(globs: list[str]) -> str | list[str]:
    return globs[0] if len(globs) == 1 else globs


def selecting(chosen: Sequence[Pair], matrix: Mapping[str, Sequence[str]]) -> list[str]:
    """Return short globs over TARGET-PYTHON that select exactly ``chosen`` of ``matrix``."""
    wanted = set(chosen)
    pairs = [(target, python) for target, found in matrix.items() for python in found]
    if wanted >= set(pairs):
        return ["*"]
    pythons = dict.fromkeys(python for _, python in pairs)
    across = [p for p in pythons if all(pair in wanted for pair in pairs if pair[1] == p)]
    globs = [f"*-{python}" for python in across]
    left = {pair for pair in wanted if pair[1] not in across}
    whole = [t for t, found in matrix.items() if all((t, p) in wanted for p in found)]
    if whole and len(whole) + sum(t not in whole for t, _ in wanted) <= len(globs) + len(left):
        globs = [f"{target}-*" for target in whole]
        left = {pair for pair in wanted if pair[0] not in whole}
    return [*globs, *(f"{target}-{python}" for target, python in pairs if (target, python) in left)]
