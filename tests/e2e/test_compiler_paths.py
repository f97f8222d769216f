"""Paths of the host in a compiler's arguments are refused or dropped, those of the build pass."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from mpforge import processes
from mpforge.toolchains import compiler_wrappers, target_view
from mpforge.toolchains.target_view import View
from tests.e2e.target_compilers import AARCH64, PATH, POLICY

pytestmark = pytest.mark.cross


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


def test_a_directory_of_the_host_in_a_file_of_arguments_is_refused_too(
    elsewhere: Place, tmp_path: Path
) -> None:
    words = tmp_path / "words.rsp"
    words.write_text(f'-c a.c "-I{elsewhere.host}/include"\n', encoding="utf-8")
    assert elsewhere.note(f"@{words}") == [("refused", f"-I{elsewhere.host}/include")]
