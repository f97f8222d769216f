"""One spec, built in the target's image: emulated, hybrid, natively, with and without a container runtime."""

import shutil
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Cache, Run, Workspace
from tests.images.container_runtime import ContainerRuntime
from tests.images.registry import push_image

pytestmark = [pytest.mark.docker, pytest.mark.network]

BUILD = "build-aarch64-cp311"
NO_RUNTIME = {"DOCKER_HOST": "unix:///nowhere.sock"}


def by(
    workspace: Workspace,
    strategy: str,
    image: str | None,
    target: str = "aarch64",
    runtime: str = "engine",
) -> None:
    """Choose the strategy, the image and what runs it; all else of the spec stays."""
    named = "" if image is None else f'image = "{image}"\n    policy = "manylinux_2_36"\n'
    named += f'    runtime = "{runtime}"\n'
    workspace.write(
        "multiplatform.toml",
        f"""
    schema = 1
    [project]
    python = ["cp311"]
    targets = ["{target}"]
    [build]
    strategy = "{strategy}"
    {named}
    [test]
    command = ["{{python}} -m unittest discover -v -s tests {{posargs}}"]
    """,
    )


def contents(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def built(workspace: Workspace) -> Run:
    run = workspace.nox(BUILD)
    assert run.code == 0, str(run)
    return run


@pytest.mark.cross
@pytest.mark.emulation
def test_every_way_gives_a_wheel_of_the_same_files_and_tag(
    unbuilt: Workspace,
    empty_cache: Cache,
    emulating_runtime: ContainerRuntime,
    manylinux_aarch64_image: str,
    registry: str,
) -> None:
    push_image(emulating_runtime, manylinux_aarch64_image, registry, "manylinux")
    pushed = f"{registry}/manylinux:1"
    unbuilt.cache = empty_cache
    found = {}
    for strategy in ("cross", "emulate", "hybrid"):
        image = None if strategy == "cross" else pushed
        by(unbuilt, strategy, image)
        run = built(unbuilt)
        assert f"aarch64: {strategy} (" in run.output
        wheel = unbuilt.wheel()
        found[strategy] = wheel.name, contents(wheel)
        assert unbuilt.record()[wheel.name]["strategy"] == strategy
    assert found["emulate"] == found["cross"]
    assert found["hybrid"] == found["cross"]
    by_runtime = unbuilt.wheel().read_bytes()
    by(unbuilt, "hybrid", pushed, runtime="sandbox")
    shutil.rmtree(unbuilt.dist)
    hit = unbuilt.nox(BUILD, env=NO_RUNTIME)
    assert BUILD in hit.cached, "a result has one key, whatever runs the image"
    anew = unbuilt.mpforge("run", "--no-cache", BUILD, env=NO_RUNTIME)
    assert anew.code == 0, str(anew)
    assert unbuilt.wheel().read_bytes() == by_runtime
    tested = unbuilt.nox("test-aarch64-cp311", env=NO_RUNTIME)
    assert tested.code == 0, str(tested)
    assert "on aarch64, CPU cortex-a53" in tested.output
    assert "the child is on aarch64" in unbuilt.log("test-aarch64-cp311")
    again = built(unbuilt)
    assert unbuilt.steps() == [], str(again)
    assert BUILD in again.cached
    unbuilt.edit("tiny/_tiny.c", "(42)", "(6 * 7)")
    planned = {s["name"]: s["state"] for s in unbuilt.json("plan", "--json", BUILD)["sessions"]}
    assert planned[BUILD] == "would run", "a changed source is built again"
    assert emulating_runtime.ours(unbuilt.cache.root) == [], "no container is left"


@pytest.mark.cross
def test_an_image_of_this_machine_is_where_a_native_build_runs(
    unbuilt: Workspace, empty_cache: Cache, runtime: ContainerRuntime, manylinux_x86_64_image: str
) -> None:
    unbuilt.cache = empty_cache
    by(unbuilt, "native", manylinux_x86_64_image, target=NATIVE)
    run = unbuilt.nox(f"build-{NATIVE}")
    assert run.code == 0, str(run)
    assert f"{NATIVE}: native (image)" in run.output
    assert unbuilt.wheel().name.endswith(f"{NATIVE}.whl")
    assert runtime.ours(unbuilt.cache.root) == [], "no container is left"


GENERATES = """
    import os
    import shlex
    import subprocess

    from setuptools import Extension, setup
    from setuptools.command.build_ext import build_ext


    class Generated(build_ext):
        def run(self):
            compiler = shlex.split(os.environ.get("CC", "cc"))
            subprocess.run([*compiler, "generate.c", "-o", "generate"], check=True)
            with open("tiny/answer.h", "w") as file:
                subprocess.run(["./generate"], check=True, stdout=file)
            super().run()


    setup(
        ext_modules=[Extension("tiny._tiny", ["tiny/_tiny.c"], libraries=["crypt"])],
        cmdclass={"build_ext": Generated},
    )
"""
GENERATOR = r"""
    #include <stdio.h>

    int
    main(void)
    {
        printf("#define ANSWER %u\n", 6 * 7u);
        return 0;
    }
"""


@pytest.mark.cross
@pytest.mark.emulation
def test_hybrid_builds_what_runs_what_it_made_and_grafts_a_library_of_the_image(
    unbuilt: Workspace,
    empty_cache: Cache,
    emulating_runtime: ContainerRuntime,
    manylinux_aarch64_image: str,
) -> None:
    """A build that is crossed is told of it."""
    unbuilt.cache = empty_cache
    unbuilt.write("setup.py", GENERATES)
    unbuilt.write("generate.c", GENERATOR)
    unbuilt.write("MANIFEST.in", "include generate.c\ngraft tests\n")
    unbuilt.edit("tiny/_tiny.c", "(42)", '(crypt("secret", "$6$salt$") != NULL ? ANSWER : 0)')
    source = unbuilt.read("tiny/_tiny.c")
    unbuilt.write("tiny/_tiny.c", f'#include <crypt.h>\n#include "answer.h"\n{source}')
    by(unbuilt, "cross", None)
    run = unbuilt.nox(BUILD)
    assert run.code == 1, str(run)
    assert "ran-target-program: " in run.output
    assert 'strategy = "hybrid", which runs all such programs' in run.output
    by(unbuilt, "hybrid", manylinux_aarch64_image)
    tested = unbuilt.nox("test-aarch64-cp311")
    assert tested.code == 0, str(tested)
    assert "on aarch64, CPU cortex-a53" in tested.output
    assert [name for name in contents(unbuilt.wheel()) if "libcrypt" in name]
    assert emulating_runtime.ours(unbuilt.cache.root) == []


def test_a_shell_is_in_the_image_in_a_new_place_or_where_a_build_failed(
    unbuilt: Workspace, empty_cache: Cache, runtime: ContainerRuntime, manylinux_x86_64_image: str
) -> None:
    unbuilt.cache = empty_cache
    by(unbuilt, "native", manylinux_x86_64_image, target=NATIVE)
    session = f"build-{NATIVE}-cp311"
    seen = "pwd; cat /etc/os-release; command -v python; ls; exit 7"
    new = unbuilt.mpforge("shell", session, "--", "sh", "-c", seen)
    assert new.code == 7, str(new)
    assert "/mpforge/step/src\n" in new.output
    assert "/mpforge/step/env/bin/python\n" in new.output
    told = unbuilt.mpforge("shell", session)  # a shell that has nothing to read
    assert told.code == 0, str(told)
    pasted = unbuilt.mpforge("shell", session, "--", "sh", "-c", _as_told(told.output))
    assert pasted.code == 0, str(pasted)
    assert "made /mpforge/step/out/tiny-1.0-cp311-cp311-linux_" in pasted.output
    unbuilt.write("setup.py", f"{unbuilt.read('setup.py')}{BREAKS}")
    failed = unbuilt.mpforge("run", "--keep", session)
    assert failed.code == 1, str(failed)
    kept = unbuilt.mpforge("shell", session, "--", "cat", "made-here")
    assert kept.code == 0, str(kept)
    assert "by the build that failed" in kept.output
    assert runtime.ours(unbuilt.cache.root) == []


BREAKS = """
import sys

if "bdist_wheel" in sys.argv:
    with open("made-here", "w") as file:
        file.write("by the build that failed")
    sys.exit(3)
"""


def _as_told(output: str) -> str:
    """The line that a shell tells to paste."""
    (line,) = [line for line in output.splitlines() if "build_wheel.py" in line]
    return line
