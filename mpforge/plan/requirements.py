"""Evaluate requirements of a target: names, markers, and extras of the project under test (PEP 508, 685).

The project itself is under test, so no index is ever asked for it: a requirement that names it stands for the
requirements of its own extras. Values in, values out.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mpforge.errors import UnknownExtra, WrongInput
from mpforge.formats.requirements import requirement
from mpforge.platforms import python_words, well_known

if TYPE_CHECKING:
    from packaging.markers import Marker

# CPython 3.9.25 is the highest patch version so far.
_PATCHES = range(41)


@dataclass(frozen=True)
class OwnPackage:
    """The project under test, from its wheel or its pyproject.toml.

    ``requires`` are PEP 508 texts, those of extras with an ``extra == …`` marker, as in core metadata;
    ``extras`` are all its extras, as written. If only a build can tell, ``extras`` and ``version`` are None,
    and ``requires`` is empty.
    """

    name: str
    requires: tuple[str, ...]
    extras: tuple[str, ...] | None = None
    version: str | None = None


def normal_name(name: str) -> str:
    """Normalize a package's, extra's or group's name for comparisons (PEP 503, PEP 685, PEP 735)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    """Return the normalized name of a requirement (PEP 508); empty if it begins with none."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return normal_name(match.group(1)) if match else ""


def named(names: Iterable[str], wanted: str) -> str | None:
    """Return the one of ``names`` that equals ``wanted`` when normalized."""
    return next((name for name in names if normal_name(name) == normal_name(wanted)), None)


def applies(marker: "Marker | None", *, target: str, python: str, extras: Sequence[str]) -> bool:
    """Return whether a marker holds on a target, for any patch version of its Python.

    A pin serves every patch version, so a requirement of one of them is a requirement of all of them
    (docs/configuration.md, "Requirements").
    """
    return marker is None or any(_answers(marker, target=target, python=python, extras=extras))


def depends_on_patch(text: str, *, target: str, python: str, extras: Sequence[str] = ()) -> bool:
    """Return whether a requirement's marker holds for some patch versions of a Python only."""
    marker = requirement(text).marker
    if marker is None:
        return False
    return len(set(_answers(marker, target=target, python=python, extras=extras))) > 1


def _answers(marker: "Marker", *, target: str, python: str, extras: Sequence[str]) -> list[bool]:
    """Return a marker's value for each patch version that can make a difference."""
    word = python_words.parse(python)
    version = word.version
    of_target = {
        "platform_machine": well_known()[target].machine,
        "python_version": version,
        "implementation_name": word.implementation,
        "platform_python_implementation": word.name,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }
    about_patch = re.search(r"python_full_version|implementation_version", str(marker))
    answers = []
    for patch in _PATCHES if about_patch else _PATCHES[:1]:
        full = f"{version}.{patch}"
        values = {**of_target, "python_full_version": full, "implementation_version": full}
        try:
            answers.append(any(marker.evaluate({**values, "extra": e}) for e in ("", *extras)))
        except ValueError as error:  # a comparison that PEP 508 does not define
            raise WrongInput(f"the marker {marker} can't be answered", why=str(error)) from None
    return answers


def with_own_extras(
    own: OwnPackage,
    texts: Iterable[str],
    extras: Iterable[str],
    *,
    target: str,
    python: str,
) -> tuple[str, ...]:
    """Return the requirements of a project's tests: ``texts``, its own, and those of ``extras``; sorted.

    Markers are evaluated for the target and removed. If the project itself is named (``own[a,b]``), those
    extras are meant. Raises ``UnknownExtra``.
    """
    found: set[str] = set()

    def named_extras(texts: Iterable[str], given: tuple[str, ...] = ()) -> Iterator[str]:
        """Add the applicable ones to ``found``; yield the project's own extras that they name."""
        for text in texts:
            plain, hashes = hashes_of(text)
            wanted = requirement(plain)
            if not applies(wanted.marker, target=target, python=python, extras=given):
                continue
            if normal_name(wanted.name) == normal_name(own.name):
                yield from (_known_extra(own, extra) for extra in sorted(wanted.extras))
                continue
            wanted.marker = None
            found.add(" ".join([str(wanted), *(f"--hash={value}" for value in hashes)]))

    pending = [_known_extra(own, extra) for extra in extras]
    pending += [*named_extras(texts), *named_extras(own.requires)]
    done: set[str] = set()
    while pending:
        extra = pending.pop()
        if extra not in done:
            done.add(extra)
            pending += named_extras(own.requires, (extra,))
    return tuple(sorted(found))


def _known_extra(own: OwnPackage, extra: str) -> str:
    """Return an extra as the project writes it. Raises ``UnknownExtra``."""
    if own.extras is None:
        return extra
    known = named(own.extras, extra)
    if known is None:
        raise UnknownExtra(
            f"{own.name} has no extra {extra!r}", hint=choices("its extras", own.extras, extra)
        )
    return known


def choices(what: str, names: Iterable[str], wanted: str) -> str:
    """Return a hint that lists the existing names, after the nearest one."""
    listed = sorted(names)
    near = difflib.get_close_matches(normal_name(wanted), map(normal_name, listed), n=1)
    first = f"did you mean {named(listed, near[0])}? " if near else ""
    return f"{first}{what}: {', '.join(listed) or 'none'}"


def hashes_of(text: str) -> tuple[str, tuple[str, ...]]:
    """Split a requirement from the hashes behind it: ``six==1 --hash=sha256:…``, as in requirement files."""
    words = re.split(r"\s+--hash[=\s]\s*", text.strip())
    return words[0], tuple(sorted(words[1:]))


def shown(texts: Iterable[str]) -> str:
    """Return requirements for a message: without hashes, and without the digests of paths."""
    return " ".join(re.sub(r"#\w+=[0-9a-f]+", "", hashes_of(text)[0]) for text in texts)
