"""What the container engine of this user is and runs, and what would make it run more, as facts.

Every platform is asked for anew, and that is remembered for later runs. Nothing that needs privilege is
done: commands that do are told to the user. Knows nothing of how facts are shown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mpforge.errors import EngineLost, EngineRefuses, MpforgeError, NoEngine
from mpforge.housekeeping.cache_contents import PLATFORMS_RUN
from mpforge.obtain import emulators
from mpforge.obtain.distro import apt
from mpforge.places.containers import binfmt, connection, runtime_probe
from mpforge.platforms import Platform, well_known


@dataclass(frozen=True)
class EngineFact:
    """An engine that answers; ``here`` says that this machine's kernel is the one it runs on.

    ``bridged`` false: containers have this host's network, or none.
    """

    name: str
    version: str
    endpoint: str
    platform: str
    rootless: bool
    here: bool
    bridged: bool


@dataclass(frozen=True)
class RunFact:
    """How an engine runs a platform: by which version of QEMU; ``why`` has its words, or what is missing."""

    name: str
    how: Literal["native", "emulated", "no"]
    qemu: str | None = None
    why: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class ContainersFact:
    """The engine and what it runs; without one, or with one that starts nothing, ``why`` and the remedy."""

    engine: EngineFact | None = None
    runs: tuple[RunFact, ...] = ()
    why: str | None = None
    remedy: str | None = None

    def run(self, platform: str) -> RunFact | None:
        """How the engine runs a platform; those of musl are run as glibc's."""
        name = platform.removesuffix("_musl")
        return next((run for run in self.runs if run.name == name), None)


_UNSEEN = binfmt.Handlers(None)


@dataclass(frozen=True)
class Site:
    """Where an engine stands, for those who would enable it.

    ``command`` is what speaks to it, ``packages`` are the distribution's with QEMU. Of an engine elsewhere
    nothing but the engine itself is known.
    """

    command: str
    rootless: bool = False
    here: bool = True
    packages: str | None = None
    handlers: binfmt.Handlers = _UNSEEN


def look(cache: Path, environment: Mapping[str, str]) -> ContainersFact:
    """Ask the engine everything anew."""
    try:
        engine = connection.connect(environment)
        nature = connection.nature(engine)
    except (NoEngine, EngineLost, EngineRefuses) as error:
        return ContainersFact(why=_sentence(error), remedy=error.hint)
    fact = EngineFact(
        engine.name,
        engine.version,
        engine.endpoint,
        engine.platform,
        rootless=nature.rootless,
        here=nature.here,
        bridged=engine.bridged,
    )
    try:
        told = runtime_probe.Probes(cache / PLATFORMS_RUN).anew(engine, runtime_probe.PROBED)
    except (EngineLost, EngineRefuses) as error:
        return ContainersFact(fact, why=_sentence(error), remedy=error.hint)
    site = Site(
        _command(fact),
        rootless=nature.rootless,
        here=nature.here,
        packages=packages() if nature.here else None,
        handlers=binfmt.read() if nature.here else _UNSEEN,
    )
    runs = tuple(run_fact(well_known()[name], how, site) for name, how in told.items())
    return ContainersFact(fact, runs)


def _command(engine: EngineFact) -> str:
    """What the user would type to have the engine do something; ``podman`` does not read DOCKER_HOST."""
    if engine.name != "Podman":
        return "docker"
    return "podman" if engine.here else f"podman --url {engine.endpoint}"


def packages() -> str | None:
    """The distribution's packages that tell the kernel of QEMU; None where there is no apt that is known."""
    host = apt.host_distribution()
    if host is None:
        return None
    # What registers the static programs: binfmt-support or systemd before the packages were split.
    old = emulators.has_static_package(*host)
    return "qemu-user-static binfmt-support" if old else "qemu-user-binfmt"


def run_fact(platform: Platform, told: str, site: Site) -> RunFact:
    """What a probe's answer (``probe.ask``) means, and what would make it better."""
    name = platform.name
    if told == runtime_probe.NATIVE:
        return RunFact(name, "native")
    if not told:
        why, remedy = _missing(platform, site)
        return RunFact(name, "no", why=why, remedy=remedy)
    match = re.search(r"version (\S+)", told)
    version = match.group(1) if match else None
    needed = emulators.needs_newer(platform, version or "")
    if needed is not None:
        handler = site.handlers.of(runtime_probe.program(platform))
        remedy = _privileged(platform, site, instead=handler.name if handler else "")
        why = f"{platform.qemu} {version} is too old"
        return RunFact(name, "no", version, why, f"QEMU {needed} or newer: {remedy}")
    return RunFact(name, "emulated", version, told)


def _missing(platform: Platform, site: Site) -> tuple[str, str]:
    """Why the engine does not run a platform, and the command that would enable it."""
    if not site.here:
        why = "the engine's machine, which is not this one, has no emulator for it"
        return why, _privileged(platform, site)
    kernel = site.handlers
    if kernel.enabled is None:
        mount = f"mount -t binfmt_misc binfmt_misc {binfmt.ROOT}"
        why = f"binfmt_misc is not mounted at {binfmt.ROOT}, or this kernel lacks it"
        return why, f"{mount} && {_install(platform, site)}"
    if not kernel.enabled:
        return "all of the kernel's handlers are off", f"echo 1 > {binfmt.ROOT}/status"
    handler = kernel.of(runtime_probe.program(platform))
    if handler is None:
        return "the kernel has no handler for its programs", _install(platform, site)
    return _unfit(handler, platform, site)


def _unfit(handler: binfmt.Handler, platform: Platform, site: Site) -> tuple[str, str]:
    """Why a handler that there is does not serve containers, and the command that mends it."""
    named = f"the kernel's handler {handler.name} ({handler.interpreter})"
    if not handler.enabled:
        return f"{named} is off", f"echo 1 > {binfmt.ROOT}/{handler.name}"
    remedy = _install(platform, site, instead=handler.name)
    if not handler.is_fixed:
        return f"{named} lacks the flag F: it works on this host, not in containers", remedy
    return f"{named} does not work in containers: is its program linked statically?", remedy


def _install(platform: Platform, site: Site, *, instead: str = "") -> str:
    """The command that gives this machine's kernel a handler, ``instead`` of one that there is."""
    if site.packages is None:
        return _privileged(platform, site, instead=instead)
    again = "--reinstall " if instead else ""
    return f"apt-get install {again}{site.packages}"


def _privileged(platform: Platform, site: Site, *, instead: str = "") -> str:
    """The command that lets the engine tell its kernel; for the user to run or not."""
    image = f"{site.command} run --privileged --rm docker.io/tonistiigi/binfmt"
    architecture = (platform.docker_platform or platform.name).split("/")[1]
    first = f"{image} --uninstall {instead} && " if instead else ""
    whose = "of root's engine" if site.rootless else "yours to run"
    return (
        f"{first}{image} --install {architecture} "
        f"(a privileged container, {whose}: mpforge starts none)"
    )


def _sentence(error: MpforgeError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what
