"""The pinned base: a small root of Debian's packages that steps see instead of this host's ``/usr``.

It has a shell, the programs that configure scripts and makefiles call, git, and their libraries. The lock
pins its packages; unpacked, they are one tree of the tool store, the same on every machine. Knows nothing of
steps.
"""

import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from mpforge.errors import ToolUnavailable
from mpforge.obtain.distro import apt, roots
from mpforge.obtain.host_programs import ASKING_SECONDS, version_in
from mpforge.obtain.pins import Pins
from mpforge.plan.pins import DistroPackage, DistroPin, DistroRequest, Lock
from mpforge.platforms import by_machine
from mpforge.processes import capture
from mpforge.store.tool_store import ToolStore

PROGRAMS = "/usr/bin"
"""The directory of the base's programs, as steps know it."""

# Their libraries are pinned too. Those of CPython's extension modules are for interpreters that were compiled
# on such a system; uv's bring them.
_NAMES = (
    *("base-files", "bash", "bzip2", "coreutils", "dash", "debianutils", "diffutils", "file"),
    *("findutils", "grep", "gzip", "hostname", "libc-bin", "libc6", "libgcc-s1", "libstdc++6"),
    *(
        "m4",
        "make",
        "mawk",
        "netbase",
        "patch",
        "perl-base",
        "pkgconf",
        "sed",
        "tar",
        "unzip",
        "xz-utils",
    ),
    *("tzdata", "zip", "zlib1g", "zstd"),
    *("libffi8", "libncursesw6", "libsqlite3-0", "libuuid1"),
)
_OF_SUITE = {
    "bookworm": ("libreadline8", "libssl3", "pkgconf-bin"),
    "jammy": ("libreadline8", "libssl3"),
}
_OF_LATER = ("libreadline8t64", "libssl3t64", "pkgconf-bin")
# Without its libraries, which only its programs for the network need.
_GIT = ("git",)
# Debian's hosts of all releases share one base. The oldest release that has all of the above.
_SUITES = {"debian": "bookworm"}

_ROOT = ("bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr")
_ETC = (
    *("debian_version", "host.conf", "ld.so.conf", "ld.so.conf.d", "magic", "os-release"),
    *("protocols", "services"),
)
# By their paths; the last part may be a pattern.
_LEFT_OUT = (
    *("usr/games", "usr/include", "usr/local", "usr/src", "usr/lib/*/gconv", "usr/lib/*/audit"),
    *("usr/lib/git-core/git-http-*", "usr/lib/git-core/git-remote-*"),
    *("usr/lib/git-core/git-imap-send", "usr/lib/systemd", "usr/lib/tmpfiles.d"),
)
_OF_PYTHON = "python3*"  # Debian's sitecustomize is a link to a file there
_SHARE = ("file", "git-core", "misc", "perl5", "pkgconfig", "zoneinfo")
# Of dpkg's alternatives and diversions, which its scripts make, and of OpenSSL's package.
_LINKS = {
    "usr/bin/awk": "mawk",
    "usr/bin/nawk": "mawk",
    "usr/bin/sh": "dash",
    "usr/bin/which": "which.debianutils",
    "usr/lib/ssl/certs": "../../../etc/ssl/certs",
    "usr/lib/ssl/cert.pem": "../../../etc/ssl/certs/ca-certificates.crt",
}
# A host's certificates are seen there, by steps with a network.
_EMPTY = ("usr/share/ca-certificates",)
RECIPE = "1"
"""Changes with every change of how a tree is made of packages."""


def requests(architecture: str, host: tuple[str, str] | None = None) -> tuple[DistroRequest, ...]:
    """Return the requests for a new base's packages; ``host`` replaces ``apt.host_distribution()``.

    Raises ``ToolUnavailable`` for a host without apt.
    """
    found = host or apt.host_distribution()
    if found is None:
        raise ToolUnavailable(
            "the pinned base programs can't be looked up on this host",
            why="they are Debian's or Ubuntu's packages, and this host has no apt",
            hint="run `mpforge lock` on Debian or Ubuntu, in a container for example, and commit the lock",
        )
    return _requests(found[0], _SUITES.get(found[0], found[1]), architecture)


def _requests(name: str, suite: str, architecture: str) -> tuple[DistroRequest, ...]:
    return (
        DistroRequest(name, suite, architecture, names(suite), libraries=True),
        DistroRequest(name, suite, architecture, _GIT),
    )


def names(suite: str) -> tuple[str, ...]:
    """Return the base's packages in a suite, without git, sorted."""
    return tuple(sorted((*_NAMES, *_OF_SUITE.get(suite, _OF_LATER))))


def pinned(lock: Lock, architecture: str) -> tuple[DistroPin, ...]:
    """Return the lock's pins of base programs for an architecture, of any distribution, if there are any."""
    for pin in lock.distribution:
        request = pin.request
        if request.architecture == architecture and request.names == names(request.suite):
            wanted = _requests(request.distribution, request.suite, architecture)
            found = [lock.packages_of(one) for one in wanted]
            return tuple(pin for pin in found if pin is not None) if all(found) else ()
    return ()


class Base:
    """The pinned base of this host's architecture."""

    def __init__(
        self,
        pins: Pins,
        store: ToolStore,
        state: Path,
        working: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self._pins = pins
        self._store = store
        self._state = state
        self._working = working

    @functools.cached_property
    def digest(self) -> str:
        """The identity of its content: its packages' hashes, and how they are put together.

        Looks up the pins. Raises what pinning raises.
        """
        words = [package.sha256 for package in self._packages]
        return hashlib.sha256("\n".join([RECIPE, *words]).encode()).hexdigest()

    @functools.cached_property
    def root(self) -> Path:
        """The directory that holds its ``usr`` and ``etc``; fetched and unpacked if need be.

        Raises the errors of ``apt.fetch``.
        """
        return (
            self._store.telling(self._fetching)
            .obtain(
                name="base-programs", version=self._version, digest=self.digest, make=self._make
            )
            .path
        )

    def to_fetch(self) -> tuple[DistroPackage, ...] | None:
        """Return the packages to download, none if the tree is in the store; None: nothing is pinned."""
        if not self._locked:
            return None
        is_kept = self._store.find("base-programs", self.digest) is not None
        return () if is_kept else self._packages

    def find(self, name: str) -> Path | None:
        """Return the path of a program, in the store."""
        place = self.root / PROGRAMS.lstrip("/") / name
        return place if os.access(place, os.X_OK) else None

    def version(self, program: Path) -> str | None:
        """Return the version that a program prints for ``--version``, or None."""
        machine = by_machine(os.uname().machine)
        loader = self.root / (machine.loader or "").lstrip("/") if machine else self.root
        library = self.root / "usr" / "lib" / (machine.multiarch if machine else "")
        argv = [str(loader), "--library-path", str(library), str(program), "--version"]
        try:
            answer = capture(argv, environment={}, timeout=ASKING_SECONDS)
        except (OSError, TimeoutError):
            return None
        return version_in(answer.stdout) or version_in(answer.stderr)

    @property
    def release(self) -> tuple[str, str]:
        """The distribution and the suite of its packages, pinned or yet to be."""
        found = self._locked
        request = found[0].request if found else requests(_here())[0]
        return request.distribution, request.suite

    @functools.cached_property
    def _all(self) -> tuple[DistroPin, ...]:
        return self._locked or tuple(map(self._pins.distribution, requests(_here())))

    @property
    def _locked(self) -> tuple[DistroPin, ...]:
        return pinned(self._pins.lock, _here())

    @property
    def _packages(self) -> tuple[DistroPackage, ...]:
        packages = (package for pin in self._all for package in pin.packages)
        return tuple(sorted(packages, key=lambda package: package.name))

    @property
    def _version(self) -> str:
        return "-".join(self.release)

    def _fetching(self) -> AbstractContextManager[None]:
        amount = sum(package.size for package in self._packages) / 1_000_000
        return self._working(f"the base programs of {' '.join(self.release)} ({amount:.0f} MB)")

    def _make(self, tree: Path) -> None:
        for pin in self._all:
            apt.fetch(pin, state=self._state, dest=tree)
        tidy(tree)


def tidy(root: Path) -> None:
    """Turn unpacked packages into the base: what programs need to run, with equal modes everywhere."""
    roots.merge_lib(root, ("bin", "sbin", "lib", "lib64"))
    roots.relink(root)
    _remove(path for path in root.iterdir() if path.name not in _ROOT)
    etc = (path for path in (root / "etc").iterdir() if path.name not in _ETC)
    _remove(path for path in etc if not path.match(_OF_PYTHON))
    _remove(path for path in (root / "usr" / "share").iterdir() if path.name not in _SHARE)
    for pattern in _LEFT_OUT:
        _remove(root.glob(pattern))
    for name in _EMPTY:
        (root / name).mkdir()
    for name, target in _LINKS.items():
        place = root / name
        if not os.path.lexists(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target)
    for folder, folders, files in os.walk(root):
        for path in (Path(folder, name) for name in (*folders, *files)):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o111 else 0o644)


def _remove(paths: Iterable[Path]) -> None:
    for path in [*paths]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _here() -> str:
    """Return Debian's word for this machine. Raises ``ToolUnavailable``."""
    machine = by_machine(os.uname().machine)
    if machine is None or machine.debian_arch is None:
        raise ToolUnavailable(f"there are no pinned base programs for {os.uname().machine}")
    return machine.debian_arch
