"""Expand the files and paths among a spec's requirements."""

from collections.abc import Iterable

from mpforge.plan.facts import Listed, ProjectFacts


def requirements(project: ProjectFacts, entries: Iterable[str]) -> set[str]:
    """Return the requirements of entries of ``requires``."""
    return {text for one in _listed(project, entries) for text in one.requirements}


def constraints(
    project: ProjectFacts, entries: Iterable[str], required: Iterable[str]
) -> tuple[str, ...]:
    """Return the constraints, sorted, of entries of ``constraints`` and of files that ``required`` names."""
    found = {text for one in _listed(project, required) for text in one.constraints}
    for one in _listed(project, entries):
        found |= {*one.requirements, *one.constraints}
    return tuple(sorted(found))


def _listed(project: ProjectFacts, entries: Iterable[str]) -> list[Listed]:
    known = {one.entry: one for one in project.listed}
    return [known.get(entry) or Listed(entry, (entry,)) for entry in entries]
