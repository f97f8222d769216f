"""A target Python that is cross-compiled here, once, from the sources that Debian has of CPython.

It serves musl targets, for which no distribution that mpforge fetches packages from has a Python.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mpforge.errors import NoTargetPython
from mpforge.obtain.distro import apt
from mpforge.obtain.pythons import cpython_build
from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.platforms import MUSL, Platform

# Debian's suites with the sources of a CPython, by its word. Of trixie's libffi there is no configure script.
_SUITES: Mapping[str, str] = {"cp311": "bookworm"}
_WORK = ".work"
_VARIABLE = "MPFORGE_TARGET_PYTHONS"


class CrossCompilers(Protocol):
    """Compilers for a target."""

    def parts(self) -> Mapping[str, str]:
        """Return what identifies them, for a key."""

    def environment(self, directory: Path) -> Mapping[str, str]:
        """Return the variables of programs that compile in ``directory``, with PATH and ``CC``."""


@dataclass(frozen=True)
class SourceBuild:
    """What a Python is built from: pinned sources, the target's C library and compilers.

    ``python`` is the word, ``host_python`` a host CPython of the same minor version, ``state`` apt's
    directory.
    """

    platform: Platform
    python: str
    sources: DistroPin
    runtime: DistroPin
    compilers: CrossCompilers
    host_python: str
    state: Path

    @property
    def program(self) -> str:
        """Name of the interpreter: ``python3.13t``."""
        return f"{_package(self.python)}{'t' if self.python.endswith('t') else ''}"

    @property
    def version(self) -> str:
        """Version of CPython: ``3.11.2``."""
        found = {package.name: package.version for package in self.sources.packages}
        return re.split(r"[-+~]", found[_package(self.python)])[0]

    @property
    def digest(self) -> str:
        """The digest of everything that it is built from."""
        pins = map(apt.digest_of, (self.sources, self.runtime))
        facts = [cpython_build.RECIPE, self.python, *pins]
        facts += [f"{name} {value}" for name, value in sorted(self.compilers.parts().items())]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()

    def make(self, tree: Path) -> Path:
        """Build it in ``opt/python`` of ``tree``; return the directory of its library."""
        work = tree / _WORK
        apt.fetch(self.sources, state=self.state, dest=work)
        folders = [work / name for name in (_package(self.python), "libffi", "zlib")]
        cpython_build.build(
            cpython_build.Sources(folders[0], libffi=folders[1], zlib=folders[2]),
            cpython_build.Kind(
                self.platform.gnu_triple, self.host_python, threaded=self.python.endswith("t")
            ),
            environment=self.compilers.environment(work),
            dest=tree,
        )
        shutil.rmtree(work)
        return tree / "opt" / "python" / "lib" / self.program


def request(platform: Platform, python: str, host: tuple[str, str] | None) -> DistroRequest | None:
    """Return the sources of a Python; None if it is not built here: for glibc, or without Debian or make.

    ``MPFORGE_TARGET_PYTHONS=uv`` asks for uv's builds instead.
    """
    suite = _SUITES.get(python)
    wanted = os.environ.get(_VARIABLE, "") != "uv" and platform.libc is MUSL
    if not wanted or suite is None or host is None or host[0] != "debian":
        return None
    if shutil.which("make") is None:
        return None
    return DistroRequest("debian", suite, apt.SOURCE, ("libffi", _package(python), "zlib"))


def require_host(platform: Platform, python: str, host_python: str | None) -> str:
    """Return the host's CPython of the same minor version. Raises ``NoTargetPython`` without one."""
    if host_python is None:
        version = _package(python).removeprefix("python")
        raise NoTargetPython(
            f"{python} for {platform.name} can't be built without CPython {version} on this host",
            hint=f"install CPython {version}, or set {_VARIABLE}=uv",
        )
    return host_python


def _package(python: str) -> str:
    return f"python3.{python.removeprefix('cp3').rstrip('t')}"
