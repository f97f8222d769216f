"""A project's source as inputs of a build: its form, its files, its state (docs/design.md 2.2, Sources).

Three forms: a checkout or plain directory, an unpacked sdist, a packed one. Knows git and archives
by the modules beside it; knows nothing of steps and keys.
"""

import fnmatch
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mpforge.errors import SourceMissing
from mpforge.sources import git
from mpforge.sources.archives import SUFFIXES
from mpforge.store.files import files_below

Form = Literal["checkout", "directory", "unpacked-sdist", "packed-sdist"]

# Never an input, at the top of the source: our own files and git's.
OWN_FILES = ("noxfile.py", ".git", ".nox", ".mpforge", "dist", "multiplatform.lock")

# Without git: what tools leave behind. Documented in docs/design.md 2.2.
IGNORED_NAMES = [
    "__pycache__",
    "*.pyc",
    "*.pyo",
    ".venv",
    "venv",
    ".env",
    ".tox",
    ".nox",
    ".git",
    ".hg",
    ".svn",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    ".coverage",
    ".idea",
    ".vscode",
    ".DS_Store",
    "node_modules",
]
IGNORED_IN_DIRECTORY = ["*.cpython-*.so", "*.abi3.so"]
IGNORED_AT_TOP = ["build", "*.egg-info", ".eggs"]
_DISTUTILS_LEFTOVER = re.compile(r"(lib|temp|bdist)\.")


@dataclass(frozen=True)
class Project:
    """A source: ``root`` is its directory, or the file of a packed sdist; ``own`` names our files."""

    root: Path
    form: Form
    own: tuple[str, ...]

    @property
    def is_sdist(self) -> bool:
        """Whether it is used as it is, without making an sdist of it."""
        return self.form in ("unpacked-sdist", "packed-sdist")


def locate(workspace: Path, source: str, spec_name: str) -> Project:
    """The project that ``project.source`` names, relative to the spec's directory.

    Raises ``SourceMissing`` where there is nothing that can be built.
    """
    root = (workspace / source).resolve()
    own = (*OWN_FILES, spec_name, str(Path(spec_name).with_suffix(".lock")))
    if root.is_file() and root.name.endswith(SUFFIXES):
        return Project(root, "packed-sdist", own)
    if not root.is_dir():
        raise SourceMissing(
            f"project.source = {source!r}: there is no such directory or sdist",
            hint=f"it is looked for at {root}, relative to {spec_name}",
        )
    if (root / "PKG-INFO").is_file() and not (root / ".git").exists():
        return Project(root, "unpacked-sdist", own)
    if git.top_level(root) is not None and git.tracked_files(root):
        return Project(root, "checkout", own)
    return Project(root, "directory", own)


def files(project: Project) -> list[str]:
    """The files of a directory or checkout that are its source, relative to its root, sorted."""
    if project.form == "checkout":
        found: Iterable[str] = git.tracked_files(project.root)
    else:
        found = _files_without_git(project)
    kept = (path for path in found if path.split("/", 1)[0] not in project.own)
    return [path for path in kept if stays_inside(project.root, path)]


def stays_inside(root: Path, path: str) -> bool:
    """Whether a path is a file, or a symlink whose target lies below ``root``."""
    full = root / path
    if not full.is_symlink():
        return not full.is_dir()
    target = os.readlink(full)
    place = os.path.normpath(os.path.join(os.path.dirname(path), target))
    return not os.path.isabs(target) and place.split("/", 1)[0] != ".."


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


def without(paths: Iterable[str], exclude: Sequence[str]) -> list[str]:
    """The paths that no glob of ``exclude`` matches; ``**`` crosses directories, a folder means all."""
    patterns = [glob_pattern(glob) for glob in exclude]
    return [path for path in paths if not any(p.fullmatch(path) for p in patterns)]


def select(paths: Iterable[str], globs: Sequence[str]) -> list[str]:
    """The paths that a glob matches, or that lie in a folder that one names."""
    patterns = [glob_pattern(glob) for glob in globs]
    return [path for path in paths if any(p.fullmatch(path) for p in patterns)]


def glob_pattern(glob: str) -> re.Pattern[str]:
    """A glob over ``/``-separated paths: ``*`` within a name, ``**`` across; a folder is all of it."""
    text = ""
    for part in re.split(r"(\*\*/|\*\*|\*|\?)", glob.strip("/")):
        text += {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(
            part, re.escape(part)
        )
    return re.compile(f"{text}(?:/.*)?", re.DOTALL)
