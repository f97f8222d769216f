"""Build backends that configure with CMake and Meson: a wheel for another machine from its smallest spec."""

import pytest

from tests.e2e.workspace import Workspace

pytestmark = [
    pytest.mark.cross,
    pytest.mark.emulation,
    pytest.mark.git,
    pytest.mark.network,
]

PYPROJECT = """
    [build-system]
    requires = ["{requires}"]
    build-backend = "{backend}"

    [project]
    name = "tiny"
    version = "1.0"
"""
CMAKE = """
    cmake_minimum_required(VERSION 3.21)
    project(tiny LANGUAGES C)
    find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
    python_add_library(_tiny MODULE WITH_SOABI tiny/_tiny.c)
    install(TARGETS _tiny DESTINATION tiny)
"""
MESON = """
    project('tiny', 'c')
    py = import('python').find_installation(pure: false)
    py.extension_module('_tiny', 'tiny/_tiny.c', install: true, subdir: 'tiny')
    py.install_sources('tiny/__init__.py', subdir: 'tiny')
"""


@pytest.mark.parametrize(
    ("backend", "requires", "file", "text"),
    [
        ("scikit_build_core.build", "scikit-build-core>=0.11", "CMakeLists.txt", CMAKE),
        ("mesonpy", "meson-python>=0.18", "meson.build", MESON),
    ],
    ids=["scikit-build-core", "meson-python"],
)
def test_a_backend_that_configures_is_crossed_and_its_wheel_tested(
    unbuilt: Workspace, backend: str, requires: str, file: str, text: str
) -> None:
    (unbuilt.root / "setup.py").unlink()
    unbuilt.write("pyproject.toml", PYPROJECT.format(backend=backend, requires=requires))
    unbuilt.write(file, text)
    unbuilt.commit()
    run = unbuilt.nox("test-aarch64")
    assert run.code == 0, str(run)
    assert unbuilt.wheel().name.endswith("_aarch64.whl")
    assert "the child is on aarch64" in unbuilt.log("test-aarch64-cp311")
    told = unbuilt.mpforge("explain", "build-aarch64-cp311")
    assert f"backend: {requires.partition('>')[0]} (build-backend = '{backend}')" in told.output


def test_a_meson_python_project_outside_of_git_is_told_what_to_do(unbuilt: Workspace) -> None:
    (unbuilt.root / "setup.py").unlink()
    text = PYPROJECT.format(backend="mesonpy", requires="meson-python>=0.18")
    unbuilt.write("pyproject.toml", text)
    unbuilt.write("meson.build", MESON)
    run = unbuilt.nox("sdist")
    assert run.code == 1, str(run)
    assert "step-failed: the source distribution failed: it needs a git repository" in run.output
    assert "-> commit the project's files (`git init`" in run.output
