"""What a build named of the host, judged by the notes of its compilers."""

from pathlib import Path

import pytest

from mpforge.diagnostics import host_leaks
from mpforge.diagnostics.host_leaks import Build
from mpforge.errors import HostLeak, LibraryMissing, StepFailed, ToolNotDeclared
from mpforge.toolchains.compiler_wrappers import WrapperNote


@pytest.fixture
def build(tmp_path: Path) -> Build:
    source = tmp_path / "src"
    for name, text in {
        "a.c": "",
        "a.o": "",
        "b/own.c": "",
        "conftest.c": "",
        "b/CMakeFiles/CMakeScratch/TryCompile-x/src.c": "",
        "setup.py": "# /usr/include\nimport os\nDIRS = ['/usr/include', \"/opt/z/include\"]\n",
        "CMakeLists.txt": "add_compile_options(-march=native)\n",
    }.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "x.c").touch()
    return Build("the wheel for aarch64-cp311", "aarch64", tmp_path, source)


def refused(build: Build, words: str, flag: str = "-I/usr/include") -> WrapperNote:
    return WrapperNote("refused", flag, f"/v/bin/cc {flag} {words}", str(build.source))


def test_a_leak_is_told_with_directory_line_and_call(build: Build) -> None:
    notes = [
        refused(build, "-c a.c -o b.o"),
        WrapperNote("dropped", "-Wl,-O1"),
        refused(build, f"-c {build.source}/a.c -o c.o", "-I/opt/z/include/deeper"),
        refused(build, "-c b/own.c -o own.o"),
    ]
    told = host_leaks.explained(StepFailed("it failed"), build, notes)
    assert isinstance(told, HostLeak)
    assert told.what == (
        "the wheel for aarch64-cp311 failed: it names /usr/include /opt/z/include/deeper of this host"
    )
    assert (told.why or "").splitlines() == [
        "-I/usr/include (setup.py:3)",
        "-I/opt/z/include/deeper (setup.py:3)",
        "the call: cc -I/usr/include -c a.c -o b.o",
        "and 2 more, for src/a.c, b/own.c",
    ]


@pytest.mark.parametrize("error", [ToolNotDeclared("no cmake"), StepFailed("it failed")])
def test_an_error_without_a_leak_or_with_another_cause_stays(
    build: Build, error: StepFailed
) -> None:
    dropped = WrapperNote("dropped", "-I/usr/include")
    assert host_leaks.explained(error, build, [dropped]) is error
    cause = ToolNotDeclared("no cmake")
    assert host_leaks.explained(cause, build, [refused(build, "-c a.c")]) is cause


def test_a_missing_library_is_the_leak_s_if_a_call_was_refused(build: Build) -> None:
    told = host_leaks.explained(LibraryMissing("no z"), build, [refused(build, "-c a.c")])
    assert told.code == "host-leak"


@pytest.mark.parametrize(
    "words",
    [
        "-c conftest.c -o conftest.o",
        "b/CMakeFiles/CMakeScratch/TryCompile-x/src.c -o x",
        "-c ../tmp/x.c",
        "-c removed-when-asked.c",
        "-E -",
        "--version",
    ],
)
def test_a_check_that_was_refused_is_an_answer_that_is_told(build: Build, words: str) -> None:
    notes = [refused(build, words)]
    assert host_leaks.missed(build, notes) is None
    (line,) = host_leaks.warnings(build, notes, "")
    assert line.endswith("name this host's files failed: -I/usr/include")


@pytest.mark.parametrize("words", ["-c a.c -o b.o", "-shared a.o -o b.so", "a.c"])
def test_a_build_that_swallows_a_refused_call_is_no_success(build: Build, words: str) -> None:
    missed = host_leaks.missed(build, [refused(build, words)])
    assert missed is not None
    assert "succeeded, but without" in missed.what


def test_a_call_that_was_repeated_without_the_host_is_no_leak(build: Build) -> None:
    assert host_leaks.missed(build, [refused(build, "-c a.c -o a.o")]) is None


def test_a_flag_that_means_this_machine_s_cpu_is_told(build: Build) -> None:
    notes = [WrapperNote("dropped", flag) for flag in ("-march=native", "-mtune=native", "-Wl,-O1")]
    (line,) = host_leaks.warnings(build, notes, "cc -march=native a.c")
    assert "-march=native (CMakeLists.txt:1) was dropped" in line
    (line,) = host_leaks.warnings(build, [], "gcc -march=native -c a.c")
    assert "runs only on CPUs like this machine's" in line


@pytest.mark.parametrize(
    ("flag", "path"),
    [
        ("-I/usr/include", "/usr/include"),
        ("-isystem /usr/include", "/usr/include"),
        ("-Wl,-L/usr/lib", "/usr/lib"),
        ("--sysroot=/opt/x", "/opt/x"),
        ("-I../../host/include", "../../host/include"),
        ("-Ilinked", "linked"),
        ("--sysroot /opt/x", "/opt/x"),
        ("-include /usr/include/z.h", "/usr/include/z.h"),
        ("/usr/lib/libz.so", "/usr/lib/libz.so"),
        ("-Wl,/usr/lib/libz.so", "/usr/lib/libz.so"),
    ],
)
def test_the_path_in_an_argument_is_found(flag: str, path: str) -> None:
    assert host_leaks.path_of(flag) == path
