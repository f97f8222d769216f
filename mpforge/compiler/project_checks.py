"""Check a spec's Pythons, extras and dependency groups against the project's.

If extras are only known after a build, the built wheel is checked: see ``with_own_extras``.
"""

from collections.abc import Iterable, Iterator

from mpforge.compiler.pythons import all_excluded, exclusion
from mpforge.errors import UnknownExtra, UnknownGroup
from mpforge.formats.requirements import requirement
from mpforge.formats.toml import Path
from mpforge.plan.facts import ProjectFacts
from mpforge.plan.requirements import choices, hashes_of, named, normal_name
from mpforge.plan.sessions import Refusal
from mpforge.platforms import python_words
from mpforge.spec.finding import Finding, finding_at
from mpforge.spec.model import BuildOptions, Spec, TestOptions
from mpforge.spec.options import all_levels, targets
from mpforge.spec.suggest import close_to

_CYCLE = "a project can't be its own build requirement"


def test_refusal(project: ProjectFacts, test: TestOptions) -> Refusal | None:
    """Return why the tests' extras or groups can't be installed, if one is known to be missing."""
    groups = [name for name, _ in project.groups]
    for group in test.groups:
        if named(groups, group) is None:
            what = f"test.groups: pyproject.toml has no dependency group {group!r}"
            return Refusal(UnknownGroup.code, what, hint=choices("its groups", groups, group))
    wanted = [*test.extras, *_extras_named(project, requirements_of(project, test))]
    for extra in wanted:
        if _lacks(project, extra):
            known = _extras(project)
            what = f"{_name(project)} has no extra {extra!r}"
            return Refusal(UnknownExtra.code, what, hint=choices("its extras", known, extra))
    return None


def build_refusal(project: ProjectFacts, build: BuildOptions) -> Refusal | None:
    """Return why a build environment can't be made: it would contain the project itself (PEP 517)."""
    for text in (*project.requires, *project.requirements(build.requires)):
        if _is_own(project, text):
            return Refusal(
                "wrong-input", f"the build requirement {text} is the project itself", _CYCLE
            )
    return None


def requirements_of(project: ProjectFacts, test: TestOptions) -> tuple[str, ...]:
    """Return the tests' requirements besides the project, from the spec and its groups."""
    groups = {normal_name(name): texts for name, texts in project.groups}
    of_groups = [text for name in test.groups for text in groups.get(normal_name(name), ())]
    return tuple(sorted(project.requirements([*test.requires, *of_groups])))


def findings(spec: Spec, project: ProjectFacts) -> Iterator[Finding]:
    """Yield findings about Pythons that the project does not allow, extras and groups that it does not have.

    Also about a project that requires itself.
    """
    yield from _of_pythons(spec, project)
    groups = [name for name, _ in project.groups]
    for level in all_levels(spec):
        path: Path = (*level.path, "test")
        for number, group in enumerate(level.test.groups):
            if named(groups, group) is None:
                yield _unknown(UnknownGroup.code, (*path, "groups"), number, group, groups)
        wanted = [("extras", number, extra) for number, extra in enumerate(level.test.extras)]
        wanted += [
            ("requires", number, extra)
            for number, text in enumerate(level.test.requires)
            for extra in _extras_named(project, project.requirements([text]))
        ]
        for key, number, extra in wanted:
            if _lacks(project, extra):
                yield _unknown(UnknownExtra.code, (*path, key), number, extra, _extras(project))
        for number, text in enumerate(level.build.requires):
            own = project.requirements([text])
            if any(_is_own(project, one) for one in own):
                at = (*level.path, "build", "requires")
                yield finding_at(
                    "cycle", at, f"{text} is the project itself: {_CYCLE}", item=number
                )


def _of_pythons(spec: Spec, project: ProjectFacts) -> Iterator[Finding]:
    """Yield a finding for each Python that the project does not allow."""
    whole = all_excluded(project, (p for target in targets(spec) for p in target.pythons))
    if whole is not None:
        yield Finding("python-excluded", ("project", "python"), whole.what)
        return
    paths: list[tuple[Path, tuple[str, ...]]] = [(("project", "python"), spec.project.python)]
    paths += [
        (("targets", name, "python"), target.python)
        for name, target in spec.targets.items()
        if target.python is not None
    ]
    for path, words in paths:
        for number, python in enumerate(words):
            reason = None if python == python_words.AUTO else exclusion(project, python)
            if reason is not None:
                message = f"{python} will not run: {reason}"
                yield Finding("python-excluded", (*path, number), message, warning=True)


def _unknown(code: str, path: Path, number: int, name: str, known: Iterable[str]) -> Finding:
    names = sorted(known)
    kind = "extra" if code == UnknownExtra.code else "dependency group"
    near = close_to(normal_name(name), [normal_name(other) for other in names])
    listed = f"; it has {', '.join(names)}" if names else ""
    nearest = named(names, near) if near else None
    return finding_at(
        code, path, f"the project has no {kind} {name!r}{listed}", nearest, item=number
    )


def _name(project: ProjectFacts) -> str:
    return project.own.name if project.own is not None else "the project"


def _extras(project: ProjectFacts) -> tuple[str, ...]:
    return (project.own and project.own.extras) or ()


def _lacks(project: ProjectFacts, extra: str) -> bool:
    """Return whether the project is known not to have an extra."""
    own = project.own
    return own is not None and own.extras is not None and named(own.extras, extra) is None


def _is_own(project: ProjectFacts, text: str) -> bool:
    try:
        name = requirement(hashes_of(text)[0]).name
    except ValueError:
        return False  # reported by the resolver
    return project.own is not None and normal_name(name) == normal_name(project.own.name)


def _extras_named(project: ProjectFacts, texts: Iterable[str]) -> list[str]:
    """Return the extras of the project that requirements name."""
    own = [text for text in sorted(texts) if _is_own(project, text)]
    return [extra for text in own for extra in sorted(requirement(hashes_of(text)[0]).extras)]
