"""Debian's suites with Pythons to test with: the rows of ``debian-suites.csv``.

Of trixie's s390x and ppc64el, the archive lacks some files (libc6, zlib1g). forky is the suite
that is tested now: its versions still move. Its PyPy has another ABI (pp80) than the index's wheels (pp73).
Source: the archive's Packages files of 2026-11-30.
"""

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TABLE = Path(__file__).with_name("debian-suites.csv")


@dataclass(frozen=True)
class Suite:
    """A suite: its Pythons, its architectures, and the libraries of a Python that only it calls so.

    ``musl`` are the architectures of its musl, if that reads packed relocations (1.2.4).
    """

    name: str
    pythons: tuple[str, ...]
    architectures: tuple[str, ...]
    musl: tuple[str, ...]
    libraries: tuple[str, ...]


@functools.cache
def suites() -> tuple[Suite, ...]:
    """Return the suites in the order in which they are asked."""
    with _TABLE.open(encoding="ascii", newline="") as file:
        return tuple(
            Suite(
                row["suite"],
                tuple(row["pythons"].split()),
                tuple(row["architectures"].split()),
                tuple(row["musl"].split()),
                tuple(row["libraries"].split()),
            )
            for row in csv.DictReader(file)
        )


def with_architecture(architecture: str, release: tuple[str, str]) -> str:
    """Return a release's suite; of Debian's, instead of one without this architecture, the first with it.

    ``release`` is (id, codename). A suite that is not in the table is taken to have every architecture.
    """
    return _first({suite.name: suite.architectures for suite in suites()}, architecture, release)


def with_musl(architecture: str, release: tuple[str, str]) -> str:
    """Return the same, of suites whose musl reads packed relocations.

    GCC's libraries in the index's musllinux wheels (numpy's, rapidfuzz's) have them.
    """
    return _first({suite.name: suite.musl for suite in suites()}, architecture, release)


def _first(
    known: Mapping[str, tuple[str, ...]], architecture: str, release: tuple[str, str]
) -> str:
    name, own = release
    if name != "debian" or architecture in known.get(own, (architecture,)):
        return own
    return next((suite for suite, found in known.items() if architecture in found), own)
