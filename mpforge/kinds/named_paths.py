"""The files and directories of this host that the spec's texts name for a step, and their parts of its key.

Naming a path in a command or a variable declares it: that of an installed library, for example. It is mounted
where the step runs, so its content is in the key.
"""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from mpforge.keys.walk import ABSENT
from mpforge.obtain import host_programs
from mpforge.places.root_contents import STEP, SYSTEM
from mpforge.store import stamps
from mpforge.store.file_digests import FileDigests, Tree, is_old
from mpforge.store.files import entries_below, hash_file

_PATH_WORD = r"/[\w@%+.~/-]+"
# Not the end of another path ({project}/x, src/x), but glued to an option (-I/opt/include).
_PATH = re.compile(rf"(?:(?<![\w.}}/~-])|(?<=-[IL])){_PATH_WORD}")
# What compilers and auditwheel read there is compared instead, file by file (observed_reads).
_OBSERVED = re.compile(rf"-(?:I|L|Wl,-rpath(?:-link)?[,=]){_PATH_WORD}")
_NEVER = (*map(Path, ("/proc", "/dev", "/sys", "/run", "/var/run", "/etc", STEP)),)

_OWN = (*map(Path, ("/tmp", "/var/tmp")),)  # noqa: S108 - a step has its own, not what this host keeps there


def mounted(texts: Iterable[str]) -> set[Path]:
    """Return the named files and directories that exist and may be mounted."""
    return set(filter(is_mountable, _paths(texts)))


def is_mountable(path: Path) -> bool:
    """Return whether a path may be mounted: no home directory, nothing of the kernel, no socket."""
    return _may_be_mounted(path) and (os.path.isfile(path) or os.path.isdir(path))


def parts(texts: Iterable[str], digests: FileDigests) -> dict[str, str]:
    """Return ``named.PATH`` with the digest of each named path's content, or its absence.

    Those in the directories of base programs are left out, and those that only -I, -L and -Wl,-rpath name.
    """
    found: dict[str, str] = {}
    for path in sorted(_paths(_OBSERVED.sub("", text) for text in texts)):
        real = Path(os.path.realpath(path))
        if is_mountable(path):
            if not _is_in(real, SYSTEM):
                found[f"named.{path}"] = _content(real, digests)
            elif not _is_in(path, SYSTEM):
                found[f"named.{path}"] = f"link to {real}"
        elif _is_absent(path) and not _is_in(real, SYSTEM):
            found[f"named.{path}"] = ABSENT
    return found


def _paths(texts: Iterable[str]) -> set[Path]:
    """Return the paths in texts; ``/`` and ``//`` (of a URL, or Python's operator) name none."""
    found = {Path(path) for text in texts for path in _PATH.findall(text)}
    return {path for path in found if path.name}


def _may_be_mounted(path: Path) -> bool:
    return not _is_in(path, _NEVER) and path not in _OWN and not host_programs.is_shared(path)


def _is_absent(path: Path) -> bool:
    """Return whether there is nothing at a path that could be mounted; ``//host/x`` is the end of a URL."""
    is_path = not str(path).startswith("//") and _may_be_mounted(path)
    return is_path and len(stamps.stamp(str(path))) == 1


def _is_in(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _content(root: Path, digests: FileDigests) -> str:
    """Return the digest of a file, or of all below a directory; remembered while no stamp changes.

    Links count by their text: a step sees their targets only where those are mounted too.
    """
    entries = sorted(["", *(name for name, _ in entries_below(root))])
    places = [(name, os.path.join(root, name) if name else str(root)) for name in entries]
    found = [(name, place, stamps.stamp(place)) for name, place in places]
    seen = repr([(name, numbers) for name, _, numbers in found])
    stamp = hashlib.sha256(seen.encode("utf-8", "surrogateescape")).hexdigest()
    key = f"named {root}"
    known = digests.tree(key)
    if known is not None and known.stamp == stamp:
        return known.digest
    rows = repr([(name, _described(Path(place))) for name, place, _ in found])
    digest = hashlib.sha256(rows.encode("utf-8", "surrogateescape")).hexdigest()
    if is_old(stamps.latest(numbers for _, _, numbers in found)):
        digests.keep_tree(key, Tree([], stamp, digest))
    return digest


def _described(path: Path) -> str:
    """Return what a step can read at a path: a file's content and mode, a link's text."""
    if path.is_symlink():
        return f"link to {os.readlink(path)}"
    if path.is_dir():
        return "directory"
    try:
        file = hash_file(path)
    except OSError:  # nor can the step read it: it has the same rights
        return "not readable"
    return f"{file.digest}{' executable' if file.executable else ''}"
