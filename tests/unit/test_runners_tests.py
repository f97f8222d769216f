"""What a test session runs, and what it imports where no command is given."""

import zipfile
from pathlib import Path
from typing import cast

import pytest

from mpforge.kinds.inputs import Inputs
from mpforge.kinds.run_tests import RunningTests
from mpforge.kinds.test_run import extension_modules, top_level_modules, with_posargs
from mpforge.plan.places import Machine
from mpforge.plan.steps import ProjectFiles, RunTests, ShippedFiles
from mpforge.plan.texts import Argv, CommandLine, Placeholder, ShellLine
from mpforge.store.trees import FileNode, from_entries

POSARGS = Placeholder("posargs")


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ((ShellLine(("pytest",)),), [ShellLine(("pytest", " ", POSARGS))]),
        ((Argv((("pytest",),)),), [Argv((("pytest",), ("-k",), ("a b",)))]),
        (
            (ShellLine(("a",)), Argv((("b",),))),
            [ShellLine(("a",)), Argv((("b",), ("-k",), ("a b",)))],
        ),
        (
            (ShellLine(("pytest ", POSARGS)), ShellLine(("after",))),
            [ShellLine(("pytest ", POSARGS)), ShellLine(("after",))],
        ),
        ((Argv((("pytest",), (POSARGS,))),), [Argv((("pytest",), (POSARGS,)))]),
        ((), []),
    ],
)
def test_posargs_go_to_the_last_command_unless_one_says_where(
    commands: tuple[CommandLine, ...], expected: list[CommandLine]
) -> None:
    assert with_posargs(commands, ("-k", "a b")) == expected


def test_without_posargs_the_commands_are_run_as_written() -> None:
    commands = (ShellLine(("pytest",)),)
    assert with_posargs(commands, ()) == list(commands)


def _wheel(folder: Path, *names: str) -> Path:
    path = folder / "p-1-cp311-cp311-linux_aarch64.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "")
    return path


def test_extension_modules_are_told_from_other_shared_objects(tmp_path: Path) -> None:
    wheel = _wheel(
        tmp_path,
        "top.cpython-311-aarch64-linux-gnu.so",
        "p/__init__.py",
        "p/_speedups.cpython-311-aarch64-linux-gnu.so",
        "p/limited.abi3.so",
        "p/other.pypy311-pp73-aarch64-linux-gnu.so",
        "p/compiled/__init__.cpython-311-aarch64-linux-gnu.so",
        "p/plain.so",
        "p/__init__.pyi",
        "namespace/inner/x.cpython-311-aarch64-linux-gnu.so",
        "p.libs/libz-1234.so.1",
        "p.libs/libz.so",
        "data/plugin.so",
        "p/lib-with-dash.so",
        "p/versioned.so.1",
        "p-1.dist-info/RECORD",
    )
    assert [module for module, _ in extension_modules(wheel)] == [
        "namespace.inner.x",
        "p._speedups",
        "p.compiled",
        "p.limited",
        "p.other",
        "p.plain",
        "top",
    ]
    assert dict(extension_modules(wheel))["p.plain"] == "p/plain.so"


def test_a_pure_wheel_has_top_level_modules_and_no_extension_modules(tmp_path: Path) -> None:
    wheel = _wheel(
        tmp_path, "p/__init__.py", "single.py", "p-1.dist-info/RECORD", "p.libs/x.so", "notes.txt"
    )
    assert extension_modules(wheel) == ()
    assert top_level_modules(wheel) == ("p", "single")


def test_a_module_at_the_top_is_named_without_its_suffixes(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, "top.cpython-311-aarch64-linux-gnu.so", "lim.abi3.so")
    assert top_level_modules(wheel) == ("lim", "top")
    assert [module for module, _ in extension_modules(wheel)] == ["lim", "top"]


# --- errors that a build swallowed ------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "configured"),
    [
        ("{python} -m pytest tests", True),
        (".venv/bin/py.test", True),
        ("{python} -m unittest", False),
        ("pip install -r pytest-requirements.txt", False),
    ],
)
def test_pytest_finds_the_configuration_of_the_project(line: str, configured: bool) -> None:
    tree = from_entries({
        path: FileNode("0" * 64, 1, False)
        for path in ("pyproject.toml", "conftest.py", "src/a.c", "tests/test_a.py", "tests/tox.ini")
    })  # fmt: skip
    machine = Machine("x86_64", False, None)

    def seen(*sources: str) -> set[str]:
        lines = (ShellLine((line,)),)
        command = RunTests(
            ShippedFiles("build"), ProjectFiles(), sources, lines, machine, None, None
        )
        found = RunningTests().seen(command, tree, cast("Inputs", None))
        return {path for path, _ in found.walk()}

    own = {"tests/test_a.py", "tests/tox.ini"}
    assert seen("tests") == (own | {"pyproject.toml", "conftest.py"} if configured else own)
    named = {*own, "pyproject.toml"}
    assert seen("tests", "pyproject.toml") == named, "sources that name a configuration are whole"
    assert seen("absent") == set(), "tests that are none of the project's have no need of it"
