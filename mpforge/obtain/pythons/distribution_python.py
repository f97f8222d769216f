"""A target Python from packages of Debian's suites, by architecture."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mpforge.errors import NoTargetPython
from mpforge.obtain import base_programs
from mpforge.obtain.distro import apt
from mpforge.obtain.pythons import target_libraries
from mpforge.obtain.pythons.standard_library import compile_library
from mpforge.obtain.pythons.target_python import Supplies, TargetPython, Wanted
from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.platforms import GLIBC, debian_suites, python_words

# A CPython without its documentation, pip and test suite, and the libraries of its extensions.
_PYTHON = ("python{v}-minimal", "libpython{v}-minimal", "libpython{v}-stdlib")
_PYPY = ("pypy3", "pypy3-lib", "libgdbm6t64")
_LIBRARIES = (
    *("libbz2-1.0", "libcrypt1", "libexpat1", "libffi8", "liblzma5", "libncursesw6"),
    *("libsqlite3-0", "libtinfo6", "libuuid1"),
)


class DistributionPython:
    """The Pythons of Debian's suites."""

    name = "distribution"

    def lack(self, wanted: Wanted) -> str | None:
        """Return whether the host, the architecture or the Python is not Debian's."""
        found = _offer(wanted)
        return found if isinstance(found, str) else None

    def origin(self, wanted: Wanted) -> str:
        """Return the suite and the architecture."""
        request = _request(wanted)
        return f"{request.distribution} {request.suite}, {request.architecture}"

    def requests(self, wanted: Wanted) -> tuple[DistroRequest, ...]:
        """Return the request for the Python and its libraries."""
        return (_request(wanted),)

    def parts(self, wanted: Wanted, pins: Sequence[DistroPin]) -> Mapping[str, str]:
        """Return the pinned packages."""
        return {"target-python": wanted.python, **target_libraries.key_parts(pins)}

    def provide(self, wanted: Wanted, supplies: Supplies) -> TargetPython:
        """Return the Python in a root of its packages."""
        pin = target_libraries.pin_of(supplies.pins, _request(wanted))
        python, host_python = wanted.python, supplies.host_python
        word = python_words.parse(python)
        program, package = word.program, "pypy3" if word.is_pypy else f"{word.program}-minimal"
        executable = Path("usr", "bin", program)

        def make(tree: Path) -> None:
            target_libraries.make_root(pin, supplies.state, tree, supplies.emulator)
            if not (tree / executable).is_file():
                raise NoTargetPython(
                    f"the packages of {pin.request.suite} do not contain /{executable}"
                )
            if not word.is_pypy:
                compile_library(host_python, tree, tree / "usr" / "lib" / program)

        recipe = target_libraries.recipe(supplies.emulator)
        digest = apt.digest_of(pin, f"compiled {host_python is not None}", *recipe)
        version = re.split(r"[-+~]", target_libraries.version_of(pin, package))[0]
        name = f"{python}-{pin.request.architecture}"
        tree = supplies.store.obtain(name=name, version=version, digest=digest, make=make).path
        return TargetPython(python, version, tree, tree / executable, digest, self.name)


def _request(wanted: Wanted) -> DistroRequest:
    """Return the packages of the Python and of a root with base programs."""
    own = packages(wanted)
    names = tuple(sorted({*own.names, *base_programs.names(own.suite)}))
    return replace(own, names=names, libraries=True)


def packages(wanted: Wanted) -> DistroRequest:
    """Return the packages of the Python, and the libraries that it needs. Raises ``NoTargetPython``."""
    found = _offer(wanted)
    if isinstance(found, str):
        raise NoTargetPython(f"no Python {wanted} can be obtained", why=found)
    return found


def _offer(wanted: Wanted) -> DistroRequest | str:
    """Return the request to the first suite that has a Python for the architecture, or why there is none."""
    platform, python, release = wanted.platform, wanted.python, wanted.release
    if release is None:
        return "this host has no apt to fetch packages with"
    if release[0] != "debian":
        return f"only Debian's packages are known, this is {release[0]}"
    architecture = platform.debian_arch
    if platform.libc is not GLIBC or architecture is None:
        return f"Debian has no {platform.name}"
    suites = [one for one in debian_suites.suites() if architecture in one.architectures]
    suite = next((suite for suite in suites if python in suite.pythons), None)
    if suite is None:
        words = "; ".join(f"{one.name} has {', '.join(one.pythons)}" for one in suites)
        return f"Debian has no {python} for {architecture}: {words}"
    word = python_words.parse(python)
    own = _PYPY if word.is_pypy else [name.format(v=word.version) for name in _PYTHON]
    names = {*own, *_LIBRARIES, *suite.libraries, *target_libraries.RUNTIME}
    return DistroRequest("debian", suite.name, architecture, tuple(sorted(names)))
