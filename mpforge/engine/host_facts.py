"""Collect the facts about this host that the compiler needs. Every run does, so imports are few."""

import os
import platform
import re
import sys
from pathlib import Path

from mpforge.housekeeping.cache_contents import ALSO_RUN
from mpforge.places.containers import endpoint
from mpforge.places.isolation import NO_ROOTS, Isolation, isolation
from mpforge.plan.facts import HostFacts
from mpforge.platforms import (
    GLIBC,
    Platform,
    by_machine,
    cpus,
    foreign_names,
    glibc_platforms,
)
from mpforge.store import notes
from mpforge.store.stamps import boot_id
from mpforge.workspace import host_system

_RUNS_I386 = Path("/proc/sys/abi/vsyscall32")
"""A setting that exists if the kernel supports 32-bit programs of x86 (IA32_EMULATION)."""
_CPUINFO = Path("/proc/cpuinfo")
_WORD = re.compile(r"[\w/-]+")


def host_facts(cache: Path, spec: str = "") -> HostFacts:
    """Return the facts about this host. Only Linux with glibc has a platform that can build.

    ``spec`` is the text of the spec: whether this host runs another platform's programs is asked for those
    that it names. That takes a program, so the answer is remembered in the cache, until the next boot.
    """
    machine = os.uname().machine if hasattr(os, "uname") else platform.machine()
    found = by_machine(machine) if sys.platform == "linux" else None
    glibc = hasattr(os, "confstr") and _has_glibc()
    has_runtime = endpoint.address(os.environ) is not None
    # With a runtime, a host is asked only when a step is to run without it: that starts a program.
    apart = None if has_runtime else isolation()
    return HostFacts(
        platform=found.name if found is not None and glibc else None,
        system=host_system(),
        container_runtime=has_runtime,
        roots=apart is None or apart.has_root,
        no_roots="" if apart is None or apart.has_root else f"{NO_ROOTS}: {_refusal(apart)}",
        also_runs=() if found is None else _also_runs(found, spec, cache / ALSO_RUN),
        cpu_features=_cpu_features() if "cpu" in spec else None,
    )


def _also_runs(
    here: Platform, spec: str, remembered: Path, setting: Path = _RUNS_I386
) -> tuple[str, ...]:
    """Return the other platforms of x86 that a spec names and whose programs run here in a sandbox.

    Arm's are left out: on 64-bit kernels uname(2) calls the small machine armv8l, which no wheel is for.
    """
    able = [one for one in glibc_platforms() if one.native_on == here.name and one.x86]
    words = {foreign_names().get(word, word) for word in _WORD.findall(spec)}
    others = [one for one in able if one.name in words]
    if not others or not setting.exists():
        return ()
    noted, boot = notes.load(remembered), boot_id()
    if not isinstance(noted, dict) or noted.get("boot") != boot:
        from mpforge.places.containers.root_probe import ask
        from mpforge.places.containers.runtime_probe import NATIVE

        has_root = isolation().has_root
        runs = [one.name for one in others if has_root and ask(one) == NATIVE]
        noted = {"boot": boot, "platforms": runs}
        notes.keep(remembered, noted)
    return tuple(noted["platforms"])


def _cpu_features() -> frozenset[str] | None:
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return cpus.features_of(text) or None


def _refusal(apart: Isolation) -> str:
    return f"{apart.why} ({apart.remedy})" if apart.remedy else apart.why


def _has_glibc() -> bool:
    try:
        return (os.confstr(GLIBC.version_name or "") or "").startswith(GLIBC.name)
    except (ValueError, OSError):
        return False
