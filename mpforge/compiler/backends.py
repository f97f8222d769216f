"""Recognise a project's build backend, and whether it is known to cross-compile.

Facts: docs/architecture.md, "Backends", and docs/corpus.md; measured with real packages. Knows nothing
of hosts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mpforge.plan.facts import ProjectFacts
from mpforge.plan.requirements import name_of
from mpforge.plan.toolchains import Configurer


@dataclass(frozen=True)
class Backend:
    """A backend; ``module`` is that of its ``build-backend``, and ``package`` contains it.

    ``by`` says how it was recognised; ``crosses``: mpforge can cross-build with it, and ``how`` says
    how, or why not. ``configurer`` is the program that configures its builds for the target, if any.
    ``setuptools``: it works within setuptools' own backend.
    """

    name: str
    how: str
    module: str = ""
    package: str = ""
    configurer: Configurer | None = None
    setuptools: bool = False
    crosses: bool = True
    by: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.by})"


_VIEW = "its scripts ask Python and the environment, which describe the target"
_RUST = "cargo reads the target from its environment variables"
_CMAKE = "CMake reads a toolchain file"

# Backends by requirement or module, the most specific first: a project that
# asks for setuptools-rust too is a Rust project.
_TABLE = (
    Backend("maturin", _RUST, "maturin", "maturin", "cargo"),
    Backend("setuptools-rust", _RUST, "", "setuptools-rust", "cargo", setuptools=True),
    Backend("scikit-build-core", _CMAKE, "scikit_build_core", "scikit-build-core", "cmake"),
    Backend("scikit-build", _CMAKE, "", "scikit-build", "cmake", setuptools=True),
    Backend("meson-python", "Meson reads a cross file", "mesonpy", "meson-python", "meson"),
    Backend("setuptools with CMake", f"{_VIEW}; {_CMAKE}", "", "cmake", "cmake", setuptools=True),
    Backend("setuptools", _VIEW, "setuptools", "setuptools"),
    Backend("hatchling", _VIEW, "hatchling", "hatchling"),
    Backend("poetry-core", _VIEW, "poetry", "poetry-core"),
    Backend("pdm-backend", _VIEW, "pdm", "pdm-backend"),
    Backend("flit", "it builds pure Python only", "flit_core", "flit-core"),
    Backend("uv", "it builds pure Python only", "uv_build", "uv-build"),
)


def configurer_of(requires: Iterable[str]) -> Configurer | None:
    """Return the program that configures builds of a package for the target, by its build requirements."""
    wanted = set(map(name_of, requires))
    return next((known.configurer for known in _TABLE if known.package in wanted), None)


def recognise(project: ProjectFacts) -> Backend:
    """Return the backend of a project; an in-tree one is recognised by ``build-system.requires``."""
    wanted = {name_of(requirement) for requirement in project.requires}
    module = project.backend.split(":", 1)[0].split(".", 1)[0]
    plain = module == "setuptools" and not project.in_tree
    for known in _TABLE:
        if known.package in wanted and (project.in_tree or (known.setuptools and plain)):
            in_tree = f" (in-tree wrapper {project.backend})" if project.in_tree else ""
            by = f"build-system.requires names {known.package}"
            return replace(known, name=f"{known.name}{in_tree}", by=by)
    by = f"build-backend = {project.backend!r}"
    for known in _TABLE:
        if module == known.module:
            return replace(known, by=by)
    return Backend(project.backend, "mpforge does not know it", crosses=False, by=by)
