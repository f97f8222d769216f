"""The compilers of a target, run as a build would run them: with zig itself, and with what it is told.

The first half replaces zig by a program that prints its arguments; the second compiles for aarch64.
"""

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mpforge import processes
from mpforge.artifacts import elf
from mpforge.artifacts.binary_format import Promise
from mpforge.artifacts.instructions import newer_instructions
from mpforge.obtain.pythons import host_python
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.platforms import Platform, well_known
from mpforge.processes import Captured
from mpforge.store.tool_store import ToolStore, ToolTree
from mpforge.toolchains import compiler_wrappers, target_view
from mpforge.toolchains.compiler_wrappers import WrapperNote
from mpforge.toolchains.target_view import Surroundings, View
from mpforge.toolchains.zig import Runtime, Zig, prime, private_cache

pytestmark = pytest.mark.cross

AARCH64 = well_known()["aarch64"]
POLICY = "manylinux_2_17"
PATH = "/usr/bin:/bin"

# --- what zig is told -------------------------------------------------------------------------

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


# --- what is of the host ----------------------------------------------------------------------


@dataclass
class Place:
    """A step's directory ``step``, compilers beside it, and a ``host`` that has headers and libraries."""

    root: Path

    def note(self, *arguments: str, below: str = ".", **variables: str) -> list[tuple[str, str]]:
        """What the compiler notes of a call made in ``step/src``, or below it: kind and flag."""
        log = self.root / "notes"
        log.unlink(missing_ok=True)
        environment = {
            "PATH": PATH,
            "MPFORGE_ZIG": "/bin/echo",
            "MPFORGE_WRAPPER_LOG": str(log),
            "MPFORGE_STEP_DIR": str(self.root / "step"),
            "ZIG_GLOBAL_CACHE_DIR": str(self.root),
            **variables,
        }
        argv = [str(self.root / "tree" / "bin" / "cc"), *arguments]
        answer = processes.capture(
            argv, environment=environment, cwd=self.root / "step" / "src" / below
        )
        notes = [(n.kind, n.flag) for n in compiler_wrappers.read_notes(log)]
        assert answer.returncode == any(kind == "refused" for kind, _ in notes), answer.stderr
        return notes

    @property
    def host(self) -> str:
        return str(self.root / "host")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Place:
    root = tmp_path.resolve()
    target_view.make_view(root / "tree", View(AARCH64, POLICY, cross=True))
    for name in (
        "include/python3.11/a.h",
        "include/z.h",
        "include/sub/s.h",
        "lib/libz.so",
        "python/lib/libpython3.11.so",
    ):
        path = root / "host" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    for folder in ("host/empty", "step/src/own", "step/env/lib"):
        (root / folder).mkdir(parents=True)
    (root / "step/src/link").symlink_to(root / "host/include")
    (root / "step/src/libhost.so").symlink_to(root / "host/lib/libz.so")
    (root / "step/src/libown.so").symlink_to("own/libown.so.1")
    (root / "step/src/own/libown.so.1").touch()
    (root / "also").symlink_to(root / "step")
    return Place(root)


@pytest.mark.parametrize(
    "words",
    [
        ["-IHOST/include"],
        ["-I", "HOST/include"],
        ["-isystem", "HOST/include"],
        ["-isystemHOST/include"],
        ["-iquoteHOST/include"],
        ["-I../../host/include"],
        ["-Ilink"],
        ["-Ilink/sub"],
        ["-Iown/.././link/sub"],
        ["-ISTEP/src/link/sub"],
        ["-include", "link/sub/s.h"],
        ["./libhost.so"],
        ["-LHOST/lib"],
        ["-Wl,-L,HOST/lib"],
        ["-Xlinker", "-LHOST/lib"],
        ["--sysroot=HOST"],
        ["-BHOST/lib"],
        ["HOST/lib/libz.so"],
        ["-Wl,--whole-archive,HOST/lib/libz.so"],
        ["-include", "HOST/include/z.h"],
        ["-I/usr/include"],
        ["-I/usr/include/linux/../linux"],
    ],
    ids=" ".join,
)
def test_what_is_of_the_host_is_refused_however_it_is_named(
    elsewhere: Place, words: list[str]
) -> None:
    step = str(elsewhere.root / "step")
    given = [word.replace("HOST", elsewhere.host).replace("STEP", step) for word in words]
    (note,) = elsewhere.note("-c", "a.c", *given)
    assert note[0] == "refused"
    path = next(word for word in given if "/" in word or word == "-Ilink")
    assert note[1].endswith(path.rpartition(",")[2].removeprefix("-L"))


@pytest.mark.parametrize(
    "words",
    [
        ["-Iown", "-I.", "-I..", "-I../../step/src/own", "-Lbuild/lib", "a.o", "own/../x.a"],
        [
            "libown.so",
            "./libown.so",
            "own/../libown.so",
            "ROOT/step/src/libown.so",
            "-Wl,libown.so",
        ],
        ["-IROOT/step/env/lib", "-IROOT/also/src/own", "-LROOT/step/env/lib/../lib"],
        ["-IROOT/tree/include", "-LROOT/tree/lib", "-l:libz.a", "-Wl,-soname,/x/libz.so.1"],
        ["-L/usr/lib/rustlib/aarch64-unknown-linux-gnu/lib", "-o", "/usr/lib/libz.so"],
    ],
    ids=["relative", "linked", "of-the-step", "of-the-view", "of-rust"],
)
def test_what_is_the_builds_own_passes_however_it_is_named(
    elsewhere: Place, words: list[str]
) -> None:
    assert elsewhere.note(*(w.replace("ROOT", str(elsewhere.root)) for w in words)) == []


@pytest.mark.parametrize("option", ["-I/usr/include", "-I/usr/local/include", "-L/usr/lib"])
def test_a_build_that_is_given_its_libraries_does_without_the_host_s(
    elsewhere: Place, option: str
) -> None:
    for words in ([option], [option[:2], option[2:]]):
        ((kind, flag),) = elsewhere.note("-c", "a.c", *words, MPFORGE_LIBRARIES="")
        assert (kind, flag.replace(" ", "")) == ("dropped", option)


def test_the_directory_of_a_call_is_looked_at_too(elsewhere: Place) -> None:
    assert elsewhere.note("-c", "a.c", "-Isub", "-I.", below="link") == [
        ("refused", "-Isub"),
        ("refused", "-I."),
    ]


def test_what_a_build_without_isolation_sees_of_the_host_passes(elsewhere: Place) -> None:
    flag, folders = f"-I{elsewhere.host}/include", f"/no/such/place:{elsewhere.host}"
    assert elsewhere.note("-c", "a.c", flag, MPFORGE_INSTALLED=folders) == []
    assert elsewhere.note("-c", "a.c", flag, MPFORGE_INSTALLED="/no/such/place") != []


@pytest.mark.parametrize(
    "flag",
    [
        "-IHOST/empty",
        "-IHOST/no-such-directory",
        "-LHOST/empty",
        "-LHOST/include",
        "-LHOST/python/lib",
        "-IHOST/include/python3.11",
    ],
)
def test_a_directory_of_the_host_that_can_change_nothing_is_dropped(
    elsewhere: Place, flag: str
) -> None:
    flag = flag.replace("HOST", elsewhere.host)
    assert elsewhere.note("-c", "a.c", flag) == [("dropped", flag)]


@pytest.mark.parametrize(
    ("variable", "flag"), [("CPATH", "-I "), ("C_INCLUDE_PATH", "-isystem ")], ids=["all", "c"]
)
def test_a_directory_of_the_host_that_the_environment_names_is_refused(
    elsewhere: Place, variable: str, flag: str
) -> None:
    host = f"{elsewhere.host}/include"
    given = {variable: f"own:{host}"}
    assert elsewhere.note("-c", "a.c", **given) == [("refused", f"{flag}{host}")]


def test_every_directory_of_the_host_in_a_call_is_told(elsewhere: Place) -> None:
    flags = [f"-I{elsewhere.host}/include", f"-L{elsewhere.host}/lib"]
    assert elsewhere.note("-c", "a.c", *flags) == [("refused", flag) for flag in flags]


def test_a_file_of_arguments_is_read_too(elsewhere: Place, told: Told, tmp_path: Path) -> None:
    words = tmp_path / "words.rsp"
    words.write_text(f'-c a.c "-I{elsewhere.host}/include"\n', encoding="utf-8")
    assert elsewhere.note(f"@{words}") == [("refused", f"-I{elsewhere.host}/include")]
    words.write_text("-O2 '-DA=\"b c\"' -DB=\\\"d\\\" -flto=auto\n\n-c 'a b.c'", encoding="utf-8")
    assert told(f"@{words}") == (
        ["-O2", '-DA="b c"', '-DB="d"', "-c", "a b.c"],
        [WrapperNote("dropped", "-flto=auto")],
    )
    words.write_text("-c '$(touch x).c'\n", encoding="utf-8")
    assert told(f"@{words}") == ([f"@{words}", "-O3"], [WrapperNote("unread", f"@{words}")])
    assert told("@none")[0] == ["@none", "-O3"]


# --- answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["-dumpmachine", "-print-multiarch"])
def test_a_compiler_names_its_target_when_asked(tmp_path: Path, question: str) -> None:
    target_view.make_view(tmp_path / "tree", View(AARCH64, POLICY, cross=True))
    environment = {"MPFORGE_ZIG": "/bin/false", "ZIG_GLOBAL_CACHE_DIR": "/"}
    argv = [str(tmp_path / "tree" / "bin" / "cc"), question]
    assert processes.capture(argv, environment=environment).stdout == "aarch64-linux-gnu\n"


# --- with zig ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def zig(request: pytest.FixtureRequest) -> tuple[Zig, ToolTree]:
    """zig of the development environment and its cache, made once for all runs."""
    ziglang = pytest.importorskip("ziglang", reason="the package ziglang is not installed")
    from importlib.metadata import version

    found = Zig(Path(ziglang.__file__).parent / "zig", version("ziglang"), version("ziglang"))
    store = ToolStore(request.config.cache.mkdir("mpforge-tools"))
    triple = compiler_wrappers.zig_target(AARCH64, POLICY)
    runtime = Runtime(found.digest, triple, compiler_wrappers.flags(AARCH64))
    return found, prime(found, runtime, "c++", store, lambda _: contextlib.nullcontext())


class Step:
    """A directory in which compilers are called with the variables of a step."""

    def __init__(self, directory: Path, view: Path, zig: tuple[Zig, ToolTree]) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.log = directory / "notes"
        there = Surroundings(
            zig=zig[0].path,
            zig_cache=private_cache([zig[1]], directory / "global"),
            scratch=directory / "scratch",
            step=directory,
            log=self.log,
        )
        shown = View(AARCH64, POLICY, cross=True)
        self.environment = {"PATH": PATH} | target_view.compiler_environment(view, shown, there)

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def call(self, variable: str, *arguments: str) -> Captured:
        argv = [self.environment[variable], *arguments]
        return processes.capture(argv, environment=self.environment, cwd=self.directory)

    def must(self, variable: str, *arguments: str) -> None:
        answer = self.call(variable, *arguments)
        assert answer.returncode == 0, answer.stderr


@pytest.fixture
def step(tmp_path: Path, zig: tuple[Zig, ToolTree]) -> Step:
    target_view.make_view(tmp_path / "tree", View(AARCH64, POLICY, cross=True))
    return Step(tmp_path / "step", tmp_path / "tree", zig)


C = """
#include <math.h>
#include <stdio.h>
const char *where(void) { return __FILE__; }
double f(double x) { printf("%s", where()); return pow(x, 2.5); }
"""
CXX = """
#include <stdexcept>
#include <string>
extern "C" int g(const char *s) {
  try { if (!*s) throw std::runtime_error(std::string(s) + __FILE__); }
  catch (const std::exception &e) { return e.what()[0]; }
  return 0;
}
"""


def machine_and_glibc(path: Path) -> tuple[str, tuple[int, ...]]:
    """The ELF header's machine, and the highest version of glibc that a symbol needs."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVerNeedSection

    with path.open("rb") as file:
        elf = ELFFile(file)
        names = [
            auxiliary.name
            for section in elf.iter_sections()
            if isinstance(section, GNUVerNeedSection)
            for _, auxiliaries in section.iter_versions()
            for auxiliary in auxiliaries
        ]
        found = [name.removeprefix("GLIBC_") for name in names if name.startswith("GLIBC_")]
        versions = [tuple(int(part) for part in name.split(".")) for name in found]
        return elf["e_machine"], max(versions, default=(0,))


def needing_a_newer_cpu(library: Path, platform: Platform) -> tuple[str, ...]:
    """The reasons why a library does not run on a platform's oldest CPU."""
    promise = Promise(platform, platform.default_policy)
    files = {library.name: elf.read(library)}
    return newer_instructions(library.parent, files, promise).refused


LOOPS = """
double f(const double *p, int n) {
  double a[24] = {0};
  for (; n--; p += 24) for (int i = 0; i < 24; i++) a[i] += a[(i + 7) % 24] * p[i];
  double sum = 0;
  for (int i = 0; i < 24; i++) sum += a[i];
  return sum;
}
int g(int *p, int n) { int s = 0; for (int i = 0; i < n; i++) s += p[i] ^ n; return s / n; }
long h(long *p) { return __atomic_add_fetch(p, 1, __ATOMIC_SEQ_CST); }
"""


def test_loops_are_compiled_for_each_target_s_oldest_cpu_unless_a_newer_one_is_named(
    tmp_path: Path, zig: tuple[Zig, ToolTree]
) -> None:
    """Vectors, integer division and 32 registers of doubles, where the oldest CPU lacks them."""
    (tmp_path / "a.c").write_text(LOOPS, encoding="utf-8")
    caches = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")
    environment = {"PATH": PATH} | dict.fromkeys(caches, str(tmp_path / "cache"))
    newer = {"x86_64": "haswell", "armv7l": "cortex_a7", "s390x": "z13"}
    for platform in filter(lambda one: one.available, well_known().values()):
        for cpu in {None, newer.get(platform.name)}:
            target = compiler_wrappers.zig_target(platform, platform.default_policy)
            flags = [*compiler_wrappers.flags(platform), *([f"-mcpu={cpu}"] if cpu else [])]
            link = ["-O3", "-shared", "-fPIC", "-nostdlib", "a.c", "-o", "a.so"]
            argv = [str(zig[0].path), "cc", "-target", target, *flags, *link]
            answer = processes.capture(argv, environment=environment, cwd=tmp_path)
            assert answer.returncode == 0, answer.stderr
            found = needing_a_newer_cpu(tmp_path / "a.so", platform)
            assert bool(found) == (cpu is not None), (platform.name, cpu, found)
            assert all(reason.startswith(("a.so: f+0x", "a.so: g+0x")) for reason in found)


@pytest.mark.parametrize(
    ("variable", "name", "text"), [("CC", "a b.c", C), ("CXX", "a b.cc", CXX)], ids=["c", "c++"]
)
def test_two_directories_give_the_same_bytes_for_the_target(
    tmp_path: Path, zig: tuple[Zig, ToolTree], variable: str, name: str, text: str
) -> None:
    results = []
    for place in ("one", "another directory"):
        tree = tmp_path / place / "tree"
        target_view.make_view(tree, View(AARCH64, POLICY, cross=True))
        step = Step(tmp_path / place / "step", tree, zig)
        source = step.write(f"src/{name}", text)
        step.must(variable, "-g", "-O3", "-fPIC", "-c", str(source), "-o", "a b.o")
        step.must(variable, "-shared", "a b.o", "-O3", "-lm", "-o", "a b.so")
        linked = step.directory / "a b.so"
        assert machine_and_glibc(linked)[0] == "EM_AARCH64"
        assert (2, 0) < machine_and_glibc(linked)[1] <= (2, 17)
        # libunwind, which zig links into C++, has some of SVE.
        assert needing_a_newer_cpu(linked, AARCH64) == ()
        results.append((linked.read_bytes(), (step.directory / "a b.o").read_bytes()))
    assert results[0] == results[1]
    assert not [blob for blob in results[0] if str(tmp_path).encode() in blob]


def test_what_debian_and_pyenv_leave_in_cflags_compiles_and_links(step: Step) -> None:
    step.write("a.c", C)
    debian = "-g -fwrapv -O2 -fstack-protector-strong -Wformat -Werror=format-security"
    fedora = "-flto=auto -ffat-lto-objects -fcf-protection -Wp,-D_FORTIFY_SOURCE=2 -mtune=generic"
    link = "-shared -Wl,-O1 -Wl,-Bsymbolic-functions -Wl,-z,relro,-z,now,-z,pack-relative-relocs"
    flags = f"{debian} {fedora} -fstack-clash-protection -fno-semantic-interposition".split()
    step.must("CC", *flags, "-fPIC", "-c", "a.c", "-o", "a.o")
    step.must("CC", *link.split(), *flags, "a.o", "-o", "a.so")
    dropped = {
        note.flag for note in compiler_wrappers.read_notes(step.log) if note.kind == "dropped"
    }
    assert {"-flto=auto", "-fcf-protection"} <= dropped
    assert machine_and_glibc(step.directory / "a.so")[1] <= (2, 17)


def test_a_program_is_stripped_of_what_names_this_machine_unless_debugging_is_asked_for(
    step: Step,
) -> None:
    header = Path(step.environment["CC"]).parent / ".." / "include" / "here.h"
    header.parent.mkdir(exist_ok=True)
    header.write_text("static const char *here(void) { return __FILE__; }\n", encoding="utf-8")
    main = '#include "here.h"\nint main(void) { puts(here()); return 0; }\ndouble f'
    source = step.write("a.c", C.replace("double f", main))
    step.must("CC", "-g", "-O3", f"-I{header.parent}", str(source), "-lm", "-o", "a")
    program = (step.directory / "a").read_bytes()
    assert b".debug_info" not in program
    assert b"/mpforge/view/include/here.h" in program
    assert str(step.directory.parent).encode() not in program
    step.environment["MPFORGE_DEBUG"] = "1"
    step.must("CC", "-g", "-O3", f"-I{header.parent}", "-c", str(source), "-o", "b.o")
    assert b".debug_info" in (step.directory / "b.o").read_bytes()


def test_an_archive_is_made_listed_and_linked(step: Step) -> None:
    step.write("a.c", C)
    step.must("CC", "-O2", "-c", "a.c", "-o", "a.o")
    step.must("AR", "rcs", "liba.a", "a.o")
    step.must("RANLIB", "liba.a")
    step.write("m.c", "double f(double);\nint main(void) { return (int)f(0); }\n")
    step.must("CC", "m.c", "-L.", "-la", "-lm", "-o", "m")
    step.must("STRIP", "m")
    assert machine_and_glibc(step.directory / "m") == ("EM_AARCH64", (2, 17))
    assert step.call("AR", "t", "liba.a").stdout == "a.o\n"
    assert WrapperNote("dropped", "strip m") in compiler_wrappers.read_notes(step.log)


def test_a_program_may_come_from_standard_input(step: Step) -> None:
    source = step.write(
        "a.c", "int x = __GLIBC__;\n#include <features.h>\nint y=__GLIBC_MINOR__;\n"
    )
    script = f'"$CC" -E - < "{source}"'
    answer = processes.capture(["/bin/sh", "-c", script], environment=step.environment)
    assert "int y=17;" in answer.stdout


def test_a_directory_of_the_host_is_refused_naming_the_call(step: Step) -> None:
    step.write("a.c", C)
    answer = step.call("CC", "-I/usr/include", "-O3", "-c", "a.c")
    assert answer.returncode == 1
    call = f"{step.environment['CC']} -I/usr/include -O3 -c a.c"
    assert "-I/usr/include is of this host" in answer.stderr
    assert f"the call: {call}" in answer.stderr
    refused = WrapperNote("refused", "-I/usr/include", call, str(step.directory))
    assert [*compiler_wrappers.read_notes(step.log)] == [refused]


def test_a_native_compiler_refuses_no_directory(tmp_path: Path, zig: tuple[Zig, ToolTree]) -> None:
    target_view.make_view(tmp_path / "tree", View(well_known()["x86_64"], POLICY, cross=False))
    step = Step(tmp_path / "step", tmp_path / "tree", zig)
    step.write("a.c", "int f(void) { return 1; }\n")
    step.must("CC", "-I/usr/include", "-O3", "-c", "a.c")


def test_a_compiler_outside_of_a_step_says_that_it_needs_one(step: Step) -> None:
    answer = processes.capture([step.environment["CC"], "-c", "a.c"], environment={"PATH": PATH})
    assert answer.returncode != 0
    assert "within a step of mpforge" in answer.stderr


# --- what a host Python says inside of a view -------------------------------------------------


@pytest.fixture(scope="module")
def host() -> HostPython:
    return host_python.find(f"cp{sys.version_info.major}{sys.version_info.minor}")


@pytest.fixture
def view(tmp_path: Path, host: HostPython) -> Path:
    """A view, used at another place than it was made at, as the tool store does."""
    making = tmp_path / "making"
    making.mkdir()
    target_view.make_view(making, View(AARCH64, POLICY, cross=True, host=host))
    return making.rename(tmp_path / "view")


def hook_environment(
    view: Path, host: HostPython, zig: tuple[Zig, ToolTree], step: Path
) -> dict[str, str]:
    there = Surroundings(
        zig=zig[0].path,
        zig_cache=private_cache([zig[1]], step / "global"),
        scratch=step / "scratch",
        step=step,
        log=step / "notes",
    )
    shown = View(AARCH64, POLICY, cross=True, host=host)
    return {"PATH": PATH} | target_view.view_environment(view, shown, there)


ASK = """
import importlib.machinery, json, os, platform, struct, sys, sysconfig
print(json.dumps({
    "platform": sysconfig.get_platform(),
    "machine": [os.uname().machine, platform.machine(), platform.uname().machine],
    "libc": platform.libc_ver(),
    "suffix": sysconfig.get_config_var("EXT_SUFFIX"),
    "own_suffixes": importlib.machinery.EXTENSION_SUFFIXES,
    "include": sysconfig.get_path("include"),
    "includepy": sysconfig.get_config_var("INCLUDEPY"),
    "cc": sysconfig.get_config_var("CC"),
    "ldshared": sysconfig.get_config_var("LDSHARED"),
    "libdir": sysconfig.get_config_var("LIBDIR"),
    "variables": {k: v for k, v in sysconfig.get_config_vars().items() if isinstance(v, str)},
}))
"""


def test_a_host_python_describes_the_target(
    view: Path, host: HostPython, zig: tuple[Zig, ToolTree], tmp_path: Path
) -> None:
    environment = hook_environment(view, host, zig, tmp_path)
    before = sorted(view.rglob("*"))
    answer = processes.capture([str(host.executable), "-c", ASK], environment=environment)
    assert answer.returncode == 0, answer.stderr
    said = json.loads(answer.stdout)
    number = host.python.removeprefix("cp")
    assert said["platform"] == "linux-aarch64"
    assert said["machine"] == ["aarch64"] * 3
    assert said["libc"] == ["glibc", "2.17"]
    assert said["suffix"] == f".cpython-{number}-aarch64-linux-gnu.so"
    assert f".cpython-{number}-{host.multiarch}.so" in said["own_suffixes"]
    assert said["include"] == said["includepy"] == str(view / "include" / host.headers_name)
    assert said["cc"] == str(view / "bin" / "cc")
    assert said["ldshared"] == f"{view}/bin/cc -shared"
    linking = ("LDFLAGS", "PY_LDFLAGS", "BLDSHARED", "LIBDIR", "CFLAGS", "CONFIGURE_LDFLAGS")
    assert not [name for name in linking if "-rpath" in said["variables"].get(name, "")]
    assert sorted(view.rglob("*")) == before, "a hook wrote into the tool store"


LAYOUT = """
import ctypes, struct, sys
from fractions import Fraction
sizes = [struct.calcsize(form) for form in ("P", "l", "cd", "=l", "3sq")]
print(sys.maxsize, sys.byteorder, sys.hash_info.width, *sizes)
print(ctypes.sizeof(ctypes.c_void_p), ctypes.sizeof(ctypes.c_longdouble))
struct.pack("=I", 1); struct.pack("<Q", 1); struct.pack("l", 1); ctypes.sizeof(ctypes.c_long)
print(hash(Fraction(1, 3)))
"""


@pytest.mark.parametrize(
    ("target", "words", "sizes", "noted"),
    [
        # struct's sizes are those of CPython on that machine, an i686's double has the alignment of 4
        (
            "armv7l",
            "2147483647 little 32 4 4 16 4 16",
            "4 8",
            ["struct.pack('l')", "ctypes.sizeof(c_long)"],
        ),
        (
            "i686",
            "2147483647 little 32 4 4 12 4 12",
            "4 12",
            ["struct.pack('l')", "ctypes.sizeof(c_long)"],
        ),
        (
            "s390x",
            "9223372036854775807 big 64 8 8 16 4 16",
            "8 16",
            ["struct.pack('=I')", "struct.pack('l')"],
        ),
    ],
)
def test_a_host_python_tells_a_target_s_word_size_and_byte_order_to_the_project_s_scripts(
    tmp_path: Path, host: HostPython, target: str, words: str, sizes: str, noted: list[str]
) -> None:
    view, script, notes = tmp_path / "view", tmp_path / "setup.py", tmp_path / "notes"
    view.mkdir()
    platform = well_known()[target]
    shown = View(platform, platform.default_policy, cross=True, host=host)
    target_view.make_view(view, shown)
    script.write_text(LAYOUT, "utf-8")
    told = {"PATH": PATH, "PYTHONPATH": str(view / "site"), "MPFORGE_WRAPPER_LOG": str(notes)}
    answer = processes.capture([str(host.executable), str(script)], environment=told)
    own = processes.capture([str(host.executable), str(script)], environment={"PATH": PATH})
    said = answer.stdout.splitlines()
    assert said[:2] == [words, sizes], answer.stderr
    assert said[2] == own.stdout.splitlines()[2], "the library computes with this machine's numbers"
    rows = [line.split("\t") for line in notes.read_text().splitlines()]
    assert [row[:3] for row in rows] == [["layout", what, "setup.py:7"] for what in noted]


def test_an_extension_module_compiles_against_the_view(
    view: Path, host: HostPython, zig: tuple[Zig, ToolTree], tmp_path: Path
) -> None:
    (tmp_path / "m.c").write_text(
        "#include <Python.h>\n"
        "_Static_assert(SIZEOF_LONG == sizeof(long), "
        '"pyconfig.h is another machine\'s");\n'
        "#ifdef HAVE_GCC_ASM_FOR_X64\n#error the host's pyconfig.h\n#endif\n"
        'static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "m"};\n'
        "PyMODINIT_FUNC PyInit_m(void) { return PyModule_Create(&m); }\n",
        encoding="utf-8",
    )
    environment = hook_environment(view, host, zig, tmp_path)
    flags = environment["CFLAGS"].split()
    argv = [*environment["LDSHARED"].split(), *flags, "-fPIC", "m.c", "-o", "m.so"]
    answer = processes.capture(argv, environment=environment, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert machine_and_glibc(tmp_path / "m.so")[0] == "EM_AARCH64"
