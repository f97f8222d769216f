"""Which Pythons of a spec the project allows: its Requires-Python (core metadata) against the words.

A wheel's tag has no patch level, so a Python is excluded only where no release of its minor version is
allowed. Knows nothing of interpreters.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mpforge.plan.facts import ProjectFacts
from mpforge.plan.model import Refusal
from mpforge.spec.finding import Finding, Path
from mpforge.spec.options import all_pythons, target_names, targets

if TYPE_CHECKING:
    from mpforge.spec.model import Spec

# No minor version of CPython or PyPy had more releases.
_PATCHES = range(100)


def minor_of(python: str) -> int:
    """``cp311``, ``cp313t`` → 11, 13."""
    return int(python[3:].removesuffix("t"))


def lowest(words: Iterable[str]) -> str | None:
    """The lowest CPython with the GIL: its abi3 wheel serves the others."""
    able = [word for word in words if word.startswith("cp") and not word.endswith("t")]
    return min(able, key=minor_of, default=None)


def exclusion(project: ProjectFacts, python: str | None) -> str | None:
    """Why the project has no wheel for a Python, in words; None where it may have."""
    wanted = project.requires_python
    if python is None or wanted is None or allows(wanted, python):
        return None
    return f"{project.requires_python_by} is {wanted}"


@functools.cache
def allows(requires_python: str, python: str) -> bool:
    """Whether a Requires-Python (PEP 440) allows any release of a Python like ``cp311``."""
    from packaging.specifiers import SpecifierSet

    allowed = SpecifierSet(requires_python)
    minor = minor_of(python)
    return any(allowed.contains(f"3.{minor}.{patch}") for patch in _PATCHES)


def all_excluded(project: ProjectFacts, pythons: Iterable[str]) -> Refusal | None:
    """The refusal of a spec none of whose Pythons the project allows."""
    words = tuple(dict.fromkeys(pythons))
    reasons = [exclusion(project, python) for python in words]
    if not words or None in reasons:
        return None
    return Refusal(
        "wrong-input",
        f"{reasons[0]}, which excludes every Python of the spec: {', '.join(words)}",
        hint="name others in project.python",
    )


def findings(spec: "Spec", project: ProjectFacts) -> Iterator[Finding]:
    """What ``check`` says of Pythons that the project does not allow."""
    whole = all_excluded(project, (p for target in targets(spec) for p in target.pythons))
    if whole is not None:
        yield Finding("python-excluded", ("project", "python"), whole.what)
        return
    own = [name for name in target_names(spec) if _gives_pythons(spec, name)]
    paths: list[tuple[Path, tuple[str, ...]]] = [(("project", "python"), spec.project.python)]
    paths += [(("targets", name, "python"), all_pythons(spec, name)) for name in own]
    for path, words in paths:
        for number, python in enumerate(words):
            reason = exclusion(project, python)
            if reason is not None:
                message = f"{python} will not run: {reason}"
                yield Finding("python-excluded", (*path, number), message, warning=True)


def _gives_pythons(spec: "Spec", target: str) -> bool:
    return target in spec.targets and spec.targets[target].python is not None
