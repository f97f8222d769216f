"""Read and change ``multiplatform.lock``: by merge, under a file lock, atomically.

A pin answers a request, and an answered request keeps its pin: only ``update`` moves it. Knows nothing of how
pins are resolved, nor of the file's text (``lock_format``).
"""

import contextlib
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from mpforge.errors import LockInvalid, Place, TomlInvalid
from mpforge.formats.toml import content_of
from mpforge.lock.lock_format import AGAIN, in_order, parse, render
from mpforge.plan.pins import (
    Crate,
    DistroPackage,
    DistroRequest,
    EnvironmentRequest,
    Lock,
    Package,
)
from mpforge.plan.requirements import normal_name
from mpforge.platforms import hosts, well_known
from mpforge.store.files import write_atomically
from mpforge.store.locks import alone

Say = Callable[[str], None]
_Pin = TypeVar("_Pin")


def read(path: Path) -> Lock:
    """Return the lock in ``path``; an empty one if the file does not exist.

    Raises ``LockInvalid``, with the place, for a file that is not a lock or is of a newer mpforge.
    """
    there = content(path)
    return Lock() if there is None else parse(there, path.name)


def content(path: Path) -> bytes | None:
    """Return the file's bytes; None if it does not exist. Raises ``LockInvalid`` if it can't be read."""
    try:
        return content_of(path, path.name) if os.path.lexists(path) else None
    except (OSError, TomlInvalid) as error:
        why = error.what if isinstance(error, TomlInvalid) else error.strerror
        raise LockInvalid(
            f"{path.name} can't be read", why=why, hint=AGAIN, place=Place(path.name)
        ) from None


def merge(path: Path, new: Lock, *, warn: Say = lambda _text: None) -> Lock:
    """Add pins to the lock in ``path``; an earlier answer to the same request stays.

    Returns the whole lock as written. Raises ``LockInvalid``.
    """
    return update(path, lambda lock: merged(new, lock), warn=warn)


def update(path: Path, change: Callable[[Lock], Lock], *, warn: Say = lambda _text: None) -> Lock:
    """Replace the lock in ``path`` by the result of ``change``, atomically and one process at a time.

    The file is read again under the lock, and written only if something changed. ``warn`` is called if the
    file system has no locks. Raises ``LockInvalid``.
    """
    with single(path, "lock", waits=lambda: None, warn=warn):
        old = read(path)
        new = in_order(change(old))
        if new != old or not path.exists():
            _write(path.resolve(), render(new))
    return new


def single(
    path: Path, what: str, *, waits: Callable[[], None], warn: Say
) -> AbstractContextManager[object]:
    """Let one process at a time do the work ``what`` on the lock in ``path``: see ``store.locks.alone``."""
    state = path.absolute().parent / ".mpforge"
    return alone(state / f"{path.name}.{what}", waits=waits, warn=warn)


def merged(old: Lock, new: Lock) -> Lock:
    """Return both locks' pins; ``new``'s if both answer the same request."""
    return in_order(
        Lock(
            _joined(old.environments, new.environments, lambda pin: pin.request),
            _joined(old.distribution, new.distribution, lambda pin: pin.request),
            _joined(old.strategies, new.strategies, lambda pin: (pin.target, pin.host)),
            _joined(old.images, new.images, lambda pin: pin.request),
            _joined(old.crates, new.crates, lambda pin: pin.request),
        )
    )


def _joined(
    old: tuple[_Pin, ...], new: tuple[_Pin, ...], request: Callable[[_Pin], object]
) -> tuple[_Pin, ...]:
    return tuple({request(pin): pin for pin in (*old, *new)}.values())


def forget(lock: Lock, name: str) -> Lock:
    """Return the lock without the pins that contain package ``name``, so that they are resolved anew.

    To keep the other packages' versions, pass the forgotten pins' packages to ``resolve(prefer=...)``. A
    target's name forgets its strategies, an image's name its digests.
    """
    wanted = normal_name(name)
    return Lock(
        tuple(p for p in lock.environments if not _holds(p.packages, wanted)),
        tuple(p for p in lock.distribution if not _holds(p.packages, wanted)),
        tuple(p for p in lock.strategies if p.target != name),
        tuple(p for p in lock.images if p.request.name != name),
        tuple(p for p in lock.crates if not _holds(p.packages, wanted)),
    )


def only_needed(
    lock: Lock,
    requests: Collection[EnvironmentRequest],
    pythons: Collection[str],
    targets: Mapping[str, str],
) -> Lock:
    """Return the lock without pins for Pythons and targets that the spec does not have.

    ``requests`` are needed anyway; ``targets`` are platforms by name. Other environments stay: a build hook
    may have asked for them. Pins of builds stay for every kind of host.
    """
    platforms = {*targets.values(), *hosts()}
    architectures = {well_known()[name].debian_arch for name in platforms}

    def environment(of: EnvironmentRequest) -> bool:
        is_here = of.purpose == "build" or of.target in platforms
        return of in requests or of.purpose == "tool" or (of.python in pythons and is_here)

    def distribution(of: DistroRequest) -> bool:
        minors = re.findall(r"python3\.(\d+)", " ".join(of.names))
        return of.architecture in architectures and {f"cp3{n}" for n in minors} <= {*pythons}

    return Lock(
        tuple(pin for pin in lock.environments if environment(pin.request)),
        tuple(pin for pin in lock.distribution if distribution(pin.request)),
        tuple(pin for pin in lock.strategies if pin.target in targets),
        tuple(pin for pin in lock.images if pin.request.platform in platforms),
        lock.crates,
    )


def difference(old: Lock, new: Lock) -> tuple[str, ...]:
    """Return the changes, one line each: ``cython 3.0 -> 3.1 (build cp311 x86_64)``, ``+ …``, ``- …``."""
    before, after = _versions(old), _versions(new)
    lines = []
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key, {}), after.get(key, {})
        if was == now:
            continue
        gone, come = sorted(was.keys() - now.keys()), sorted(now.keys() - was.keys())
        name, label = key
        if len(gone) == len(come) == 1:
            lines.append(f"{name} {gone[0]} -> {come[0]} ({label})")
            continue
        lines += [f"- {name} {version} ({label})" for version in gone]
        lines += [f"+ {name} {version} ({label})" for version in come]
        if not gone and not come:
            versions = ", ".join(sorted(now))
            lines.append(f"{name} {versions}: different files ({label})")
    return tuple(lines)


# --- difference -------------------------------------------------------------------------------

_Versions = dict[tuple[str, str], dict[str, frozenset[str]]]


def _versions(lock: Lock) -> _Versions:
    """Map (name, purpose) to versions, and each version to its digests."""
    found: _Versions = {}

    def add(name: str, label: str, version: str, digests: Sequence[str]) -> None:
        versions = found.setdefault((name, label), {})
        versions[version] = versions.get(version, frozenset()) | frozenset(digests)

    for pin in lock.environments:
        request = pin.request
        label = f"{request.purpose} {request.python} {request.platform}"
        if request.purpose == "tool":
            label = f"tool, {request.platform}"
        for package in pin.packages:
            add(package.name, label, package.version, package.hashes)
    for distro in lock.distribution:
        where = distro.request
        label = f"{where.distribution} {where.suite} {where.architecture}"
        for file in distro.packages:
            add(file.name, label, file.version, (file.sha256,))
    for crates in lock.crates:
        for crate in crates.packages:
            add(crate.name, f"crate of {crates.request.manifest}", crate.version, (crate.checksum,))
    _add_choices(lock, add)
    return found


def _add_choices(lock: Lock, add: Callable[[str, str, str, Sequence[str]], None]) -> None:
    """Add what is no package: strategies and images."""
    for choice in lock.strategies:
        words = f"{choice.strategy} with {choice.toolchain}"
        add(choice.target, f"strategy, host {choice.host}", words, ())
    for image in lock.images:
        add(image.request.name, f"image, {image.request.platform}", image.digest[:19], ())


def _holds(packages: Sequence[Package | DistroPackage | Crate], wanted: str) -> bool:
    return any(normal_name(package.name) == wanted for package in packages)


def _write(path: Path, text: str) -> None:
    # In mpforge's own directory: next to the lock, a killed process's leftover would be a source file.
    folder = path.parent / ".mpforge"
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
    is_near = folder.is_dir() and folder.stat().st_dev == path.parent.stat().st_dev
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    write_atomically(path, text.encode(), mode=mode, below=folder if is_near else None)
