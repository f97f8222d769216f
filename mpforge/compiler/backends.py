"""Which build backend a project uses, and whether it is known to cross-compile.

Facts: docs/design.md, "Backends"; measured with real packages. Knows nothing of hosts.
"""

import re
from dataclasses import dataclass

from mpforge.plan.facts import ProjectFacts


@dataclass(frozen=True)
class Backend:
    """A recognised backend; ``crosses`` says that mpforge can cross-build with it, ``by`` how it was told."""

    name: str
    crosses: bool
    by: str


# What a requirement or a backend's module says of the backend, most telling first: a project that
# asks for setuptools-rust too is a Rust project. True: known to cross in this version.
_BY_REQUIREMENT = (
    ("maturin", "maturin", False),
    ("setuptools-rust", "setuptools-rust", False),
    ("scikit-build-core", "scikit-build-core", False),
    ("scikit-build", "scikit-build", False),
    ("meson-python", "meson-python", False),
    ("setuptools", "setuptools", True),
)
_BY_MODULE = (
    ("setuptools", "setuptools", True),
    ("maturin", "maturin", False),
    ("scikit_build_core", "scikit-build-core", False),
    ("mesonpy", "meson-python", False),
    ("hatchling", "hatchling", False),
    ("poetry", "poetry-core", False),
    ("flit_core", "flit", False),
    ("pdm", "pdm-backend", False),
    ("uv_build", "uv", False),
)


def recognise(project: ProjectFacts) -> Backend:
    """The backend of a project; an in-tree one is told by ``build-system.requires``."""
    wanted = {_normal(requirement) for requirement in project.requires}
    for requirement, name, crosses in _BY_REQUIREMENT:
        decisive = project.in_tree or name in ("setuptools-rust", "scikit-build")
        if requirement in wanted and decisive:
            by = f"build-system.requires names {requirement}"
            in_tree = f" (in-tree wrapper {project.backend})" if project.in_tree else ""
            return Backend(f"{name}{in_tree}", crosses, by)
    module = project.backend.split(":", 1)[0].split(".", 1)[0]
    for known, name, crosses in _BY_MODULE:
        if module == known:
            return Backend(name, crosses, f"build-backend = {project.backend!r}")
    return Backend(project.backend, False, f"build-backend = {project.backend!r}")


def _normal(requirement: str) -> str:
    """The normalised name of a PEP 508 requirement (PEP 503)."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", match.group(1)).lower() if match else ""
