"""What a real compiler and a real backend gave is proved before it ships, whatever kind of build it was."""

import re

import pytest

from tests.e2e.workspace import Workspace

# e_shoff, e_shnum and e_shstrndx of 64 bits: a loader does not miss them.
WITHOUT_SECTIONS = """
    mkdir out
    echo 'int z(void) { return 1; }' > z.c
    echo 'int z(void); int main(void) { return z(); }' > prog.c
    $CC -shared -o libz_of_mine.so z.c
    $CC prog.c -o out/prog -L. -lz_of_mine -Wl,-rpath,$PWD
    printf '\\0\\0\\0\\0\\0\\0\\0\\0' | dd of=out/prog bs=1 seek=40 conv=notrunc
    printf '\\0\\0\\0\\0' | dd of=out/prog bs=1 seek=60 conv=notrunc
"""
PLUGIN = """
    mkdir out
    echo 'int host_tell(void); int start(void) { return host_tell(); }' > plugin.c
    $CC -shared -fPIC -o out/plugin.so plugin.c
    echo "prefix=$PWD" > out/plugin.pc
"""
LIE = """
    from setuptools import Extension, setup

    setup(
        ext_modules=[Extension("tiny._tiny", ["tiny/_tiny.c"])],
        options={"bdist_wheel": {"py_limited_api": "cp39"}},
    )
"""


@pytest.mark.gcc
def test_a_program_without_section_headers_is_read_as_a_loader_reads_it(quick: Workspace) -> None:
    quick.write("build.sh", WITHOUT_SECTIONS)
    run = quick.mpforge("run", "build")
    assert run.code == 1, str(run)
    assert "out/prog: needs libz_of_mine.so, which the policy does not allow" in run.output
    assert "out/prog: has an rpath into the build directory" in run.output
    assert not (quick.root / "dist").exists()


@pytest.mark.gcc
def test_what_a_plugin_wants_of_its_program_must_be_named_and_its_build_s_path_is_told(
    quick: Workspace,
) -> None:
    quick.write("build.sh", PLUGIN)
    run = quick.mpforge("run", "build")
    assert run.code == 1, str(run)
    assert "undefined-symbol: the build for " in run.output
    assert "out/plugin.so: undefined symbol host_tell" in run.output
    spec = quick.root / "multiplatform.toml"
    spec.write_text(spec.read_text() + 'allow-undefined = ["host_*"]\n')
    run = quick.mpforge("run", "build")
    assert run.code == 0, str(run)
    assert re.search(r"warning: out/plugin\.pc names /\S+/src, a path of the build", run.output)


@pytest.mark.cross
@pytest.mark.network
def test_a_wheel_that_lies_of_its_abi_or_lacks_a_source_is_refused(unbuilt: Workspace) -> None:
    right = (unbuilt.root / "setup.py").read_text()
    unbuilt.write("setup.py", LIE)
    run = unbuilt.nox("build-aarch64-cp311")
    assert run.code == 1, str(run)
    module = "tiny/_tiny.cpython-311-aarch64-linux-gnu.so"
    assert "abi3-violation: tiny-1.0-cp39-abi3-" in run.output
    assert f"{module} is for cp311 alone, the tag is abi3" in run.output
    unbuilt.write("setup.py", right)
    source = unbuilt.root / "tiny" / "_tiny.c"
    source.write_text(
        "long forgotten(void);\n"
        + source.read_text().replace("FromLong(42)", "FromLong(forgotten())")
    )
    run = unbuilt.nox("build-aarch64-cp311")
    assert run.code == 1, str(run)
    assert f"{module}: undefined symbol forgotten" in run.output
    assert "add the source file that defines it" in run.output
    assert unbuilt.wheels() == []
