"""A target Python that is cross-compiled here, once, from the sources that Debian has of CPython.

It serves musl targets, for which no distribution that mpforge fetches packages from has a Python.
"""

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import NoTargetPython
from mpforge.obtain.distro import apt
from mpforge.obtain.pythons import cpython_build, target_libraries
from mpforge.obtain.pythons.standard_library import compile_library
from mpforge.obtain.pythons.target_python import CrossCompilers, Supplies, TargetPython, Wanted
from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.platforms import MUSL, Platform

# Debian's suites with the sources of a CPython, by its word. Of trixie's libffi there is no configure script.
_SUITES: Mapping[str, str] = {"cp311": "bookworm"}
_WORK = ".work"


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


class SourcePython:
    """CPython from Debian's sources, in ``opt/python`` of a root with the target's C library."""

    name = "source"

    def lack(self, wanted: Wanted) -> str | None:
        """Return that it is for glibc, or what is missing of sources, C library and make."""
        found = _offer(wanted)
        return found if isinstance(found, str) else None

    def origin(self, wanted: Wanted) -> str:
        """Return the suite of its sources."""
        sources, _ = _requests(wanted)
        return f"built from the sources of {sources.distribution} {sources.suite}"

    def requests(self, wanted: Wanted) -> tuple[DistroRequest, ...]:
        """Return the requests for the sources and the C library."""
        return _requests(wanted)

    def parts(self, wanted: Wanted, pins: Sequence[DistroPin]) -> Mapping[str, str]:
        """Return the pinned sources and C library."""
        return {"target-python": wanted.python, **target_libraries.key_parts(pins)}

    def provide(self, wanted: Wanted, supplies: Supplies) -> TargetPython:
        """Return the Python, built once. Raises ``NoTargetPython`` without a host's one of its version."""
        sources, runtime = (
            target_libraries.pin_of(supplies.pins, one) for one in _requests(wanted)
        )
        if supplies.compilers is None:
            raise NoTargetPython(f"no Python {wanted} can be built without compilers for it")
        host = require_host(wanted.platform, wanted.python, supplies.host_python)
        build = SourceBuild(
            wanted.platform,
            wanted.python,
            sources,
            runtime,
            supplies.compilers,
            host,
            supplies.state,
        )

        def make(tree: Path) -> None:
            target_libraries.unpack(build.runtime, build.state, tree)
            compile_library(build.host_python, tree, build.make(tree))

        name = f"{build.python}-source-{build.platform.name}"
        tree = supplies.store.obtain(
            name=name, version=build.version, digest=build.digest, make=make
        ).path
        executable = tree / "opt" / "python" / "bin" / build.program
        return TargetPython(build.python, build.version, tree, executable, build.digest, self.name)


def _requests(wanted: Wanted) -> tuple[DistroRequest, DistroRequest]:
    found = _offer(wanted)
    if isinstance(found, str):
        raise NoTargetPython(f"no Python {wanted} can be built here", why=found)
    return found


def _offer(wanted: Wanted) -> tuple[DistroRequest, DistroRequest] | str:
    """Return the requests for the sources and the C library of a Python, or why it is not built here."""
    python, release = wanted.python, wanted.release
    if wanted.platform.libc is not MUSL:
        return "only Pythons for musl are built from source"
    if release is None or release[0] != "debian":
        return "the sources are Debian's, and this host has no apt for them"
    if (suite := _SUITES.get(python)) is None:
        return f"of {python} no sources are known, of {', '.join(_SUITES)} they are"
    if shutil.which("make") is None:
        return "this host has no make to build it with"
    runtime = target_libraries.runtime_request(wanted.platform, host=release)
    if runtime is None:
        return f"Debian has no C library of {wanted.platform.name}"
    sources = DistroRequest("debian", suite, apt.SOURCE, ("libffi", _package(python), "zlib"))
    return sources, runtime


def require_host(platform: Platform, python: str, host_python: str | None) -> str:
    """Return the host's CPython of the same minor version. Raises ``NoTargetPython`` without one."""
    if host_python is None:
        version = _package(python).removeprefix("python")
        raise NoTargetPython(
            f"{python} for {platform.name} can't be built without CPython {version} on this host",
            hint=f"install CPython {version}, or set MPFORGE_TARGET_PYTHONS=uv",
        )
    return host_python


def _package(python: str) -> str:
    return f"python3.{python.removeprefix('cp3').rstrip('t')}"
