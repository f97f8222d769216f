"""Which build backend a project has, and whether it is known to cross."""

import pytest

from mpforge.compiler.backends import recognise
from mpforge.plan.facts import ProjectFacts


def _project(backend: str, *requires: str, in_tree: bool = False) -> ProjectFacts:
    return ProjectFacts(form="tree", backend=backend, in_tree=in_tree, requires=requires)


@pytest.mark.parametrize(
    ("project", "name", "crosses"),
    [
        (_project("setuptools.build_meta", "setuptools>=61"), "setuptools", True),
        (_project("setuptools.build_meta:__legacy__"), "setuptools", True),
        (_project("setuptools.build_meta", "setuptools", "Cython", "cffi"), "setuptools", True),
        (_project("setuptools.build_meta", "Setuptools_Rust"), "setuptools-rust", True),
        (_project("setuptools.build_meta", "scikit-build>=0.17"), "scikit-build", True),
        (_project("scikit_build_core.build", "scikit-build-core"), "scikit-build-core", True),
        (_project("mesonpy", "meson-python"), "meson-python", True),
        (_project("maturin", "maturin>=1,<2"), "maturin", True),
        (_project("hatchling.build", "hatchling"), "hatchling", True),
        (_project("hatchling.build", "hatchling", "setuptools"), "hatchling", True),
        (_project("poetry.core.masonry.api", "poetry-core"), "poetry-core", True),
        (_project("nobody.knows:backend", "nobody"), "nobody.knows:backend", False),
    ],
)
def test_a_backend_is_recognised_by_its_module_and_by_what_it_requires(
    project: ProjectFacts, name: str, crosses: bool
) -> None:
    backend = recognise(project)
    assert (backend.name, backend.crosses) == (name, crosses)
    assert backend.by


def test_an_in_tree_backend_is_what_it_wraps() -> None:
    backend = recognise(_project("_build.backend", "setuptools[core] >= 64", in_tree=True))
    assert backend.crosses
    assert "_build.backend" in backend.name
    assert "setuptools" in backend.by


def test_an_in_tree_backend_that_wraps_rust_and_setuptools_is_a_rust_one() -> None:
    backend = recognise(_project("_b", "setuptools", "setuptools-rust", in_tree=True))
    assert backend.configurer == "cargo"


def test_an_in_tree_backend_that_names_nothing_is_not_known_to_cross() -> None:
    assert not recognise(_project("backend", in_tree=True)).crosses
