"""The Linux wheels that each version of cibuildwheel knows, and the images that it builds them in.

``pythons.csv`` has its build identifiers from 2.0 to 4.3 (``build-platforms.toml`` of each release):
``since`` and ``until`` are the first version with and the first without them, ``released`` is the first
version that builds a Python without ``cpython-prerelease``, ``experimental`` are machines that needed a group
of their own before 3.2. Older versions count as 2.0.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge.platforms import GLIBC, Platform

Version = tuple[int, int, int]

NEWEST: Version = (4, 3, 5)
"""The newest version whose facts are known; it stands for every later one, and for an unknown one."""
_TABLE = Path(__file__).with_name("pythons.csv")
_PINNED = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?")
_LATEST = 99  # v2 and v2.23 are the last releases of their series


@dataclass(frozen=True)
class Row:
    """One row of the table: identifiers of one Python and C library, such as ``cp311-manylinux_x86_64``."""

    python: str
    libc: str
    since: Version
    until: Version
    released: Version
    experimental: tuple[str, ...]
    machines: tuple[str, ...]


def parse_version(text: str) -> Version | None:
    """Return the version of ``v2.23.3``, ``3.1``, ``v2``; None for anything else, such as a commit."""
    match = _PINNED.fullmatch(text.strip())
    if match is None:
        return None
    major, minor, patch = (int(part) if part else _LATEST for part in match.groups())
    return (major, minor, patch)


def version_text(version: Version) -> str:
    """Return a version as it is written: ``2.23``, ``4.2.0``."""
    return ".".join(str(part) for part in version if part != _LATEST)


@functools.cache
def _rows() -> tuple[Row, ...]:
    _, *lines = _TABLE.read_text("ascii").splitlines()
    return tuple(_row(*line.split(",")) for line in lines)


def _row(*cells: str) -> Row:
    python, libc, since, until, released, experimental, machines = cells
    first = (0, 0, 0)
    return Row(
        python,
        libc,
        parse_version(since) or first,
        parse_version(until) or (_LATEST, 0, 0),
        parse_version(released) or first,
        tuple(experimental.split()),
        tuple(machines.split()),
    )


def rows_of(version: Version) -> Iterator[Row]:
    """Yield the rows of one version."""
    return (row for row in _rows() if row.since <= max(version, (2, 0, 0)) < row.until)


def first_release(python: str, libc: str, machine: str) -> Version | None:
    """Return the first version that builds a wheel without ``cpython-prerelease``; None if none does."""
    found = (
        max(row.since, row.released)
        for row in _rows()
        if (row.python, row.libc) == (python, libc) and machine in row.machines
    )
    return min(found, default=None)


def groups_of(row: Row, machine: str, version: Version) -> set[str]:
    """Return the groups of ``enable`` that a wheel of a row needs; none if it is built by default."""
    python = row.python
    groups = set()
    if python.startswith("gp"):
        groups.add("graalpy")
    if python.startswith("pp") and version >= (3, 0, 0):
        ended = len(python) == len("pp39") or (python == "pp310" and version >= (3, 2, 0))
        groups.add("pypy-eol" if ended else "pypy")
    if python == "cp313t" or (python.endswith("t") and version < (3, 1, 0)):
        groups.add("cpython-freethreading")
    if version < row.released:
        groups.add("cpython-prerelease")
    if version < (3, 2, 0) and machine in row.experimental:
        groups.add(f"cpython-experimental-{machine}")
    return groups


def default_policy(platform: Platform, version: Version) -> str | None:
    """Return the policy of the image that a version uses by default; None for musl, which has one policy.

    Source: ``defaults.toml`` of the releases.
    """
    if platform.libc is not GLIBC:
        return None
    is_i686 = platform.native_on is not None and platform.x86
    since = (3, 1, 0) if is_i686 else (3, 0, 0)
    return platform.image_policy("manylinux_2_28" if version >= since else "manylinux_2_17")


LAST_WITH: Mapping[str, Version] = {"cpython-freethreading": (3, _LATEST, 0)}
"""The last version that knows a group of ``enable``, of those that newer ones refuse."""


def identifier(python: str, libc: str, machine: str) -> str:
    """Return a build identifier: ``cp311-manylinux_x86_64``."""
    return f"{python}-{libc}_{machine}"
