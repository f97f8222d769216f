"""Provide the root that emulated tests see: the target's own ``/usr`` and ``/etc`` instead of this host's.

As in a container, but without a container runtime: the root is the sysroot of the target's Python, which has
a shell and base programs too, and a handler of mpforge's own (binfmt_misc of a user namespace, Linux 6.7)
starts the emulator for each of its programs. Where that can't be had, tests see this host, and only what
``{run}`` or the environment's interpreter starts is emulated. Runs no tests.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import HostCannot
from mpforge.obtain.emulators import Emulator
from mpforge.places.containers import root_probe
from mpforge.places.containers.runtime_probe import Probes
from mpforge.places.interpreter_launcher import qemu_model
from mpforge.places.isolation import isolation
from mpforge.platforms import Platform
from mpforge.store.stamps import stamp

PATH = ("/usr/local/bin", "/usr/bin", "/usr/sbin")
"""The directories of its programs."""

_OF_TESTS = "roots of targets"
_YES = "yes"
_PARTS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_OPT = "opt"


@dataclass(frozen=True)
class TargetRoot:
    """A root for tests: its directory on this host, and the launcher's operations for its programs."""

    path: Path
    operations: tuple[str, ...]


def root(path: Path, platform: Platform, emulator: Emulator | None, cpu: str | None) -> TargetRoot:
    """Return the sysroot at ``path`` as a root whose programs run on a CPU model; natively, on this CPU."""
    operations = (
        root_probe.LINUX32 if emulator is None else root_probe.emulator(emulator.path, platform)
    )
    if emulator is not None and cpu is not None:
        operations += ("cpu", qemu_model(emulator, cpu), "")
    if (path / _OPT).is_dir():
        operations += ("ro", os.path.realpath(path / _OPT), f"/{_OPT}")
    return TargetRoot(path, operations)


def is_root(path: Path, program: Path) -> bool:
    """Return whether a sysroot that the user gave has a shell, and programs would find ``program`` in it."""
    first = program.relative_to(path).parts[0] if program.is_relative_to(path) else ""
    return os.path.lexists(path / "bin" / "sh") and first in {*_PARTS, _OPT}


class Answers:
    """Answers whether this host can run programs of a platform in a root of their own.

    A yes is remembered in a file: asking starts a program. A no may change with a setting of the kernel.
    """

    def __init__(self, remembered: Path) -> None:
        self._probes = Probes(remembered)

    def can(self, platform: Platform, emulator: Path | None) -> bool:
        """Return whether ``emulator`` can run them; None: one will be fetched, which needs no libraries."""
        name = _name(platform, emulator)
        if self._probes.remembered(_OF_TESTS, name) == _YES:
            return True
        found = root_probe.can_emulate(platform, emulator)
        if found:
            self._probes.remember(_OF_TESTS, name, _YES)
        return found

    def confirm(self, platform: Platform, emulator: Path | None) -> None:
        """Raise ``HostCannot``, and forget the answer, if this host refuses sandboxes since a yes."""
        if not isolation().has_root:
            self._probes.remember(_OF_TESTS, _name(platform, emulator), "")
            raise HostCannot(
                f"tests of {platform.name} can no longer run in the target's root",
                why=isolation().why,
                hint="run it again: they will see this host's files",
            )


def _name(platform: Platform, emulator: Path | None) -> str:
    of_emulator = "" if emulator is None else f" {emulator} {stamp(str(emulator))}"
    return f"{platform.name} {os.uname().release}{of_emulator}"
