"""What git says of a project: its files, its state, and a private clone for the sdist step.

Only reads the user's repository. Knows nothing of steps.
"""

import functools
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import SourceUnreadable, ToolUnavailable
from mpforge.processes import Captured, capture

_SUBMODULE = "160000"
_CHANGED = "d1" * 20  # a commit that nobody has


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
        return capture(["git", "-C", str(root), *arguments], environment=_environment())
    except FileNotFoundError:
        raise ToolUnavailable(
            "git is not on PATH, and this is a git checkout",
            hint="install git (on Debian: apt-get install git)",
        ) from None


def _answer(root: Path, *arguments: str) -> str:
    done = _git(root, *arguments)
    if done.returncode:
        raise SourceUnreadable(f"git {arguments[0]} failed in {root}", why=done.stderr)
    return done.stdout


@functools.cache
def top_level(root: Path) -> Path | None:
    """The work tree's top directory, or None where there is no git checkout.

    Raises ``SourceUnreadable`` where there is one that git refuses to read (another owner).
    """
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return None
    done = _git(root, "rev-parse", "--show-toplevel")
    if done.returncode:
        raise SourceUnreadable(f"git can't read the checkout at {root}", why=done.stderr)
    return Path(done.stdout.rstrip("\n"))


def _submodules(root: Path) -> list[str]:
    rows = _answer(root, "ls-files", "-s", "-z").split("\0")
    return [row.split("\t", 1)[1] for row in rows if row.startswith(_SUBMODULE)]


def tracked_files(root: Path) -> list[str]:
    """Tracked and untracked, not ignored files below ``root``, those of submodules included.

    Paths are relative to ``root``; a file that git tracks but that was deleted is left out.
    """
    listed = _answer(root, "ls-files", "-z", "-c", "-o", "--exclude-standard").split("\0")
    submodules = _submodules(root)
    files = {path for path in listed if path and path not in submodules}
    for submodule in submodules:
        folder = root / submodule
        if not (folder / ".git").exists():
            raise SourceUnreadable(
                f"the submodule {submodule} is not checked out",
                hint="git submodule update --init --recursive",
            )
        files |= {f"{submodule}/{path}" for path in tracked_files(folder)}
    return sorted(path for path in files if os.path.lexists(root / path))


def state(root: Path, excluded: Iterable[str]) -> VcsState:
    """What git knows of ``root``; ``excluded`` are paths below it that don't count."""
    left_out = [f":(exclude,top){path}" for path in _from_top(root, excluded)]
    status = _answer(
        root, "status", "--porcelain", "-z", "--untracked-files=no", "--", ".", *left_out
    )
    index = _answer(root, "ls-files", "-s", "-z", "--", ".", *left_out)
    head = _git(root, "rev-parse", "--verify", "-q", "HEAD")
    return VcsState(
        head=head.stdout.strip(),
        branch=_git(root, "symbolic-ref", "-q", "--short", "HEAD").stdout.strip(),
        tags=_digest(_answer(root, "for-each-ref", "refs/tags")),
        index=_digest(index),
        dirty=tuple(row for row in status.split("\0") if row),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _from_top(root: Path, paths: Iterable[str]) -> list[str]:
    prefix = _answer(root, "rev-parse", "--show-prefix").rstrip("\n")
    return [f"{prefix}{path}" for path in paths]


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
    tracked = [path for path in _answer(destination, "ls-files", "-z").split("\0") if path]
    absent = [p for p in tracked if p not in present and os.path.lexists(top / p)]
    for start in range(0, len(absent), 500):
        batch = absent[start : start + 500]
        _answer(destination, "update-index", "--skip-worktree", "--", *batch)
    _mark_changed_submodules(top, destination)
    return destination / inside


def _mark_changed_submodules(top: Path, clone_root: Path) -> None:
    """Let the clone's index name a commit that is not HEAD's for each submodule that is not as HEAD's."""
    submodules = _submodules(top)
    if not submodules or _git(top, "rev-parse", "--verify", "-q", "HEAD").returncode:
        return
    for path in _answer(top, "diff", "--name-only", "-z", "HEAD", "--", *submodules).split("\0"):
        if path:
            entry = f"{_SUBMODULE},{_CHANGED},{path}"
            _answer(clone_root, "update-index", "--add", "--cacheinfo", entry)


def commit_time(root: Path) -> int | None:
    """When HEAD was committed, in seconds since 1970; None where there is no commit."""
    answer = _git(root, "log", "-1", "--format=%ct").stdout.strip()
    return int(answer) if answer.isdecimal() else None


def refresh(clone_root: Path) -> None:
    """Let git compare the files that were put into a clone with its index."""
    _git(clone_root, "update-index", "-q", "--refresh")
