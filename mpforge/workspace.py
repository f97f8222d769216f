"""Paths of a workspace: the checkout's spec, lock, state and ``dist/``, and the user's store.

Also the run's options, which reach every process of a run by environment variables.
"""

import contextlib
import hashlib
import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import FileTrouble, SpecNotFound, WrongInput

SPEC_NAME = "multiplatform.toml"
STATE_NAME = ".mpforge"
SHARED_MEMORY = "/dev/shm"  # noqa: S108 (a mount point, no file of ours)
KEPT = "kept"
"""The directory of a cache with the directories of failed steps, by checkout."""
RUN_ID = "MPFORGE_RUN_ID"


@dataclass(frozen=True)
class Options:
    """Options of ``mpforge run``: each is also a variable, for nox itself (docs/contract.md)."""

    no_cache: bool = False
    keep: bool = False
    locked: bool = False
    strict: bool = False

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> "Options":
        """Read ``MPFORGE_NO_CACHE`` and so on; ``CI`` means ``locked`` unless it is set to 0."""

        def flag(name: str, other: str = "") -> bool:
            value = environment.get(name, environment.get(other, ""))
            return value not in ("", "0", "false")

        return Options(
            no_cache=flag("MPFORGE_NO_CACHE"),
            keep=flag("MPFORGE_KEEP"),
            locked=flag("MPFORGE_LOCKED", "CI"),
            strict=flag("MPFORGE_STRICT"),
        )


@dataclass(frozen=True)
class Workspace:
    """One spec and the paths around it; ``spec`` is an absolute path."""

    spec: Path
    cache: Path

    @property
    def root(self) -> Path:
        """The directory of the spec."""
        return self.spec.parent

    def called(self, session: str) -> str:
        """Return the name of a session of this spec for a command line at the root."""
        own = self.spec.name == SPEC_NAME
        return session if own else f"--spec {shlex.quote(self.spec.name)} {session}"

    @property
    def lock(self) -> Path:
        """Path of ``multiplatform.lock``; another spec's lock has that spec's stem."""
        return self.spec.with_suffix(".lock")

    @property
    def state(self) -> Path:
        """Directory of this checkout's state; safe to delete."""
        own = self.spec.name == SPEC_NAME
        return self.shared_state if own else self.shared_state / self.spec.stem

    def ignore_state(self) -> None:
        """Keep the state, if it exists, out of ``git status``, as pytest and ruff do with theirs."""
        with (
            contextlib.suppress(OSError),
            (self.shared_state / ".gitignore").open("x", encoding="ascii") as file,
        ):
            file.write("*\n")

    @property
    def shared_state(self) -> Path:
        """Directory of the state that all specs of this checkout share."""
        return self.root / STATE_NAME

    @property
    def kept(self) -> Path:
        """Directory of the failed steps that --keep keeps, outside the checkout, where steps always run.

        Programs look upward for configuration: below the checkout, pytest would find another one.
        """
        name = hashlib.sha256(os.fsencode(self.state)).hexdigest()
        return self.cache / KEPT / name[:16]

    @property
    def dist(self) -> Path:
        """Directory of published files."""
        return self.root / "dist"

    @property
    def tools(self) -> Path:
        """Directory of the tool store."""
        return self.cache / "tools"

    def outputs(self, session: str) -> Path:
        """Return the directory of a session's test outputs."""
        return self.state / "outputs" / session

    def logs(self, session: str) -> Path:
        """Return the path of a session's log."""
        return self.state / "logs" / f"{session}.log"


def cache_directory(environment: Mapping[str, str]) -> Path:
    """Return ``$MPFORGE_CACHE``, else the user's cache directory. Raises ``FileTrouble`` without either."""
    given = environment.get("MPFORGE_CACHE")
    try:
        if given:
            return Path(os.path.realpath(Path(given).expanduser()))
        from platformdirs import user_cache_path

        return user_cache_path("mpforge")
    except RuntimeError as error:  # no HOME, and a user without a name, as containers have
        raise FileTrouble(
            "can't find the cache directory: this user has no home directory",
            why=str(error),
            hint="set MPFORGE_CACHE to a directory that this user can write",
        ) from None


# Letters and digits of any language; characters that shells, make, PATH and compiler options don't interpret.
_UNREAD = re.compile(r"[\w/.+@~-]")


def require_cache(path: Path) -> None:
    """Refuse a cache at a path that a build would misread, or that steps can't see. Raises ``WrongInput``."""
    odd = [repr(sign) for sign in dict.fromkeys(str(path)) if not _UNREAD.fullmatch(sign)]
    if odd:
        raise WrongInput(
            f"the cache can't be at {str(path)!r}: its path contains {' '.join(odd)}",
            why="builds run below it, and shells, make and compilers would misread such a path",
            hint="set MPFORGE_CACHE to a directory whose path has only letters, digits and / . _ + @ ~ -",
        )
    if path.is_relative_to(SHARED_MEMORY):
        raise WrongInput(
            f"the cache can't be at {path}",
            why=f"steps run below it, and each has an empty {SHARED_MEMORY} of its own",
            hint="set MPFORGE_CACHE to another directory",
        )


def open_workspace(spec: Path, environment: Mapping[str, str] | None = None) -> Workspace:
    """Return the workspace of a spec. Raises ``SpecNotFound``, ``WrongInput`` if its state is elsewhere."""
    spec = Path(os.path.realpath(spec))  # Path.resolve raises RuntimeError for links in a circle
    if not spec.is_file():
        there = os.path.lexists(spec)
        kind = "a directory" if spec.is_dir() else "not a regular file"
        raise SpecNotFound(
            f"{spec} is {kind}" if there else f"there is no {spec.name} in {spec.parent}",
            hint="run it in the directory of the spec, or give --spec FILE; `mpforge init` writes a new one",
        )
    workspace = Workspace(spec, cache_directory(os.environ if environment is None else environment))
    for folder in (workspace.shared_state, workspace.state, *_folders(workspace.state)):
        if folder.is_symlink():
            raise WrongInput(
                f"{folder.relative_to(workspace.root)} is a symlink to {os.readlink(folder)}",
                why="mpforge keeps its state there and writes nothing outside the project",
                hint="remove the link",
            )
    workspace.ignore_state()
    return workspace


def _folders(state: Path) -> tuple[Path, ...]:
    """Return the directories of a spec's state."""
    return tuple(state / name for name in ("logs", "keys", "verify"))


def run_id() -> str:
    """Return this run's id, the same in every process of it."""
    return os.environ.setdefault(RUN_ID, f"{os.getpid()}-{os.urandom(4).hex()}")


def host_system() -> str:
    """Return the host in words, for messages: ``Linux x86_64``."""
    uname = os.uname() if hasattr(os, "uname") else None
    return f"{uname.sysname} {uname.machine}" if uname else sys.platform
