"""Requirements of a spec with what its files and paths stand for in their place."""

from collections.abc import Iterable

from mpforge.plan.facts import Listed, ProjectFacts


def requirements(project: ProjectFacts, entries: Iterable[str]) -> set[str]:
    """What entries of ``requires`` ask for."""
    return {text for one in _listed(project, entries) for text in one.requirements}


def constraints(
    project: ProjectFacts, entries: Iterable[str], required: Iterable[str]
) -> tuple[str, ...]:
    """What entries of ``constraints``, and files that those of ``required`` name, constrain; sorted."""
    found = {text for one in _listed(project, required) for text in one.constraints}
    for one in _listed(project, entries):
        found |= {*one.requirements, *one.constraints}
    return tuple(sorted(found))


def _listed(project: ProjectFacts, entries: Iterable[str]) -> list[Listed]:
    known = {one.entry: one for one in project.listed}
    return [known.get(entry) or Listed(entry, (entry,)) for entry in entries]
