"""The small package of the end-to-end tests, built once, and a copy of it for each test.

Tools (zig, its libraries, target Pythons) are kept in ``$MPFORGE_TEST_CACHE`` between runs and shared
by xdist's workers. Results are shared by the tests of one run only; a test that needs an empty store
asks for ``empty_cache``. With ``$MPFORGE_TEST_KEEP`` set, each test's directory is copied there.
"""

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.e2e.plain_project import plain, plain_built  # noqa: F401 (fixtures)
from tests.e2e.target_compilers import step, zig  # noqa: F401 (fixtures)
from tests.e2e.workspace import NOXFILE, Cache, Gate, Workspace
from tests.images.fixtures import (  # noqa: F401 (pytest finds fixtures by their names here)
    cross_aarch64_image,
    emulating_runtime,
    manylinux_aarch64_image,
    manylinux_x86_64_image,
    registry,
    runtime,
    tiny_aarch64_image,
    tiny_armv7l_image,
    tiny_x86_64_image,
)

SPEC = """
    schema = 1

    [project]
    python = ["cp311"]
    targets = ["aarch64"]

    [build]
    environment = {}

    [test]
    command = ["{python} -m unittest discover -v -s tests {posargs}"]
"""
PYPROJECT = """
    [build-system]
    requires = ["setuptools>=77"]
    build-backend = "setuptools.build_meta"

    [project]
    name = "tiny"
    version = "1.0"

    [tool.setuptools]
    packages = ["tiny"]
"""
SETUP = """
    from setuptools import Extension, setup

    setup(ext_modules=[Extension("tiny._tiny", ["tiny/_tiny.c"])])
"""
C_SOURCE = """
    #define PY_SSIZE_T_CLEAN
    #include <Python.h>

    static PyObject *
    answer(PyObject *self, PyObject *ignored)
    {
        return PyLong_FromLong(42);
    }

    static PyMethodDef methods[] = {
        {"answer", answer, METH_NOARGS, NULL},
        {NULL, NULL, 0, NULL},
    };

    static struct PyModuleDef module = {
        PyModuleDef_HEAD_INIT, "_tiny", NULL, -1, methods,
    };

    PyMODINIT_FUNC
    PyInit__tiny(void)
    {
        return PyModule_Create(&module);
    }
"""
TEST = """
    import os
    import subprocess
    import sys
    import unittest

    from tiny._tiny import answer


    class Tiny(unittest.TestCase):
        def test_answer(self):
            self.assertEqual(answer(), 42)

        def test_child(self):
            code = "import os; print('the child is on', os.uname().machine)"
            print("the parent is on", os.uname().machine, flush=True)
            subprocess.run([sys.executable, "-c", code], check=True)
"""

NATIVE = platform.machine()
"""The target that is this host: what builds for it runs here."""
COMMANDS = f"""
    schema = 1

    [project]
    targets = ["{NATIVE}"]

    [build]
    kind = "commands"
    toolchain = "gcc"
    commands = ["sh build.sh"]
    outputs = ["out/**"]
"""


LONGEST = {
    "test_compiler_words",
    "test_rust",
    "test_containers",
    "test_single_flight",
    "test_crashes",
    "test_target_requires",
}
"""Modules with tests of half a minute, by a recorded ``--durations=0``."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest tests first, so that no worker is left with one of them at the end."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


def write_project(workspace: Workspace) -> None:
    """The small package: one C file, setuptools, two tests."""
    workspace.write("noxfile.py", NOXFILE)
    workspace.write("multiplatform.toml", SPEC)
    workspace.write("pyproject.toml", PYPROJECT)
    workspace.write("setup.py", SETUP)
    workspace.write("tiny/__init__.py", "")
    workspace.write("tiny/_tiny.c", C_SOURCE)
    workspace.write("tests/test_tiny.py", TEST)
    workspace.write("MANIFEST.in", "graft tests\n")


@pytest.fixture(scope="session")
def tools(request: pytest.FixtureRequest) -> Path:
    """The tools that all runs of the tests share."""
    given = os.environ.get("MPFORGE_TEST_CACHE")
    return Path(given) if given else request.config.rootpath / ".pytest_cache" / "mpforge"


@pytest.fixture(scope="session")
def built(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The small package, built and tested for aarch64 by one of the run's workers; not to be changed."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    root = base / "built"
    with FileLock(base / "built.lock"):
        if not (base / "built.done").exists():
            workspace = Workspace(root, Cache.sharing(tools, base / "cache"))
            write_project(workspace)
            with workspace.started("nox", "-s", "test-aarch64", fresh=True) as running:
                run = running.end()
            assert run.code == 0, str(run)
            (base / "built.output").write_text(run.output, encoding="utf-8")
            (base / "built.done").touch()
    return Workspace(root, Cache(base / "cache"))


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A directory for what a test makes; big things in it are removed, unless they shall be kept."""
    root = tmp_path / "place"
    root.mkdir()
    yield root
    if keep := os.environ.get("MPFORGE_TEST_KEEP"):
        kept = Path(keep) / request.node.name
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(root, kept, symlinks=True, ignore_dangling_symlinks=True)
    shutil.rmtree(root / "cache", ignore_errors=True)


@pytest.fixture
def workspace(built: Workspace, place: Path) -> Workspace:
    """A copy of the built package: all is in place, and the results of its steps are in the store."""
    return built.copy(place / "project")


@pytest.fixture
def unbuilt(workspace: Workspace, request: pytest.FixtureRequest) -> Workspace:
    """The package with a line of its own in the C file, its lock, and nothing built of it."""
    shutil.rmtree(workspace.dist)
    shutil.rmtree(workspace.root / ".mpforge")
    make_unlike(workspace, request)
    return workspace


def make_quick(folder: Path) -> Workspace:
    """Write a project that shell lines build with this host's gcc, and give it a cache of its own."""
    workspace = Workspace(folder / "quick", Cache(folder / "cache"))
    workspace.write("noxfile.py", NOXFILE)
    workspace.write("multiplatform.toml", COMMANDS)
    workspace.write("build.sh", "mkdir out\ncp greeting.txt out/\n")
    workspace.write("greeting.txt", "hello, world\n")
    return workspace


@pytest.fixture(scope="session")
def quick_built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The quick project, built once by each worker; not to be changed."""
    workspace = make_quick(tmp_path_factory.mktemp("quick"))
    run = workspace.nox(f"build-{NATIVE}")
    assert run.code == 0, str(run)
    return workspace


@pytest.fixture
def quick(quick_built: Workspace, place: Path) -> Workspace:
    """A project that shell lines build with this host's gcc, in a cache of its own: quick to run.

    What ``build.sh`` leaves in ``out`` is published; now that is a copy of ``greeting.txt``. The cache has
    the tools already, and nothing in its store.
    """
    workspace = make_quick(place)
    quick_built.cache.copy_tools(workspace.cache)
    return workspace


@pytest.fixture
def unlike(request: pytest.FixtureRequest) -> str:
    """A line of C that no other test has, so that no other's result is hit."""
    return f"/* {request.node.name} */\n"


def make_unlike(workspace: Workspace, request: pytest.FixtureRequest) -> None:
    """Make the source this test's own."""
    workspace.write("tiny/_tiny.c", f"/* {request.node.name} */\n{workspace.read('tiny/_tiny.c')}")


@pytest.fixture
def empty_cache(tools: Path, place: Path) -> Cache:
    """A cache with the shared tools, and nothing in its store."""
    return Cache.sharing(tools, place / "cache" / "empty")  # beside what ``quick`` has there


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """Where this test's builds wait."""
    made = Gate(tmp_path / "gate")
    yield made
    made.close()
