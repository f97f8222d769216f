"""Fetch the files of a commit from a git repository that the spec names. git verifies them by its hash."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from mpforge.errors import IndexUnreachable, ToolUnavailable
from mpforge.obtain.packages.package_index import without_credentials
from mpforge.processes import Captured, capture
from mpforge.sources.git_call import ALONE

_PROTOCOLS = "https:http:ssh:git:file"


def fetch(url: str, commit: str, place: Path, what: str) -> None:
    """Put the files of a commit, and of its submodules, into a new directory.

    Only fetching uses the user's git configuration: credentials, proxies, mirrors (``insteadOf``). Filters
    such as Git LFS don't run. Raises ``IndexUnreachable``, ``ToolUnavailable``.
    """
    place.mkdir()
    _call(place, ["init", "-q", "--template="], what, url, ALONE)
    # Not every server answers for a commit that no branch or tag names; then all history is fetched.
    shallow = _git(place, ["fetch", "-q", "--depth=1", "--no-tags", "--", url, commit], {})
    if shallow.returncode:
        every = ["+refs/*:refs/fetched/*"]
        _call(place, ["fetch", "-q", "--no-tags", "--", url, *every], what, url, {})
    _call(place, ["checkout", "-q", "--detach", commit], what, url, ALONE)
    if (place / ".gitmodules").is_file():
        update = ["submodule", "-q", "update", "--init", "--recursive"]
        _call(place, update, what, url, {})
    for name in [*place.rglob(".git")]:
        shutil.rmtree(name) if name.is_dir() and not name.is_symlink() else name.unlink()


def _call(place: Path, words: list[str], what: str, url: str, more: Mapping[str, str]) -> None:
    done = _git(place, words, more)
    if done.returncode:
        raise IndexUnreachable(
            f"{what} could not be fetched from {without_credentials(url)}",
            why=without_credentials(done.stderr.strip()),
            hint="check the network, the address, and that the repository has the commit; git can't ask "
            "for a password here: use a credential helper or an ssh agent",
        )


def _git(place: Path, words: list[str], more: Mapping[str, str]) -> Captured:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": _PROTOCOLS, "LC_ALL": "C"}
    argv = ["git", "-c", f"core.hooksPath={os.devnull}", "-C", str(place), *words]
    try:
        return capture(argv, environment={**kept, **own, **more})
    except FileNotFoundError:
        raise ToolUnavailable(
            "git is not on PATH; it is needed to fetch a library's source",
            hint="install git (on Debian: apt-get install git)",
        ) from None
