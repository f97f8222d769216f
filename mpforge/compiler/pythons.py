"""Check a spec's Pythons against the project's Requires-Python (core metadata).

A wheel's tag has no patch level, so a Python is excluded only if no release of its minor version is
allowed. Knows nothing of interpreters.
"""

import functools
from collections.abc import Iterable

from mpforge.formats.requirements import specifier
from mpforge.plan.facts import ProjectFacts
from mpforge.plan.sessions import Refusal

# No minor version of CPython or PyPy had more releases.
_PATCHES = range(100)


def minor_of(python: str) -> int:
    """Return the minor version: ``cp311``, ``cp313t`` → 11, 13."""
    return int(python[3:].removesuffix("t"))


def lowest(words: Iterable[str]) -> str | None:
    """Return the lowest CPython with the GIL: its abi3 wheel serves the others."""
    able = [word for word in words if word.startswith("cp") and not word.endswith("t")]
    return min(able, key=minor_of, default=None)


def exclusion(project: ProjectFacts, python: str | None) -> str | None:
    """Return the reason why the project has no wheel for a Python; None if it may have one."""
    wanted = project.requires_python
    if python is None or wanted is None or allows(wanted, python):
        return None
    return f"{project.requires_python_by} is {wanted}"


@functools.cache
def allows(requires_python: str, python: str) -> bool:
    """Return whether a Requires-Python (PEP 440) allows any release of a Python like ``cp311``."""
    allowed = specifier(requires_python)
    minor = minor_of(python)
    return any(allowed.contains(f"3.{minor}.{patch}") for patch in _PATCHES)


def all_excluded(project: ProjectFacts, pythons: Iterable[str]) -> Refusal | None:
    """Return a refusal if the project allows none of the spec's Pythons."""
    words = tuple(dict.fromkeys(pythons))
    reasons = [exclusion(project, python) for python in words]
    if not words or None in reasons:
        return None
    return Refusal(
        "wrong-input",
        f"{reasons[0]}, which excludes every Python of the spec: {', '.join(words)}",
        hint="name other Pythons in project.python",
    )
