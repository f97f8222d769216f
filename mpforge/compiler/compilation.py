"""The inputs of one compilation of a plan, and values derived from them."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mpforge.compiler import backends, pythons
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import Lock
from mpforge.plan.sessions import Refusal
from mpforge.plan.steps import OutputOf, ProjectFiles, Step, Tree
from mpforge.spec.options import ResolvedTarget, targets

if TYPE_CHECKING:
    from mpforge.spec.model import Spec


@dataclass
class Compilation:
    """The inputs of one compilation, and the steps compiled so far."""

    spec: "Spec"
    host: HostFacts
    project: ProjectFacts
    lock: Lock
    steps: dict[str, Step] = field(default_factory=dict)

    def add(self, found: Iterable[Step]) -> tuple[str, ...]:
        """Add steps; return their ids."""
        ids = []
        for step in found:
            if self.steps.setdefault(step.id, step) != step:
                raise AssertionError(f"two steps are called {step.id}")
            ids.append(step.id)
        return tuple(ids)

    @property
    def host_platform(self) -> str:
        """The host's platform, or a word that no target has."""
        return self.host.platform or "none"

    @functools.cached_property
    def pythons(self) -> tuple[str, ...]:
        """The Pythons of all targets."""
        return tuple(python for target in targets(self.spec) for python in target.pythons)

    @functools.cached_property
    def excluded(self) -> Refusal | None:
        """The refusal if the project allows none of the spec's Pythons: no wheel can be built."""
        return pythons.all_excluded(self.project, self.pythons)

    def allowed(self, target: ResolvedTarget) -> tuple[str, ...]:
        """Return a target's Pythons that the project allows."""
        return tuple(p for p in target.pythons if pythons.exclusion(self.project, p) is None)

    @property
    def sdist_python(self) -> str | None:
        """The Python that builds the sdist: the first one allowed, preferably with the GIL."""
        able = [p for p in self.pythons if pythons.exclusion(self.project, p) is None]
        words = sorted((w for w in able if w.startswith("cp")), key=lambda w: w.endswith("t"))
        return words[0] if words else None

    @property
    def rust(self) -> str | None:
        """The Rust channel of a project whose wheel is built by cargo, None for any other."""
        backend = backends.recognise(self.project)
        return self.project.rust if backend.configurer == "cargo" else None

    @property
    def source(self) -> Tree:
        """The source tree that a wheel is built from."""
        made = self.project.form == "tree" and self.spec.sdist.enable
        return OutputOf("sdist") if made else ProjectFiles()
