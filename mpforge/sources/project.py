"""A project's source as input of a build: its form, its files, its state (docs/contract.md, "Spec").

Three forms: a checkout or plain directory, an unpacked sdist, a packed one. Knows git and archives
through the modules next to it; knows nothing of steps and keys.
"""

import contextlib
import fnmatch
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from mpforge.artifacts.archives import SUFFIXES
from mpforge.errors import SourceMissing
from mpforge.sources import git, links
from mpforge.store.files import files_below
from mpforge.store.fingerprints import scan
from mpforge.store.trees import Directory, FileNode, from_entries

Form = Literal["checkout", "directory", "unpacked-sdist", "packed-sdist"]

# Never an input, at the top of the source: our own files and git's.
OWN_FILES = ("noxfile.py", ".git", ".nox", ".mpforge", "dist", "multiplatform.lock")

# Directories that tools write whenever they run.
TOOLS_FOLDERS = (
    *("__pycache__", ".git", ".hg", ".svn", ".tox", ".nox", "node_modules"),
    *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"),
)
# Without git: leftovers of tools. Documented in docs/contract.md, "Spec".
IGNORED_NAMES = [
    *TOOLS_FOLDERS,
    *("*.pyc", "*.pyo", ".venv", "venv", ".env", ".coverage", ".idea", ".vscode", ".DS_Store"),
]
IGNORED_IN_DIRECTORY = ["*.cpython-*.so", "*.abi3.so", "*.abi3t.so"]
IGNORED_AT_TOP = ["build", "*.egg-info", ".eggs"]
_DISTUTILS_LEFTOVER = re.compile(r"(lib|temp|bdist)\.")

_ATTRIBUTES = ".gitattributes"
# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_POINTER = b"version https://git-lfs.github.com/spec/"
_POINTER_SIZES = range(60, 1024)


@dataclass(frozen=True)
class Project:
    """A source: ``root`` is its directory, or the file of a packed sdist; ``own`` names our files.

    ``listing`` is git's listing of a checkout at the time when the source was read.
    """

    root: Path
    form: Form
    own: tuple[str, ...]
    listing: git.Listing | None = field(default=None, compare=False, repr=False)

    @property
    def is_sdist(self) -> bool:
        """Return whether it is used as it is, without making an sdist of it."""
        return self.form in ("unpacked-sdist", "packed-sdist")


def locate(workspace: Path, source: str, spec_name: str) -> Project:
    """Return the project that ``project.source`` names, relative to the spec's directory.

    Raises ``SourceMissing`` if it is not a buildable source.
    """
    root = Path(os.path.realpath(workspace / source))
    own = (*OWN_FILES, spec_name, str(Path(spec_name).with_suffix(".lock")))
    if root.is_file() and root.name.endswith(SUFFIXES):
        return Project(root, "packed-sdist", own)
    if not root.is_dir():
        raise SourceMissing(
            f"project.source = {source!r}: no such directory or sdist",
            hint=f"check the path {root}, which is relative to {spec_name}",
        )
    if (root / "PKG-INFO").is_file() and not (root / ".git").exists():
        return Project(root, "unpacked-sdist", own)
    listing = git.listing(root) if git.top_level(root) is not None else None
    if listing is not None and listing.names:
        return Project(root, "checkout", own, listing)
    return Project(root, "directory", own)


def looked_at_again(project: Project) -> Project:
    """Return the source with git's current listing of it."""
    return replace(project, listing=git.listing(project.root)) if project.listing else project


def has(project: Project, path: Path) -> bool:
    """Return whether a file is one of the source's, in a directory or checkout as it is now."""
    place = Path(os.path.realpath(path))
    if project.form == "packed-sdist" or not place.is_relative_to(project.root):
        return False
    folder = place.relative_to(project.root).parent.as_posix()
    names = _names(looked_at_again(project))
    return place.name in names.get("" if folder == "." else folder, ())


@dataclass(frozen=True)
class Files:
    """A source's files; ``elsewhere`` has the real paths of those that replace a symlink.

    ``left_out`` says which symlinks can't be followed, and why. ``targets`` are the targets of the
    others, relative to the repository's top.
    """

    tree: Directory
    elsewhere: Mapping[str, Path]
    left_out: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


def files(project: Project, *, record: Path | None = None) -> Files:
    """Return the source files of a directory or checkout, hashed in place.

    ``record`` is the path of the file with remembered digests.
    """
    mine = _names(project)
    leaving: list[str] = []

    def keeps(path: str, target: str) -> bool:
        if links.may_stay(str(project.root), path, target):
            return True
        leaving.append(path)
        return False

    tree = scan(project.root, mine, record=record, keeps=keeps)
    if not leaving:
        return Files(tree, {})
    return _with_followed(project, tree, leaving, mine, record)


def _names(project: Project) -> dict[str, list[str]]:
    """Return the names of the source's files by folder (empty: the top), without mpforge's own."""
    if project.listing is not None:
        names = project.listing.names
    else:
        names = git.by_folder(_files_without_git(project))
    return {
        folder: list(inside) if folder else [name for name in inside if name not in project.own]
        for folder, inside in names.items()
        if folder.partition("/")[0] not in project.own
    }


def _with_followed(
    project: Project,
    tree: Directory,
    leaving: Sequence[str],
    mine: Mapping[str, Sequence[str]],
    record: Path | None,
) -> Files:
    """Return a source's tree with its symlinks followed; without git none is followed out of it."""
    repository = project.root
    if project.listing is not None:
        repository = (git.top_level(project.root) or project.root).resolve()

    def listed(folder: Path, all_below: bool) -> Iterable[str]:  # noqa: FBT001 - links.Listed
        if project.listing is not None:
            return git.paths_below(folder, all_below=all_below)
        within = folder.relative_to(project.root)
        places = (Path(inner, name) for inner, names in mine.items() for name in names)
        return [str(p.relative_to(within)) for p in places if p.is_relative_to(within)]

    around = "the project's directory" if project.listing is None else "the repository"
    found = links.Followed(str(repository), listed, around)
    found.follow(project.root, leaving)
    memory = record and record.with_name(f"{record.name}-linked")
    places = git.by_folder(sorted(set(found.files.values())))
    read = scan(repository, places, record=memory, keeps=lambda _path, _target: False)
    nodes = {path: read.get(place) for path, place in found.files.items()}
    entries = {**dict(tree.walk()), **found.links}
    entries |= {path: node for path, node in nodes.items() if node is not None}
    elsewhere = {path: repository / found.files[path] for path, node in nodes.items() if node}
    left_out, targets = tuple(found.left_out.values()), tuple(sorted(found.targets))
    return Files(from_entries(entries), elsewhere, left_out, targets)


def not_fetched(project: Project, found: Files) -> tuple[str, ...]:
    """Return a warning if files of a checkout are Git LFS pointers: a build uses them as they are."""
    if project.listing is None or not _uses_lfs(project):
        return ()
    places = (
        (path, found.elsewhere.get(path) or project.root / path)
        for path, node in found.tree.walk()
        if isinstance(node, FileNode) and node.size in _POINTER_SIZES
    )
    pointers = [path for path, place in places if _is_pointer(place)]
    if not pointers:
        return ()
    shown = ", ".join(pointers[:3]) + (f" and {len(pointers) - 3} more" if pointers[3:] else "")
    return (
        f"Git LFS has not fetched {shown}: the build gets the pointer files; run `git lfs pull`",
    )


def _is_pointer(place: Path) -> bool:
    with contextlib.suppress(OSError), place.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER
    return False


def _uses_lfs(project: Project) -> bool:
    """Return whether attributes in the source, or at the repository's top, name the LFS filter."""
    names = project.listing.names if project.listing is not None else {}
    folders = [project.root / folder for folder, held in names.items() if _ATTRIBUTES in held]
    for folder in (*folders, git.top_level(project.root) or project.root):
        with contextlib.suppress(OSError):
            if b"filter=lfs" in (folder / _ATTRIBUTES).read_bytes():
                return True
    return False


def _files_without_git(project: Project) -> list[str]:
    ignored = list(IGNORED_NAMES)
    at_top: list[str] = []
    if project.form == "directory":
        ignored += IGNORED_IN_DIRECTORY
        at_top = IGNORED_AT_TOP
    build = project.root / "build"
    leftover = build.is_dir() and any(_DISTUTILS_LEFTOVER.match(p.name) for p in build.iterdir())
    return [
        path
        for path in files_below(project.root)
        if not any(_matches(name, ignored) for name in path.split("/"))
        and not _matches(path.split("/", 1)[0], at_top)
        and not (leftover and path.startswith("build/"))
    ]


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
