"""Run git so that no program of a checkout's own configuration runs with it.

``git status`` runs programs that ``.git/config`` names: a file system monitor, filters, hooks, transports.
Reading a project must not (git-config(1)). Git's output is parsed here too.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mpforge.errors import SourceUnreadable, ToolUnavailable
from mpforge.processes import Captured, capture

# An empty name means no monitor for git before 2.36, and false since.
_HARMLESS = (
    *("core.fsmonitor=", f"core.hooksPath={os.devnull}", "core.pager=cat"),
    *("core.quotePath=true", "core.alternateRefsCommand=", "log.showSignature=false"),
    "status.relativePaths=false",
)
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "none",  # a partial clone would fetch what it lacks
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",  # replacements are this checkout's only
    "LC_ALL": "C",
}
# For reading a clone of ours: its answers must not depend on the user's settings.
ALONE = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "XDG_CONFIG_HOME": os.devnull,
    "HOME": os.devnull,
}


def run(
    root: Path,
    *arguments: str,
    filters: Sequence[str] = (),
    alone: bool = False,
    given: str | None = None,
) -> Captured:
    """Run git in a directory and return its output; ``given`` is its standard input.

    The ``filters`` drivers are disabled; ``alone`` leaves out the user's
    configuration. Variables of a git hook are not passed on: ``GIT_DIR`` would name another repository.
    Raises ``ToolUnavailable`` without git.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = {**kept, **_ENVIRONMENT, **(ALONE if alone else {})}
    words = [word for setting in (*_HARMLESS, *_disabled(filters)) for word in ("-c", setting)]
    stdin = None if given is None else os.fsencode(given)
    try:
        argv = ["git", "--no-pager", *words, "-C", str(root), *arguments]
        return capture(argv, environment=environment, brief=True, stdin=stdin)
    except FileNotFoundError:
        raise ToolUnavailable(
            "git is not on PATH, and this is a git checkout",
            hint="install git (on Debian: apt-get install git)",
        ) from None


def answer(
    root: Path,
    *arguments: str,
    filters: Sequence[str] = (),
    alone: bool = False,
    given: str | None = None,
) -> str:
    """Return git's standard output. Raises ``SourceUnreadable`` if it fails."""
    done = run(root, *arguments, filters=filters, alone=alone, given=given)
    if done.returncode:
        raise SourceUnreadable(f"git {arguments[0]} failed in {root}", why=done.stderr)
    return done.stdout


def filters_of(roots: Iterable[Path]) -> tuple[str, ...]:
    """Return the filter drivers that are configured for these checkouts (gitattributes(5)).

    Raises ``SourceUnreadable`` for a name that can't be overridden.
    """
    names: dict[str, None] = {}
    for root in roots:
        done = run(root, "config", "--name-only", "-z", "--get-regexp", r"^filter\.")
        for key in done.stdout.split("\0")[:-1]:
            names[key.removeprefix("filter.").rpartition(".")[0]] = None
    for name in names:
        if "=" in name or "\ufffd" in name:
            raise SourceUnreadable(
                f"git's configuration has a filter named {name!r}, which mpforge can't disable",
                hint="rename it, with letters only: mpforge reads a checkout without running its filters",
            )
    return tuple(names)


def _disabled(filters: Iterable[str]) -> list[str]:
    settings = ("clean=", "smudge=", "process=", "required=false")
    return [f"filter.{name}.{setting}" for name in filters for setting in settings]


def unquoted(text: str) -> str:
    """Return a path as it is on disk; git quotes unusual ones like a C string."""
    if not text.startswith('"'):
        return text
    raw = text[1:-1].encode("ascii").decode("unicode_escape").encode("latin-1")
    return os.fsdecode(raw)
