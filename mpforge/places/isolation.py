"""The isolation that a host allows for a step's programs: complete, partial, or none.

A container's policy, AppArmor or a limit may forbid namespaces; ``isolation()`` tries and says why. The
caller reports that, and a result of partial isolation is not used on a host that allows more. Knows nothing
of steps.
"""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mpforge.places import namespaces
from mpforge.processes import capture

Extent = Literal["none", "network", "mounts", "whole"]
"""Extents of isolation, in ascending order: ``mounts`` is all but the processes, ``network`` only that."""

FACT = "isolation"
"""The fact that records the extent in a result that was made without complete isolation."""

_ALL = (
    namespaces.USER
    | namespaces.MOUNTS
    | namespaces.PROCESSES
    | namespaces.IPC
    | namespaces.HOST_NAME
)
# Masked files in /proc, as in a container, forbid a new one. Root may lack user namespaces.
_TRIED: tuple[tuple[Extent, int], ...] = (
    ("whole", _ALL),
    ("mounts", _ALL & ~namespaces.PROCESSES),
    ("network", namespaces.USER),
    ("network", 0),
)
_ORDER: tuple[Extent, ...] = ("none", "network", "mounts", "whole")
_SECONDS = 20.0


@dataclass(frozen=True)
class Isolation:
    """The isolation that this host allows: ``kinds`` of namespaces besides the network's.

    ``why`` is the refusal, empty if isolation is complete; ``remedy`` is the command that would lift it.
    """

    extent: Extent
    kinds: int = 0
    why: str = ""
    remedy: str | None = None

    @property
    def cuts_network(self) -> bool:
        """Whether programs can be isolated from the network."""
        return self.extent != "none"

    def in_child(self, *, network: bool) -> Callable[[], None] | None:
        """Return what a child calls before it becomes the program; ``network`` keeps the host's network."""
        kinds = self.kinds if network else self.kinds | namespaces.NETWORK
        if self.extent == "none" or (network and self.extent == "network"):
            return None
        return functools.partial(_enter, kinds)


HERE = Isolation("none")
"""No isolation: programs run as mpforge itself does."""


@functools.cache
def isolation() -> Isolation:
    """Return the isolation that this host allows, tried once per process, in a child."""
    refused = ""
    for extent, kinds in _TRIED:
        in_child = functools.partial(_try, kinds | namespaces.NETWORK)
        try:
            answer = capture(["true"], in_child=in_child, timeout=_SECONDS)
        except (OSError, TimeoutError) as error:
            return Isolation("none", why=str(error))
        if answer.returncode == 0:
            return Isolation(extent, kinds, refused, _remedy() if refused else None)
        refused = refused or answer.stderr.strip() or f"exit status {answer.returncode}"
    return Isolation("none", why=refused, remedy=_remedy())


def more_is_possible(facts: Mapping[str, str]) -> bool:
    """Return whether this host isolates a step more than a result with these facts was."""
    made = facts.get(FACT, "whole")
    return made != "whole" and _ORDER.index(isolation().extent) > _rank(made)


def _rank(extent: str) -> int:
    return next((n for n, known in enumerate(_ORDER) if known == extent), -1)


def _remedy() -> str:
    """Return the command that lifts the restriction on namespaces, if a known kernel switch sets it."""
    for switch, wrong, right in (
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("user/max_user_namespaces", "0", "10000"),
        ("user/max_net_namespaces", "0", "10000"),
        ("user/max_pid_namespaces", "0", "10000"),
        ("user/max_mnt_namespaces", "0", "10000"),
    ):
        try:
            value = Path("/proc/sys", switch).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if value == wrong:
            return f"sysctl -w {switch.replace('/', '.')}={right}"
    return "in a container, allow unshare(2) and an unmasked /proc"


# --- in the child, between fork and exec -----------------------------------------------------------


def _enter(kinds: int) -> None:
    try:
        namespaces.enter(kinds)
    except OSError as error:
        os.write(2, f"mpforge: can't isolate the program: {error.strerror}\n".encode())
        os._exit(namespaces.NOT_RUN)


def _try(kinds: int) -> None:
    try:
        namespaces.enter(kinds)
    except OSError as error:
        os.write(2, (error.strerror or str(error)).encode())
        os._exit(namespaces.NOT_RUN)
    os._exit(0)
