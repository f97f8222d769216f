"""A run in which nothing changed is answered from the memo, whose stamps are of all that was looked at."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Workspace

BUILD = f"build-{NATIVE}"
TRACED = "stat,lstat,newfstatat,statx,access,faccessat,faccessat2,open,openat,readlink,readlinkat"
_CALL = re.compile(r"^\d+ +(\w+)\((.*)")
_NAME = re.compile(r'^(?:\w+<(?P<base>[^>]*)>, )?"(?P<name>[^"]*)"')

# Read by the full look, and no witness. Whatever else it reads must be one.
EXCEPTIONS = (
    # Notes of digests, which are used while the stamps of their files, all witnesses, are as noted.
    *(r".*/cache/(host\w+\.jsonl?|\.new-\w+)", r".*/\.mpforge(/.*)?"),
    # The libraries of Python and mpforge, of which each directory on sys.path is a witness, are imported.
    *(rf"{os.path.realpath(folder)}/.*" for folder in {os.path.dirname(os.__file__)}),
    *(r".*/site-packages/.*", r".*/mpforge/.*", r".*\.pyc|.*/python3\d+\.zip"),
    # How programs start: the loader, locales, the clock. They change no answer.
    *(
        r"/etc/ld\.so\..*",
        r".*\.so[-.\d]*",
        r".*/(locale|gconv)(/.*)?",
        r"/etc/(localtime|locale\.alias)",
    ),
    *(r"/dev/null", r"/proc/\d+/fd/\d+", r"/sys/devices/system/cpu.*"),
    r"/proc/sys/kernel/random/boot_id",  # compared by value
    r".*/\.git/objects/(\w\w/\w{38}|pack/.*)",  # named after their content
    r".*/(dist|__pycache__)/\.git(/HEAD)?",  # git asks of an ignored directory, and ignores it all the same
    r".*/noxfile\.py|.*/(conda|mamba|micromamba)",  # nox asks for them
)


def remembered(workspace: Workspace, *sessions: str) -> dict[str, list[str]]:
    """Run sessions twice, so that nothing is left to do; return what the memo has stamps of."""
    assert workspace.nox(*sessions).code == 0
    assert set(sessions) <= workspace.nox(*sessions).cached
    return memo(workspace)["paths"]


def memo(workspace: Workspace) -> dict[str, dict[str, list[str]]]:
    """The memo's content."""
    found = json.loads(workspace.read(".mpforge/memo.json"))["note"]
    assert isinstance(found, dict)
    return found


def reads(trace: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Each call that asked for a path after the look began: its name, and the path."""
    lines = iter(trace.read_text("utf-8", "replace").splitlines())
    next(line for line in lines if f'"{root}/.mpforge/report.jsonl", O_RDONLY' in line)
    for line in lines:
        called = _CALL.match(line)
        if called is None:
            continue
        call, words = called.groups()
        if "<pipe:" in words or "<socket:" in words:
            continue
        if call == "getdents64":
            yield call, words.partition("<")[2].partition(">")[0]
        elif (named := _NAME.match(words)) and (named["name"] or named["base"]):
            yield call, os.path.join(named["base"] or root, named["name"])


def unwitnessed(workspace: Workspace, trace: Path, paths: dict[str, list[str]]) -> set[str]:
    """The reads of a traced run that no witness covers."""
    whole = {_plain(hop) for path in paths["whole"] for hop in _hops(path)}
    known = whole | {_plain(path) for kind in ("entry", "place") for path in paths[kind]}
    above = {parent for path in known for parent in (path, *map(str, Path(path).parents))}
    exceptions = re.compile("|".join(EXCEPTIONS))
    found = set()
    for call, path in reads(trace, workspace.root):
        name = _plain(path)
        # In a directory whose stamp is compared nothing appears unseen; one above a witness is only passed.
        beside = next(parent for parent in Path(name).parents if parent.exists())
        covered = name in (whole if call == "getdents64" else above)
        absent = not os.path.lexists(name) and str(beside) in whole
        if not (covered or absent or exceptions.fullmatch(name)):
            found.add(f"{call} {name}")
    return found


def _plain(path: str) -> str:
    folder, name = os.path.split(path.rstrip("/.") or "/")
    return os.path.join(os.path.realpath(folder), name)


def _hops(path: str) -> Iterator[str]:
    """A path, and where it leads if it is a link: its stamp has what ``stat`` says of the target."""
    yield path
    if os.path.islink(path):
        yield from _hops(os.path.join(os.path.dirname(path), os.readlink(path)))


def traced(workspace: Workspace, trace: Path, *sessions: str) -> None:
    """Look at a project in full, in another environment, with all system calls that name files noted."""
    workspace.under = (
        "strace",
        "-f",
        "-y",
        "-qq",
        "-s",
        "4096",
        "-o",
        str(trace),
        "-e",
        f"trace={TRACED},execve,getdents64",
    )
    run = workspace.nox(*sessions, env={"ANOTHER": "environment"})
    workspace.under = ()
    assert set(sessions) <= run.cached, str(run)


@pytest.mark.gcc
@pytest.mark.git
@pytest.mark.strace
def test_every_path_that_the_look_at_commands_reads_is_a_witness(
    quick: Workspace, place: Path
) -> None:
    quick.write("source/deep/file.txt", "one\n")
    quick.write(".gitignore", "dist\n.nox\n__pycache__\n")
    quick.commit()
    paths = remembered(quick, BUILD)
    traced(quick, place / "trace", BUILD)
    assert unwitnessed(quick, place / "trace", paths) == set()
    fewer = {kind: [p for p in known if "deep" not in p] for kind, known in paths.items()}
    assert unwitnessed(quick, place / "trace", fewer), "the trace shows what the memo lacks"


@pytest.mark.cross
@pytest.mark.git
@pytest.mark.network
@pytest.mark.strace
def test_every_path_that_the_look_at_wheels_reads_is_a_witness(
    workspace: Workspace, place: Path
) -> None:
    shutil.rmtree(workspace.root / ".mpforge")
    workspace.write(".gitignore", "dist\n.nox\n__pycache__\n")
    workspace.commit()
    sessions = ("sdist", "build-aarch64-cp311")
    paths = remembered(workspace, *sessions)
    traced(workspace, place / "trace", *sessions)
    assert unwitnessed(workspace, place / "trace", paths) == set()


# --- changes that only the memo could miss --------------------------------------------------------

FILES = """
    mkdir out
    find . -type f ! -path "./out/*" | sort > out/files.txt
    echo "$WORD, says $(frobnicate)" >> out/files.txt
"""


def program(folder: Path, says: str) -> None:
    """A program named frobnicate."""
    folder.mkdir(exist_ok=True)
    (folder / "frobnicate").write_text(f"#!/bin/sh\necho {says}\n", encoding="utf-8")
    (folder / "frobnicate").chmod(0o755)


def looked(workspace: Workspace) -> str:
    """Run until nothing is left to do and a memo says so; what is published."""
    remembered(workspace, BUILD)
    before = memo(workspace)
    assert BUILD in workspace.nox(BUILD).cached
    assert memo(workspace) == before, "answered from the memo"
    return (workspace.dist / NATIVE / "out/files.txt").read_text(encoding="utf-8")


@pytest.mark.gcc
@pytest.mark.git
def test_whatever_git_or_path_or_a_variable_gives_anew_is_seen(
    quick: Workspace, place: Path
) -> None:
    home, first, second = place / "home", place / "first", place / "second"
    home.mkdir()
    first.mkdir()
    program(second, "second")
    path = f"{first}:{second}:{quick.environment()['PATH']}"
    quick.variables |= {"HOME": str(home), "WORD": "one", "PATH": path}
    tools = '[build]\ntools = ["frobnicate"]\npass-environment = ["WORD"]'
    quick.edit("multiplatform.toml", "[build]", tools)
    quick.write("build.sh", FILES)
    quick.write("source/deep/file.txt", "one\n")
    quick.write("source/made/object.o", "ignored\n")
    quick.write(".gitignore", "/dist\n/.nox\n__pycache__\n*.o\n")
    quick.commit()
    assert "one, says second" in looked(quick)

    quick.write("source/made/new.c", "beside what is ignored\n")
    assert "./source/made/new.c" in looked(quick)

    quick.write("source/deep/new.txt", "new\n")
    assert "./source/deep/new.txt" in looked(quick)
    quick.write("source/.gitignore", "new.txt\n")
    assert "./source/deep/new.txt" not in looked(quick)
    quick.write("source/deep/other.txt", "other\n")
    (home / ".gitconfig").write_text(f"[core]\n\texcludesFile = {home}/ignored\n", encoding="utf-8")
    assert "./source/deep/other.txt" in looked(quick)
    (home / "ignored").write_text("other.txt\n", encoding="utf-8")
    assert "./source/deep/other.txt" not in looked(quick)

    program(first, "first")
    assert "one, says first" in looked(quick)
    (first / "frobnicate").chmod(0o644)
    assert "one, says second" in looked(quick)
    program(first, "other")
    assert "one, says other" in looked(quick)
    quick.variables["PATH"] = path.removeprefix(f"{first}:")
    assert "one, says second" in looked(quick)
    quick.variables["WORD"] = "two"
    assert "two, says second" in looked(quick)


@pytest.mark.gcc
def test_copies_share_no_memo_and_a_cleared_cache_is_missed(quick: Workspace, place: Path) -> None:
    remembered(quick, BUILD)
    copy = quick.copy(place / "copy")
    copy.write("greeting.txt", "jello, world\n")
    os.utime(copy.root / "greeting.txt", ns=(0, (quick.root / "greeting.txt").stat().st_mtime_ns))
    assert BUILD in copy.nox(BUILD).did
    assert (copy.dist / NATIVE / "out/greeting.txt").read_text(encoding="utf-8") == "jello, world\n"
    assert BUILD in quick.nox(BUILD).cached
    assert quick.mpforge("cache", "clear").code == 0
    shutil.rmtree(quick.dist)
    assert BUILD in quick.nox(BUILD).did
    assert (quick.dist / NATIVE / "out/greeting.txt").exists()
