"""A target's Python: which provider answers, and for what packages it asks."""

from pathlib import Path

import pytest

from mpforge.errors import NoTargetPython, PinMissing
from mpforge.obtain.pythons import cpython_build, source_python, target_python, uv_python
from mpforge.platforms import well_known
from mpforge.store.tool_store import ToolStore
from tests.unit.elfmaker import PROGRAM, X86_64, Elf

ARM = well_known()["aarch64"]
DEBIAN = ("debian", "bookworm")
VARIABLE = "MPFORGE_TARGET_PYTHON_AARCH64_CP311"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root directory with an interpreter, a loader and one library module."""
    for folder in ("usr/bin", "lib", "usr/lib/python3.11"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "usr/bin/python3.11").write_bytes(Elf(kind=PROGRAM).data + b"\0" + b"3.11.2\0")
    (tmp_path / "lib/ld-linux-aarch64.so.1").write_bytes(b"loader")
    (tmp_path / "usr/lib/python3.11/os.py").write_text("name = 'posix'\n")
    return tmp_path


def provide(tmp_path: Path) -> target_python.TargetPython:
    store = ToolStore(tmp_path / "store")
    return target_python.provide(
        ARM, "cp311", pins=(), store=store, state=tmp_path / "state", host_python=None
    )


@pytest.mark.parametrize(
    ("python", "suite", "library"),
    [("cp311", "bookworm", "libssl3"), ("cp313", "trixie", "libssl3t64")],
)
def test_debian_gives_the_pythons_that_its_suites_carry(
    python: str, suite: str, library: str
) -> None:
    (request,) = target_python.distro_requests(ARM, python, host=DEBIAN)
    assert (request.suite, request.architecture) == (suite, "arm64")
    assert library in request.names
    assert {*target_python.RUNTIME, "dash", "coreutils"} < set(request.names)
    assert request.libraries
    assert list(request.names) == sorted(request.names)


@pytest.mark.parametrize("python", ["cp312", "cp313t", "pp311"])
def test_other_pythons_come_from_uv_and_need_the_distribution_s_base_programs(python: str) -> None:
    (request,) = target_python.distro_requests(ARM, python, host=DEBIAN)
    assert request == target_python.root_request(ARM, host=DEBIAN)
    assert {*target_python.RUNTIME, "dash", "coreutils"} < set(request.names)


def test_a_given_path_comes_first_and_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/somewhere")
    assert target_python.distro_requests(ARM, "cp311", host=DEBIAN) == ()


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
    (root / "usr/bin/python3.13t").touch()
    found = target_python.provide(
        ARM, "cp313t", pins=(), store=ToolStore(tmp_path), state=tmp_path, host_python=None
    )
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


def test_packages_that_the_lock_does_not_pin_are_asked_for_by_name() -> None:
    with pytest.raises(PinMissing, match="debian trixie"):
        target_python.pin_of((), target_python.distro_requests(ARM, "cp313", host=DEBIAN)[0])


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


def test_a_word_that_names_no_python_is_an_error() -> None:
    with pytest.raises(NoTargetPython, match="jython"):
        uv_python.minor_of("jython")


@pytest.mark.parametrize(
    ("elf", "reason"),
    [
        (Elf(kind=PROGRAM, machine=X86_64), "it is for EM_X86_64, not EM_AARCH64"),
        (Elf(kind=PROGRAM, bits=32), "it is 32-bit, not 64-bit"),
        (Elf(kind=PROGRAM, little=False), "it has the wrong byte order for aarch64"),
        (
            Elf(kind=PROGRAM, interpreter="/lib/ld-musl-aarch64.so.1"),
            "its loader is /lib/ld-musl-aarch64.so.1; that of glibc is /lib/ld-linux-aarch64.so.1",
        ),
    ],
)
def test_a_given_python_of_another_machine_or_c_library_is_refused(
    elf: Elf, reason: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(root))
    (root / "usr/bin/python3.11").write_bytes(elf.data)
    with pytest.raises(NoTargetPython, match=f"{VARIABLE}.* is not for aarch64") as caught:
        provide(root)
    assert caught.value.why == reason


# --- from source ----------------------------------------------------------------------------------


def test_a_musl_python_is_built_from_debian_s_sources_beside_its_musl(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    musl = well_known()["aarch64_musl"]
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    sources, runtime = target_python.distro_requests(musl, "cp311", host=DEBIAN)
    assert (sources.suite, sources.architecture) == ("bookworm", "source")
    assert sources.names == ("libffi", "python3.11", "zlib")
    assert (runtime.architecture, runtime.names) == ("arm64", ("musl",))
    (alone,) = target_python.distro_requests(musl, "cp312", host=DEBIAN)
    assert alone == runtime, "uv has it"
    monkeypatch.setenv("MPFORGE_TARGET_PYTHONS", "uv")
    assert target_python.distro_requests(musl, "cp311", host=DEBIAN) == (runtime,)


def test_a_python_is_built_by_one_of_its_own_version() -> None:
    with pytest.raises(NoTargetPython, match=r"without CPython .* on this host"):
        source_python.require_host(well_known()["aarch64_musl"], "cp313t", None)


def test_modules_that_an_old_cpython_finds_by_its_setup_py_become_the_interpreter_s_own() -> None:
    setup = (
        "*shared*\narray arraymodule.c\n*@MODULE_BUILDTYPE@*\n#_ctypes _ctypes/_ctypes.c\n"
        "_crypt _cryptmodule.c -lcrypt\nzlib zlibmodule.c -lz\n"
    )
    lines = list(cpython_build.static_modules(setup))
    assert lines[:-1] == ["*static*", "array arraymodule.c", "*static*", "zlib zlibmodule.c -lz"]
    assert lines[-1].startswith("_ctypes _ctypes/_ctypes.c ")
    assert "=" not in lines[-1], "makesetup would take it for a variable"
