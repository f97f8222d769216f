"""Pythons that the project does not allow: said by check, plan and the sessions, never built."""

import pytest

from tests.e2e.workspace import Workspace

pytestmark = [pytest.mark.cross, pytest.mark.emulation, pytest.mark.network]

BUILD, TEST = "build-aarch64-cp311", "test-aarch64-cp311"
DYNAMIC = """
    from setuptools import Extension, setup

    setup(python_requires=">=3.12", ext_modules=[Extension("tiny._tiny", ["tiny/_tiny.c"])])
"""


def test_an_excluded_python_is_told_beforehand_and_not_run(unbuilt: Workspace) -> None:
    unbuilt.edit("pyproject.toml", 'version = "1.0"', 'version = "1.0"\nrequires-python = ">=3.12"')
    unbuilt.edit("multiplatform.toml", '["cp311"]', '["cp311", "cp313"]')
    checked = unbuilt.mpforge("check")
    assert checked.code == 0
    reason = "pyproject.toml's requires-python is >=3.12"
    (told,) = [line for line in checked.output.splitlines() if "python-excluded" in line]
    assert told.startswith("multiplatform.toml:4:")
    assert told.endswith(f"cp311 will not run: {reason}")
    assert f"{BUILD}: not run ({reason})" in unbuilt.mpforge("plan", BUILD).output
    run = unbuilt.nox("--no-dependencies", BUILD, TEST)
    assert run.code == 0, str(run)
    assert run.reason(BUILD) == run.reason(TEST) == f"not run: {reason}"
    assert unbuilt.steps() == []
    assert unbuilt.mpforge("run", "--strict", BUILD).code == 1


def test_a_project_that_allows_none_of_the_pythons_is_wrong_input(unbuilt: Workspace) -> None:
    unbuilt.edit("pyproject.toml", 'version = "1.0"', 'version = "1.0"\nrequires-python = "<3.10"')
    assert unbuilt.mpforge("check").code == 2
    run = unbuilt.mpforge("run", BUILD)
    assert run.code == 2, str(run)
    assert "requires-python is <3.10, which excludes every Python of the spec: cp311" in run.output


def test_what_only_setup_py_knows_is_read_from_the_sdist(unbuilt: Workspace) -> None:
    unbuilt.write("setup.py", DYNAMIC)
    dynamic = 'version = "1.0"\ndynamic = ["requires-python"]'
    unbuilt.edit("pyproject.toml", 'version = "1.0"', dynamic)
    run = unbuilt.nox("test-aarch64")
    assert run.code == 0, str(run)
    assert run.reason(BUILD) == run.reason(TEST) == "not run: PKG-INFO's Requires-Python is >=3.12"
    assert f"{BUILD}: not run (PKG-INFO" in unbuilt.mpforge("plan", BUILD).output
    assert unbuilt.wheels() == []
