"""The C libraries of a target, from packages of a distribution, as a root that its programs run in."""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from mpforge import processes
from mpforge.errors import PinMissing, ToolUnavailable
from mpforge.obtain import base_programs
from mpforge.obtain.distro import apt, roots
from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.platforms import MUSL, Platform, debian_suites
from mpforge.store.tool_store import ToolStore

# Packages for the target's programs: loader, libc and the libraries that manylinux wheels may expect.
RUNTIME = ("libc6", "libgcc-s1", "libstdc++6", "zlib1g")
_MUSL_RUNTIME = ("musl",)


def runtime_request(
    platform: Platform, *, host: tuple[str, str] | None = None
) -> DistroRequest | None:
    """Return the packages of a target's C libraries; ``None`` if the host's distribution has none.

    They are of the host's suite, if that has them. ``host`` replaces ``apt.host_distribution()``.
    """
    host = host or apt.host_distribution()
    if host is None or platform.debian_arch is None:
        return None
    is_musl = platform.libc is MUSL
    suite_with = debian_suites.with_musl if is_musl else debian_suites.with_architecture
    names = _MUSL_RUNTIME if is_musl else RUNTIME
    suite = suite_with(platform.debian_arch, host)
    return DistroRequest(host[0], suite, platform.debian_arch, tuple(sorted(names)))


def root_request(
    platform: Platform, *, host: tuple[str, str] | None = None
) -> DistroRequest | None:
    """Return the same with base programs: the packages of a root in which tests run. musl has none."""
    request = runtime_request(platform, host=host)
    if request is None or platform.libc is MUSL:
        return request
    names = {*RUNTIME, *base_programs.names(request.suite)}
    return dataclasses.replace(request, names=tuple(sorted(names)), libraries=True)


def provide_runtime(platform: Platform, pin: DistroPin, *, store: ToolStore, state: Path) -> Path:
    """Return a sysroot with the C libraries of a target's programs, made once in the tool store.

    ``pin`` answers ``runtime_request``. Raises the errors of ``apt.fetch``.
    """
    tree = store.obtain(
        name=f"runtime-{platform.name}",
        version=pin.packages[0].version,
        digest=apt.digest_of(pin, "runtime"),
        make=lambda directory: unpack(pin, state, directory),
    )
    return tree.path


def provide_root(
    platform: Platform, pin: DistroPin, *, store: ToolStore, state: Path, emulator: Path | None
) -> Path:
    """Return the same with base programs; ``pin`` answers ``root_request``."""
    if platform.libc is MUSL:
        return provide_runtime(platform, pin, store=store, state=state)
    tree = store.obtain(
        name=f"root-{platform.name}",
        version=version_of(pin, "libc6"),
        digest=apt.digest_of(pin, "root", *recipe(emulator)),
        make=lambda directory: make_root(pin, state, directory, emulator),
    )
    return tree.path


def recipe(emulator: Path | None) -> tuple[str, str]:
    """Return the words that tell how ``make_root`` makes a root, for its digest."""
    return base_programs.RECIPE, f"cache {emulator is not None}"


def make_root(pin: DistroPin, state: Path, tree: Path, emulator: Path | None) -> None:
    """Unpack packages into a root with base programs, and write its cache of libraries (ldconfig(8)).

    The loader does without the cache, ``ctypes.util.find_library`` does not.
    """
    apt.fetch(pin, state=state, dest=tree)
    base_programs.tidy(tree)
    if emulator is None:
        return
    ldconfig = [str(tree / "usr" / "sbin" / "ldconfig"), "-X", "-r", str(tree)]
    done = processes.capture([str(emulator), *ldconfig])
    if done.returncode:
        raise ToolUnavailable(
            f"ldconfig of {pin.request.suite} for {pin.request.architecture} failed",
            why=done.stderr.strip() or f"exit status {done.returncode}",
        )


def unpack(pin: DistroPin, state: Path, tree: Path) -> None:
    """Make a root of pinned packages, without their documentation. Raises the errors of ``apt.fetch``."""
    roots.make_root(pin, state=state, root=tree)
    for part in ("doc", "man", "lintian", "bug"):
        shutil.rmtree(tree / "usr" / "share" / part, ignore_errors=True)


def pin_of(pins: Sequence[DistroPin], request: DistroRequest) -> DistroPin:
    """Return the pin of exactly this request. Raises ``PinMissing``."""
    for pin in pins:
        if pin.request == request:
            return pin
    raise PinMissing(
        f"the lock has no packages of {request.distribution} {request.suite}"
        f" for {request.architecture}",
        hint="mpforge lock",
    )


def version_of(pin: DistroPin, name: str) -> str:
    """Return the version of a pinned package, without its epoch."""
    versions = [package.version for package in pin.packages if package.name == name]
    return versions[0].split(":", 1)[-1] if versions else "unknown"


def key_parts(pins: Sequence[DistroPin]) -> Mapping[str, str]:
    """Return the parts for a key of the packages that a root is made of."""
    return {f"target.{p.name}": f"{p.version} {p.sha256}" for pin in pins for p in pin.packages}
