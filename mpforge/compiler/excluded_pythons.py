"""Findings of ``mpforge check`` about a spec's Pythons that the project does not allow.

Separate from ``pythons``, which sessions with nothing to do import too: this needs the spec.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mpforge.compiler.pythons import all_excluded, exclusion
from mpforge.formats.toml import Path
from mpforge.plan.facts import ProjectFacts
from mpforge.spec.finding import Finding
from mpforge.spec.options import all_pythons, targets

if TYPE_CHECKING:
    from mpforge.spec.model import Spec


def findings(spec: "Spec", project: ProjectFacts) -> Iterator[Finding]:
    """Yield a finding for each Python that the project does not allow."""
    whole = all_excluded(project, (p for target in targets(spec) for p in target.pythons))
    if whole is not None:
        yield Finding("python-excluded", ("project", "python"), whole.what)
        return
    paths: list[tuple[Path, tuple[str, ...]]] = [(("project", "python"), spec.project.python)]
    paths += [
        (("targets", name, "python"), all_pythons(spec, name))
        for name, target in spec.targets.items()
        if target.python is not None
    ]
    for path, words in paths:
        for number, python in enumerate(words):
            reason = exclusion(project, python)
            if reason is not None:
                message = f"{python} will not run: {reason}"
                yield Finding("python-excluded", (*path, number), message, warning=True)
