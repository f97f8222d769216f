"""Programs that steps may call: as the spec declares them, and as a host has them."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpforge.compiler import programs
from mpforge.keys.digest import differences, digest, to_json
from mpforge.keys.walk import ABSENT, Resolved, ingredients
from mpforge.obtain import host_programs, step_programs
from mpforge.obtain.packages import tool_wheels
from mpforge.obtain.pythons import interpreter_library
from mpforge.obtain.step_programs import Programs
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest, Package
from mpforge.plan.steps import HostTool, InstallPackages, OutputOf, RepairWheel, Step, Tools
from mpforge.spec.load import find_problems
from mpforge.spec.model import BuildOptions
from mpforge.spec.requirement_lines import parse_tool
from mpforge.store import notes
from mpforge.store.file_digests import FileDigests

OLD = 1_000_000_000_000_000_000  # a time long ago, in ns


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def make(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    path.chmod(0o755)
    return path


# --- as declared ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("nasm", ("nasm", "")),
        (" cmake >= 3.28 , <5 ", ("cmake", "<5,>=3.28")),
        ("g++", ("g++", "")),
        ("x86_64-linux-gnu-g++==12.*", ("x86_64-linux-gnu-g++", "==12.*")),
        ("pkg-config~=1.8", ("pkg-config", "~=1.8")),
    ],
)
def test_a_tool_is_a_program_s_name_and_perhaps_its_versions(
    text: str, parsed: tuple[str, str]
) -> None:
    assert parse_tool(text) == parsed


@pytest.mark.parametrize("text", ["-x", "/usr/bin/nasm", "nasm >", "nasm 2.15", "cmake[x]", "a b"])
def test_what_is_no_program_is_told_with_its_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_tool(text)
    spec = f'schema = 1\n[project]\ntargets = ["x86_64"]\n[build]\ntools = ["make", "{text}"]\n'
    (problem,) = [p for p in find_problems(spec, file="m.toml") if p.key.startswith("build.tools")]
    assert problem.code == "bad-requirement"
    assert problem.place.line == 5


def test_known_wheels_are_requests_and_anything_else_is_the_host_s() -> None:
    build = BuildOptions(tools=("CMake>=3.28", "nasm>=2", "ninja", "ziglang==0.15", "nasm>=2"))
    assert programs.tools(build, "aarch64") == Tools(
        wheels=(
            EnvironmentRequest("tool", "cp311", "aarch64", ("cmake>=3.28",)),
            EnvironmentRequest("tool", "cp311", "aarch64", ("ninja",)),
        ),
        host=(HostTool("nasm", ">=2"),),
    )


def test_a_program_that_comes_with_another_is_declared_by_that_one() -> None:
    assert programs.declared_as("ctest") == "cmake"
    assert programs.declared_as("nasm") == "nasm"


def test_a_step_with_the_network_has_another_key_and_the_difference_says_so() -> None:
    step = Step("x", "x", InstallPackages(EnvironmentRequest("tool", "cp311", "x86_64", ())))
    without = list(ingredients(step, Resolved()))
    having = list(ingredients(replace(step, network=True), Resolved()))
    assert digest(without) != digest(having)
    (told,) = differences(to_json(without, {}), to_json(having, {}))
    assert str(told) == "network: none → declared"


# --- as wheels carry them -------------------------------------------------------------------------

CMAKE = EnvironmentPin(
    EnvironmentRequest("tool", "cp311", "x86_64", ("cmake",)),
    (Package("cmake", "4.1.0", ("sha256:00",)),),
)


def python_of_tools(tmp_path: Path) -> str:
    """What a key says of the interpreter that starts a declared cmake, as a new session sees it."""
    tools = SimpleNamespace(
        pins=SimpleNamespace(environment=lambda _: CMAKE),
        host_files=FileDigests(tmp_path / "kept.json"),
        base=None,
    )
    known = Programs(cast("Any", tools))
    command = RepairWheel(OutputOf("wheel"), "x86_64", "cp311", "manylinux_2_28")
    step = Step("x", "x", command, tools=Tools((CMAKE.request,)))
    return known.parts(step)["tools.python"]


def test_a_program_of_a_wheel_is_known_by_the_interpreter_that_starts_it(
    host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter_library, "of_builds", lambda *_: "its library")
    python = make(host / "python", "one")
    monkeypatch.setattr(step_programs, "own_interpreter", lambda: python)
    seen = [python_of_tools(tmp_path)]
    make(python, "two")
    seen.append(python_of_tools(tmp_path))
    monkeypatch.setattr(sys, "version", f"{sys.version} patched")
    seen.append(python_of_tools(tmp_path))
    assert len(set(seen)) == 3


def test_a_wheel_s_programs_are_laid_out_again_for_another_way_to_start_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = [tool_wheels.digest_of(CMAKE, Path("/python"))]
    monkeypatch.setattr(tool_wheels, "_STARTER", "#!/bin/sh\n")
    seen.append(tool_wheels.digest_of(CMAKE, Path("/python")))
    monkeypatch.setattr(sys, "version", f"{sys.version} patched")
    seen.append(tool_wheels.digest_of(CMAKE, Path("/python")))
    assert len(set(seen)) == 3


# --- as the host has them -------------------------------------------------------------------------


def test_the_first_executable_on_path_is_the_program(
    host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = tmp_path / "second"
    second.mkdir()
    monkeypatch.setenv("PATH", f"{host}{os.pathsep}{second}")
    (host / "one").write_text("not executable", encoding="utf-8")
    (host / "two").mkdir()
    expected = {name: str(make(second / name, "")) for name in ("one", "two")}
    assert host_programs.find(["one", "two", "no-such-program"]) == {
        **expected,
        "no-such-program": None,
    }


def test_shims_and_relative_folders_have_no_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shims").mkdir()
    make(tmp_path / "shims" / "frobnicate", "")
    make(tmp_path / "frobnicate", "")
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}{os.pathsep}.{os.pathsep}")
    monkeypatch.chdir(tmp_path)
    assert host_programs.find(["frobnicate"]) == {"frobnicate": None}


def test_a_program_is_known_by_its_content_and_an_absent_one_as_absent(
    host: Path, tmp_path: Path
) -> None:
    make(host / "one", "content")
    (host / "link").symlink_to("one")
    found = host_programs.parts(
        ["one", "link", "no-such-program"], FileDigests(tmp_path / "kept.json")
    )
    content = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    assert found == {"one": content, "link": content, "no-such-program": ABSENT}


def remember(path: Path, kept: Path, digest: str, *, ctime_ns: int | None = None) -> None:
    """Write that a program was seen with its present size, times and inode, or another ctime."""
    now = path.stat()
    ctime = now.st_ctime_ns if ctime_ns is None else ctime_ns
    seen = [now.st_size, now.st_mtime_ns, ctime, now.st_ino, now.st_dev, digest]
    notes.keep(kept, {"schema": 2, "files": {str(path): seen}, "trees": {}})


def test_a_change_that_leaves_size_and_mtime_is_seen(host: Path, tmp_path: Path) -> None:
    path, kept = make(host / "one", "content"), tmp_path / "kept.json"
    os.utime(path, ns=(OLD, OLD))
    remember(path, kept, "remembered")
    assert host_programs.parts(["one"], FileDigests(kept)) == {"one": "remembered"}
    remember(path, kept, "remembered", ctime_ns=OLD)
    assert host_programs.parts(["one"], FileDigests(kept))["one"].startswith("ed7002b4")


def test_a_program_of_the_last_moments_is_not_remembered(host: Path, tmp_path: Path) -> None:
    make(host / "one", "1")
    host_programs.parts(["one"], FileDigests(tmp_path / "kept.json"))
    assert not (tmp_path / "kept.json").exists()


def test_an_old_program_is_remembered_and_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.json"
    known = host_programs.parts(["/bin/sh"], FileDigests(kept))
    monkeypatch.setattr("builtins.open", None)
    assert host_programs.parts(["/bin/sh"], FileDigests(kept)) == known


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"schema": 9, "files": {}}'])
def test_a_damaged_memory_is_forgotten(host: Path, tmp_path: Path, text: str) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text(text, encoding="utf-8")
    make(host / "one", "content")
    assert host_programs.parts(["one"], FileDigests(kept))["one"].startswith("ed7002b4")


def test_a_program_that_may_not_be_read_is_known_by_size_and_time(
    host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_words: object) -> None:
        raise PermissionError

    make(host / "one", "content")
    monkeypatch.setattr("builtins.open", refuse)  # as root, who reads everything
    found = host_programs.parts(["one"], FileDigests(tmp_path / "kept.json"))
    assert found["one"].startswith("not readable: 7 bytes")
