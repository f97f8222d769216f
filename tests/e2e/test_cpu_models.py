"""Tests on CPU models: a wheel that needs a newer CPU fails on the oldest, and is told where and why."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import NATIVE, write_project
from tests.e2e.workspace import Cache, Run, Workspace

pytestmark = [pytest.mark.cross, pytest.mark.emulation, pytest.mark.network]
FAILED = "illegal-instruction: tests of {stem} on a {model} failed: "

SPEC = """
    schema = 1

    [project]
    python = ["cp311"]
    targets = ["{target}"]

    [test]
    command = ["{{python}} -m unittest discover -s tests"]
    cpus = {cpus}
"""
# Both add 1 to a number. The first needs Armv8.1's atomics, the second AVX2. They ask for the CPU's features
# and do not heed the answer, so the static check takes them to choose.
LSE = """
    #include <sys/auxv.h>
    __attribute__((noinline, visibility("default"))) long
    newer(long *number)
    {
        long old = (long)getauxval(AT_HWCAP);
        __asm__ volatile(".arch armv8.1-a\\n ldadd %2, %0, [%1]"
                         : "=r"(old) : "r"(number), "r"(1L) : "memory");
        return old + 1;
    }
"""
AVX2 = """
    #include <sys/auxv.h>
    static __attribute__((noinline)) long
    newer(long *number)
    {
        long sum = (long)getauxval(AT_HWCAP);
        __asm__ volatile("vmovq %1, %%xmm0\\n vpcmpeqq %%ymm1, %%ymm1, %%ymm1\\n"
                         "vpsubq %%ymm1, %%ymm0, %%ymm0\\n vmovq %%xmm0, %0\\n vzeroupper"
                         : "=r"(sum) : "r"(*number) : "xmm0", "xmm1");
        return sum;
    }
"""
TEST = """
    import subprocess
    import sys
    import unittest


    class Tiny(unittest.TestCase):
        def test_answer(self):
            code = "from tiny import _tiny; assert _tiny.answer() == 42"
            {how}
"""
HERE = TEST.replace("{how}", "exec(code)")
CHILD = TEST.replace("{how}", 'subprocess.run([sys.executable, "-c", code], check=True)')


@pytest.fixture
def project(built: Workspace, tools: Path, place: Path) -> Workspace:
    workspace = Workspace(place / "project", Cache.sharing(tools, place / "cache"))
    write_project(workspace)
    shutil.copy2(built.root / "multiplatform.lock", workspace.root)
    return workspace


def needing(workspace: Workspace, function: str, *, target: str, cpus: list[str]) -> None:
    """Let the module need what ``function`` needs, and be tested on these models."""
    workspace.write("multiplatform.toml", SPEC.format(target=target, cpus=cpus))
    workspace.write("tests/test_tiny.py", HERE)
    workspace.edit("tiny/_tiny.c", "FromLong(42)", "FromLong(newer(&(long){41}))")
    source = workspace.read("tiny/_tiny.c")
    workspace.write(
        "tiny/_tiny.c", source.replace("static PyObject", function + "\nstatic PyObject", 1)
    )


def test_atomics_of_a_newer_arm_fail_on_the_oldest_with_their_place_and_pass_on_a_newer(
    project: Workspace,
) -> None:
    fails_on_the_oldest(project)


@pytest.mark.docker
@pytest.mark.usefixtures("emulating_runtime")
def test_so_they_do_in_a_container(project: Workspace, manylinux_aarch64_image: str) -> None:
    image = f'[build]\nstrategy = "hybrid"\nimage = "{manylinux_aarch64_image}"\n\n[test]'
    run = fails_on_the_oldest(project, ("[test]", image))
    assert "aarch64: hybrid (zig)" in run.output


def fails_on_the_oldest(project: Workspace, *edits: tuple[str, str]) -> Run:
    needing(project, LSE, target="aarch64", cpus=["cortex-a53", "max"])
    for old, new in edits:
        project.edit("multiplatform.toml", old, new)
    run = project.nox("test-aarch64")
    assert run.code == 1, str(run)
    assert run.sessions["test-aarch64-cp311-max"][0] == "success"
    assert run.sessions["test-aarch64-cp311-cortex_a53"][0] == "aborted"
    module = "tiny/_tiny.cpython-311-aarch64-linux-gnu.so"
    assert FAILED.format(stem="aarch64-cp311", model="cortex-a53") in run.output
    assert f"an instruction in the wheel's {module} that a cortex-a53 does not have" in run.output
    assert ", in newer+0x" in run.output
    assert "ldadd needs lse" in run.output
    assert "Python was at" in run.output
    assert "    tests/test_tiny.py:9, in test_answer" in run.output
    assert "Or name a newer model than cortex-a53 in [test] cpus" in run.output
    return run


def test_an_illegal_instruction_of_a_child_of_pytest_s_is_found_through_the_shell(
    project: Workspace,
) -> None:
    needing(project, LSE, target="aarch64", cpus=[])
    project.edit(
        "multiplatform.toml",
        'command = ["{python} -m unittest discover -s tests"]',
        'requires = ["pytest"]\ncommand = "{python} -m pytest -q tests || exit 3"',
    )
    project.write("tests/test_tiny.py", CHILD)
    run = project.nox("test-aarch64")
    assert run.code == 1, str(run)
    assert FAILED.format(stem="aarch64-cp311", model="cortex-a53") in run.output
    assert "an instruction in the wheel's tiny/_tiny.cpython" in run.output
    assert ", in newer+0x" in run.output
    assert "<string>:1, in <module>" in run.output


@pytest.mark.skipif(NATIVE != "x86_64", reason="x86-64 models natively need an x86-64 host")
def test_models_of_the_host_s_own_platform_are_emulated(project: Workspace) -> None:
    original = project.read("tiny/_tiny.c")
    careless = AVX2.replace(" = (long)getauxval(AT_HWCAP)", "")
    needing(project, careless, target="x86_64", cpus=[])
    run = project.nox("build-x86_64")
    assert "newer-cpu-needed: tiny-" in run.output, str(run)
    assert "needs a newer CPU than x86-64, and does not check for one" in run.output
    assert "tiny/_tiny.cpython-311-x86_64-linux-gnu.so: at 0x" in run.output
    assert "bytes after PyInit__tiny: vmovq %rax,%xmm0 needs AVX (and 4 more)" in run.output
    assert 'set `cpu = "x86-64-v3"` in [build]' in run.output
    project.edit("multiplatform.toml", "[test]", '[build]\ncpu = "x86-64-v3"\n\n[test]')
    assert project.nox("build-x86_64").code == 0
    project.write("tiny/_tiny.c", original)
    needing(
        project, AVX2, target="x86_64", cpus=["qemu64", "Haswell", "Skylake-Server", "Hasswell"]
    )
    run = project.nox("test-x86_64")
    assert run.sessions["test-x86_64-cp311-haswell"][0] == "success"
    assert "on x86_64, CPU Haswell" in run.output
    assert FAILED.format(stem="x86_64-cp311", model="qemu64") in run.output
    assert "VEX encoded: AVX, AVX2" in run.output
    assert (
        "in a function without a name: symbols are stripped, the nearest before it is PyInit__tiny"
        in run.output
    )
    assert "host-cannot: Skylake-Server (test.cpus) has AVX-512" in run.output
    assert "unknown-cpu: Hasswell (test.cpus) is not a CPU model of qemu-x86_64" in run.output
    assert "did you mean Haswell" in run.output
