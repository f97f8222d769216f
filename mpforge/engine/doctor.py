"""What this host can do for each well-known target, as facts: ``diagnose``. Nothing is fetched.

Host programs are asked for their versions, the container engine for what it runs; directories are looked
at. What an archive or an index would give is told by its name and not tried. Knows nothing of how facts
are shown.
"""

import functools
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mpforge import __version__
from mpforge.compiler import strategies
from mpforge.compiler.availability import PLATFORMS
from mpforge.engine import enginefacts
from mpforge.engine.enginefacts import ContainersFact
from mpforge.engine.facts import host_facts
from mpforge.engine.workspace import cache_directory
from mpforge.errors import HostCannot, LockInvalid, NoHostPython
from mpforge.plan.facts import HostFacts
from mpforge.plan.model import Choice
from mpforge.plan.pins import DistroRequest, Lock
from mpforge.platforms import Platform, well_known
from mpforge.processes import Captured, capture
from mpforge.tools import distribution, emulators, hostpython, lockfile, targetpython, uvpython
from mpforge.tools.emulators import Emulator

NOT_YET = "not available yet in this version of mpforge"

# The Pythons that there are to look for.
PYTHONS = ("cp311", "cp312", "cp313", "cp314")

_ASKING_SECONDS = 20.0


@dataclass(frozen=True)
class BuildAbility:
    """Whether and how this host builds for a target; ``remedy`` is what would make it able."""

    how: Literal["native", "cross", "no"]
    why: str
    remedy: str | None = None


@dataclass(frozen=True)
class TestAbility:
    """Whether and how a target's programs run here.

    ``emulator`` and ``version`` are of the host's own emulator, ``package`` is the distribution's that
    has one; ``cpu`` the model that tests run on.
    """

    __test__ = False  # not a test class, whatever pytest makes of its name

    how: Literal["native", "emulated", "no"]
    why: str
    emulator: str | None = None
    version: str | None = None
    package: str | None = None
    cpu: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class ImageAbility:
    """By which strategies a target is built in an image, if by any; ``why`` or why not, and the remedy."""

    strategies: tuple[str, ...]
    why: str
    remedy: str | None = None


@dataclass(frozen=True)
class TargetAbility:
    """A well-known target; ``available`` says that this version has working sessions for it.

    ``build`` is the best way without a container, ``images`` what containers add.
    """

    name: str
    available: bool
    build: BuildAbility
    images: ImageAbility
    test: TestAbility


@dataclass(frozen=True)
class HostPythonFact:
    """A CPython of this host with its headers, or what is missing and the remedy."""

    python: str
    version: str | None = None
    executable: str | None = None
    why: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class TargetPythonFact:
    """Where a target's own Python for tests comes from; ``provider`` None: from nowhere."""

    target: str
    python: str
    provider: Literal["host", "path", "distribution", "uv"] | None
    origin: str
    remedy: str | None = None


@dataclass(frozen=True)
class Program:
    """A program of this host; ``path`` None: it is not here, and ``remedy`` says what it is for."""

    name: str
    path: str | None
    version: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class ZigFact:
    """The compiler: the version that the lock pins, those in the store; problem with the lock."""

    pinned: str | None
    cached: tuple[str, ...]
    problem: str | None = None


@dataclass(frozen=True)
class StoreFact:
    """The store: sizes in bytes; ``tools`` are the names and versions of what is unpacked there."""

    path: str
    exists: bool
    writable: bool
    size: int
    free: int | None
    tools: tuple[str, ...]


@dataclass(frozen=True)
class IsolationFact:
    """Whether this host lets mpforge make network namespaces (None: it has none), and how or why not.

    ``network`` is what a step sees of it that declares nothing: ``none``, or ``open`` where it can't be
    cut off (``used`` is false then); ``remedy`` what would make the host able.
    """

    namespaces: bool | None
    why: str
    used: bool = False
    network: Literal["none", "open"] = "open"
    remedy: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """Everything that ``mpforge doctor`` says."""

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
    containers: ContainersFact


def diagnose(lock: Path, environment: Mapping[str, str]) -> Diagnosis:
    """Look at this host; ``lock`` is the place of the lock of the spec in question, there or not."""
    host = host_facts()
    found = distribution.host_distribution()
    cache = cache_directory(environment)
    tools = tuple(stored_tools(cache / "tools"))
    containers = enginefacts.look(cache, environment)
    return Diagnosis(
        version=__version__,
        system=host.system,
        platform=host.platform,
        distribution=" ".join(found) if found else None,
        targets=_targets(host, containers),
        host_pythons=tuple(_host_python(word) for word in PYTHONS),
        target_pythons=tuple(_target_pythons(host, found)),
        programs=tuple(_programs()),
        zig=_zig(lock, tools),
        store=_store(cache, tools),
        isolation=_isolation(),
        containers=containers,
    )


# --- targets ----------------------------------------------------------------------------------


def _targets(host: HostFacts, containers: ContainersFact) -> tuple[TargetAbility, ...]:
    request = emulators.distro_request()
    known = functools.cache(emulators.host_emulator)

    @functools.cache
    def emulator(program: str) -> Emulator | None:
        platform = next(p for p in well_known().values() if p.qemu == program)
        return known(platform)

    return tuple(
        TargetAbility(
            name=name,
            available=name in PLATFORMS,
            build=build_ability(platform, host),
            images=image_ability(platform, host, containers),
            test=test_ability(
                platform, host, emulator(platform.qemu) if platform.qemu else None, request
            ),
        )
        for name, platform in well_known().items()
    )


def build_ability(platform: Platform, host: HostFacts) -> BuildAbility:
    """How this host builds for a platform, where the project's build backend can."""
    if platform.name not in PLATFORMS:
        return BuildAbility("no", NOT_YET)
    if host.platform is None:
        return BuildAbility(
            "no",
            f"builds run on Linux with glibc; this is {host.system}",
            "a Linux machine, container or CI job; check, plan, lock and matrix work here",
        )
    choice = strategies.choose(_wanted(platform), host, None)
    if not isinstance(choice, Choice):
        return BuildAbility("no", choice.why or choice.what, choice.hint)
    if choice.strategy == "native":
        return BuildAbility("native", f"{choice.toolchain}, {choice.policy}")
    backends = "the common build backends, make, commands, cmake, meson, autotools"
    return BuildAbility("cross", f"{choice.toolchain}, {choice.policy}: {backends}")


def image_ability(platform: Platform, host: HostFacts, containers: ContainersFact) -> ImageAbility:
    """What containers add to how this host builds for a platform."""
    if platform.name not in PLATFORMS:
        return ImageAbility((), NOT_YET)
    if host.platform is None:
        return ImageAbility((), f"builds run on Linux with glibc; this is {host.system}")
    engine, run = containers.engine, containers.run(platform.name)
    if engine is None or run is None:
        return ImageAbility((), containers.why or strategies.NO_ENGINE, containers.remedy)
    if run.how == "no":
        return ImageAbility((), run.why or "the engine does not run its programs", run.remedy)
    runs = f"{engine.name} runs it natively"
    if run.how == "emulated":
        runs = f"{engine.name} runs it by QEMU {run.qemu}" if run.qemu else run.why or ""
    if platform.name == host.platform:
        return ImageAbility(("native",), runs)
    verdicts = (("hybrid", strategies.hybrid), ("emulate", strategies.emulate))
    able = [name for name, verdict in verdicts if verdict(_wanted(platform), host).can]
    if engine.platform != host.platform and "hybrid" in able:
        # The compiler that is put into the image is one of this host's machine.
        able.remove("hybrid")
        runs += f"; not hybrid: the engine's machine is {engine.platform}, this one {host.platform}"
    return ImageAbility(tuple(able), runs)


def _wanted(platform: Platform) -> strategies.Wanted:
    """What a spec with nothing but defaults asks for, where the user's own commands build."""
    return strategies.Wanted(
        platform.name, platform, "auto", "auto", platform.default_policy, backend=None
    )


def test_ability(
    platform: Platform,
    host: HostFacts,
    emulator: Emulator | None,
    request: DistroRequest | None,
) -> TestAbility:
    """How the platform's programs run here: ``request`` is the distribution's package of emulators."""
    if host.platform == platform.name:
        return TestAbility("native", f"this host is {platform.name}")
    cpu = emulators.baseline_cpu(platform)
    program = (platform.qemu or "").removesuffix("-static")
    if host.platform is not None and emulator is not None:
        needed = emulators.needs_newer(platform, emulator.version)
        if needed is not None:
            why = f"{program} {emulator.version} of this host is too old"
            return TestAbility("no", why, remedy=f"QEMU {needed} or newer")
        why = f"{program} {emulator.version} of this host"
        return TestAbility(
            "emulated", why, emulator=str(emulator.path), version=emulator.version, cpu=cpu
        )
    if host.platform is not None and platform.qemu and request is not None:
        package = f"{request.names[0]} of {request.distribution} {request.suite}"
        why = f"{program}, to be fetched: {package}"
        return TestAbility("emulated", why, package=package, cpu=cpu)
    error = emulators.no_emulator(platform)
    if host.platform is None:
        return TestAbility("no", f"tests run on Linux with glibc; this is {host.system}")
    return TestAbility("no", error.why or "there is no emulator for it here", remedy=error.hint)


# --- Pythons ----------------------------------------------------------------------------------


def _host_python(word: str) -> HostPythonFact:
    try:
        found = hostpython.find(word, install=False)
    except NoHostPython as error:
        return HostPythonFact(word, why=error.why or "not found", remedy=error.hint)
    return HostPythonFact(word, found.version, str(found.executable))


def _target_pythons(host: HostFacts, distro: tuple[str, str] | None) -> Iterator[TargetPythonFact]:
    for name in PLATFORMS if host.platform is not None else ():
        for word in PYTHONS:
            if name == host.platform:
                yield TargetPythonFact(name, word, "host", "the host's own, where there is one")
            else:
                yield target_python(well_known()[name], word, distro)


def target_python(
    platform: Platform, word: str, distro: tuple[str, str] | None
) -> TargetPythonFact:
    """Where ``targetpython.provide`` would get a Python from, by its own rules; nothing is fetched."""
    variable = targetpython.path_variable(platform, word)
    if given := os.environ.get(variable):
        there = Path(given).exists()
        remedy = None if there else f"there is no {given}: correct {variable}"
        return TargetPythonFact(platform.name, word, "path", f"{variable}={given}", remedy)
    hint = f"give one by {variable}=ROOT"
    requests = targetpython.distro_requests(platform, word, host=distro) if distro else ()
    minor = uvpython.minor_of(word)
    for request in requests:
        if f"python{minor}-minimal" in request.names:
            origin = f"{request.distribution} {request.suite}, {request.architecture}"
            return TargetPythonFact(platform.name, word, "distribution", origin)
    if not requests and platform.libc == "glibc":
        why = "this host has no apt to get the target's C library with"
        return TargetPythonFact(platform.name, word, None, why, hint)
    try:
        download = uvpython.find(platform, word, hint=hint)
    except HostCannot as error:
        return TargetPythonFact(platform.name, word, None, error.what, error.hint)
    libc = f", with libc of {requests[0].distribution} {requests[0].suite}" if requests else ""
    return TargetPythonFact(platform.name, word, "uv", f"{download.key}{libc}")


# --- programs ---------------------------------------------------------------------------------

_PURPOSES = {
    "git": ("--version", "checkouts are then read without git, and versions from tags are unknown"),
    "make": ("--version", 'needed for kind = "make"'),
    "gcc": ("-dumpfullversion", 'needed for toolchain = "gcc" only'),
}


def _programs() -> Iterator[Program]:
    for name, (option, purpose) in _PURPOSES.items():
        path = shutil.which(name)
        if path is None:
            yield Program(name, None, remedy=purpose)
            continue
        done = _asked(path, option)
        lines = done.stdout.strip().splitlines() if done and done.returncode == 0 else []
        version = lines[0].removeprefix("git version ").removeprefix("GNU Make ") if lines else None
        yield Program(name, path, version, None if lines else f"{path} does not run")


def _asked(*argv: str) -> Captured | None:
    try:
        return capture(argv, timeout=_ASKING_SECONDS)
    except (OSError, TimeoutError):
        return None


def _zig(path: Path, tools: tuple[str, ...]) -> ZigFact:
    cached = tuple(tool.removeprefix("zig ") for tool in tools if tool.startswith("zig "))
    try:
        return ZigFact(pinned_zig(lockfile.read(path)), cached)
    except LockInvalid as error:
        return ZigFact(None, cached, f"{path.name}: {error.what}")


def pinned_zig(lock: Lock) -> str | None:
    """The version of zig that a lock pins, if it does."""
    for pin in lock.environments:
        for package in pin.packages:
            if pin.request.purpose == "tool" and package.name == "ziglang":
                return package.version
    return None


# --- the store and the host -------------------------------------------------------------------


def stored_tools(root: Path) -> Iterator[str]:
    """Name and version of each tool in a tool store, sorted; leftovers and strangers are passed over."""
    for record in sorted(root.glob("*/tool.json")):
        try:
            data = json.loads(record.read_text(encoding="utf-8"))
            yield f"{data['name']} {data['version']}"
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _store(cache: Path, tools: tuple[str, ...]) -> StoreFact:
    there = cache
    while not there.exists() and there != there.parent:
        there = there.parent
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


def size_below(root: Path) -> int:
    """The bytes of all files below a directory; what goes away meanwhile counts nothing."""
    total, pending = 0, [str(root)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def _isolation() -> IsolationFact:
    from mpforge.runners.offline import isolation

    found = isolation()
    able = found.cut_off is not None
    return IsolationFact(
        namespaces=able if sys.platform.startswith("linux") else None,
        why=found.why,
        used=able,
        network="none" if able else "open",
        remedy=found.remedy,
    )
