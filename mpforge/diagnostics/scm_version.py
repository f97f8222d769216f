"""Warn of a wrong version from git in an sdist that was built successfully.

Backends warn about it only in a log that nobody reads, or not at all.
"""

import re
from collections.abc import Iterable

TOOLS = frozenset(
    {
        *("dunamai", "hatch-vcs", "miniver", "pbr", "poetry-dynamic-versioning"),
        *("setuptools-git-versioning", "setuptools-scm", "uv-dynamic-versioning"),
        *("vcs-versioning", "versioneer", "versioningit"),
    }
)
"""Projects that take a version from git's tags and the number of commits since, names normalized."""

# setuptools-scm: 'tag "…" no version found', '"…" is shallow and may cause errors'; dunamai: 'This is a
# shallow repository, so Dunamai may not produce the correct version.'
_SHALLOW = re.compile(r"\bshallow (?:and may|clone|repository|checkout)", re.IGNORECASE)
_NO_VERSION = re.compile(r"Warning: (tag .* no version found)", re.IGNORECASE)
# versioneer's words, and the version of a project that has none.
_UNKNOWN = re.compile(r"-(0\+(?:unknown|untagged)[^-]*|0\.0\.0)\.(?:tar\.gz|zip)$")


def doubts(sdist: str, *, tools: Iterable[str], cut_off: bool, log: str) -> list[str]:
    """Return reasons why the version of an sdist may be wrong, each with advice.

    ``tools`` are names of ``TOOLS`` that its build uses, ``cut_off``: the checkout lacks a part of
    its history that the version depends on.
    """
    known = sorted(tools)
    found = [f"the version of {sdist} may be wrong: {said}" for said in _NO_VERSION.findall(log)]
    if cut_off and (known or _SHALLOW.search(log)):
        counts = f", and {known[0]} counts its commits and tags" if known else ""
        found.append(
            f"the version of {sdist} may be wrong: this checkout is a shallow clone{counts}; run "
            "`git fetch --unshallow --tags` (actions/checkout: fetch-depth: 0)"
        )
    elif known and _UNKNOWN.search(sdist):
        found.append(
            f"the version of {sdist} may be wrong: {known[0]} found no version; fetch git's tags"
        )
    return found
