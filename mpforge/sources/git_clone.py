"""A private clone of a checkout, for the step that makes an sdist.

It holds HEAD's history, the branch, the tags and the index of a ``VcsState``, and nothing else: no other
branches, remotes, notes, replacements, stashes, hooks, settings or attributes of the user's repository. So
all that a build backend can ask of git is in the step's key. Its objects are the original's
(``objects/info/alternates``, gitrepository-layout(5)): history is not copied.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mpforge.errors import SourceUnreadable
from mpforge.sources import git
from mpforge.sources.git_call import answer, run, unquoted
from mpforge.store.trees import Directory, FileNode

VARIABLES = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
"""Variables for programs that run in a clone: they hide the host's own git settings."""

_LINK = "120000 "
_SHA256_DIGITS = 64
_CHANGED = "d1"  # twenty or more of them: a commit that exists nowhere


def create(root: Path, state: git.VcsState, destination: Path) -> Path:
    """Clone the checkout of ``root``, without files and index; return the path of ``root`` in it."""
    top = git.top_level(root)
    if top is None:
        raise SourceUnreadable(f"{root} is not a git checkout")
    inside = root.resolve().relative_to(top.resolve())
    place = destination / ".git"
    for folder in ("refs", "objects/info"):
        (place / folder).mkdir(parents=True)
    objects = (git.common_directory(root) / "objects").resolve()
    texts = {
        "HEAD": f"ref: refs/heads/{state.branch}\n" if state.branch else f"{state.head}\n",
        "config": _config(state),
        "objects/info/alternates": f"{objects}\n",
        "packed-refs": "".join(f"{row}\n" for row in _refs(state)),
        "shallow": "".join(f"{commit}\n" for commit in state.shallow),
    }
    for name, text in texts.items():
        if text:
            (place / name).write_bytes(os.fsencode(text))
    return destination / inside


def borrowed(clone: Path) -> Iterator[Path]:
    """Yield the directories whose objects a clone borrows, and those that they borrow in turn."""
    pending = [clone / ".git" / "objects"]
    while pending:
        folder = pending.pop()
        noted = folder / "info" / "alternates"
        lines = os.fsdecode(noted.read_bytes()).splitlines() if noted.is_file() else []
        found = [Path(os.path.normpath(folder / line)) for line in lines if line]
        yield from found
        pending += found


def _config(state: git.VcsState) -> str:
    lines = ["[core]", "\tbare = false", "\tfilemode = true", "\tlogallrefupdates = false"]
    lines += [f"\tabbrev = {state.abbreviation}"] if state.abbreviation else []
    if _digits(state) == _SHA256_DIGITS:
        lines += ["\trepositoryformatversion = 1", "[extensions]", "\tobjectFormat = sha256"]
    else:
        lines += ["\trepositoryformatversion = 0"]
    return "\n".join(lines) + "\n"


def _digits(state: git.VcsState) -> int:
    """Return the length of this repository's hashes, in hex digits."""
    return len(state.head) or max((len(row.split(" ")[1]) for row in state.index), default=0)


def _refs(state: git.VcsState) -> Iterator[str]:
    if state.head and state.branch:
        yield f"{state.head} refs/heads/{state.branch}"
    yield from state.tags


def _index_rows(state: git.VcsState, inside: Path) -> Iterator[str]:
    """Yield the index's differences from HEAD's tree, as rows for ``git update-index --index-info``."""
    how = _changed(state)
    zeros = "0" * _digits(state)
    if state.head:
        yield from (f"0 {zeros}\t{path}" for path in how)
    for row in state.index:
        path = str(inside / git.path_of(row))
        if state.head and path not in how:
            continue
        facts = row[: row.rfind("\t")]
        if row.startswith(git.SUBMODULE) and how.get(path, "..") != "..":
            facts = f"{git.SUBMODULE}{_CHANGED * (len(zeros) // 2)} 0"
        yield f"{facts}\t{path}"


def _changed(state: git.VcsState) -> dict[str, str]:
    """Return each changed path's two status letters: index against HEAD, files against index."""
    return {unquoted(row[3:]): row[:2] for row in state.dirty}


def settle(destination: Path, state: git.VcsState, place: Path, tree: Directory) -> None:
    """Make a clone, whose ``tree`` of files is in ``place``, as clean or dirty as the original.

    Paths that git would call changed here but not there (not part of the source, other line ends, a
    filter) are marked as not checked out.
    """
    inside = place.relative_to(destination)
    if state.head:
        answer(destination, "read-tree", "HEAD", alone=True)
        _commit_followed(destination, state, inside, tree)
    _change_index(destination, "--index-info", _index_rows(state, inside))
    run(destination, "update-index", "-q", "--refresh", alone=True)
    how = _changed(state)
    rows = answer(destination, "diff-files", "--name-only", alone=True).split("\n")[:-1]
    same = [path for path in map(unquoted, rows) if how.get(path, "..")[1] == "."]
    _change_index(destination, "--skip-worktree --stdin", dict.fromkeys(same))


def _change_index(destination: Path, options: str, rows: Iterable[str]) -> None:
    text = "".join(f"{row}\0" for row in rows)
    if text:
        words = ("update-index", "-z", *options.split())
        answer(destination, *words, alone=True, given=text)


def _commit_followed(destination: Path, state: git.VcsState, inside: Path, tree: Directory) -> None:
    """Replace symlinks in HEAD by the files they lead to, as the index and the files have it.

    setuptools_scm and similar tools put the files of HEAD's tree into an sdist. That tree is replaced
    (git-replace(1)); the commit and its hash stay.
    """
    how, zeros = _changed(state), "0" * _digits(state)
    rows: list[str] = []
    links = (git.path_of(row) for row in state.index if row.startswith(_LINK))
    for path in links:
        held = tree.at(path)
        if held is None or isinstance(held, str) or str(inside / path) in how:
            continue
        rows.append(f"0 {zeros}\t{inside / path}")
        nodes = held.walk(f"{path}/") if isinstance(held, Directory) else [(path, held)]
        rows += _written(destination, inside, dict(nodes))
    if not rows:
        return
    original = answer(destination, "rev-parse", "HEAD^{tree}", alone=True).strip()
    _change_index(destination, "--index-info", rows)
    made = answer(destination, "write-tree", alone=True).strip()
    replacement = destination / ".git" / "refs" / "replace" / original
    replacement.parent.mkdir()
    replacement.write_text(f"{made}\n")


def _written(destination: Path, inside: Path, nodes: Mapping[str, FileNode | str]) -> Iterator[str]:
    """Write files and symlinks to a clone's objects; yield an index row for each."""
    words = ("hash-object", "-w", "--no-filters")
    files = [(path, node) for path, node in nodes.items() if isinstance(node, FileNode)]
    given = "".join(f"{_quoted(str(inside / path))}\n" for path, _ in files)
    hashes = answer(destination, *words, "--stdin-paths", alone=True, given=given).split()
    for (path, node), written in zip(files, hashes, strict=True):
        yield f"{'100755' if node.executable else '100644'} {written}\t{inside / path}"
    for path, target in nodes.items():
        if isinstance(target, str):
            written = answer(destination, *words, "--stdin", alone=True, given=target).strip()
            yield f"{_LINK}{written}\t{inside / path}"


def _quoted(path: str) -> str:
    """Return a path quoted as git reads it from a line."""
    if "\n" not in path and not path.startswith('"'):
        return path
    return '"' + "".join(f"\\{byte:03o}" for byte in os.fsencode(path)) + '"'


def is_tagged(destination: Path) -> bool:
    """Return whether a tag names HEAD."""
    return not run(destination, "describe", "--exact-match", "--tags", alone=True).returncode


def commit_time(destination: Path) -> int | None:
    """Return HEAD's commit time, in seconds since 1970; None without a commit."""
    said = run(destination, "log", "-1", "--format=%ct", alone=True).stdout.strip()
    return int(said) if said.isdecimal() else None
