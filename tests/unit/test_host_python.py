"""Interpreters of the host: what is chosen, what is remembered, what makes their identity."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mpforge.errors import ExitCode, NoHostPython
from mpforge.obtain.pythons import host_python, installed_pythons, interpreter_library
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.store import notes
from mpforge.store.file_digests import FileDigests
from mpforge.store.stamps import Stamp, stamp


def written(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def stamp_of(path: Path) -> tuple[str, Stamp]:
    return str(path), stamp(str(path))


def interpreter(executable: Path, word: str = "cp311") -> HostPython:
    return HostPython(
        python=word,
        version="3.11.7",
        executable=executable,
        digest="ab" * 32,
        parts=(("version", "3.11.7"), ("headers", "cd" * 32)),
        abiflags="",
        multiarch="x86_64-linux-gnu",
        sysconfigdata_name="_sysconfigdata__linux_x86_64-linux-gnu",
        includes=(executable.parent / "include",),
        stamp=(stamp_of(executable),),
        path=("/usr/lib/python3.11",),
    )


def test_the_newest_patch_version_comes_first_and_a_pre_release_last(tmp_path: Path) -> None:
    for name in ("3.11.9", "3.11.10", "3.11.11rc1", "3.11-dev", "3.12.1", "3.1.4", "pypy3.11-7.3"):
        (tmp_path / name).mkdir()
    found = [path.name for path in installed_pythons.newest_first(tmp_path, r"3\.11[.-].*")]
    assert found == ["3.11.10", "3.11.9", "3.11.11rc1", "3.11-dev"]


def test_a_place_that_does_not_exist_has_no_interpreters(tmp_path: Path) -> None:
    assert installed_pythons.newest_first(tmp_path / "no", ".*") == []


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ({"implementation": "cpython", "version": "3.11.7", "free_threaded": False}, "cp311"),
        ({"implementation": "cpython", "version": "3.13.0", "free_threaded": True}, "cp313t"),
        ({"implementation": "pypy", "version": "3.11.13", "free_threaded": False}, None),
    ],
)
def test_an_interpreter_is_called_by_what_it_answers(
    answer: dict[str, object], word: str | None
) -> None:
    assert host_python.word_of(answer) == word


def test_only_cpython_is_looked_for() -> None:
    with pytest.raises(NoHostPython) as caught:
        host_python.find("pp311")
    assert caught.value.exit_code == ExitCode.HOST_CANNOT


def test_an_interpreter_survives_being_written_down(tmp_path: Path) -> None:
    host = interpreter(written(tmp_path / "python"))
    assert host_python.from_json(host_python.to_json(host)) == host


@pytest.mark.parametrize("data", [None, [], {}, {"schema": 1}, {"schema": 4, "python": 1}])
def test_a_record_of_something_else_is_not_an_interpreter(data: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        host_python.from_json(data)


def test_an_interpreter_is_valid_until_one_of_its_files_changes(tmp_path: Path) -> None:
    executable = written(tmp_path / "python", "one")
    host = interpreter(executable)
    assert host_python.still_valid(host)
    os.utime(executable, ns=(1, 1))
    assert not host_python.still_valid(host)
    executable.unlink()
    assert not host_python.still_valid(host)


def test_a_remembered_interpreter_is_not_asked_again(tmp_path: Path) -> None:
    """A unit test can't start a program, so an answer here came from the file."""
    host = interpreter(written(tmp_path / "python"))
    remembered = tmp_path / "remembered"
    notes.keep(remembered, [host_python.to_json(host)])
    assert host_python.find_all(["cp311", "cp311"], remembered) == {"cp311": host}


def test_what_cannot_be_found_is_an_answer_and_is_not_remembered(tmp_path: Path) -> None:
    remembered = tmp_path / "remembered"
    answer = host_python.find_all(["pp311"], remembered)
    assert isinstance(answer["pp311"], NoHostPython)
    assert not remembered.exists()


def test_headers_are_cpythons_own_and_a_later_directory_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    written(first / "Python.h")
    written(first / "pyconfig.h", "a switch")
    written(first / "internal" / "mimalloc" / "types.h")
    written(first / "greenlet" / "greenlet.h")
    written(second / "pyconfig.h", "the real one")
    found = host_python.headers((first, second))
    assert sorted(found) == ["Python.h", "internal/mimalloc/types.h", "pyconfig.h"]
    assert found["pyconfig.h"] == second / "pyconfig.h"


def test_headers_of_a_free_threaded_interpreter_have_a_directory_of_their_own(
    tmp_path: Path,
) -> None:
    host = interpreter(written(tmp_path / "python"))
    assert host.headers_name == "python3.11"
    threaded = replace(host, python="cp313t", version="3.13.0", abiflags="t")
    assert threaded.headers_name == "python3.13t"


def test_a_libpython_of_another_installation_is_among_the_files_that_builds_see(
    tmp_path: Path,
) -> None:
    library = written(tmp_path / "elsewhere" / "libpython3.11.so")
    python = replace(interpreter(tmp_path / "python3.11"), stamp=(stamp_of(library),))
    assert library in python.files


# --- interpreters that run without the host's /usr --------------------------------------------------


def installed(home: Path) -> Path:
    """A CPython 3.11 in a directory whose configuration names it, as uv patches its own."""
    library = home / "lib" / "python3.11"
    written(library / "_sysconfigdata__linux_.py", f"prefix = {str(home)!r}")
    for name in ("Python.h", "pyconfig.h"):
        written(home / "include" / "python3.11" / name)
    return written(home / "bin" / "python3.11", "#!")


def answer(executable: Path) -> dict[str, object] | None:
    home = executable.resolve().parent.parent
    if not (home / "include").is_dir():
        return None
    library = home / "lib" / "python3.11"
    return {
        "version": "3.11.7",
        "build": "3.11.7 (main)",
        "implementation": "cpython",
        "free_threaded": False,
        "abiflags": "",
        "soabi": "cpython-311",
        "ext_suffix": ".so",
        "multiarch": "",
        "includes": [str(home / "include" / "python3.11")],
        "sysconfigdata": str(library / "_sysconfigdata__linux_.py"),
        "sysconfigdata_name": "_sysconfigdata__linux_",
        "libpython": "",
        "executable": str(executable),
        "path": [str(library)],
    }


@pytest.fixture
def pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose uv installs into ``tmp_path/uv``, without other interpreters."""
    monkeypatch.setattr(host_python, "_probe", answer)
    monkeypatch.setattr(host_python, "_install", lambda _: "offline")
    monkeypatch.setattr(installed_pythons, "own_interpreter", lambda: tmp_path / "none")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("PATH", "")
    return tmp_path


def test_uvs_interpreter_is_the_same_wherever_it_is_installed(
    pythons: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = FileDigests(pythons / "kept.json")
    identities = set()
    for folder in (pythons / "uv", pythons / "another" / "folder"):
        monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(folder))
        installed(folder / "cpython-3.11.7-linux-x86_64-gnu")
        found = host_python.find("cp311")
        library = interpreter_library.of_builds(found.path, digests, without=found.patched)
        identities.add(found.with_part("library", library).digest)
    assert len(identities) == 1
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(pythons))  # uv's no more
    monkeypatch.setenv("PYENV_ROOT", str(pythons / "pyenv"))
    installed(pythons / "pyenv" / "versions" / "3.11.7")
    other = host_python.find("cp311")
    assert other.digest not in identities


def test_a_portable_interpreter_is_uvs_else_another_that_is_not_the_systems(
    pythons: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = installed(pythons / "pyenv" / "versions" / "3.11.9")
    assert host_python.find("cp311", portable=True).executable == own
    monkeypatch.setattr(installed_pythons, "_SYSTEM", (str(pythons / "pyenv"),))
    with pytest.raises(NoHostPython, match=r"no CPython 3\.11"):
        host_python.find("cp311", portable=True)
    uvs = installed(pythons / "uv" / "cpython-3.11.7-linux-x86_64-gnu")
    assert host_python.find("cp311", portable=True).executable == uvs
    assert host_python.find("cp311").executable == own


def test_a_preview_remembers_no_interpreter_that_a_run_may_not_choose(pythons: Path) -> None:
    installed(pythons / "pyenv" / "versions" / "3.11.9")
    remembered = pythons / "remembered"
    host_python.find_all(["cp311"], remembered, install=False, portable=True)
    assert not remembered.exists()
    host_python.find_all(["cp311"], remembered, portable=True)
    assert remembered.exists()


def test_a_library_of_links_to_another_installation_is_seen_with_their_ends(tmp_path: Path) -> None:
    module = written(tmp_path / "original" / "json.py")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "json.py").symlink_to(module)
    path = str(tmp_path / "lib"), str(tmp_path / "python311.zip")
    python = replace(interpreter(written(tmp_path / "python3.11")), path=path)
    assert {tmp_path / "lib", tmp_path / "original"} <= python.files
    assert tmp_path / "python311.zip" not in python.files  # there is none, and it can't be mounted
