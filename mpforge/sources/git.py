"""What git says of a project: its files, its state, and a private clone for the sdist step.

Only reads the user's repository. Knows nothing of steps.
"""

import functools
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import SourceUnreadable, ToolUnavailable
from mpforge.processes import Captured, capture
from mpforge.store.files import files_below

_SUBMODULE = "160000 "
_WRITE = {"clone", "fetch", "reset", "update-index"}
_CHANGED = "d1" * 20  # a commit that nobody has
_QUOTE = ("-c", "core.quotePath=true")
# git status --porcelain=v2: how many fields stand before the path, by the kind of a row.
_STATUS_FIELDS = {"1": 8, "u": 10}


@dataclass(frozen=True)
class VcsState:
    """What a version from git may depend on: HEAD, branch, tags, and how the index and tree differ.

    ``tags`` and ``index`` are digests; ``dirty`` lists the changed paths of tracked files.
    """

    head: str
    branch: str
    tags: str
    index: str
    dirty: tuple[str, ...]


def _environment() -> dict[str, str]:
    """mpforge's own, without what a git hook sets (``GIT_DIR`` would name another repository)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def _git(root: Path, *arguments: str) -> Captured:
    try:
        argv = ["git", "-C", str(root), *arguments]
        brief = _WRITE.isdisjoint(arguments)
        return capture(argv, environment=_environment(), brief=brief)
    except FileNotFoundError:
        raise ToolUnavailable(
            "git is not on PATH, and this is a git checkout",
            hint="install git (on Debian: apt-get install git)",
        ) from None


def _answer(root: Path, *arguments: str) -> str:
    done = _git(root, *arguments)
    if done.returncode:
        command = next(word for word in arguments if word not in _QUOTE)
        raise SourceUnreadable(f"git {command} failed in {root}", why=done.stderr)
    return done.stdout


@dataclass(frozen=True)
class Listing:
    """What git lists below a directory: the names in each folder (``""`` is the directory itself).

    A name may be there twice, or be gone from the disk. ``index`` are git's own rows of what it tracks.
    """

    names: Mapping[str, list[str]]
    index: list[str]


@functools.cache
def top_level(root: Path) -> Path | None:
    """The work tree's top directory, or None where there is no git checkout.

    Raises ``SourceUnreadable`` where there is one that git refuses to read (another owner).
    """
    if (root / ".git").exists():
        return root
    if not any((folder / ".git").exists() for folder in root.parents):
        return None
    done = _git(root, "rev-parse", "--show-toplevel")
    if done.returncode:
        raise _unreadable(root, done)
    return Path(done.stdout.rstrip("\n"))


def _unreadable(root: Path, done: Captured) -> SourceUnreadable:
    return SourceUnreadable(f"git can't read the checkout at {root}", why=done.stderr)


def listing(root: Path) -> Listing:
    """Tracked and untracked, not ignored files below ``root``, those of submodules included.

    Raises ``SourceUnreadable``.
    """
    # Without -z: git quotes unusual names then, so that none is lost when its answer is decoded.
    done = _git(root, *_QUOTE, "ls-files", "-s", "-c", "-o", "--exclude-standard")
    if done.returncode:
        raise _unreadable(root, done)
    rows = done.stdout.split("\n")[:-1]
    index = [row for row in rows if "\t" in row]
    names = by_folder(map(_path, rows))
    for row in index:
        if row.startswith(_SUBMODULE):
            _add_submodule(names, root, _path(row))
    return Listing(names, index)


def _path(row: str) -> str:
    """The path of one of git's rows, as it is on disk; git quotes as C does, where it must."""
    text = row[row.rfind("\t") + 1 :]
    if text[0] != '"':
        return text
    raw = text[1:-1].encode("ascii").decode("unicode_escape").encode("latin-1")
    return os.fsdecode(raw)


def by_folder(paths: Iterable[str]) -> dict[str, list[str]]:
    """The names in each folder of these paths."""
    folders: dict[str, list[str]] = {}
    last, names = None, []
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder != last:
            last, names = folder, folders.setdefault(folder, [])
        names.append(name)
    return folders


def _add_submodule(names: dict[str, list[str]], root: Path, path: str) -> None:
    if not (root / path / ".git").exists():
        raise SourceUnreadable(
            f"the submodule {path} is not checked out",
            hint="git submodule update --init --recursive",
        )
    for folder, inner in listing(root / path).names.items():
        names[f"{path}/{folder}" if folder else path] = inner


def state(root: Path, excluded: Sequence[str], found: Listing) -> VcsState:
    """What git knows of ``root``, which it lists as ``found``; ``excluded`` names there don't count."""
    left_out = [f":(exclude,literal){name}" for name in excluded]
    options = ("--porcelain=v2", "--branch", "--no-ahead-behind", "--no-renames")
    status = _answer(
        root, *_QUOTE, "status", *options, "--untracked-files=no", "--", ".", *left_out
    )
    head = branch = ""
    dirty: list[str] = []
    for row in status.split("\n")[:-1]:
        words = row.split(" ", 2)
        if words[0] in _STATUS_FIELDS:
            *_, path = row.split(" ", _STATUS_FIELDS[words[0]])
            dirty.append(f"{words[1]} {path}")
        elif words[1] == "branch.oid":
            head = words[2].replace("(initial)", "")
        elif words[1] == "branch.head":
            branch = words[2].replace("(detached)", "")
    own = set(excluded)
    index = (row for row in found.index if _path(row).partition("/")[0] not in own)
    return VcsState(
        head=head,
        branch=branch,
        tags=_digest("\n".join(_tags(root))),
        index=_digest("\n".join(index)),
        dirty=tuple(dirty),
    )


def _tags(root: Path) -> list[str]:
    """``SHA refs/tags/NAME`` of each tag, sorted.

    Read from git's files (gitrepository-layout(5)) where they are as by default: each session asks, and
    a process costs more than all else. As git does, what is not packed is read first and wins.
    """
    place = (top_level(root) or root) / ".git"
    loose = None if (place / "reftable").exists() else _loose_tags(place / "refs" / "tags")
    if loose is not None and not any(text.startswith("ref:") for text in loose.values()):
        found = _packed_tags(place / "packed-refs") | loose
        return sorted(f"{sha} {name}" for name, sha in found.items())
    answer = _answer(root, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags")
    return sorted(answer.splitlines())


def _loose_tags(folder: Path) -> dict[str, str] | None:
    """Each tag's file; None where there is no such folder, or git is packing it right now."""
    try:
        return {
            f"refs/tags/{name}": (folder / name).read_text("utf-8", "replace").strip()
            for name in files_below(folder)
        }
    except (FileNotFoundError, NotADirectoryError):
        return None


def _packed_tags(file: Path) -> dict[str, str]:
    try:
        rows = file.read_text("utf-8", "surrogateescape").splitlines()
    except FileNotFoundError:
        return {}
    parts = (row.partition(" ") for row in rows if not row.startswith(("#", "^")))
    return {name: sha for sha, _, name in parts if name.startswith("refs/tags/")}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def clone(root: Path, destination: Path, files: Iterable[str]) -> Path:
    """A private clone of the checkout that holds ``root``; where ``root`` lies in it.

    It has the history, tags and index of the original and no files: the caller puts ``files``
    (relative to ``root``) in place. Every other tracked file is marked as not checked out, so that it
    does not count as deleted, unless the user deleted it. Submodules come as plain files; one that is
    changed makes the clone dirty as it makes the original.
    """
    top = top_level(root)
    if top is None:
        raise SourceUnreadable(f"{root} is no git checkout")
    done = _git(top, "clone", "-q", "--shared", "--no-checkout", str(top), str(destination))
    if done.returncode:
        raise SourceUnreadable(f"git can't clone {top}", why=done.stderr)
    _git(destination, "fetch", "-q", "--tags", "origin")
    index = Path(_answer(top, "rev-parse", "--git-path", "index").rstrip("\n"))
    index = index if index.is_absolute() else top / index
    if index.exists():
        (destination / ".git" / "index").write_bytes(index.read_bytes())
    inside = root.resolve().relative_to(top.resolve())
    present = {str(inside / path) for path in files}
    # A conflict where no build looks is as HEAD has it: git can't mark a path that has three sides.
    for batch in _batches(_tracked(destination, "-u") - present):
        _answer(destination, "reset", "-q", "HEAD", "--", *batch)
    absent = {p for p in _tracked(destination) - present if os.path.lexists(top / p)}
    for batch in _batches(absent):
        _answer(destination, "update-index", "--skip-worktree", "--", *batch)
    _mark_changed_submodules(top, destination)
    return destination / inside


def _tracked(root: Path, *options: str) -> set[str]:
    rows = _answer(root, *_QUOTE, "ls-files", *options).split("\n")[:-1]
    return {_path(row) for row in rows}


def _batches(paths: set[str]) -> Iterator[list[str]]:
    """What one command line has room for."""
    every = sorted(paths)
    return (every[start : start + 500] for start in range(0, len(every), 500))


def _mark_changed_submodules(top: Path, clone_root: Path) -> None:
    """Let the clone's index name a commit that is not HEAD's for each submodule that is not as HEAD's."""
    rows = _answer(top, *_QUOTE, "ls-files", "-s").split("\n")
    submodules = [_path(row) for row in rows if row.startswith(_SUBMODULE)]
    if not submodules or _git(top, "rev-parse", "--verify", "-q", "HEAD").returncode:
        return
    changed = _answer(top, *_QUOTE, "diff", "--name-only", "HEAD", "--", *submodules)
    for row in changed.split("\n")[:-1]:
        entry = f"{_SUBMODULE.strip()},{_CHANGED},{_path(row)}"
        _answer(clone_root, "update-index", "--add", "--cacheinfo", entry)


def commit_time(root: Path) -> int | None:
    """When HEAD was committed, in seconds since 1970; None where there is no commit."""
    answer = _git(root, "log", "-1", "--format=%ct").stdout.strip()
    return int(answer) if answer.isdecimal() else None


def refresh(clone_root: Path) -> None:
    """Let git compare the files that were put into a clone with its index."""
    _git(clone_root, "update-index", "-q", "--refresh")
