"""A target Python that is cross-compiled here, once, from the sources that Debian has of CPython.

It serves musl targets, for which no distribution that mpforge fetches packages from has a Python, and
the free-threaded one of this host, of which Debian has the sources.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import NoTargetPython
from mpforge.obtain.distro import apt
from mpforge.obtain.pythons import (
    cpython_build,
    distribution_python,
    recipe_libraries,
    target_libraries,
)
from mpforge.obtain.pythons.distribution_host_python import lay_out
from mpforge.obtain.pythons.standard_library import compile_library
from mpforge.obtain.pythons.target_python import CrossCompilers, Supplies, TargetPython, Wanted
from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.platforms import GLIBC, MUSL, Platform, by_machine, python_words
from mpforge.platforms.python_words import PythonWord

# Pythons that were built in this way; others come from uv.
_PYTHONS = {MUSL: ("cp311", "cp313", "cp313t"), GLIBC: ("cp313t",)}
_PROGRAMS = ("make", "perl")  # OpenSSL's configuration is in Perl
_WORK = ".work"

COST = "in about 5 CPU minutes"
"""How long the build of the libraries and a Python takes."""


@dataclass(frozen=True)
class SourceBuild:
    """What a Python is built from.

    ``sources`` are CPython's, ``runtime`` is the target's C library, ``own`` are the packages of
    the same CPython for this machine. ``compilers`` are for the target.
    """

    platform: Platform
    python: str
    sources: DistroPin
    runtime: DistroPin
    own: DistroPin
    compilers: CrossCompilers
    supplies: Supplies

    @property
    def word(self) -> PythonWord:
        """The word, taken apart."""
        return python_words.parse(self.python)

    @property
    def name(self) -> str:
        """Name of the tool: ``cp313t-source-aarch64_musl``."""
        return f"{self.python}-source-{self.platform.name}"

    @property
    def version(self) -> str:
        """Version of CPython: ``3.11.2``."""
        return _upstream(target_libraries.version_of(self.sources, _package(self.python)))

    @property
    def digest(self) -> str:
        """The digest of everything that it is built from."""
        pins = map(apt.digest_of, (self.sources, self.runtime))
        parts = {**_recipe(), **self.compilers.parts()}
        facts = [
            self.python,
            *pins,
            *(f"{name} {value}" for name, value in sorted(parts.items())),
        ]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()

    def make(self, tree: Path) -> None:
        """Build it in ``opt/python`` of ``tree``, a root with the target's C library."""
        state, work = self.supplies.state, tree / _WORK
        target_libraries.unpack(self.runtime, state, tree)
        apt.fetch(self.sources, state=state, dest=work)
        target_libraries.unpack(self.own, state, work / "host")
        host = lay_out(work / "host" / "usr", _host(), _package(self.python), work / "prefix")
        cpython_build.build(
            work / _package(self.python),
            cpython_build.Kind(self.platform.gnu_triple, str(host), threaded=self.word.threaded),
            recipe_libraries.provide(self.platform, self.compilers, self.supplies.store),
            environment=self.compilers.environment(work),
            dest=tree,
        )
        compile_library(str(host), tree, tree / "opt" / "python" / "lib" / self.word.program)
        shutil.rmtree(work)

    def require_own_version(self) -> None:
        """Raise ``NoTargetPython`` if this machine's CPython is of another version than the sources."""
        package = f"{_package(self.python)}-minimal"
        version = _upstream(target_libraries.version_of(self.own, package))
        if version != self.version:
            raise NoTargetPython(
                f"the lock pins CPython {version}, which can't build the sources of {self.version}",
                why=f"{self.python} for {self.platform.name} must be built by a CPython of the same version",
                hint=f"mpforge lock --update {_package(self.python)} --update {package}",
            )


class SourcePython:
    """CPython from Debian's sources, in ``opt/python`` of a root with the target's C library."""

    name = "source"

    def lack(self, wanted: Wanted) -> str | None:
        """Return that others have it, or what is missing of sources, C library and programs."""
        found = _offer(wanted)
        return found if isinstance(found, str) else None

    def origin(self, wanted: Wanted) -> str:
        """Return the suite of its sources, and what the build costs."""
        sources = _requests(wanted)[0]
        return f"built once from the sources of {sources.distribution} {sources.suite}, {COST}"

    def requests(self, wanted: Wanted) -> tuple[DistroRequest, ...]:
        """Return the requests for the sources, the C library, and the CPython that runs the build."""
        return _requests(wanted)

    def parts(self, wanted: Wanted, pins: Sequence[DistroPin]) -> Mapping[str, str]:
        """Return the pinned sources and C library, and the recipe."""
        sources, runtime = (target_libraries.pin_of(pins, one) for one in _requests(wanted)[:2])
        own = target_libraries.key_parts((sources, runtime))
        return {"target-python": wanted.python, **own, **_recipe()}

    def provide(self, wanted: Wanted, supplies: Supplies) -> TargetPython:
        """Return the Python, built once. Raises ``NoTargetPython``."""
        sources, runtime, own = (
            target_libraries.pin_of(supplies.pins, one) for one in _requests(wanted)
        )
        if supplies.compilers is None:
            raise NoTargetPython(f"no Python {wanted} can be built without compilers for it")
        build = SourceBuild(
            wanted.platform,
            wanted.python,
            sources,
            runtime,
            own,
            supplies.compilers,
            supplies,
        )
        build.require_own_version()
        tree = supplies.store.obtain(
            name=build.name, version=build.version, digest=build.digest, make=build.make
        ).path
        executable = tree / "opt" / "python" / "bin" / build.word.program
        return TargetPython(build.python, build.version, tree, executable, build.digest, self.name)


SourceRequests = tuple[DistroRequest, DistroRequest, DistroRequest]
"""Requests for the sources, the target's C library, and the CPython of this machine that runs the build."""


def _requests(wanted: Wanted) -> SourceRequests:
    found = _offer(wanted)
    if isinstance(found, str):
        raise NoTargetPython(f"no Python {wanted} can be built here", why=found)
    return found


def _offer(wanted: Wanted) -> SourceRequests | str:
    if wanted.platform.libc is not MUSL:
        return f"mpforge compiles CPython for musl targets only ({', '.join(_PYTHONS[MUSL])})"
    return offer(wanted)


def offer(wanted: Wanted) -> SourceRequests | str:
    """Return the requests for a Python's build, or why it is not built here."""
    word, release = python_words.parse(wanted.python), wanted.release
    libc = wanted.platform.libc
    if libc is None or wanted.python not in _PYTHONS[libc]:
        known = "; ".join(f"{', '.join(words)} for {one.name}" for one, words in _PYTHONS.items())
        return f"mpforge compiles only {known}"
    if release is None or release[0] != "debian":
        return "the sources are Debian's, and this host has no apt for them"
    try:
        own = distribution_python.packages(Wanted(_host(), f"cp3{word.minor}", release))
    except NoTargetPython as error:
        return f"it must be built by a CPython of its own version on this host, but {error.why}"
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"this host has no {' and no '.join(missing)} to build it with"
    runtime = target_libraries.runtime_request(wanted.platform, host=release)
    if runtime is None:
        return f"Debian has no C library of {wanted.platform.name}"
    sources = DistroRequest("debian", own.suite, apt.SOURCE, (_package(wanted.python),))
    return sources, runtime, own


def _recipe() -> Mapping[str, str]:
    return {"recipe": cpython_build.RECIPE, **recipe_libraries.parts()}


def _host() -> Platform:
    machine = os.uname().machine
    found = by_machine(machine)
    if found is None:
        raise NoTargetPython(f"mpforge can't build a Python on this kind of machine, {machine}")
    return found


def _upstream(version: str) -> str:
    """Return the version that a package's version begins with, its authors' own."""
    return re.split(r"[-+~]", version)[0]


def _package(python: str) -> str:
    return f"python{python_words.parse(python).version}"
