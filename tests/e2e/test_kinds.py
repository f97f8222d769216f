"""What is built beside one wheel for one Python: abi3, pure, nothing compiled, make, two targets."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from mpforge.artifacts import elf
from mpforge.obtain.pythons import host_python, installed_pythons
from tests.e2e.workspace import Cache, Workspace

pytestmark = [pytest.mark.cross, pytest.mark.network]

ROOT = Path(__file__).parents[2]
BUILD, TEST = "build-aarch64-cp311", "test-aarch64-cp311"
ABI3 = """
    from setuptools import Extension, setup

    setup(
        ext_modules=[
            Extension(
                "tiny._tiny",
                ["tiny/_tiny.c"],
                define_macros=[("Py_LIMITED_API", "0x030B0000")],
                py_limited_api=True,
            )
        ],
        options={"bdist_wheel": {"py_limited_api": "cp311"}},
    )
"""
OPTIONAL = """
    from setuptools import Extension, setup

    setup(
        ext_modules=[
            Extension("tiny._tiny", ["tiny/_tiny.c"], optional=True),
            Extension("tiny._other", ["tiny/_other.c"]),
        ]
    )
"""


def has(word: str) -> bool:
    """Whether this host has a CPython of the word with headers; none is fetched."""
    suffix = "t" if word.endswith("t") else ""
    version = word.removesuffix("t").replace("cp3", "3.")
    candidates = installed_pythons.candidates(version, suffix)
    return host_python._first(word, candidates, []) is not None


# --- wheels ---------------------------------------------------------------------------------------


def test_a_limited_api_wheel_is_built_once_and_checked_for_each_python(unbuilt: Workspace) -> None:
    unbuilt.write("setup.py", ABI3)
    unbuilt.edit("multiplatform.toml", '["cp311"]', '["cp311", "cp313"]')
    unbuilt.edit("multiplatform.toml", "[test]", '[test]\nstrategy = "static"')
    run = unbuilt.nox("test-aarch64")
    assert run.code == 0, str(run)
    assert "-cp311-abi3-" in unbuilt.wheel().name
    assert [step for step in unbuilt.steps() if step.startswith("wheel")] == ["wheel-aarch64-cp311"]
    checked = {name for name, (_, why) in run.sessions.items() if why.startswith("checked only")}
    assert {"test-aarch64-cp311", "test-aarch64-cp313"} <= checked


def test_a_musl_wheel_and_its_modules_are_named_for_musl(unbuilt: Workspace) -> None:
    unbuilt.edit("multiplatform.toml", 'targets = ["aarch64"]', 'targets = ["x86_64_musl"]')
    unbuilt.edit("multiplatform.toml", "[test]", '[test]\nstrategy = "static"')
    run = unbuilt.nox("test")
    assert run.code == 0, str(run)
    assert "1 checked only" in run.output
    wheel = unbuilt.wheel()
    assert wheel.name.endswith("-cp311-cp311-musllinux_1_2_x86_64.whl")
    with zipfile.ZipFile(wheel) as packed:
        (module,) = (name for name in packed.namelist() if name.endswith(".so"))
        assert module.endswith(".cpython-311-x86_64-linux-musl.so")


def test_a_free_threaded_wheel_is_built_where_the_host_has_such_a_python_else_it_is_asked_for(
    unbuilt: Workspace,
) -> None:
    unbuilt.edit("multiplatform.toml", '["cp311"]', '["cp311", "cp313t"]')
    # Where nothing can be fetched, uv would try again for half a minute; locked, none is compiled.
    locked = {"UV_HTTP_RETRIES": "0", "MPFORGE_LOCKED": None if has("cp313t") else "1"}
    run = unbuilt.mpforge("run", "build-aarch64-cp313t", env=locked)
    if has("cp313t"):
        assert run.code == 0, str(run)
        assert unbuilt.wheel().name.startswith("tiny-1.0-cp313-cp313t-manylinux2014_aarch64.")
    else:
        assert run.code == 4, str(run)
        assert "no CPython 3.13t with its headers on this host" in run.output
        assert "uv python install 3.13t" in run.output


def test_a_limited_api_wheel_is_built_once_and_the_second_python_points_to_it(
    unbuilt: Workspace,
) -> None:
    second = next((word for word in ("cp313", "cp312", "cp314") if has(word)), None)
    if second is None:
        pytest.xfail("this host has no second CPython with headers, and nothing to fetch one from")
    unbuilt.write("setup.py", ABI3)
    unbuilt.edit("multiplatform.toml", '["cp311"]', f'["cp311", "{second}"]')
    run = unbuilt.nox("build-aarch64")
    assert run.code == 0, str(run)
    assert BUILD in run.did
    assert f"build-aarch64-{second}" in run.cached
    entry = unbuilt.record()[unbuilt.wheel().name]
    assert (entry["session"], entry["users"]) == (BUILD, [f"build-aarch64-{second}"])
    again = unbuilt.nox("build-aarch64")
    assert again.did == set()
    assert again.reason("build-aarch64") == "cached: 2 of 2"
    shutil.rmtree(unbuilt.dist)
    assert unbuilt.nox(f"build-aarch64-{second}").code == 0
    assert unbuilt.wheel().name == entry["path"]


def test_a_wheel_without_an_extension_that_failed_to_compile_is_made_only_if_the_spec_names_it(
    unbuilt: Workspace,
) -> None:
    unbuilt.write("setup.py", OPTIONAL)
    good = unbuilt.read("tiny/_tiny.c")
    unbuilt.write("tiny/_tiny.c", "#include <no_such_library.h>\n" + good)
    unbuilt.write("tiny/_other.c", good.replace("_tiny", "_other"))
    run = unbuilt.nox(BUILD)
    assert run.code == 1
    assert "no-extension" in run.reason(BUILD)
    assert "lacks tiny._tiny, which failed to build" in run.output
    assert "'no_such_library.h' file not found" in run.output
    assert unbuilt.wheels() == []
    allowed = 'optional-extensions = ["tiny._t*"]'
    unbuilt.edit("multiplatform.toml", "environment = {}", allowed)
    run = unbuilt.nox(BUILD)
    assert run.code == 0, str(run)
    assert unbuilt.wheel().name.endswith("aarch64.whl")
    assert any("tiny._tiny failed to build and is left out" in line for line in run.warnings)


@pytest.mark.emulation
def test_a_package_without_compiled_code_gives_one_wheel_for_all_targets(
    unbuilt: Workspace,
) -> None:
    unbuilt.write("setup.py", "from setuptools import setup\n\nsetup()\n")
    unbuilt.write("tests/test_tiny.py", PURE_TEST)
    unbuilt.edit("multiplatform.toml", '["aarch64"]', '["aarch64", "x86_64"]')
    run = unbuilt.nox("test")
    assert run.code == 0, str(run)
    assert unbuilt.wheel().name == "tiny-1.0-py3-none-any.whl"
    assert unbuilt.record()[unbuilt.wheel().name]["users"] == ["build-x86_64-cp311"]
    tested = unbuilt.record()[unbuilt.wheel().name]["tests"]
    assert {test["machine"] for test in tested.values()} == {"aarch64", "x86_64"}
    assert unbuilt.nox("test").did == set()


PURE_TEST = """
    import unittest

    import tiny


    class Tiny(unittest.TestCase):
        def test_it_is_there(self):
            self.assertTrue(tiny.__file__)
"""


def test_a_native_wheel_is_tested_by_pytest_with_its_posargs(unbuilt: Workspace) -> None:
    unbuilt.edit("multiplatform.toml", '["aarch64"]', '["x86_64"]')
    spec = unbuilt.read("multiplatform.toml")
    command = '["{python} -m unittest discover -v -s tests {posargs}"]'
    assert command in spec
    pytest_command = '["{python} -m pytest -v {posargs}"]\nrequires = ["pytest>=8"]'
    unbuilt.write("multiplatform.toml", spec.replace(command, pytest_command))
    run = unbuilt.nox("test-x86_64", "--", "-k", "answer and not child", "--no-header")
    assert run.code == 0, str(run)
    log = unbuilt.log("test-x86_64-cp311")
    assert "1 passed, 1 deselected" in log
    assert "x86_64" in unbuilt.wheel().name


@pytest.mark.parametrize("target", ["x86_64", pytest.param("aarch64", marks=pytest.mark.emulation)])
def test_a_wheel_for_newer_systems_is_tested_with_what_it_requires(
    unbuilt: Workspace, target: str
) -> None:
    unbuilt.edit("multiplatform.toml", '["aarch64"]', f'["{target}"]')
    unbuilt.edit("multiplatform.toml", "environment = {}", 'policy = "manylinux_2_34"')
    unbuilt.edit("multiplatform.toml", "[test]", '[test]\nrequires = ["markupsafe"]')
    # It has another version since glibc 2.34, in which it moved to libc.
    used = "#include <Python.h>\n#include <pthread.h>\nvoid *volatile used = pthread_create;\n"
    unbuilt.edit("tiny/_tiny.c", "#include <Python.h>", used)
    unbuilt.edit("tiny/_tiny.c", "PyLong_FromLong(42)", "PyLong_FromLong(used ? 42 : 0)")
    run = unbuilt.nox(f"test-{target}")
    assert run.code == 0, str(run)
    assert unbuilt.wheel().name.endswith(f"-manylinux_2_34_{target}.whl")
    assert f'platform = "{target}-manylinux_2_34"' in unbuilt.read("multiplatform.lock")
    assert "markupsafe" not in unbuilt.mpforge("lock").output, "its question is the same"


@pytest.mark.git
def test_a_sdist_made_in_a_git_checkout_has_what_git_tracks(unbuilt: Workspace) -> None:
    unbuilt.write(".gitignore", "ignored.c\n.mpforge\n")
    unbuilt.write("ignored.c", "#error\n")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], cwd=unbuilt.root, check=True, capture_output=True)
    assert unbuilt.nox(BUILD).code == 0
    unbuilt.write("ignored.c", "#error changed\n")
    assert unbuilt.nox(BUILD).did == set(), "what git ignores is no input"


# --- other things than wheels, other specs --------------------------------------------------------


@pytest.mark.emulation
@pytest.mark.make
def test_the_make_example_is_built_and_tested_for_both_machines_and_musl(
    built: Workspace, place: Path
) -> None:
    """The C library of musl's target is its own: its loader starts the program, no emulator."""
    root = place / "project"
    shutil.copytree(ROOT / "examples" / "hello-make", root)
    example = Workspace(root, built.cache)
    example.edit("multiplatform.toml", '"x86_64"]', '"x86_64", "x86_64_musl"]')
    run = example.nox("test")
    assert run.code == 0, str(run)
    machines = {}
    for target in ("aarch64", "x86_64", "x86_64_musl"):
        program = example.dist / target / "hello"
        assert os.access(program, os.X_OK)
        facts = elf.read(program)
        machines[target] = facts.machine, facts.interpreter, facts.needed
        machine = target.removesuffix("_musl")
        assert f"self-test passed on {machine}" in example.log(f"test-{target}")
    assert machines == {
        "aarch64": ("EM_AARCH64", "/lib/ld-linux-aarch64.so.1", ("libc.so.6",)),
        "x86_64": ("EM_X86_64", "/lib64/ld-linux-x86-64.so.2", ("libc.so.6",)),
        "x86_64_musl": ("EM_X86_64", "/lib/ld-musl-x86_64.so.1", ("libc.musl-x86_64.so.1",)),
    }
    again = example.nox("test")
    assert again.did == set()
    assert again.reason("test-x86_64").startswith("cached: passed ")


def test_a_second_spec_has_its_sessions_under_a_prefix(workspace: Workspace) -> None:
    second = workspace.read("multiplatform.toml").replace('"aarch64"', '"x86_64"')
    workspace.write("agent.toml", second)
    shutil.copy(workspace.root / "multiplatform.lock", workspace.root / "agent.lock")
    register = 'mpforge.sessions.register("agent.toml", prefix="agent")'
    workspace.write(
        "noxfile.py", f"import mpforge.sessions\n\nmpforge.sessions.register()\n{register}\n"
    )
    run = workspace.nox("agent-build", "build")
    assert run.code == 0, str(run)
    assert {"agent-build-x86_64-cp311", "agent-deps-x86_64"} <= set(run.sessions)
    assert BUILD in run.cached
    assert {entry["target"] for entry in workspace.record().values()} >= {"aarch64", "x86_64"}
    again = workspace.nox("agent-build", "build")
    assert again.code == 0
    assert again.did == set()


def test_a_header_that_appears_is_a_miss_however_it_is_asked_for(quick: Workspace) -> None:
    script = "set -e\nmkdir out\n$CC '-DCONF=\"conf.h\"' -Iinc -c a.c -o out/a.o\n"
    quick.write("build.sh", script)
    asked = "#if __has_include(CONF)\n#include CONF\n#else\n#define V 0\n#endif\n"
    quick.write("a.c", f'{asked}const char *said = V ? "new" : "old";\n')
    quick.write("inc/any.h", "")
    assert quick.nox("build").code == 0
    quick.write("inc/conf.h", "#define V 1\n")
    assert quick.nox("build").code == 0
    (made,) = quick.dist.glob("*/out/a.o")
    assert b"new" in made.read_bytes()


def test_a_project_builds_at_any_path_and_a_cache_that_builds_would_misread_is_refused(
    quick: Workspace, place: Path
) -> None:
    odd = quick.copy(place / "a b'c\"$HOME;d\ne:f\\g*h#i{j}é")
    run = odd.mpforge("run", "build")
    assert run.code == 0, str(run)
    assert odd.nox("build").did == set()
    quick.cache = Cache(place / "with space: and $HOME")
    refused = quick.mpforge("run", "build")
    assert refused.code == 2, str(refused)
    assert "its path contains ' ' ':' '$'" in refused.output
    assert "set MPFORGE_CACHE to a directory whose path has only" in refused.output
    assert not (quick.cache.root / "store" / "work").exists()
