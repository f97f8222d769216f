"""Collect the facts about this host that the compiler needs. Every run does, so imports are few."""

import os
import platform
import sys

from mpforge.places.containers import endpoint
from mpforge.places.isolation import NO_ROOTS, Isolation, isolation
from mpforge.plan.facts import HostFacts
from mpforge.platforms import GLIBC, by_machine
from mpforge.workspace import host_system


def host_facts() -> HostFacts:
    """Return the facts about this host. Only Linux with glibc has a platform that can build."""
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
    )


def _refusal(apart: Isolation) -> str:
    return f"{apart.why} ({apart.remedy})" if apart.remedy else apart.why


def _has_glibc() -> bool:
    try:
        return (os.confstr(GLIBC.version_name or "") or "").startswith(GLIBC.name)
    except (ValueError, OSError):
        return False
