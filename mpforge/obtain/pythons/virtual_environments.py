"""Create virtual environments, and export them without absolute paths.

An environment is stored as a tree without its absolute parts: ``lib/pythonX.Y/site-packages``, the
scripts (which find their interpreter beside them) and a package's data files. The skeleton of
``uv venv --relocatable`` (``pyvenv.cfg``, ``bin/python``), which names paths, is made anew each time.
This module knows nothing of indexes or pins.
"""

import csv
import os
import re
from pathlib import Path

from mpforge.artifacts.wheels import hash_and_size
from mpforge.errors import ToolUnavailable
from mpforge.obtain.packages.uv import unexpected, uv
from mpforge.processes import capture

_REFUSED = re.compile(r"^\w+: \[Errno (\d+)\]", re.MULTILINE)
_COMPILE_SECONDS = 1800.0
# uv's own form of a script in a relocatable environment: valid for sh and for Python.
_RELOCATABLE = (
    "#!/bin/sh\n"
    '\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")"/\'python\' "$0" "$@"\n'
    "' '''\n"
)
_ABSOLUTE = re.compile(rb"\A#!(/bin/sh\n'''exec' [^\n]*\n' '''\n|[^\n]*python[^\n]*\n)")


def make_skeleton(python: Path, dest: Path, *options: str) -> None:
    """Create an environment of ``python`` at ``dest`` without packages; existing files stay.

    ``options`` are further ones of ``uv venv``.
    Raises ``ToolUnavailable`` if ``python`` is no usable interpreter.
    """
    arguments = ["venv", "-q", "--no-project", "--relocatable", "--allow-existing", *options]
    answer = uv([*arguments, "--python", str(python), str(dest.absolute())])
    if answer.returncode != 0:
        raise unexpected(answer, f"make an environment of {python}")


def export_tree(venv: Path, tree: Path) -> None:
    """Move the files of packages from ``venv`` to ``tree``; the remaining skeleton is useless.

    Both are on one file system. Paths in ``tree`` are those of the environment.
    """
    site = site_packages(venv)
    tree.mkdir(parents=True, exist_ok=True)
    for path in sorted(_outside(site, venv)):
        target = tree / path.relative_to(venv)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    kept = tree / site.relative_to(venv)
    kept.parent.mkdir(parents=True, exist_ok=True)
    site.rename(kept)
    for file in kept.glob("_virtualenv.*"):
        file.unlink()


def site_packages(venv: Path) -> Path:
    """Return the environment's ``site-packages``. Raises ``ToolUnavailable`` if it has none."""
    found = sorted(venv.glob("lib/*/site-packages"))
    if not found:
        raise ToolUnavailable(f"{venv} is not a virtual environment")
    return found[0]


def damaged(site: Path) -> tuple[str, ...]:
    """Return the names of installed distributions with a missing or changed file, judged by RECORD."""
    names = set()
    for record in site.glob("*.dist-info/RECORD"):
        for path, digest, _ in _rows(record):
            if digest and not _has_digest(site / path, digest):
                names.add(record.parent.name.split("-", 1)[0])
    return tuple(sorted(names))


def compile_tree(python: Path, root: Path, *, below: Path | None = None) -> None:
    """Compile each module in ``below`` (default: ``root``) to a ``.pyc`` without times or ``root``.

    Unchecked-hash files are valid wherever the tree is put. A module that is not valid for this
    Python (a template, a test's bad example) is left as it is. Raises ``OSError`` if the file system
    refuses one: a tree without it would be another tree.
    """
    flags = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(root)]
    said = capture(
        [str(python), "-I", "-S", "-m", "compileall", *flags, str(below or root)],
        environment={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        timeout=_COMPILE_SECONDS,
    )
    if refused := _REFUSED.search(said.stdout):
        number = int(refused[1])
        raise OSError(number, os.strerror(number), str(root))


def make_scripts_relocatable(root: Path, site: Path) -> None:
    """Let the scripts in ``root/bin`` start the ``python`` beside them; ``site`` has the packages."""
    for record in sorted(site.glob("*.dist-info/RECORD")):
        rows = _rows(record)
        for row in rows:
            path = Path(os.path.normpath(site / row[0]))
            if path.parent != root / "bin" or not path.is_file():
                continue
            content = path.read_bytes()
            changed = _ABSOLUTE.sub(lambda _: _RELOCATABLE.encode(), content)
            if changed != content:
                path.write_bytes(changed)
                row[1:] = hash_and_size(changed)
        with record.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def _rows(record: Path) -> list[list[str]]:
    """Return a RECORD's rows: path from site-packages, digest (``sha256=…`` or empty), size."""
    with record.open(encoding="utf-8", newline="") as file:
        return [[*row, "", ""][:3] for row in csv.reader(file) if row]


def _outside(site: Path, venv: Path) -> set[Path]:
    """Return files of installed packages in the environment, but outside site-packages."""
    found = set()
    for record in site.glob("*.dist-info/RECORD"):
        for path, *_ in _rows(record):
            place = Path(os.path.normpath(site / path))
            if place.is_relative_to(venv) and not place.is_relative_to(site) and place.is_file():
                found.add(place)
    return found


def _has_digest(path: Path, digest: str) -> bool:
    if not digest.startswith("sha256="):
        return path.is_file()
    try:
        return hash_and_size(path.read_bytes())[0] == digest
    except OSError:
        return False
