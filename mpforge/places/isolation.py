"""The isolation that a host allows for a step's programs: complete, partial, or none.

A container's policy, AppArmor or a limit may forbid namespaces; ``isolation()`` tries and says why. The
caller reports that, and a result of partial isolation is not used on a host that allows more. Knows nothing
of steps.
"""

import errno
import functools
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mpforge.errors import HostCannot
from mpforge.places import root_contents
from mpforge.processes import capture
from mpforge.workspace import host_system

Extent = Literal["none", "network", "mounts", "whole"]
"""Extents of isolation, in ascending order: ``network`` isolates only that, ``mounts`` also all files."""

NO_ROOTS = "this host can't isolate steps from its files"

FACT = "isolation"
"""The fact that records the extent in a result that was made without complete isolation."""

# The launcher's letters: user, network, processes, root. A container that masks files in /proc forbids a new
# one, and so processes. Root may lack user namespaces.
_TRIED: tuple[tuple[Extent, str], ...] = (
    ("whole", "unpr"),
    ("mounts", "unr"),
    ("network", "un"),
    ("network", "n"),
)
_ORDER: tuple[Extent, ...] = ("none", "network", "mounts", "whole")
_SECONDS = 20.0


@dataclass(frozen=True)
class Isolation:
    """The isolation that this host allows: ``kinds`` are the launcher's letters.

    ``why`` is the refusal, empty if isolation is complete; ``remedy`` is the command that would lift it.
    """

    extent: Extent
    kinds: str = ""
    why: str = ""
    remedy: str | None = None

    @property
    def cuts_network(self) -> bool:
        """Return whether programs can be isolated from the network."""
        return self.extent != "none"

    @property
    def has_root(self) -> bool:
        """Return whether programs get a root file system of their own."""
        return "r" in self.kinds

    @property
    def ends_all(self) -> bool:
        """Return whether all processes of a program end with it, and with this process."""
        return "p" in self.kinds

    @property
    def of_image(self) -> "Isolation":
        """The same in the root of an image, whose user is 0: the one who may register an emulator."""
        return replace(self, kinds=f"{self.kinds}i")

    def launched(
        self,
        argv: Sequence[str],
        *,
        network: bool,
        report: int,
        cwd: str,
        operations: Sequence[str] = (),
    ) -> list[str]:
        """Return the command line that starts a program isolated; it must be started by this process.

        ``report`` is a descriptor that it inherits: if the program is not started, an errno and what failed
        are written to it (``exec``: the program itself). ``operations`` are ``root_contents``'.
        """
        kinds = self.kinds.replace("n", "") if network else self.kinds
        own = [str(launcher()), kinds, str(os.getpid()), str(report), cwd]
        return [*own, *operations, "--", *argv]


NO_ISOLATION = Isolation("none")
"""No isolation: programs run as mpforge itself does."""


def launcher() -> Path:
    """Return the path of the launcher for this machine; there may be none."""
    machine = os.uname().machine if sys.platform == "linux" else sys.platform
    return Path(__file__).with_name("launcher") / f"launcher-{machine}"


@functools.cache
def isolation() -> Isolation:
    """Return the isolation that this host allows, tried once per process.

    A look that asks is not kept in a memo, since this starts programs: the next run asks again.
    """
    if not os.access(launcher(), os.X_OK):
        return Isolation("none", why=f"there is no launcher for {host_system()}")
    refused = ""
    for extent, kinds in _TRIED:
        found = Isolation(extent, kinds)
        operations = root_contents.base_system() if found.has_root else ()
        argv = found.launched(["true"], network=False, report=2, cwd="/", operations=operations)
        try:
            answer = capture(argv, environment={"PATH": os.defpath}, timeout=_SECONDS, brief=True)
        except (OSError, TimeoutError) as error:
            return Isolation("none", why=str(error))
        if answer.returncode == 0:
            return Isolation(extent, kinds, refused, _remedy(refused) if refused else None)
        refused = refused or _in_words(answer.stderr.strip(), answer.returncode)
    return Isolation("none", why=refused, remedy=_remedy(refused))


def require_root(what: str, otherwise: str) -> None:
    """Raise ``HostCannot`` if this host can't run steps in a sandbox, which ``what`` needs.

    ``otherwise`` is an alternative, as text.
    """
    found = isolation()
    if not found.has_root:
        remedy = f"{found.remedy}; or " if found.remedy else ""
        raise HostCannot(
            f"{what} needs a sandbox for each step, and this host refuses it",
            why=found.why,
            hint=f"{remedy}{otherwise}",
        )


def _in_words(report: str, status: int) -> str:
    number, _, what = report.partition(" ")
    if not number.isdigit():
        return report or f"exit status {status}"
    return f"{what}: {reason(int(number))}"


def reason(number: int) -> str:
    """Return the text of the launcher's errno: ENOSPC is a limit of namespaces, not a full disk."""
    return "no more namespaces" if number == errno.ENOSPC else os.strerror(number)


def more_is_possible(facts: Mapping[str, str]) -> bool:
    """Return whether this host isolates a step more than a result with these facts was."""
    made = facts.get(FACT, "whole")
    return made != "whole" and _ORDER.index(isolation().extent) > _rank(made)


def _rank(extent: str) -> int:
    return next((n for n, known in enumerate(_ORDER) if known == extent), -1)


def _remedy(refused: str) -> str:
    """Return the remedy for a refusal: a newer kernel, or a switch that is known to forbid namespaces."""
    if refused.startswith("mount_setattr"):
        return "Linux 5.12 or newer can"
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
