"""A cross compiler in an image: the hooks run there and see the target, and the wheel is the target's."""

import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import write_project
from tests.e2e.workspace import Cache, Workspace

pytestmark = pytest.mark.docker

SPEC = """
    schema = 1

    [project]
    python = ["cp311"]
    targets = ["{target}"]

    [build]
    toolchain = "dockcross"
    {build}

    [toolchains.dockcross]
    kind = "container"
    image = "{image}"
    {toolchain}
"""
SETUP = """
    import os, platform, sysconfig
    from setuptools import Extension, setup

    get = sysconfig.get_config_var
    told = platform.machine(), sysconfig.get_platform(), get("SOABI"), get("CC"), os.environ.get("CC")
    print("told:", *told)
    setup(ext_modules=[Extension("tiny._tiny", ["tiny/_tiny.c"])])
"""
GCC = "/usr/bin/aarch64-linux-gnu-gcc"
EM_AARCH64 = 183  # elf(5)


def _project(
    root: Path,
    cache: Cache,
    image: str,
    *,
    target: str = "aarch64",
    build: str = "",
    toolchain: str = "",
) -> Workspace:
    workspace = Workspace(root, cache)
    write_project(workspace)
    spec = SPEC.format(target=target, image=image, build=build, toolchain=toolchain)
    workspace.write("multiplatform.toml", spec)
    return workspace


def _machines(wheel: Path) -> list[int]:
    """The machine of each shared library of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        found = [archive.read(name) for name in archive.namelist() if ".so" in name]
    return [int.from_bytes(data[18:20], "little") for data in found]


def test_hooks_in_the_image_see_the_target_and_the_wheel_is_the_targets(
    place: Path, empty_cache: Cache, cross_aarch64_image: str
) -> None:
    workspace = _project(place / "project", empty_cache, cross_aarch64_image)
    workspace.write("setup.py", SETUP)
    run = workspace.nox("test-aarch64")
    assert run.code == 0, str(run)
    told = f"told: aarch64 linux-aarch64 cpython-311-aarch64-linux-gnu {GCC} {GCC}"
    assert told in workspace.log("build-aarch64-cp311")
    assert _machines(workspace.wheel()) == [EM_AARCH64]
    assert workspace.wheel().name.endswith("_aarch64.whl")
    entry = workspace.record()[workspace.wheel().name]
    assert entry["strategy"] == "cross"
    assert [test["machine"] for test in entry["tests"].values()] == ["aarch64"]

    again = workspace.nox("test-aarch64")
    assert {"build-aarch64-cp311", "test-aarch64-cp311"} <= again.cached, str(again)
    assert workspace.steps() == []


def test_the_toolchains_variables_and_before_all_are_there_for_the_build(
    place: Path, empty_cache: Cache, cross_aarch64_image: str
) -> None:
    build = """
    before-all = [
        'echo "$LIBRARIES {arch} #{arch}" > /made-before-all',
        ["cp", "{project}/tiny/_tiny.c", "/a file"],
    ]
    before-all-sources = ["tiny/*.c"]
    before-build = [
        "cat /made-before-all",
        'test -d "$CROSS_ROOT" && test -f "/a file" -a ! -e /project/tiny',
    ]
    environment = { CFLAGS = "-DOF_THE_SPEC" }
    """
    toolchain = 'environment = { LIBRARIES = "/opt/{triple}", CFLAGS = "-DOF_THE_TOOLCHAIN" }'
    workspace = _project(
        place / "project", empty_cache, cross_aarch64_image, build=build, toolchain=toolchain
    )
    run = workspace.nox("build-aarch64")
    assert run.code == 0, str(run)
    flags = "-I/opt/cross/include -DOF_THE_TOOLCHAIN -DOF_THE_SPEC"
    log = workspace.log("build-aarch64-cp311")
    assert flags in log
    assert "\n/opt/aarch64-linux-gnu aarch64 {arch}\n" in log
    assert _machines(workspace.wheel()) == [EM_AARCH64]


def test_a_library_of_the_target_s_in_the_image_is_grafted_and_no_other(
    place: Path, empty_cache: Cache, cross_aarch64_image: str
) -> None:
    source = "int forty_two(void) { return 42; }"
    build = f"""
    before-all = [
        "cp /lib/x86_64-linux-gnu/libz.so.1 /lib/x86_64-linux-gnu/libanswer.so.1",
        "echo '{source}' | $CC -xc - -shared -Wl,-soname,libanswer.so.1 -o $CROSS_ROOT/lib/libanswer.so.1",
        "ln -s libanswer.so.1 $CROSS_ROOT/lib/libanswer.so",
    ]
    """
    workspace = _project(place / "project", empty_cache, cross_aarch64_image, build=build)
    workspace.edit("setup.py", '["tiny/_tiny.c"]', '["tiny/_tiny.c"], libraries=["answer"]')
    workspace.edit("tiny/_tiny.c", "(42)", "(forty_two())")
    text = workspace.read("tiny/_tiny.c")
    workspace.write("tiny/_tiny.c", f"int forty_two(void);\n{text}")
    run = workspace.nox("build-aarch64")
    assert run.code == 0, str(run)
    with zipfile.ZipFile(workspace.wheel()) as archive:
        assert [name for name in archive.namelist() if "libanswer" in name]
    assert set(_machines(workspace.wheel())) == {EM_AARCH64}


def test_an_image_without_a_cross_compiler_is_refused_by_what_it_lacks(
    place: Path, empty_cache: Cache, manylinux_x86_64_image: str
) -> None:
    workspace = _project(place / "project", empty_cache, manylinux_x86_64_image)
    run = workspace.mpforge("run", "build-aarch64")
    assert run.code == 4, str(run)
    assert f"image-unfit: the image {manylinux_x86_64_image} has no cross compiler" in run.output
    assert "it sets no CC" in run.output


def test_a_compiler_that_is_not_there_is_refused(
    place: Path, empty_cache: Cache, manylinux_x86_64_image: str
) -> None:
    toolchain = 'environment = { CC = "/opt/nowhere/gcc" }'
    workspace = _project(
        place / "project", empty_cache, manylinux_x86_64_image, toolchain=toolchain
    )
    run = workspace.mpforge("run", "build-aarch64")
    assert run.code == 4, str(run)
    assert "CC is /opt/nowhere/gcc, which does not exist" in run.output


def test_a_compiler_for_another_machine_is_refused(
    place: Path, empty_cache: Cache, cross_aarch64_image: str
) -> None:
    workspace = _project(place / "project", empty_cache, cross_aarch64_image, target="x86_64")
    run = workspace.mpforge("run", "build-x86_64")
    assert run.code == 4, str(run)
    assert f"the compiler of the image {cross_aarch64_image} is not for x86_64" in run.output
    assert f"{GCC} -dumpmachine says aarch64-linux-gnu" in run.output


def test_an_image_that_is_not_of_this_machine_is_refused(
    place: Path, empty_cache: Cache, tiny_aarch64_image: str
) -> None:
    workspace = _project(place / "project", empty_cache, tiny_aarch64_image)
    run = workspace.mpforge("run", "build-aarch64")
    assert run.code == 4, str(run)
    assert f"the image {tiny_aarch64_image} is for linux/arm64" in run.output
