"""Recognise a project's build backend, and whether it is known to cross-compile.

Facts: docs/architecture.md, "Backends", and docs/corpus.md; measured with real packages. Knows nothing
of hosts.
"""

import re
from dataclasses import dataclass

from mpforge.plan.facts import ProjectFacts
from mpforge.plan.toolchains import Configurer


@dataclass(frozen=True)
class Backend:
    """A recognised backend.

    ``by`` says how it was recognised; ``crosses``: mpforge can cross-build with it, and ``how`` says
    how, or why not. ``configurer`` is the program that configures its builds for the target, if any.
    """

    name: str
    crosses: bool
    by: str
    how: str
    configurer: Configurer | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.by})"


@dataclass(frozen=True)
class _Known:
    """A backend of the table: the module of its ``build-backend``, and the package that contains it."""

    name: str
    module: str
    package: str
    how: str
    crosses: bool = True
    configurer: Configurer | None = None
    setuptools: bool = False  # it works within setuptools' own backend


_VIEW = "its scripts ask Python and the environment, which describe the target"
_RUST = "cargo reads the target from its environment variables"
_CMAKE = "CMake reads a toolchain file"

# Backends by requirement or module, the most specific first: a project that
# asks for setuptools-rust too is a Rust project.
_TABLE = (
    _Known("maturin", "maturin", "maturin", _RUST, configurer="cargo"),
    _Known("setuptools-rust", "", "setuptools-rust", _RUST, configurer="cargo", setuptools=True),
    _Known(
        "scikit-build-core", "scikit_build_core", "scikit-build-core", _CMAKE, configurer="cmake"
    ),
    _Known("scikit-build", "", "scikit-build", _CMAKE, configurer="cmake", setuptools=True),
    _Known(
        "meson-python",
        "mesonpy",
        "meson-python",
        "Meson reads a cross file",
        configurer="meson",
    ),
    _Known(
        "setuptools with CMake",
        "",
        "cmake",
        f"{_VIEW}; {_CMAKE}",
        configurer="cmake",
        setuptools=True,
    ),
    _Known("setuptools", "setuptools", "setuptools", _VIEW),
    _Known("hatchling", "hatchling", "hatchling", _VIEW),
    _Known("poetry-core", "poetry", "poetry-core", _VIEW),
    _Known("pdm-backend", "pdm", "pdm-backend", _VIEW),
    _Known("flit", "flit_core", "flit-core", "it builds pure Python only"),
    _Known("uv", "uv_build", "uv-build", "it builds pure Python only"),
)


def recognise(project: ProjectFacts) -> Backend:
    """Return the backend of a project; an in-tree one is recognised by ``build-system.requires``."""
    wanted = {_normal(requirement) for requirement in project.requires}
    module = project.backend.split(":", 1)[0].split(".", 1)[0]
    plain = module == "setuptools" and not project.in_tree
    for known in _TABLE:
        if known.package in wanted and (project.in_tree or (known.setuptools and plain)):
            in_tree = f" (in-tree wrapper {project.backend})" if project.in_tree else ""
            by = f"build-system.requires names {known.package}"
            return _backend(known, f"{known.name}{in_tree}", by)
    by = f"build-backend = {project.backend!r}"
    for known in _TABLE:
        if module == known.module:
            return _backend(known, known.name, by)
    return Backend(project.backend, False, by, "mpforge does not know it")


def _backend(known: _Known, name: str, by: str) -> Backend:
    return Backend(name, known.crosses, by, known.how, known.configurer)


def _normal(requirement: str) -> str:
    """Return the normalised name (PEP 503) of a PEP 508 requirement."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", match.group(1)).lower() if match else ""
