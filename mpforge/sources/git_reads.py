"""List the files and directories by which git answers for a checkout.

While none of them changes, git's answers stay the same: its listing, its status, its tags and the length of
an abbreviated hash. Sources: gitrepository-layout(5), gitignore(5), gitattributes(5), git-config(1).
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from mpforge.sources import git_call
from mpforge.sources.git import top_level

ANSWERED = frozenset({"ls-files", "config", "status", "rev-parse"})
"""git's commands whose answers depend on nothing but what is listed here."""

# Signs of files that lie elsewhere, or that this module doesn't know.
_ELSEWHERE = ("commondir", "reftable", "modules", "objects/info/alternates")
_NAMING_FILES = ("include.path", "core.excludesfile", "core.attributesfile")


class Unlisted(Exception):
    """Raised if git may read files that are not known; the text says why."""


def paths(root: Path) -> Iterator[str]:
    """Yield the paths that git reads to answer for ``root``, the absent ones too. Raises ``Unlisted``."""
    top = top_level(root) or root
    place = top / ".git"
    if not place.is_dir() or any(os.path.lexists(place / name) for name in _ELSEWHERE):
        raise Unlisted("not all of the repository is in .git")
    yield from _configuration(root)
    yield from (str(place), *_below(place, deeply=False))
    for name, deeply in (("info", True), ("refs", True), ("objects", False)):
        yield from (str(place / name), *_below(place / name, deeply=deeply))
    yield from _below(place / "objects" / "info", deeply=True)
    for folder in (root, *root.parents)[: len(root.relative_to(top).parts) + 1]:
        yield from (str(folder / ".gitignore"), str(folder / ".gitattributes"))
    under = "" if root == top else f"{root.relative_to(top)}/"
    yield from (str(root), *_not_ignored(str(top), under, _ignored(root)))


def _ignored(root: Path) -> frozenset[str]:
    """Return what is ignored, by the repository's paths: a directory only if a pattern matches itself.

    Another one may hold nothing but ignored files now, and a file that counts tomorrow.
    """
    words = ("--porcelain=v2", "--ignored=matching", "--untracked-files=all", "--", ".")
    rows = git_call.answer(root, "status", *words, filters=git_call.filters_of([root])).splitlines()
    return frozenset(git_call.unquoted(row[2:]) for row in rows if row.startswith("! "))


def _below(folder: Path, *, deeply: bool) -> Iterator[str]:
    for entry in os.scandir(folder) if folder.is_dir() else ():
        yield entry.path
        if deeply and entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path), deeply=True)


def _not_ignored(top: str, under: str, ignored: frozenset[str]) -> Iterator[str]:
    """Yield what is below a folder and not ignored; an ignored ``.gitignore`` too, which counts as well."""
    for entry in os.scandir(os.path.join(top, under)):
        path = under + entry.name
        if entry.name == ".git":
            if under:
                raise Unlisted(f"{under} is a repository of its own")
        elif entry.is_dir(follow_symlinks=False):
            if f"{path}/" not in ignored:
                yield entry.path
                yield from _not_ignored(top, f"{path}/", ignored)
        elif path not in ignored or entry.name in (".gitignore", ".gitattributes"):
            yield entry.path


def _configuration(root: Path) -> Iterator[str]:
    """Yield the places of git's programs and settings outside of the repository. Raises ``Unlisted``."""
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    program = shutil.which("git") or ""
    for folder in folders[: folders.index(os.path.dirname(program)) + 1] if program else ():
        yield os.path.join(folder, "git")
    home = os.path.expanduser("~")
    system = {"/etc", os.path.join(os.path.dirname(os.path.realpath(program)), "..", "etc")}
    user = os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "git")
    yield from (
        os.path.join(each, f"git{name}") for each in system for name in ("config", "attributes")
    )
    yield os.path.join(home, ".gitconfig")
    yield from (os.path.join(user, name) for name in ("config", "ignore", "attributes"))
    rows = git_call.answer(root, "config", "--list", "--show-origin", "-z").split("\0")[:-1]
    for origin, setting in zip(rows[::2], rows[1::2], strict=True):
        kind, _, file = origin.partition(":")
        key, _, value = setting.partition("\n")
        if kind == "file":
            yield os.path.join(root, file)
        if key == "core.worktree" or value.startswith("%(") or "\ufffd" in origin + setting:
            raise Unlisted(f"git's configuration has {key} = {value}")
        if key in _NAMING_FILES or key.startswith("includeif."):
            named = os.path.expanduser(value)
            yield from (os.path.join(root, named), os.path.join(root, os.path.dirname(file), named))
