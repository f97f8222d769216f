"""Provide the machines for a target's programs: this host, or an emulator with the target's own Python.

A machine's parts for a key, and the machine itself when a test runs. Naming its parts looks up pins and
fetches nothing; making it ready may.
"""

import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path

from mpforge.errors import HostCannot, NoTargetPython, PinMissing
from mpforge.housekeeping.cache_contents import PLATFORMS_RUN
from mpforge.kinds import target_roots
from mpforge.kinds.target_compilers import TargetCompilers
from mpforge.kinds.target_roots import TargetRoot
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain import emulators
from mpforge.obtain.emulators import Emulator
from mpforge.obtain.pins import Pins
from mpforge.obtain.pythons import providers, target_libraries
from mpforge.obtain.pythons.source_python import COST, SourcePython
from mpforge.obtain.pythons.target_python import Supplies, TargetPython, Wanted
from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.plan.places import Machine
from mpforge.platforms import GLIBC, MUSL, Platform, by_machine, well_known
from mpforge.store.tool_store import ToolStore
from mpforge.workspace import Workspace

_TARGETS_ROOT = "the target's"
# Starts a program of a root as it is, where this host's processor runs it.
_AS_IT_IS = Path("/usr/bin/env")


@dataclass(frozen=True)
class ReadyMachine:
    """A machine for a target's programs: ``python`` None for other programs than Python's.

    ``emulator`` is called by name; None natively, and in a ``root``, where the kernel starts it. ``python``
    has the paths of that root.
    """

    emulator: Emulator | None
    python: TargetPython | None
    sysroot: Path
    cpu: str | None
    root: TargetRoot | None = None


class Machines:
    """The machines of a session's tests."""

    def __init__(self, workspace: Workspace, pins: Pins, toolbox: Toolbox) -> None:
        self._distro_state = workspace.cache / "distribution"
        self._pins = pins
        self._toolbox = toolbox
        self._answers = target_roots.Answers(workspace.cache / PLATFORMS_RUN)

    @functools.cache  # noqa: B019 - it lives as long as its session
    def has_root(self, machine: Machine, python: str | None) -> bool:
        """Return whether tests on a machine see the target's root instead of this host's.

        Raises ``NoTargetPython`` for a given Python without a root, where its programs run natively.
        """
        platform = well_known()[machine.target]
        if platform.libc is MUSL or (not machine.emulated and _is_this_host(platform)):
            return False  # no distribution has programs for musl
        if machine.emulated and self._host_emulator(platform) is None:
            self._emulator_pin(platform)  # a host without any is told so first
        there = True
        if python is not None and not self._distro_requests(platform, python):
            given = self._target_python(self._wanted(platform, python))
            there = target_roots.is_root(given.sysroot, given.executable)
            if not there and not machine.emulated:
                raise NoTargetPython(
                    f"tests of {platform.name} need a complete root here, but {given.sysroot} has no /bin/sh",
                    hint='set strategy = "emulate" in [test] for it, or name a Python in a complete root',
                )
        if not machine.emulated:
            return True
        return there and self._answers.can(platform, self._emulator_here(platform))

    def _emulator_here(self, platform: Platform) -> Path | None:
        found = self._host_emulator(platform)
        return None if found is None else found.path

    def parts(self, machine: Machine, python: str | None) -> dict[str, str]:
        """Return the parts of a test's machine, for a key; only pins are looked up."""
        platform = well_known()[machine.target]
        parts = {"machine.cpu": machine.cpu or "this host's"}
        if not machine.emulated:
            host = by_machine(os.uname().machine)
            parts["machine.native"] = f"{host.name if host else os.uname().machine}"
            if self.has_root(machine, python):
                parts["machine.root"] = _TARGETS_ROOT
            if not _is_this_host(platform):
                return parts | self._target_parts(platform, python)
            if self._toolbox.tools.base is None:
                parts["machine.libc"] = os.confstr(GLIBC.version_name or "") or "unknown"
            return parts | (self._toolbox.python_parts(python) if python else {})
        parts |= self._emulator_parts(platform)
        parts["machine.root"] = _TARGETS_ROOT if self.has_root(machine, python) else "this host's"
        return parts | self._target_parts(platform, python)

    def _target_parts(self, platform: Platform, python: str | None) -> dict[str, str]:
        if python is None:
            return self._library_parts(self._root_request(platform))
        wanted = self._wanted(platform, python)
        return dict(providers.choose(wanted).parts(wanted, self._python_pins(wanted)))

    def check(self, machine: Machine, python: str | None) -> None:
        """Refuse a CPU model that this host's emulator lacks, or a Python that no provider can have.

        Raises ``UnknownCpu``, ``NoTargetPython``. An emulator that is not fetched yet is asked by ``ready``.
        """
        platform = well_known()[machine.target]
        if machine.emulated and self._host_emulator(platform) is None:
            self._emulator_request(platform)  # a host without any is told so first
        away = machine.emulated or not _is_this_host(platform)
        if away and machine.place.sees_host and python is not None:
            providers.choose(self._wanted(platform, python))
        if machine.emulated and machine.cpu != platform.baseline_cpu:
            found = self._host_emulator(platform)
            if found is not None:
                emulators.require_model(found, machine.cpu)

    def _emulator_parts(self, platform: Platform) -> dict[str, str]:
        if (found := self._host_emulator(platform)) is not None:
            name, file = f"qemu {found.version}", found.digest
        else:
            package = self._emulator_pin(platform).packages[0]
            name, file = f"{package.name} {package.version}", package.sha256
        return {"machine.emulator": name, "machine.emulator.file": file}

    def _library_parts(self, request: DistroRequest) -> dict[str, str]:
        pins = [self._pins.distribution(request)]
        return {"target-python": "none", **target_libraries.key_parts(pins)}

    def ready(self, machine: Machine, python: str | None) -> ReadyMachine:
        """Return a machine that is ready: emulator and Python are fetched if need be."""
        platform = well_known()[machine.target]
        if not machine.emulated and _is_this_host(platform):
            native = None if python is None else self._native_python(python)
            return ReadyMachine(None, native, Path("/"), None)
        has_root = self.has_root(machine, python)
        if has_root:
            self._answers.confirm(platform, self._emulator_here(platform))
        emulator = self._ready_emulator(machine, platform) if machine.emulated else None
        program = (_AS_IT_IS if has_root else None) if emulator is None else emulator.path
        if python is None:
            found = None
            pin = self._pins.distribution(self._root_request(platform))
            sysroot = target_libraries.provide_root(
                platform,
                pin,
                store=self._telling("base programs", platform, (pin,)),
                state=self._distro_state,
                emulator=program,
            )
        else:
            found = self._target_python(self._wanted(platform, python), program)
            sysroot = found.sysroot
            self._toolbox.tools.host_paths.add(sysroot)
        if not has_root:
            started_by = emulator or emulators.own_loader(platform, sysroot)
            return ReadyMachine(started_by, found, sysroot, machine.cpu)
        root = target_roots.root(sysroot, platform, emulator, machine.cpu)
        if found is not None:
            place = Path("/", found.executable.relative_to(sysroot))
            found = replace(found, sysroot=Path("/"), executable=place)
        return ReadyMachine(None, found, sysroot, machine.cpu, root)

    def for_build(self, machine: Machine) -> ReadyMachine | None:
        """Return the machine on which a build may run its programs; None if this host can't have it."""
        if self._known(machine) is None:
            return None
        platform = well_known()[machine.target]
        if not machine.emulated:
            return self.ready(machine, None)
        emulator = self._ready_emulator(machine, platform)
        pin = self._pins.distribution(self._runtime_request(platform))
        sysroot = target_libraries.provide_runtime(
            platform, pin, store=self._toolbox.store, state=self._distro_state
        )
        return ReadyMachine(emulator, None, sysroot, machine.cpu)

    def _ready_emulator(self, machine: Machine, platform: Platform) -> Emulator:
        emulator = self._emulator(platform)
        self._toolbox.tools.host_paths.add(emulator.path)
        if machine.cpu != platform.baseline_cpu:
            emulators.require_model(emulator, machine.cpu)
        return emulator

    def build_parts(self, machine: Machine) -> dict[str, str]:
        """Return its parts, for a key: a build may depend on whether it could run its programs."""
        known = self._known(machine)
        return {"machine.emulator": "none"} if known is None else known

    @functools.cache  # noqa: B019 - a toolbox lives as long as its session
    def _known(self, machine: Machine) -> dict[str, str] | None:
        """Return the parts of a machine that a build can do without; None, with a warning, if it must."""
        platform = well_known()[machine.target]
        try:
            if not machine.emulated:
                return self.parts(machine, None)
            parts = {"machine.cpu": machine.cpu or "this host's"} | self._emulator_parts(platform)
            return parts | self._library_parts(self._runtime_request(platform))
        except (HostCannot, PinMissing) as error:
            self._toolbox.reporter.warn_once(
                f"a build for {machine.target} can't run its own programs: {error.what}"
            )
            return None

    def _native_python(self, word: str) -> TargetPython:
        host = self._toolbox.host_python(word)
        return TargetPython(
            python=word,
            version=host.version,
            sysroot=Path("/"),
            executable=host.executable,
            digest=host.digest,
            provider="host",
        )

    def _distro_requests(self, platform: Platform, python: str) -> tuple[DistroRequest, ...]:
        wanted = self._wanted(platform, python)
        return providers.choose(wanted).requests(wanted)

    def _root_request(self, platform: Platform) -> DistroRequest:
        return _required(target_libraries.root_request(platform, host=self._release), platform)

    def _runtime_request(self, platform: Platform) -> DistroRequest:
        return _required(target_libraries.runtime_request(platform, host=self._release), platform)

    def _wanted(self, platform: Platform, python: str) -> Wanted:
        return providers.wanted(platform, python, release=self._release)

    def _python_pins(self, wanted: Wanted) -> tuple[DistroPin, ...]:
        requests = providers.choose(wanted).requests(wanted)
        return tuple(self._pins.distribution(request) for request in requests)

    def _telling(
        self, what: str, platform: Platform, pins: tuple[DistroPin, ...], how: str = "fetched once"
    ) -> ToolStore:
        """Return the tool store, which reports what is fetched or built."""
        amount = sum(package.size for pin in pins for package in pin.packages) / 1_000_000
        how_much = f" ({amount:.0f} MB, {how})" if amount else ""
        text = f"the {what} of {platform.name}{how_much}"
        return self._toolbox.store.telling(lambda: self._toolbox.reporter.working(text))

    def _target_python(self, wanted: Wanted, emulator: Path | None = None) -> TargetPython:
        """Return a target's Python; it is fetched if need be."""
        pins = self._python_pins(wanted)
        provider = providers.choose(wanted)
        by_source = provider.name == SourcePython.name
        how = f"fetched and compiled once, {COST}" if by_source else "fetched once"
        host = self._toolbox.python_if_here(wanted.python)
        supplies = Supplies(
            pins,
            store=self._telling(wanted.python, wanted.platform, pins, how),
            state=self._distro_state,
            host_python=None if host is None else str(host.executable),
            emulator=emulator,
            compilers=TargetCompilers(self._toolbox, wanted.platform),
        )
        return provider.provide(wanted, supplies)

    @property
    def _release(self) -> tuple[str, str] | None:
        """Return the distribution for other machines' packages: the pinned base's; None: this host's."""
        return self._toolbox.tools.release

    @functools.cache  # noqa: B019 - a toolbox lives as long as its session
    def _host_emulator(self, platform: Platform) -> Emulator | None:
        # Pinned base programs hide this host's.
        return None if self._release else emulators.host_emulator(platform)

    def _emulator_pin(self, platform: Platform) -> DistroPin:
        return self._pins.distribution(self._emulator_request(platform))

    def _emulator_request(self, platform: Platform) -> DistroRequest:
        request = emulators.distro_request(platform, self._release)
        if request is None or platform.qemu is None:
            raise emulators.no_emulator(platform)
        return request

    def static_emulator(self, platform: Platform) -> Emulator:
        """Return an emulator that needs no libraries: this host's, else the distribution's, fetched."""
        found = emulators.host_emulator(platform, static=True)
        return self._fetched_emulator(platform) if found is None else found

    def _emulator(self, platform: Platform) -> Emulator:
        found = self._host_emulator(platform)
        return self._fetched_emulator(platform) if found is None else found

    def _fetched_emulator(self, platform: Platform) -> Emulator:
        pin = self._emulator_pin(platform)
        what = f"the emulator for {platform.name}"
        store = self._toolbox.store.telling(lambda: self._toolbox.reporter.working(what))
        return emulators.provide(platform, pin, store, self._distro_state)


def _required(request: DistroRequest | None, platform: Platform) -> DistroRequest:
    if request is None:
        raise NoTargetPython(
            f"the C library of {platform.name} can't be obtained: this host has no apt",
            hint=f"test on a {platform.name} machine",
        )
    return request


def _is_this_host(platform: Platform) -> bool:
    return platform is by_machine(os.uname().machine)
