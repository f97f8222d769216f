"""A project's files and its state, as git reports them.

Only reads the user's repository. Knows nothing of steps.
"""

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import SourceUnreadable
from mpforge.processes import Captured
from mpforge.sources.git_call import answer, filters_of, run, unquoted
from mpforge.store.files import files_below, hash_file

SUBMODULE = "160000 "
# git status --porcelain=v2: the number of fields before the path, by the kind of a row.
_STATUS_FIELDS = {"1": 8, "u": 10}
_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_LFS_POINTER = re.compile(
    r"^([0-9a-f]{40,64}) blob \d+\nversion https://git-lfs\.github\.com/spec/v1\n"
    r"(?:[a-z0-9.-]+ .*\n)*?oid sha256:([0-9a-f]{64})\n",
    re.MULTILINE,
)


@dataclass(frozen=True)
class VcsState:
    """Everything that a version from git may depend on; the clone of the sdist step is made from it alone.

    ``head`` is HEAD's commit, ``abbreviation`` how many digits git shows of it, ``branch`` empty where HEAD
    is detached, ``shallow`` the commits at which history is cut off. ``tags`` are ``HASH refs/tags/NAME``.
    ``index`` are git's rows (``ls-files -s``) of what it tracks below the source, ``dirty`` the paths of
    tracked files, from the repository's top, that differ there, each after git's two letters for how.
    """

    head: str
    abbreviation: int
    branch: str
    shallow: tuple[str, ...]
    tags: tuple[str, ...]
    index: tuple[str, ...]
    dirty: tuple[str, ...]

    def parts(self) -> dict[str, str]:
        """Return the state as ingredients of a key; long parts as digests."""
        parts = {
            "head": self.head,
            "abbreviation": self.abbreviation,
            "branch": self.branch,
            "shallow": [digest_of(self.shallow)] if self.shallow else [],
            "tags": digest_of(self.tags),
            "index": digest_of(self.index),
            "dirty": self.dirty,
        }
        return {f"git.{name}": json.dumps(value) for name, value in parts.items()}


def digest_of(rows: Iterable[str]) -> str:
    """Return the sha256 of git's rows."""
    return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Listing:
    """git's listing below a directory: the names in each folder (``""`` is the directory itself).

    A name may occur twice, or be missing on disk. ``index`` are git's own rows of tracked files,
    ``submodules`` the paths of submodules, also of those within others.
    """

    names: Mapping[str, list[str]]
    index: list[str]
    submodules: tuple[str, ...] = ()


@functools.cache
def top_level(root: Path) -> Path | None:
    """Return the work tree's top directory, or None if this is no git checkout.

    Raises ``SourceUnreadable`` if git refuses to read it (another owner).
    """
    if (root / ".git").exists():
        return root
    if not any((folder / ".git").exists() for folder in root.parents):
        return None
    done = run(root, "rev-parse", "--show-toplevel")
    if done.returncode:
        raise _unreadable(root, done)
    return Path(done.stdout.rstrip("\n"))


@functools.cache
def common_directory(root: Path) -> Path:
    """Return the directory of a checkout's objects and tags: its ``.git``, or its main work tree's."""
    place = (top_level(root) or root) / ".git"
    if place.is_dir() and not (place / "commondir").exists():
        return place
    return root / answer(root, "rev-parse", "--git-common-dir").rstrip("\n")


def _unreadable(root: Path, done: Captured) -> SourceUnreadable:
    return SourceUnreadable(f"git can't read the checkout at {root}", why=done.stderr)


def listing(root: Path) -> Listing:
    """List tracked and untracked, not ignored files below ``root``, including those of submodules.

    Raises ``SourceUnreadable``.
    """
    # Without -z git quotes unusual names, so that none is lost when its output is decoded.
    done = run(root, "ls-files", "-s", "-c", "-o", "--exclude-standard")
    if done.returncode:
        raise _unreadable(root, done)
    rows = done.stdout.split("\n")[:-1]
    index = [row for row in rows if "\t" in row]
    names = by_folder(map(path_of, rows))
    submodules: list[str] = []
    for row in index:
        if row.startswith(SUBMODULE):
            submodules += _add_submodule(names, root, path_of(row))
    return Listing(names, index, tuple(submodules))


def paths_below(folder: Path, *, all_below: bool = True) -> list[str]:
    """Return the paths of ``listing``, or only of files directly in the folder; submodules' files too."""
    if all_below:
        names = listing(folder).names
        return [f"{inner}/{name}" if inner else name for inner in names for name in names[inner]]
    words = ("ls-files", "-c", "-o", "--exclude-standard", "--", ":(glob)*")
    return [unquoted(row) for row in answer(folder, *words).split("\n")[:-1]]


def path_of(row: str) -> str:
    """Return the path of one of git's rows."""
    return unquoted(row[row.rfind("\t") + 1 :])


def by_folder(paths: Iterable[str]) -> dict[str, list[str]]:
    """Return the names in each folder of these paths."""
    folders: dict[str, list[str]] = {}
    last, names = None, []
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder != last:
            last, names = folder, folders.setdefault(folder, [])
        names.append(name)
    return folders


def _add_submodule(names: dict[str, list[str]], root: Path, path: str) -> list[str]:
    """Add a submodule's files; return its path and those of the submodules in it."""
    if not (root / path / ".git").exists():
        raise SourceUnreadable(
            f"the submodule {path} is not checked out",
            hint="git submodule update --init --recursive",
        )
    found = listing(root / path)
    for folder, inner in found.names.items():
        names[f"{path}/{folder}" if folder else path] = inner
    return [path, *(f"{path}/{inner}" for inner in found.submodules)]


def state(
    root: Path, excluded: Sequence[str], found: Listing, *, linked: Sequence[str] = ()
) -> VcsState:
    """Return git's state of ``root``, whose listing is ``found``; ``excluded`` names there don't count.

    Changes of ``linked`` paths, from the repository's top, count as if they were in ``root``.
    No filter runs: a file counts as changed if its bytes differ from git's, except for line ends that git
    itself converts, and for content that Git LFS stores elsewhere.
    """
    filters = filters_of([root, *(root / path for path in found.submodules)])
    left_out = [f":(exclude,literal){name}" for name in excluded]
    options = ("--porcelain=v2", "--branch", "--no-ahead-behind", "--no-renames")
    beside = [f":(top,literal){_tracked_by_top(root, path)}" for path in linked]
    where = ("--untracked-files=no", "--", ".", *beside, *left_out)
    status = answer(root, "status", *options, *where, filters=filters)
    head = branch = ""
    changed: list[tuple[str, list[str]]] = []
    for row in status.split("\n")[:-1]:
        words = row.split(" ", 2)
        if words[0] in _STATUS_FIELDS:
            *fields, path = row.split(" ", _STATUS_FIELDS[words[0]])
            changed.append((path, fields))
        elif words[1] == "branch.oid":
            head = words[2].replace("(initial)", "")
        elif words[1] == "branch.head":
            branch = words[2].replace("(detached)", "")
    if "lfs" in filters:
        changed = _not_in_lfs(root, changed)
    own = set(excluded)
    short = answer(root, "rev-parse", "--short", "HEAD").rstrip("\n") if head else ""
    return VcsState(
        head=head,
        abbreviation=len(short),
        branch=branch,
        shallow=_shallow(root),
        tags=tuple(_tags(root)),
        index=tuple(row for row in found.index if path_of(row).partition("/")[0] not in own),
        dirty=tuple(f"{fields[1]} {path}" for path, fields in changed),
    )


def _tracked_by_top(root: Path, path: str) -> str:
    """Return the path as the repository tracks it: itself, or the submodule that contains it."""
    top = top_level(root) or root
    folders = [folder for folder in Path(path).parents if folder != Path()]
    owners = (str(folder) for folder in reversed(folders) if (top / folder / ".git").exists())
    return next(owners, path)


def _is_edited(fields: Sequence[str]) -> bool:
    """Return whether only the content of a file differs from the index."""
    kind, how, _, _, in_index, on_disk, *_ = fields
    return kind == "1" and how == ".M" and in_index == on_disk


def _not_in_lfs(
    root: Path, changed: Sequence[tuple[str, list[str]]]
) -> list[tuple[str, list[str]]]:
    """Return the rows of git status without files whose content matches their LFS pointer."""
    top = top_level(root) or root
    blobs = {path: fields[7] for path, fields in changed if _is_edited(fields)}
    if not blobs:
        return list(changed)
    pointers = answer(root, "cat-file", "--batch", given="".join(f"{h}\n" for h in blobs.values()))
    contents = dict(_LFS_POINTER.findall(pointers))

    def is_whole(path: str) -> bool:
        content, place = contents.get(blobs.get(path, "")), top / unquoted(path)
        is_file = place.is_file() and not place.is_symlink()
        return content is not None and is_file and hash_file(place).digest == content

    return [(path, fields) for path, fields in changed if not is_whole(path)]


def _shallow(root: Path) -> tuple[str, ...]:
    """Return the commits whose parents a shallow clone lacks (gitrepository-layout(5))."""
    try:
        text = (common_directory(root) / "shallow").read_text("ascii", "replace")
    except FileNotFoundError:
        return ()
    return tuple(sorted(line for line in text.split() if _HASH.fullmatch(line)))


def _tags(root: Path) -> list[str]:
    """Return ``HASH refs/tags/NAME`` of each tag, sorted.

    Read from git's files (gitrepository-layout(5)) in the default layout: each session needs them, and
    a process costs more than all else. As in git, loose tags are read first and win over packed ones.
    """
    place = common_directory(root)
    loose = None if (place / "reftable").exists() else _loose_tags(place / "refs" / "tags")
    if loose is not None and not any(text.startswith("ref:") for text in loose.values()):
        found = _packed_tags(place / "packed-refs") | loose
        return sorted(f"{sha} {name}" for name, sha in found.items() if _HASH.fullmatch(sha))
    text = answer(root, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags")
    return sorted(text.splitlines())


def _loose_tags(folder: Path) -> dict[str, str] | None:
    """Return the text of each tag's file; None if the folder is missing, or git is packing it right now."""
    try:
        return {
            f"refs/tags/{name}": (folder / name).read_text("utf-8", "replace").strip()
            for name in files_below(folder)
            if not name.endswith(".lock")
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
