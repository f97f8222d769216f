"""Suggest the nearest valid name for an invalid one: typos, underscores, other tools' names.

Knows the vocabularies of cibuildwheel, tox, goreleaser and pip as far as they differ from ours.
The callers know which name is wrong, and its place.
"""

import difflib
import re
from collections.abc import Collection, Mapping

from mpforge import platforms

# Our keys, and what other tools and common guesses call them, dashed and in lower case.
_NAMES_ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "project.targets": (
        *("arch", "archs", "architecture", "architectures", "goarch"),
        *("platform", "platforms", "target"),
    ),
    "project.python": (
        *("free-threaded-support", "only", "python-version", "python-versions"),
        *("pythons", "requires-python"),
    ),
    "project.source": ("package-dir", "src"),
    "build.before-build": ("before-script", "pre-build"),
    "build.config-settings": ("build-args",),
    "build.frontend": ("build-backend", "build-frontend"),
    "build.environment": ("build-environment", "env", "set-env", "setenv"),
    "build.requires": ("build-requires", "deps"),
    "build.toolchain": ("cc", "compiler", "linker"),
    "build.constraints": ("dependency-versions",),
    "build.pass-environment": ("environment-pass", "passenv"),
    "build.policy": ("manylinux", "musllinux", "plat"),
    "build.repair": ("repair-wheel-command",),
    "build.tools": ("xbuild-tools",),
    "test.before": ("before-test", "commands-pre"),
    "test.groups": ("dependency-groups", "test-groups"),
    "test.command": ("test-command",),
    "test.environment": ("test-environment",),
    "test.extras": ("test-extras",),
    "test.requires": ("test-requires",),
    "test.strategy": ("test-skip",),
    "test.sources": ("test-sources",),
    "index.extra": ("extra-index-url",),
    "index.url": ("index-url",),
}
FOREIGN_KEYS: Mapping[str, str] = {
    theirs: ours for ours, names in _NAMES_ELSEWHERE.items() for theirs in names
}

# Keys whose meaning depends on the table of ours around them.
_IN_TABLE: Mapping[tuple[str, str], str] = {
    ("test", "args"): "test.command",
    ("test", "cmd"): "test.command",
    ("test", "commands"): "test.command",
    ("test", "deps"): "test.requires",
    ("test", "env"): "test.environment",
    ("test", "passenv"): "test.pass-environment",
    ("test", "run"): "test.command",
    ("test", "script"): "test.command",
    ("test", "setenv"): "test.environment",
    ("test", "skip"): "test.strategy",
    ("build", "cmd"): "build.commands",
    ("build", "command"): "build.commands",
    ("build", "run"): "build.commands",
    ("build", "script"): "build.commands",
    ("build", "target"): "project.targets",
}

# Keys without an equivalent, and the alternative.
NOTES: Mapping[str, str] = {
    "build-verbosity": "each session's whole log is kept, see `mpforge log SESSION`",
    "container-engine": "mpforge finds the container runtime, see `mpforge doctor`",
    "enable": "`project.python` enables every Python that it lists",
    "output-dir": "results are always in dist/",
    "tool": "`mpforge init` translates [tool.cibuildwheel] of pyproject.toml",
}

_FOREIGN_VALUES: Mapping[str, str] = {
    "bdist_wheel": "wheel",
    "configure": "autotools",
    "cross-compile": "cross",
    "docker": "container",
    "makefile": "make",
    "none": "skip",
    "package": "wheel",
    "pip": "build",
    "qemu": "emulate",
    "setuptools": "wheel",
}

_IMAGE = re.compile(r"(manylinux|musllinux)-.*image")
_POLICY_TAG = re.compile(
    r"(?P<policy>(?:many|musl)?linux(?:2014|2010|1|_\d+_\d+)?)_(?P<machine>\w+)"
)


def close_to(name: str, valid: Collection[str], cutoff: float = 0.6) -> str | None:
    """Return the one of ``valid`` most similar to ``name``, if any is similar.

    Swapped characters count as most similar: ``cp331`` is ``cp313``.
    """
    by_lower = {word.lower(): word for word in sorted(valid)}
    near = difflib.get_close_matches(name.lower(), sorted(by_lower), n=5, cutoff=cutoff)
    letters = sorted(name.lower())
    match = max(near, key=lambda word: sorted(word) == letters, default=None)
    return by_lower[match] if match else None


def nearest_key(
    key: str, *, kind: str, siblings: Collection[str], sections: Mapping[str, Collection[str]]
) -> tuple[bool, str] | None:
    """Return the valid key nearest to ``key`` in a table of type ``kind`` that allows ``siblings``.

    ``sections`` has the keys of each top-level table. Returns True with a sibling's name, False with a
    dotted key of another table; ``None`` if nothing is near.
    """
    dashed = key.lower().replace("_", "-")
    if dashed in siblings:
        return True, dashed
    foreign = _IN_TABLE.get((kind, dashed)) or FOREIGN_KEYS.get(dashed)
    if foreign is None and _IMAGE.fullmatch(dashed):
        foreign = "build.image"
    if foreign is not None:
        section, _, rest = foreign.partition(".")
        return (True, rest) if section == kind else (False, foreign)
    return _close_key(dashed, siblings, sections)


def _close_key(
    key: str, siblings: Collection[str], sections: Mapping[str, Collection[str]]
) -> tuple[bool, str] | None:
    """Return the same as ``nearest_key``, by similarity alone: first in this table, then in others."""
    if (near := close_to(key, siblings, 0.75)) is not None:
        return True, near
    for section, keys in sections.items():
        if key in keys:
            return False, f"{section}.{key}"
    if (near := close_to(key, siblings)) is not None:
        return True, near
    near = close_to(key, FOREIGN_KEYS, 0.85)
    return None if near is None else (False, FOREIGN_KEYS[near])


def nearest_value(value: str, valid: Collection[str]) -> str | None:
    """Return the one of ``valid`` that ``value`` probably meant."""
    foreign = _FOREIGN_VALUES.get(value.lower())
    return foreign if foreign in valid else close_to(value, valid)


def nearest_target(name: str, declared: Collection[str]) -> str | None:
    """Return the target that other tools call ``name``, or that is close to it."""
    known, foreign = platforms.well_known(), platforms.foreign_names()
    lower = name.lower()
    if (found := foreign.get(name) or foreign.get(lower)) is not None:
        return found
    if (tag := _POLICY_TAG.fullmatch(lower)) is not None:
        musl = "_musl" if tag["policy"].startswith("musl") else ""
        machine = foreign.get(tag["machine"], tag["machine"])
        if machine + musl in known:
            return machine + musl
    return close_to(lower.replace("-", "_"), {*known, *declared}, 0.7)


def nearest_platform(name: str) -> str | None:
    """Return the docker platform or target that is close to ``name``."""
    if "/" not in name:
        return nearest_target(name, ())
    docker = {platform.docker_platform for platform in platforms.well_known().values()}
    return close_to(name, {word for word in docker if word is not None})


def nearest_name(name: str) -> str | None:
    """Return ``name`` respelt so that it is valid for a target, toolchain or library."""
    word = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return word if re.fullmatch(r"[a-z][a-z0-9_]*", word) else None
