"""A wheel for PyPy: built by a host CPython whose hooks see PyPy, imported by the target's PyPy."""

import pytest

from tests.e2e.workspace import Workspace

pytestmark = [pytest.mark.cross, pytest.mark.emulation, pytest.mark.network]


def test_a_wheel_for_pypy_is_built_and_imported_by_the_target_s_own(unbuilt: Workspace) -> None:
    unbuilt.write(
        "multiplatform.toml",
        """
        schema = 1
        [project]
        python = ["pp311"]
        targets = ["aarch64"]
        [sdist]
        enable = false
        """,
    )
    run = unbuilt.nox("test")
    assert run.code == 0, str(run)
    assert "-pp311-pypy311_pp73-manylinux" in unbuilt.wheel().name
    assert "passed on aarch64 (cortex-a53), emulated" in run.output
