"""``mpforge cache``: show, bound, check or empty the cache that all of a user's projects share.

It needs no project: only ``MPFORGE_CACHE``.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from mpforge.cli import cache_archives
from mpforge.cli.options import write_json
from mpforge.errors import ExitCode
from mpforge.housekeeping.audit import Finding
from mpforge.housekeeping.cache_directory import (
    EXPECTED,
    Contents,
    Holding,
    clear,
    collect,
    stats,
    verify,
)
from mpforge.housekeeping.collection import Collected, Limits, limits_of
from mpforge.workspace import cache_directory

DESCRIPTION = (
    "Show, shrink, check or empty the cache that all of your projects share (MPFORGE_CACHE). The "
    "least recently used entries are removed first; a running build keeps what it uses."
)
# Names of the collection's kinds for users: singular and plural.
_WORDS = {
    "action": ("result", "results"),
    "tool": ("tool", "tools"),
    "blob": ("file", "files"),
    "pack": ("pack", "packs"),
    "package": ("package", "packages"),
    "lists": ("package list", "package lists"),
    "kept": ("project's kept directories", "projects' kept directories"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.set_defaults(print_help=parser.print_help)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    for name, text, function in (
        ("stats", "show what is stored, how large it is and when it was last used", _stats),
        ("gc", "remove what exceeds the limits, as happens once an hour after a build", _gc),
        ("verify", "check every file; name and remove the damaged ones", _verify),
        ("clear", "remove everything that no running build uses", _clear),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action.add_argument("--json", action="store_true", help="print JSON")
        action.set_defaults(func=function)
        if name == "gc":
            action.add_argument(
                "--size", metavar="SIZE", help="500MB, 20GB (default: MPFORGE_CACHE_SIZE, or 20GB)"
            )
            action.add_argument(
                "--age", metavar="AGE", help="12h, 30d (default: MPFORGE_CACHE_AGE, or 30d)"
            )
    cache_archives.add_actions(actions)


def run(arguments: argparse.Namespace) -> int:
    """Print the help: no action was named."""
    arguments.print_help()
    return ExitCode.WRONG_INPUT


# --- stats ----------------------------------------------------------------------------------------


def _stats(arguments: argparse.Namespace) -> int:
    limits = limits_of(os.environ)
    found = stats(cache_directory(os.environ))
    if arguments.json:
        write_json(
            {
                "path": str(found.path),
                "size": found.size,
                "limits": asdict(limits),
                "holdings": [_as_json(holding) for holding in found.holdings],
                "foreign": [str(path) for path in found.foreign],
            }
        )
    else:
        _show_stats(found, limits)
    return ExitCode.DONE


def _as_json(holding: Holding) -> dict[str, object]:
    data = asdict(holding)
    for name in ("least_recent", "most_recent"):
        moment = data[name]
        data[name] = None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()
    return data


def _show_stats(found: Contents, limits: Limits) -> None:
    lines = [("", "number", "size", "last used")]
    lines += [
        (h.what, str(h.count), _amount(h.size), _moment(h.most_recent)) for h in found.holdings
    ]
    lines.append(("together", "", _amount(found.size), _fullness(found.size, limits)))
    sys.stdout.write(f"{found.path}\n")
    for what, count, size, words in lines:
        sys.stdout.write(f"  {what:<14}{count:>8}{size:>10}  {words}".rstrip() + "\n")
    for path in found.foreign:
        sys.stdout.write(f"  not mpforge's: {path}\n")


def _fullness(size: int, limits: Limits) -> str:
    share = f" ({100 * size / limits.size:.0f} %)" if limits.size else ""
    return f"of {_amount(limits.size)}{share}; entries are removed when unused for {_duration(limits.age)}"


# --- gc and clear ---------------------------------------------------------------------------------


def _gc(arguments: argparse.Namespace) -> int:
    limits = limits_of(os.environ, size=arguments.size, age=arguments.age)
    done = collect(cache_directory(os.environ), limits, waits=_say_waiting)
    return _show(done, arguments, limits)


def _clear(arguments: argparse.Namespace) -> int:
    done = clear(cache_directory(os.environ), waits=_say_waiting)
    return _show(done, arguments, None)


def _show(done: Collected, arguments: argparse.Namespace, limits: Limits | None) -> int:
    """Print what was removed and what is left; return the exit code."""
    failed = any(thing.why not in EXPECTED for thing in done.left)
    code = ExitCode.HOST_CANNOT if failed else ExitCode.DONE
    if arguments.json:
        removed = {_WORDS[kind][1]: count for kind, count in done.removed.items()}
        data = {**asdict(done), "removed": removed}
        write_json(data if limits is None else {**data, "limits": asdict(limits)})
        return code
    bound = f" of {_amount(limits.size)}" if limits is not None else ""
    sys.stdout.write(f"{_removed(done)}{bound}\n")
    reasons: dict[str, list[str]] = {}
    for thing in done.left:
        reasons.setdefault(thing.why, []).append(thing.name)
    for why, names in reasons.items():
        kinds = Counter(name.partition(" ")[0] for name in names)
        known = all(kind in _WORDS for kind in kinds)
        what = _counted(kinds) if known else ", ".join(names)
        sys.stdout.write(f"left: {what}: {why}\n")
    return code


def _say_waiting() -> None:
    sys.stderr.write("waiting: another mpforge is collecting in this cache\n")


def _removed(done: Collected) -> str:
    if not done.removed:
        return f"nothing was removed: {_amount(done.after)}"
    return f"removed {_counted(done.removed)}: {_amount(done.before)} → {_amount(done.after)}"


def _counted(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {_WORDS[kind][count != 1]}" for kind, count in kinds.items())


# --- verify ---------------------------------------------------------------------------------------


def _verify(arguments: argparse.Namespace) -> int:
    found: list[Finding] = []
    for finding in verify(cache_directory(os.environ)):
        found.append(finding)
        if not arguments.json:
            state = "left" if finding.state == "foreign" else finding.state
            sys.stdout.write(f"{state}: {finding.path}: {finding.what}\n")
            sys.stdout.flush()
    damaged = [finding for finding in found if finding.state != "foreign"]
    if arguments.json:
        rows = [{"path": str(f.path), "what": f.what, "state": f.state} for f in found]
        write_json({"damaged": len(damaged), "findings": rows})
    elif damaged:
        removed = sum(finding.state == "removed" for finding in damaged)
        sys.stdout.write(
            f"{len(damaged)} damaged, {removed} removed; mpforge makes them again when needed\n"
        )
    else:
        sys.stdout.write("nothing is damaged\n")
    return ExitCode.STEP_FAILED if damaged else ExitCode.DONE


# --- numbers for people ---------------------------------------------------------------------------


def _amount(size: int) -> str:
    """Format a number of bytes with up to three digits: ``0 B``, ``97 MB``, ``1.25 GB``."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} B"


def _duration(seconds: float) -> str:
    for word, unit in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:.0f} {word if seconds != unit else word[:-1]}"
    return f"{seconds:.0f} seconds"


def _moment(moment: float | None) -> str:
    if moment is None:
        return "-"
    return datetime.fromtimestamp(moment, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
