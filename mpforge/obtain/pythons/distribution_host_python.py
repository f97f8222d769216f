"""A CPython that runs on this host, with headers, from packages of a newer suite than the host's.

It runs with its own loader and C library, because the host's may be older. A script in place of its
interpreter starts it and passes with ``--argv0`` the name that was called, by which Python finds its
virtual environment.
"""

import hashlib
import shlex
from collections.abc import Callable
from pathlib import Path

from mpforge.errors import NoHostPython, NoTargetPython, PinMissing
from mpforge.obtain.distro import apt
from mpforge.obtain.pythons import host_python, target_libraries
from mpforge.obtain.pythons.distribution_python import packages
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.obtain.pythons.target_python import Wanted
from mpforge.obtain.session_tools import SessionTools
from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.platforms import Platform, python_words


class HostDistribution:
    """The packages of one Python for this machine, ``host``."""

    def __init__(self, python: str, host: Platform, tools: SessionTools) -> None:
        self._python, self._host, self._tools = python, host, tools
        self._request = request(python, host, tools.release or apt.host_distribution())

    @property
    def is_pinned(self) -> bool:
        """True if the lock has them."""
        return self._request is not None and bool(self._tools.pins.lock.packages_of(self._request))

    def pinned(self, *, fetch: bool) -> HostPython | None:
        """Return the Python if the lock has it, and it is in the store or may be fetched; else None."""
        if not self.is_pinned:
            return None
        try:
            return self.found(otherwise=NoHostPython(self._python), fetch=fetch)
        except NoHostPython:
            return None

    def found(self, *, otherwise: NoHostPython, fetch: bool) -> HostPython:
        """Return the Python, made once in the tool store. Raises ``otherwise`` if there is none.

        Without ``fetch`` neither the archive nor the store is changed. Raises the errors of ``apt.fetch``.
        """
        if self._request is None or not (fetch or self.is_pinned):
            raise otherwise
        try:
            pin = self._tools.pins.distribution(self._request)
        except PinMissing:
            raise otherwise from None
        script = self._script(pin, fetch=fetch)
        if script is None:
            raise otherwise
        return host_python.at(self._python, script).with_part("packages", apt.digest_of(pin))

    def _script(self, pin: DistroPin, *, fetch: bool) -> Path | None:
        """Return the script that starts the Python; None if it is not there.

        It names its root by an absolute path: where it runs, PATH may have no program to find that by.
        """
        program, architecture = python_words.parse(self._python).program, pin.request.architecture
        digest = apt.digest_of(pin, "host")

        def make_root(tree: Path) -> None:
            target_libraries.unpack(pin, self._tools.cache / "distribution", tree)

        root = self._obtain(
            f"root-{self._python}-{architecture}", pin, digest, make_root, fetch=fetch
        )
        if root is None:
            return None

        def make(tree: Path) -> None:
            lay_out(root / "usr", self._host, program, tree)

        own = hashlib.sha256(f"{digest} {root}".encode()).hexdigest()
        tree = self._obtain(f"host-{self._python}-{architecture}", pin, own, make, fetch=fetch)
        return None if tree is None else tree / "bin" / program

    def _obtain(
        self, name: str, pin: DistroPin, digest: str, make: Callable[[Path], None], *, fetch: bool
    ) -> Path | None:
        if not fetch:
            found = self._tools.store.find(name, digest)
            return None if found is None else found.path
        version = target_libraries.version_of(
            pin, f"{python_words.parse(self._python).program}-minimal"
        )
        what = f"the {self._python} of this host"
        store = self._tools.store.telling(lambda: self._tools.working(what))
        return store.obtain(name=name, version=version, digest=digest, make=make).path


def lay_out(home: Path, host: Platform, program: str, folder: Path) -> Path:
    """Write a script that starts a ``program`` in ``folder`` as its prefix; return it.

    ``home`` is its prefix in an unpacked root: ``usr``, or ``opt/python``.
    """
    root = next(place for place in home.parents if (place / "usr" / "lib").is_dir())
    (folder / "bin").mkdir(parents=True)
    for name in ("lib", "include"):
        (folder / name).symlink_to(home / name)
    libraries = root / "usr" / "lib" / host.multiarch
    words = [f"{root}{host.loader}", "--library-path", str(libraries), "--argv0"]
    elf = shlex.quote(str(home / "bin" / program))
    script = folder / "bin" / program
    script.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$0" {elf} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script


def request(python: str, host: Platform, release: tuple[str, str] | None) -> DistroRequest | None:
    """Return the packages of a Python for this machine, with its headers; None if no suite has it."""
    try:
        found = packages(Wanted(host, python, release))
    except NoTargetPython:
        return None
    headers = f"libpython{python_words.parse(python).version}-dev"
    names = tuple(sorted({*found.names, headers}))
    return DistroRequest(found.distribution, found.suite, found.architecture, names)
