"""Requirements of a project by the real tool: its own extras, files, paths, packages without wheels."""

import pytest

from tests.e2e.workspace import Cache, Workspace

pytestmark = [pytest.mark.network]

PROJECT = """
    [build-system]
    requires = ["flit_core>=3.11"]
    build-backend = "flit_core.buildapi"
    [project]
    name = "Tiny.of-nobody"
    version = "1.0"
    description = "a small package"
    [project.optional-dependencies]
    six = ["six ; python_full_version >= '3.11.1'"]
    all = ["tiny-of_nobody[six]"]
    [tool.flit.module]
    name = "tiny"
"""
SPEC = """
    schema = 1
    [project]
    python = ["cp311"]
    targets = ["x86_64"]
    [test]
    requires = ["-r requirements/test.txt", ".[ALL]"]
    command = ["{python} tests/check.py"]
"""
PLUGIN = """
    [build-system]
    requires = ["flit_core>=3.11"]
    build-backend = "flit_core.buildapi"
    [project]
    name = "plugin"
    version = "0"
    description = "a plugin"
    dependencies = ["tiny-of-nobody>=7"]
"""


def test_tests_get_what_files_paths_and_own_extras_ask_for(
    quick: Workspace, empty_cache: Cache
) -> None:
    """crc16 is C code with an sdist only; `tiny-of-nobody`, which the plugin requires, is on no index."""
    quick.cache = empty_cache
    quick.write("pyproject.toml", PROJECT)
    quick.write("tiny/__init__.py", '"""Tiny."""')
    quick.write("multiplatform.toml", SPEC)
    quick.write("requirements/test.txt", "./plugin\n-r more.txt\n")
    quick.write("requirements/more.txt", "crc16==0.1.1\n")
    quick.write("plugin/pyproject.toml", PLUGIN)
    quick.write("plugin/plugin.py", "X = 1")
    quick.write("tests/check.py", "import crc16._crc16, plugin, six, tiny\nassert plugin.X == 1")
    run = quick.nox("test")
    assert run.code == 0, str(run)
    assert quick.nox("test").did == set()
    lock = quick.read("multiplatform.lock")
    assert 'name = "crc16", version = "0.1.1"' in lock
    assert 'name = "tiny' not in lock

    quick.write("plugin/plugin.py", "X = 2")
    run = quick.nox("test")
    assert run.code == 1, "what lies at a path is in the key"
    assert quick.read("multiplatform.lock") == lock

    quick.write("requirements/more.txt", "six\n-r none.txt\n")
    run = quick.mpforge("check")
    assert run.code == 2
    assert "requirements/more.txt:2:1: bad-requirement" in run.output
