"""Build requirements whose headers and libraries must be the target's: numpy's static library, OpenMP's."""

import zipfile

import pytest

from tests.e2e.conftest import make_unlike
from tests.e2e.workspace import Workspace

pytestmark = [pytest.mark.cross, pytest.mark.emulation, pytest.mark.network]

SETUP = """
    import os

    import numpy
    from setuptools import Extension, setup

    assert numpy.ones(3).sum() == 3, "numpy runs on the host"
    headers = numpy.get_include()
    setup(
        ext_modules=[
            Extension(
                "tiny._tiny",
                ["tiny/_tiny.c"],
                include_dirs=[headers],
                library_dirs=[os.path.join(headers, "..", "lib")],
                libraries=["npymath"],
                extra_compile_args=["-fopenmp"],
                extra_link_args=["-fopenmp"],
            )
        ]
    )
"""
HALF = "npy_half_to_double(npy_double_to_half(42.0)) * parallel()"


@pytest.fixture(name="half")
def _half(workspace: Workspace, request: pytest.FixtureRequest) -> Workspace:
    """The small package with a function of numpy's own library for C."""
    make_unlike(workspace, request)
    workspace.write("setup.py", SETUP)
    workspace.edit("pyproject.toml", '"setuptools>=77"', '"setuptools>=77", "numpy>=2"')
    workspace.edit("tiny/_tiny.c", "#include <Python.h>", "#include <Python.h>\n" + INCLUDES)
    workspace.edit("tiny/_tiny.c", "PyLong_FromLong(42)", f"PyLong_FromDouble({HALF})")
    return workspace


INCLUDES = """
#include <numpy/npy_common.h>
#include <numpy/halffloat.h>
#include <omp.h>
static int parallel(void) {
    int sum = 0, i;
#pragma omp parallel for reduction(+:sum)
    for (i = 0; i < 42; i++) sum += 1;
    return sum == 42 && omp_get_max_threads() > 0;
}
"""


def test_libraries_of_packages_are_the_target_s_while_numpy_runs_on_the_host(
    half: Workspace,
) -> None:
    wanted = 'environment = {}\ntarget-requires = ["numpy>=2", "cmeel-libomp"]'
    half.edit("multiplatform.toml", "environment = {}", wanted)
    run = half.nox("test-aarch64")
    assert run.code == 0, str(run)
    assert "test_answer" in half.log("test-aarch64-cp311")
    with zipfile.ZipFile(half.wheel()) as wheel:
        assert any("libomp" in name for name in wheel.namelist())
    lock = half.read("multiplatform.lock")
    assert 'purpose = "target"\npython = "cp311"\nplatform = "aarch64"' in lock
    assert half.nox("test-aarch64").did == set()
