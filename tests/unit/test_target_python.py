"""A target's Python: which provider answers, and for what packages it asks."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from mpforge.errors import NoTargetPython, PinMissing, WrongInput
from mpforge.obtain.pythons import (
    cpython_build,
    providers,
    recipe_libraries,
    source_python,
    standard_library,
    target_libraries,
    uv_python,
)
from mpforge.obtain.pythons.target_python import Supplies, TargetPython, Wanted
from mpforge.plan.pins import DistroPackage, DistroPin, DistroRequest
from mpforge.platforms import by_machine, well_known
from mpforge.store.tool_store import ToolStore
from tests.unit.elfmaker import AARCH64, X86_64, Elf
from tests.unit.elfmaker import PROGRAM as KIND_PROGRAM

ARM = well_known()["aarch64"]
DEBIAN = ("debian", "bookworm")
VARIABLE = "MPFORGE_TARGET_PYTHON_AARCH64_CP311"


def program(machine: int = AARCH64, *, little: bool = True, libc: str = "linux-aarch64") -> bytes:
    loader = f"/lib/ld-{libc}.so.1"
    return Elf(machine=machine, little=little, kind=KIND_PROGRAM, interpreter=loader).data


PROGRAM = program() + b"\0" + b"3.11.2\0"


DOWNLOAD = uv_python.Download("cpython-3.12.9-linux-aarch64-musl", "3.12.9", "a.tgz")


class Listed:
    """uv's list in a test: of one Python alone."""

    def __init__(self, word: str) -> None:
        self.word = word

    def __call__(
        self, wanted: str, _variables: object
    ) -> tuple[uv_python.Download | None, str | None]:
        own = uv_python.request(ARM, self.word)
        return (uv_python.Download(own, "3.0", "a.tgz"), None) if wanted == own else (None, "no")


@pytest.fixture(autouse=True)
def _uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv_python, "_listed", Listed("cp312"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root directory with an interpreter, a loader and one library module."""
    for folder in ("usr/bin", "lib", "usr/lib/python3.11"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "usr/bin/python3.11").write_bytes(PROGRAM)
    (tmp_path / "lib/ld-linux-aarch64.so.1").write_bytes(b"loader")
    (tmp_path / "usr/lib/python3.11/os.py").write_text("name = 'posix'\n")
    return tmp_path


def want(python: str = "cp311", target: str = "aarch64") -> Wanted:
    return Wanted(well_known()[target], python, DEBIAN)


def requests(python: str, target: str = "aarch64") -> tuple[DistroRequest, ...]:
    wanted = want(python, target)
    return providers.choose(wanted).requests(wanted)


def provide(tmp_path: Path, python: str = "cp311") -> TargetPython:
    supplies = Supplies((), ToolStore(tmp_path / "store"), tmp_path / "state", None)
    return providers.choose(want(python)).provide(want(python), supplies)


@pytest.mark.parametrize(
    ("python", "target", "suite", "library"),
    [
        ("cp311", "aarch64", "bookworm", "libssl3"),
        ("cp313", "aarch64", "trixie", "libssl3t64"),
        ("cp313", "riscv64", "trixie", "libzstd1"),
        ("cp313", "s390x", "forky", "libzstd1"),
        ("cp314", "armv7l", "forky", "libzstd1"),
    ],
)
def test_debian_gives_the_pythons_that_its_suites_have_for_the_architecture(
    python: str, target: str, suite: str, library: str
) -> None:
    (request,) = requests(python, target)
    assert (request.suite, request.architecture) == (suite, well_known()[target].debian_arch)
    assert library in request.names
    assert {*target_libraries.RUNTIME, "dash", "coreutils"} < set(request.names)
    assert request.libraries
    assert list(request.names) == sorted(request.names)


@pytest.mark.parametrize(
    ("target", "host", "suite"),
    [
        ("aarch64_musl", "bookworm", "trixie"),
        ("s390x_musl", "bookworm", "trixie"),
        ("loongarch64_musl", "bookworm", "forky"),
        ("aarch64_musl", "forky", "forky"),
        ("aarch64_musl", "sid", "sid"),
    ],
)
def test_musl_is_of_the_host_s_suite_or_the_first_whose_musl_reads_packed_relocations(
    target: str, host: str, suite: str
) -> None:
    request = target_libraries.runtime_request(well_known()[target], host=("debian", host))
    assert request is not None
    assert (request.suite, request.names) == (suite, ("musl",))


def test_other_pythons_come_from_uv_and_need_the_distribution_s_base_programs() -> None:
    (request,) = requests("cp312")
    assert request == target_libraries.root_request(ARM, host=DEBIAN)
    assert {*target_libraries.RUNTIME, "dash", "coreutils"} < set(request.names)


@pytest.mark.parametrize(
    ("target", "host", "suite"),
    [
        ("aarch64", ("debian", "bookworm"), "bookworm"),
        ("riscv64", ("debian", "bookworm"), "trixie"),
        ("loongarch64", ("debian", "bookworm"), "forky"),
        ("s390x", ("debian", "trixie"), "bookworm"),
        ("riscv64", ("debian", "sid"), "sid"),
        ("riscv64", ("ubuntu", "noble"), "noble"),
    ],
)
def test_the_c_library_comes_from_a_suite_that_is_built_for_the_target(
    target: str, host: tuple[str, str], suite: str
) -> None:
    request = target_libraries.runtime_request(well_known()[target], host=host)
    assert request is not None
    assert (request.distribution, request.suite) == (host[0], suite)


def test_a_python_that_cannot_be_had_names_what_each_provider_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(NoTargetPython) as caught:
        requests("cp311", "riscv64")
    assert caught.value.why == (
        "path: MPFORGE_TARGET_PYTHON_RISCV64_CP311 is not set\n"
        "distribution: Debian has no cp311 for riscv64:"
        " trixie has cp313, pp311; forky has cp313, cp314, cp315\n"
        "source: mpforge compiles CPython for musl targets only (cp311, cp313, cp313t)\n"
        "uv: no"
    )
    monkeypatch.setenv(providers.VARIABLE, "uv")
    with pytest.raises(NoTargetPython) as caught:
        requests("cp311")
    assert "distribution" not in str(caught.value.why)


def test_a_provider_that_does_not_exist_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(providers.VARIABLE, "uv, pyenv")
    with pytest.raises(
        WrongInput, match="MPFORGE_TARGET_PYTHONS names no provider of Pythons: pyenv"
    ):
        requests("cp311")


def test_without_apt_only_a_path_remains() -> None:
    with pytest.raises(NoTargetPython, match="cp311 for aarch64") as caught:
        providers.choose(Wanted(ARM, "cp311", None))
    assert "no apt to fetch it" in str(caught.value.why)
    assert f"set {VARIABLE}=ROOT" in str(caught.value.hint)


def test_a_given_path_comes_first_and_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/somewhere")
    assert requests("cp311") == ()


def test_a_given_root_directory_is_the_sysroot_of_its_interpreter(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(root))
    found = provide(root)
    assert (found.sysroot, found.executable) == (root, root / "usr/bin/python3.11")
    assert (found.version, found.provider) == ("3.11.2", "path")


def test_a_given_free_threaded_python_is_told_by_its_name(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE.replace("CP311", "CP313T"), str(root))
    (root / "usr/bin/python3.13").touch()
    (root / "usr/bin/python3.13t").write_bytes(program())
    found = provide(tmp_path, "cp313t")
    assert (found.executable, found.version) == (root / "usr/bin/python3.13t", "3.13t")


def test_a_given_interpreter_is_known_to_lie_in_the_root_with_its_loader(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(root / "usr/bin/python3.11"))
    assert provide(root).sysroot == root


def test_a_changed_library_module_makes_a_given_python_another_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(root))
    before = provide(root).digest
    (root / "usr/lib/python3.11/os.py").write_text("name = 'other'\n")
    assert provide(root).digest != before


def test_a_given_path_without_a_python_is_an_error_that_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(NoTargetPython, match=VARIABLE):
        provide(tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (program(X86_64), "it is for EM_X86_64, not EM_AARCH64"),
        (program(little=False), "it has the wrong byte order for aarch64"),
        (
            program(libc="musl-aarch64"),
            "its loader is /lib/ld-musl-aarch64.so.1; that of glibc is /lib/ld-linux-aarch64.so.1",
        ),
        (Elf(bits=32, kind=KIND_PROGRAM).data, "it is 32-bit, not 64-bit"),
    ],
)
def test_a_given_python_for_another_machine_or_libc_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, why: str
) -> None:
    monkeypatch.setenv(VARIABLE, str(root))
    (root / "usr/bin/python3.11").write_bytes(content)
    with pytest.raises(NoTargetPython, match=f"{VARIABLE}.* is not for aarch64") as caught:
        provide(root)
    assert caught.value.why == why


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            b"root:x:0:0::/root:/bin/sh\n",
            "is not a program: it is neither an ELF file nor a script",
        ),
        (program() + b"\0003.45.1\0003.13.5\0", "is Python 3.13.5, not 3.11"),
    ],
)
def test_a_given_file_that_is_no_python_of_this_version_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, what: str
) -> None:
    monkeypatch.setenv(VARIABLE, str(root / "usr/bin/python3.11"))
    (root / "usr/bin/python3.11").write_bytes(content)
    with pytest.raises(NoTargetPython, match=f"{VARIABLE}.* {what}"):
        provide(root)


def test_a_given_python_may_have_other_versions_in_it_than_its_own(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(root))
    (root / "usr/bin/python3.11").write_bytes(program() + b"\0003.12.0\0003.11.2\0")
    assert provide(root).version == "3.11.2"


def test_packages_that_the_lock_does_not_pin_are_asked_for_by_name() -> None:
    with pytest.raises(PinMissing, match="debian trixie"):
        target_libraries.pin_of((), requests("cp313")[0])


@pytest.mark.parametrize(
    ("target", "python", "words"),
    [
        ("aarch64", "cp312", "cpython-3.12-linux-aarch64-gnu"),
        ("armv7l", "cp312", "cpython-3.12-linux-armv7-gnueabihf"),
        ("aarch64_musl", "cp313t", "cpython-3.13t-linux-aarch64-musl"),
        ("riscv64", "cp313", "cpython-3.13-linux-riscv64gc-gnu"),
        ("x86_64", "pp311", "pypy-3.11-linux-x86_64-gnu"),
    ],
)
def test_uv_is_asked_in_its_own_words(target: str, python: str, words: str) -> None:
    assert uv_python.request(well_known()[target], python) == words


def test_uv_s_newest_build_is_known_by_its_key_and_its_file() -> None:
    text = (
        '[{"key": "cpython-3.12.9-linux-aarch64-gnu", "version": "3.12.9", "url": "x://h/2/c.tgz"}]'
    )
    assert uv_python.parse_list(text) == uv_python.Download(
        "cpython-3.12.9-linux-aarch64-gnu", "3.12.9", "c.tgz"
    )
    assert uv_python.parse_list("[]") is None


# --- from source ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("python", "suite", "program"),
    [("cp311", "bookworm", "python3.11"), ("cp313", "trixie", "python3.13")],
)
def test_a_musl_python_is_built_from_debian_s_sources_by_the_suite_s_own_of_that_version(
    python: str, suite: str, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    sources, runtime, own = requests(python, "aarch64_musl")
    assert (sources.suite, sources.architecture, sources.names) == (suite, "source", (program,))
    assert (runtime.architecture, runtime.names) == ("arm64", ("musl",))
    host = by_machine(os.uname().machine)
    assert host is not None
    assert (own.suite, own.architecture) == (suite, host.debian_arch)
    assert f"{program}-minimal" in own.names


def test_a_musl_python_that_no_suite_has_or_that_is_wanted_from_uv_is_uv_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uv_python, "_listed", lambda *_: (DOWNLOAD, None))
    libc = target_libraries.runtime_request(well_known()["aarch64_musl"], host=DEBIAN)
    assert requests("cp312", "aarch64_musl") == (libc,)
    monkeypatch.setenv(providers.VARIABLE, "uv")
    assert requests("cp311", "aarch64_musl") == (libc,)


def test_a_free_threaded_python_is_uv_s_unless_source_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(uv_python, "_listed", lambda *_: (DOWNLOAD, None))
    libc = target_libraries.runtime_request(well_known()["aarch64_musl"], host=DEBIAN)
    assert requests("cp313t", "aarch64_musl") == (libc,)
    monkeypatch.setenv(providers.VARIABLE, "source")
    sources, runtime, own = requests("cp313t", "aarch64_musl")
    assert (sources.suite, sources.names) == ("trixie", ("python3.13",))
    assert runtime == libc
    assert "python3.13-minimal" in own.names


def test_a_library_without_the_gil_is_compiled_by_a_python_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their bytecode is the same, and so is the name of its files (sys.implementation.cache_tag)."""
    library = tmp_path / "lib" / "python3.13t"

    def capture(argv: list[str]) -> None:
        (library / "__pycache__").mkdir(parents=True)
        (library / "__pycache__" / "os.cpython-313.pyc").touch()
        assert argv[-1] == str(library)

    monkeypatch.setattr("mpforge.processes.capture", capture)
    standard_library.compile_library("python3.13", tmp_path, library)


class NoCompilers:
    """Compilers of a test, which calls none."""

    def parts(self) -> Mapping[str, str]:
        return {}

    def environment(self, directory: Path) -> Mapping[str, str]:
        raise AssertionError(directory)


def test_a_python_is_built_by_one_of_its_own_patch_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPython's library of 3.13.5 crashes in a CPython 3.13.0, which its build would run it with."""
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    wanted = want("cp313", "aarch64_musl")
    pins = [
        DistroPin(request, (DistroPackage(name, version, "0" * 64, 1),))
        for request, name, version in zip(
            source_python.SourcePython().requests(wanted),
            ("python3.13", "musl", "python3.13-minimal"),
            ("3.13.5-2+deb13u5", "1.2.3-1", "3.13.9-1"),
            strict=True,
        )
    ]
    store = ToolStore(tmp_path / "store")
    supplies = Supplies(pins, store, tmp_path, None, compilers=NoCompilers())
    with pytest.raises(NoTargetPython) as caught:
        source_python.SourcePython().provide(wanted, supplies)
    assert caught.value.what == (
        "the lock pins CPython 3.13.9, which can't build the sources of 3.13.5"
    )
    assert not (tmp_path / "store").exists()


def test_libraries_are_built_by_the_commands_of_their_recipes() -> None:
    told = {
        name: " ".join(map(str, recipe_libraries.source(name, "x86_64-build-linux-musl").commands))
        for name in recipe_libraries.NAMES
    }
    assert all("{dest_dir}" in text for text in told.values()), told
    assert "--host={triple}" in told["libffi"]
    assert "no-aria" in told["openssl"]


def test_a_changed_command_of_a_library_changes_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe_libraries.parts()
    monkeypatch.setattr(recipe_libraries, "_OPENSSL_WITHOUT", "no-tls")
    after = recipe_libraries.parts()
    assert [name for name in before if before[name] != after[name]] == ["library.openssl"]


def test_a_module_that_a_built_python_lacks_says_so_when_it_is_imported() -> None:
    with pytest.raises(ModuleNotFoundError, match="mpforge built for tests, has no gdbm") as no:
        exec(cpython_build.absent_module("_gdbm", "gdbm"), {})
    assert no.value.name == "_gdbm"


def test_a_built_python_knows_no_directory_of_its_build(tmp_path: Path) -> None:
    file = tmp_path / "_sysconfigdata_t_linux_x.py"
    file.write_text(
        "{'CC': '/v/bin/cc', 'LDSHARED': '/v/bin/cc -shared -L/l/lib ', 'I': '-I/l/include'}"
    )
    cpython_build.forget_places(tmp_path, "/l", "/v/bin")
    assert file.read_text() == "{'CC': 'cc', 'LDSHARED': 'cc -shared ', 'I': ''}"


def test_modules_that_an_old_cpython_finds_by_its_setup_py_become_the_interpreter_s_own() -> None:
    setup = (
        "*shared*\narray arraymodule.c\n*@MODULE_BUILDTYPE@*\n#_ctypes _ctypes/_ctypes.c\n"
        "_crypt _cryptmodule.c -lcrypt\nzlib zlibmodule.c -lz\n"
    )
    lines = list(cpython_build.static_modules(setup))
    assert lines[:-1] == ["*static*", "array arraymodule.c", "*static*", "zlib zlibmodule.c -lz"]
    assert lines[-1].startswith("_ctypes _ctypes/_ctypes.c ")
    assert "=" not in lines[-1], "makesetup would take it for a variable"
