"""What zig is told for the arguments of a compiler, by a zig that prints its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mpforge import processes
from mpforge.platforms import well_known
from mpforge.toolchains import compiler_wrappers, target_view
from mpforge.toolchains.compiler_wrappers import WrapperNote
from mpforge.toolchains.target_view import View
from tests.e2e.target_compilers import AARCH64, PATH, POLICY

pytestmark = pytest.mark.cross


Told = Callable[..., tuple[list[str], list[WrapperNote]]]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """What zig is told for a call: the arguments that are not always there, and the notes."""
    zig = tmp_path / "zig"
    zig.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n", encoding="utf-8")
    zig.chmod(0o755)

    def call(
        *arguments: str, target: str = "aarch64", **variables: str
    ) -> tuple[list[str], list[WrapperNote]]:
        tree, log = tmp_path / target, tmp_path / "notes"
        log.unlink(missing_ok=True)
        if not tree.exists():
            target_view.make_view(tree, View(well_known()[target], POLICY, cross=True))
        environment = {
            "PATH": PATH,
            "MPFORGE_ZIG": str(zig),
            "MPFORGE_WRAPPER_LOG": str(log),
            "ZIG_GLOBAL_CACHE_DIR": str(tmp_path),
            **variables,
        }
        answer = processes.capture([str(tree / "bin" / "cc"), *arguments], environment=environment)
        assert answer.returncode == 0, answer.stderr
        lines = (answer.stdout or answer.stderr).splitlines()  # what is linked again is told late
        ours = [line for line in lines if line.startswith("-ffile-prefix-map=")]
        own = lines[lines.index(ours[-1]) + 1 :]
        always = {"-g0", "-Wl,-s", "-Wl,--no-gc-sections"}
        return [word for word in own if word not in always], [*compiler_wrappers.read_notes(log)]

    return call


@pytest.mark.parametrize(
    "flag",
    [
        "-flto=auto",
        "-ffat-lto-objects",
        "-fcf-protection=full",
        "-mtune=generic",
        "-march=native",
        "--target=aarch64-unknown-linux-gnu",
        "-fplugin=annobin",
        "-fno-tree-pre",
        "-fno-gnu-unique",
        "-fno-printf-return-value",
        "-mtls-dialect=desc",
        "-std=c++17",
        "-Wl,--icf=all",
        "-Wl,-z,pack-relative-relocs",
        "-Wl,-rpath-link,/x",
    ],
)
def test_a_flag_that_zig_refuses_is_dropped_and_noted(told: Told, flag: str) -> None:
    arguments, notes = told("-O2", flag, "-c", "a.c")
    assert arguments == ["-O2", "-c", "a.c"]
    assert notes == [WrapperNote("dropped", flag)]


@pytest.mark.parametrize(
    ("given", "instead"),
    [
        (["-march=armv8-a"], ["-mcpu=generic"]),
        (["-march=armv8-a+crc+crypto"], ["-mcpu=generic+crc+aes+sha2"]),
        (["-march=armv8.2-a+fp16+nosimd"], ["-mcpu=generic+v8_2a+fullfp16-simd"]),
        (["-mcpu=cortex-a53"], ["-mcpu=cortex_a53"]),
        (["-mcpu=neoverse-n1"], ["-mcpu=neoverse_n1"]),
        (["-Wp,-D_FORTIFY_SOURCE=2,-DX"], ["-D_FORTIFY_SOURCE=2", "-DX"]),
        (["-Wl,--undefined=f"], ["-Wl,-u,f"]),
        (["-Wl,-h,libx.so"], ["-Wl,-soname,libx.so"]),
        (
            ["-Wl,-version-script", "-Wl,x.map"],
            ["-Wl,--undefined-version", "-Wl,--version-script", "-Wl,x.map"],
        ),
        (["-mfix-cortex-a53-843419"], []),  # the linker's
    ],
)
def test_a_flag_that_zig_calls_otherwise_is_translated(
    told: Told, given: list[str], instead: list[str]
) -> None:
    arguments, notes = told("-O2", *given, "a.c")
    assert sorted(arguments) == sorted(["-O2", *instead, "a.c"])  # a CPU comes last
    assert notes[0].kind == "translated"


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (["-Wl,-O1,--as-needed,--icf=all,-z,relro"], ["-Wl,--as-needed,-z,relro"]),
        (["-Wl,-rpath-link,/x,-rpath,$ORIGIN/x"], ["-Wl,-rpath,$ORIGIN/x"]),
        (["-Wl,-rpath-link", "-Wl,/x"], []),
        (["-Wl,-z", "-Wl,now"], ["-Wl,-z,now"]),
        (["-Wl,-znow"], ["-Wl,-z,now"]),
        (["-Wl,-rpath", "-Wl,/x"], ["-Wl,-rpath", "-Wl,/x"]),
        (["-Xlinker", "--icf=all", "-Xlinker", "--as-needed"], ["-Wl,--as-needed"]),
        (
            ["-Wl,--push-state,--as-needed,-Bstatic,-lm,--pop-state"],
            ["-Wl,--as-needed,-Bstatic", "-lm", "-Wl,--no-as-needed,--no-whole-archive,-Bdynamic"],
        ),
        (
            ["-Wl,--start-group,-la,-lb,--end-group"],
            ["-Wl,--start-group", "-la", "-lb", "-Wl,--end-group"],
        ),
        (["-u", "f"], ["-Wl,-u,f"]),
        (["-target", "x86_64-linux-gnu"], []),
    ],
)
def test_flags_of_the_linker_are_sifted_inside_of_their_lists(
    told: Told, given: list[str], left: list[str]
) -> None:
    arguments, _ = told("-O2", "-shared", "a.o", *given)
    assert arguments == ["-O2", "-shared", "a.o", *left]


@pytest.mark.parametrize(
    ("given", "carried"),
    [
        (["-Wl,-O1,-Bsymbolic-functions,-z,initfirst"], "-Bsymbolic-functions -z initfirst"),
        (["-Wl,--exclude-libs,ALL", "-Wl,-Map=out.map"], "--exclude-libs ALL -Map=out.map"),
        (["-Wl,--defsym", "-Wl,a=1"], "--defsym a=1"),
        (["-Xlinker", "--dynamic-list=x"], "--dynamic-list=x"),
        (["-Wl,--a-word-of-tomorrow"], "--a-word-of-tomorrow"),
        (["-Wl,--gc-sections"], "-z nostart-stop-gc"),  # else a list of plugins would go
    ],
)
def test_what_only_zig_s_linker_knows_is_carried_to_it(
    told: Told, given: list[str], carried: str
) -> None:
    _, notes = told("-O2", "-shared", "a.o", *given)
    assert WrapperNote("carried", carried) in notes
    assert [n for n in told("-O2", "-c", "a.c", *given)[1] if n.kind == "carried"] == []


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (["-std=c++17", "-c", "a.c"], None),
        (["-std=c99", "-std=c++17", "-c", "a.c"], "-std=c99"),
        (["-std=c99", "-std=gnu++17", "-c", "a.cc"], "-std=gnu++17"),
        (["-std=c11", "-x", "c++", "-c", "a.c"], None),
        (["-std=c++17", "a.o"], None),
    ],
)
def test_a_standard_of_the_other_language_is_left_out_as_gcc_does(
    told: Told, arguments: list[str], kept: str | None
) -> None:
    left, _ = told("-O2", *arguments)
    assert [word for word in left if "-std" in word] == ([kept] if kept else [])


def test_arguments_with_spaces_quotes_and_dollars_stay_whole(told: Told) -> None:
    words = ["-O2", '-DNAME="a b"', "-D", "-flto=auto", "-Wl,-rpath,$ORIGIN/a b", "a $(b) 'c'.c"]
    assert told(*words) == (words, [])


@pytest.mark.parametrize("flag", ["-mavx2", "-fcf-protection", "-flto", "-fno-tree-vectorize"])
def test_what_the_target_understands_is_kept(told: Told, flag: str) -> None:
    assert told("-O2", flag, "a.c", target="x86_64") == (["-O2", flag, "a.c"], [])


def test_a_cpu_of_x86_is_said_in_zigs_words(told: Told) -> None:
    arguments, _ = told("-O2", "-march=x86-64-v2", "-mtune=generic", "a.c", target="x86_64")
    assert arguments == ["-O2", "a.c", "-mcpu=x86_64_v2"]


def test_a_link_without_a_mode_or_with_a_cpu_is_one_of_those_made_beforehand(told: Told) -> None:
    words = ["-shared", "a.o", "-o", "a.so"]
    assert told(*words)[0] == [*words, "-O3"]
    assert told(*words, "-march=armv8-a+crc")[0] == [*words, "-O3"]
    assert told("-c", "a.c")[0] == ["-c", "a.c"]


def test_a_link_of_one_static_library_that_is_given_gets_the_others(told: Told) -> None:
    given = "/l/png/lib/libpng.a /l/zlib/lib/libz.a -lstdc++"
    words = ["-O2", "-shared", "a.o"]
    for name in ("-lpng", "-lz", "/l/zlib/lib/libz.a"):
        arguments, _ = told(*words, name, MPFORGE_LIBRARIES=given)
        assert arguments == [*words, name, *given.split()]
    for name in ("-lpn", "-lm", "./libz.a"):
        assert told(*words, name, MPFORGE_LIBRARIES=given)[0] == [*words, name]
    compiling = ["-O2", "-lpng", "-c", "a.c"]
    assert told(*compiling, MPFORGE_LIBRARIES=given)[0] == compiling


def test_a_file_of_arguments_is_read_too(told: Told, tmp_path: Path) -> None:
    words = tmp_path / "words.rsp"
    words.write_text("-O2 '-DA=\"b c\"' -DB=\\\"d\\\" -flto=auto\n\n-c 'a b.c'", encoding="utf-8")
    assert told(f"@{words}") == (
        ["-O2", '-DA="b c"', '-DB="d"', "-c", "a b.c"],
        [WrapperNote("dropped", "-flto=auto")],
    )
    words.write_text("-c '$(touch x).c'\n", encoding="utf-8")
    assert told(f"@{words}") == ([f"@{words}", "-O3"], [WrapperNote("unread", f"@{words}")])
    assert told("@none")[0] == ["@none", "-O3"]


@pytest.mark.parametrize("question", ["-dumpmachine", "-print-multiarch"])
def test_a_compiler_names_its_target_when_asked(tmp_path: Path, question: str) -> None:
    target_view.make_view(tmp_path / "tree", View(AARCH64, POLICY, cross=True))
    environment = {"MPFORGE_ZIG": "/bin/false", "ZIG_GLOBAL_CACHE_DIR": "/"}
    argv = [str(tmp_path / "tree" / "bin" / "cc"), question]
    assert processes.capture(argv, environment=environment).stdout == "aarch64-linux-gnu\n"
