from pathlib import Path

import pytest

from mpforge.platforms import well_known
from mpforge.toolchains import compiler_wrappers, double_double
from mpforge.toolchains.musl_library import musl_library, replace_stubs
from mpforge.toolchains.zig import Runtime, runtime_flags
from tests.unit.elfmaker import Elf


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ((), ()),
        (("-O2 -g -Wall -fvisibility=hidden",), ()),
        (("-Os",), ("-Os",)),
        (("-Os -O2",), ()),
        (("-O2", "-Oz"), ("-Oz",)),
        (("-mcpu=cortex-a53 -O3", "-mcpu=cortex-a72"), ("-mcpu=cortex_a72",)),
        (("-march=armv8.2-a",), ("-mcpu=generic+v8_2a",)),
        (("-flto=auto",), ()),
        (("-flto -fno-lto",), ()),
        (("-fomit-frame-pointer -funwind-tables",), ("-fomit-frame-pointer", "-funwind-tables")),
    ],
)
def test_of_a_build_s_flags_those_count_that_zig_makes_its_own_libraries_with(
    given: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    assert runtime_flags(given) == kept


_MUSL = musl_library(well_known()["armv7l_musl"], "musllinux_1_2")


def test_only_musl_targets_link_against_a_musl_which_is_named_as_policies_name_it() -> None:
    named = {name: musl_library(well_known()[name], "musllinux_1_2") for name in well_known()}
    of_musl = {name: found.name for name, found in named.items() if found}
    assert of_musl["x86_64_musl"] == "libc.musl-x86_64.so.1"
    assert of_musl["i686_musl"] == "libc.musl-x86.so.1"
    assert of_musl["armv7l_musl"] == "libc.musl-armv7.so.1"
    assert set(of_musl) == {name for name in well_known() if name.endswith("_musl")}


def test_zig_s_musl_is_replaced_by_one_without_newer_symbols(tmp_path: Path) -> None:
    stub = tmp_path / "cache" / "o" / "0123" / "libc.so"
    stub.parent.mkdir(parents=True)
    stub.write_bytes(Elf(exported=("memcpy", "preadv2", "qsort_r")).data)
    calls: list[tuple[str, ...]] = []

    def zig(*words: str) -> None:
        calls.append(words)
        Path(words[words.index("-o") + 1]).write_bytes(b"of " + words[-1].encode())

    assert _MUSL is not None
    replace_stubs(_MUSL, tmp_path / "cache", tmp_path, zig)
    assert stub.read_bytes().startswith(b"of ")
    assembly = (tmp_path / "musl.s").read_text()
    assert "memcpy:" in assembly
    assert "preadv2" not in assembly
    assert calls[1][:4] == ("ld.lld", "-shared", "-soname", "libc.musl-armv7.so.1")


def test_zig_compiles_its_own_libraries_for_the_long_double_of_the_target() -> None:
    """Else libc++ for ppc64le calls ``__vfprintfieee128`` of glibc 2.32, which older ones lack."""
    programs = compiler_wrappers.programs(well_known()["ppc64le"], "manylinux_2_28", cross=True)
    assert "export CCC_OVERRIDE_OPTIONS='# +-mabi=ibmlongdouble'\n" in programs["cc"]
    assert 'set -- "$@" "$ZIG_GLOBAL_CACHE_DIR/o/double-double.a"' in programs["cc"]
    programs = compiler_wrappers.programs(well_known()["s390x"], "manylinux_2_17", cross=True)
    assert "CCC_OVERRIDE_OPTIONS" not in programs["cc"]
    assert "double-double" not in programs["cc"]


def test_the_arithmetic_of_ppc64le_s_long_double_is_made_once(tmp_path: Path) -> None:
    text = double_double.source(well_known()["ppc64le"].zig_flags)
    assert text is not None
    assert double_double.source(well_known()["s390x"].zig_flags) is None
    calls: list[tuple[str, ...]] = []

    def zig(*words: str) -> None:
        calls.append(words)
        if words[0] == "ar":
            Path(words[2]).write_bytes(b"!<arch>\n")

    (tmp_path / "o").mkdir()
    for _ in range(2):
        double_double.make(text, tmp_path, tmp_path, zig)
    assert [call[0] for call in calls] == ["cc", "ar"]
    assert "-fvisibility=hidden" in calls[0]


def test_zig_s_libraries_are_known_by_all_that_they_are_made_from() -> None:
    runtimes = [
        Runtime("zig", "aarch64-linux-gnu.2.17", ("-a",)),
        Runtime("zag", "aarch64-linux-gnu.2.17", ("-a",)),
        Runtime("zig", "aarch64-linux-gnu.2.28", ("-a",)),
        Runtime("zig", "aarch64-linux-gnu.2.17", ("-b",)),
        Runtime("zig", "aarch64-linux-gnu.2.17", ("-a",), ("-Os",)),
        Runtime("zig", "aarch64-linux-gnu.2.17", ("-a",), musl=_MUSL),
    ]
    names = {runtime.name(language) for runtime in runtimes for language in ("c", "c++")}
    assert len({digest for _, digest in names}) == 2 * len(runtimes)
