"""Facts about the user's container runtime: the platforms it runs, and how to make it run more.

Every platform is probed again, and the result is remembered for later runs. Commands that need privilege are
shown to the user, never run. Knows nothing of how facts are shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mpforge.errors import NoContainerRuntime, RuntimeLost, RuntimeRefuses
from mpforge.housekeeping.cache_contents import PLATFORMS_RUN
from mpforge.obtain import emulators, host_programs
from mpforge.obtain.distro import apt
from mpforge.places.containers import binfmt, connection, runtime_probe
from mpforge.platforms import Platform, well_known


@dataclass(frozen=True)
class RuntimeFact:
    """A runtime that answers; ``here``: it runs on this machine's kernel.

    ``bridged`` false: containers share this host's network, or have none.
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
    """A runtime's way to run a platform, with QEMU's version; ``why`` is the probe's answer or the lack."""

    name: str
    how: Literal["native", "emulated", "no"]
    qemu: str | None = None
    why: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class ContainersFact:
    """The runtime and the platforms that it runs; ``why`` and the remedy if there is no working one."""

    engine: RuntimeFact | None = None  # the name in `doctor --json`
    runs: tuple[RunFact, ...] = ()
    why: str | None = None
    remedy: str | None = None

    def run(self, platform: str) -> RunFact | None:
        """Return how the runtime runs a platform; musl platforms are treated as glibc's."""
        name = platform.removesuffix("_musl")
        return next((run for run in self.runs if run.name == name), None)


_UNSEEN = binfmt.Handlers(None)


@dataclass(frozen=True)
class Site:
    """A runtime's machine, as far as commands to enable emulation depend on it.

    ``packages`` are the distribution's with QEMU. Of a remote runtime's machine nothing is known.
    """

    runtime: RuntimeFact
    packages: str | None = None
    handlers: binfmt.Handlers = _UNSEEN


def look(cache: Path, environment: Mapping[str, str]) -> ContainersFact:
    """Probe the runtime without using remembered answers."""
    fact = None
    try:
        runtime = connection.connect(environment)
        nature = connection.nature(runtime)
        fact = RuntimeFact(
            runtime.name,
            runtime.version,
            runtime.endpoint,
            runtime.platform,
            rootless=nature.rootless,
            here=nature.here,
            bridged=runtime.bridged,
        )
        told = runtime_probe.Probes(cache / PLATFORMS_RUN).anew(runtime, runtime_probe.PROBED)
    except (NoContainerRuntime, RuntimeLost, RuntimeRefuses) as error:
        why = f"{error.what}: {error.why}" if error.why else error.what
        return ContainersFact(fact, why=why, remedy=error.hint)
    site = Site(fact, packages(), binfmt.read()) if fact.here else Site(fact)
    runs = tuple(run_fact(well_known()[name], how, site) for name, how in told.items())
    return ContainersFact(fact, runs)


def _command(runtime: RuntimeFact) -> str:
    """Return the command line for the runtime; ``podman`` does not read DOCKER_HOST."""
    if runtime.name != "Podman":
        return "docker"
    return "podman" if runtime.here else f"podman --url {runtime.endpoint}"


def packages() -> str | None:
    """Return the distribution's packages that register QEMU with the kernel; None without a known apt."""
    host = apt.host_distribution()
    if host is None:
        return None
    # The packages that register the static programs: binfmt-support or systemd before the split.
    old = emulators.has_static_package(*host)
    return "qemu-user-static binfmt-support" if old else "qemu-user-binfmt"


def run_fact(platform: Platform, told: str, site: Site) -> RunFact:
    """Return the fact for a probe's answer (``runtime_probe.ask``), with the remedy."""
    name = platform.name
    if told == runtime_probe.NATIVE:
        return RunFact(name, "native")
    if not told:
        why, remedy = _missing(platform, site)
        return RunFact(name, "no", why=why, remedy=remedy)
    version = host_programs.version_in(told)
    needed = emulators.needs_newer(platform, version or "")
    if needed is not None:
        handler = site.handlers.of(runtime_probe.program(platform))
        remedy = _privileged(platform, site, instead=handler.name if handler else "")
        why = f"{platform.qemu} {version} is too old"
        return RunFact(name, "no", version, why, f"install QEMU {needed} or newer: {remedy}")
    return RunFact(name, "emulated", version, told)


def _missing(platform: Platform, site: Site) -> tuple[str, str]:
    """Return why the runtime does not run a platform, and the command that would enable it."""
    if not site.runtime.here:
        why = "the container runtime runs on another machine, which has no emulator for it"
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
    """Return why an existing handler does not serve containers, and the command that fixes it."""
    named = f"the kernel's handler {handler.name} ({handler.interpreter})"
    if not handler.enabled:
        return f"{named} is off", f"echo 1 > {binfmt.ROOT}/{handler.name}"
    remedy = _install(platform, site, instead=handler.name)
    if not handler.is_fixed:
        return f"{named} lacks the flag F: it works on this host, not in containers", remedy
    return f"{named} does not work in containers: is its program linked statically?", remedy


def _install(platform: Platform, site: Site, *, instead: str = "") -> str:
    """Return the command that gives this machine's kernel a handler, ``instead`` of an existing one."""
    if site.packages is None:
        return _privileged(platform, site, instead=instead)
    again = "--reinstall " if instead else ""
    return f"apt-get install {again}{site.packages}"


def _privileged(platform: Platform, site: Site, *, instead: str = "") -> str:
    """Return the privileged command by which the runtime registers a handler; mpforge never runs it."""
    image = f"{_command(site.runtime)} run --privileged --rm docker.io/tonistiigi/binfmt"
    architecture = (platform.docker_platform or platform.name).split("/")[1]
    first = f"{image} --uninstall {instead} && " if instead else ""
    whose = "of root's runtime" if site.runtime.rootless else "yours to run"
    return (
        f"{first}{image} --install {architecture} "
        f"(a privileged container, {whose}: mpforge starts none)"
    )
