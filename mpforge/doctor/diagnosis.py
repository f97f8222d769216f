"""Collect facts about this host's abilities for each well-known target: ``diagnose``. Fetches nothing.

Asks host programs for their versions, and the container runtime for the platforms it runs; reads directories.
Sources that would need a download are named, not tried. Knows nothing of how facts are shown.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mpforge import __version__
from mpforge.doctor import container_runtime
from mpforge.doctor.host_capabilities import TargetAbility, of_targets
from mpforge.engine.host_facts import host_facts
from mpforge.errors import LockInvalid, MpforgeError, NoHostPython
from mpforge.lock import lock_file
from mpforge.obtain import host_programs
from mpforge.obtain.distro import apt
from mpforge.obtain.pythons import host_python, providers
from mpforge.obtain.pythons.target_python import Wanted, path_variable
from mpforge.plan.facts import HostFacts
from mpforge.plan.pins import Lock
from mpforge.platforms import Platform, available, well_known
from mpforge.store.files import size_below
from mpforge.store.tool_store import ToolStore
from mpforge.workspace import cache_directory

# The Python versions to look for.
PYTHONS = ("cp311", "cp312", "cp313", "cp314")


@dataclass(frozen=True)
class HostPythonFact:
    """A CPython of this host with its headers, or the missing part and the remedy."""

    python: str
    version: str | None = None
    executable: str | None = None
    why: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class TargetPythonFact:
    """The provider of a target's own Python for tests; None if there is none."""

    target: str
    python: str
    provider: str | None
    origin: str
    remedy: str | None = None


@dataclass(frozen=True)
class Program:
    """A program of this host; ``path`` is None if it is missing, and ``remedy`` then says what it is for."""

    name: str
    path: str | None
    version: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class ZigFact:
    """zig: the version that the lock pins, those in the store, and the problem with the lock, if any."""

    pinned: str | None
    cached: tuple[str, ...]
    problem: str | None = None


@dataclass(frozen=True)
class StoreFact:
    """The store: sizes in bytes; ``tools`` are the names and versions of the tools unpacked there."""

    path: str
    exists: bool
    writable: bool
    size: int
    free: int | None
    tools: tuple[str, ...]


@dataclass(frozen=True)
class IsolationFact:
    """The ``extent`` to which steps can be isolated from this host, and why not further.

    ``namespaces``: the host lets mpforge create some (None: it has none). ``network`` is the network of a
    step that declares none: ``none``, or ``open`` if it can't be cut off (``used`` is false then);
    ``remedy`` says how to enable isolation.
    """

    namespaces: bool | None
    why: str
    used: bool = False
    network: Literal["none", "open"] = "open"
    remedy: str | None = None
    extent: str = "none"


@dataclass(frozen=True)
class Diagnosis:
    """Everything that ``mpforge doctor`` reports."""

    version: str
    system: str
    platform: str | None
    distribution: str | None
    targets: tuple[TargetAbility, ...]
    host_pythons: tuple[HostPythonFact, ...]
    target_pythons: tuple[TargetPythonFact, ...]
    programs: tuple[Program, ...]
    zig: ZigFact
    store: StoreFact
    isolation: IsolationFact
    containers: container_runtime.ContainersFact


def diagnose(lock: Path, environment: Mapping[str, str]) -> Diagnosis:
    """Diagnose this host; ``lock`` is the path of the spec's lock, which may not exist."""
    cache = cache_directory(environment)
    host = host_facts(cache)
    found = apt.host_distribution()
    tools = tuple(kept.label for kept in ToolStore(cache / "tools").trees() if kept.label)
    containers = container_runtime.look(cache, environment)
    return Diagnosis(
        version=__version__,
        system=host.system,
        platform=host.platform,
        distribution=" ".join(found) if found else None,
        targets=of_targets(host, containers),
        host_pythons=tuple(_host_python(word) for word in PYTHONS),
        target_pythons=tuple(_target_pythons(host, found)),
        programs=tuple(_programs()),
        zig=_zig(lock, tools),
        store=_store(cache, tools),
        isolation=_isolation(),
        containers=containers,
    )


# --- Pythons ----------------------------------------------------------------------------------


def _host_python(word: str) -> HostPythonFact:
    try:
        found = host_python.find(word, install=False)
    except NoHostPython as error:
        return HostPythonFact(word, why=error.why or "not found", remedy=error.hint)
    return HostPythonFact(word, found.version, str(found.executable))


def _target_pythons(host: HostFacts, distro: tuple[str, str] | None) -> Iterator[TargetPythonFact]:
    for name in available() if host.platform is not None else ():
        for word in PYTHONS:
            if name == host.platform:
                yield TargetPythonFact(name, word, "host", "the host's own, if it has one")
            else:
                yield target_python_fact(well_known()[name], word, distro)


def target_python_fact(
    platform: Platform, word: str, distro: tuple[str, str] | None
) -> TargetPythonFact:
    """Return where a Python to test with would come from; fetches nothing."""
    wanted = Wanted(platform, word, distro)
    try:
        provider = providers.choose(wanted)
        origin = provider.origin(wanted)
    except MpforgeError as error:
        return TargetPythonFact(platform.name, word, None, error.why or error.what, error.hint)
    variable = path_variable(platform, word)
    given = os.environ.get(variable)
    missing = given and not Path(given).exists()
    remedy = f"{given} does not exist: correct {variable}" if missing else None
    return TargetPythonFact(platform.name, word, provider.name, origin, remedy)


# --- programs ---------------------------------------------------------------------------------

_PURPOSES = {
    "git": "checkouts are then read without git, and versions from tags are unknown",
    "make": 'needed for kind = "make"',
    "gcc": 'needed for toolchain = "gcc" only',
}


def _programs() -> Iterator[Program]:
    for name, purpose in _PURPOSES.items():
        path = shutil.which(name)
        if path is None:
            yield Program(name, None, remedy=purpose)
        else:
            version = host_programs.version(path)
            yield Program(name, path, version, None if version else f"{path} does not run")


def _zig(path: Path, tools: tuple[str, ...]) -> ZigFact:
    cached = tuple(tool.removeprefix("zig ") for tool in tools if tool.startswith("zig "))
    try:
        return ZigFact(pinned_zig(lock_file.read(path)), cached)
    except LockInvalid as error:
        return ZigFact(None, cached, f"{path.name}: {error.what}")


def pinned_zig(lock: Lock) -> str | None:
    """Return the version of zig that a lock pins, if any."""
    tools = (pin for pin in lock.environments if pin.request.purpose == "tool")
    packages = (package for pin in tools for package in pin.packages)
    return next((package.version for package in packages if package.name == "ziglang"), None)


# --- the store and the host -------------------------------------------------------------------


def _store(cache: Path, tools: tuple[str, ...]) -> StoreFact:
    there = next((path for path in (cache, *cache.parents) if path.exists()), cache)
    try:
        free: int | None = shutil.disk_usage(there).free
    except OSError:
        free = None
    return StoreFact(
        path=str(cache),
        exists=cache.is_dir(),
        writable=there.is_dir() and os.access(there, os.W_OK | os.X_OK),
        size=size_below(cache),
        free=free,
        tools=tools,
    )


def _isolation() -> IsolationFact:
    from mpforge.places.isolation import isolation

    found = isolation()
    able = found.cuts_network
    return IsolationFact(
        namespaces=able if sys.platform.startswith("linux") else None,
        why=found.why,
        used=able,
        network="none" if able else "open",
        remedy=found.remedy,
        extent=found.extent,
    )
