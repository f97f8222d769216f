"""The archive of the host's apt: one of its sources, or a mirror from the environment."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from mpforge import processes
from mpforge.errors import ToolUnavailable

MIRROR_VARIABLE = "MPFORGE_DISTRO_MIRROR"
# sources.list(5) fields of `apt-get indextargets`; unknown ones are printed as they stand.
_TARGETS = "$(RELEASE)|$(COMPONENT)|$(ORIGIN)|$(SIGNED_BY)|$(TRUSTED)|$(REPO_URI)"


@dataclass(frozen=True)
class Archive:
    """The archive that the host's apt uses: the mirror's address and how it is trusted."""

    address: str
    signed_by: str | None = None
    trusted: bool = False


def choose_archive(
    lines: Sequence[str], distribution: str, *, security: bool = False
) -> Archive | None:
    """Return the distribution's own archive among ``apt-get indextargets`` lines in our format.

    Archives of others, and the security archive (it lacks most packages), come last; with ``security``
    that alone counts.
    """
    found: list[tuple[int, Archive]] = []
    for line in lines:
        release, component, origin, signed_by, trusted, address = line.split("|", 5)
        if component != "main" or not address.startswith(("http", "file:", "ftp")):
            continue
        is_security = "security" in release + address
        if security and not is_security:
            continue
        rank = 2 * (origin.lower() != distribution) + is_security
        keyring = signed_by if signed_by.startswith("/") else None
        found.append((rank, Archive(address.rstrip("/"), keyring, trusted == "yes")))
    return min(found, key=lambda item: item[0])[1] if found else None


def host_archive(distribution: str, *, security: bool = False) -> Archive:
    """Return the archive that the host's apt uses, or the mirror given by the environment.

    A mirror has the plain suites. Raises ``ToolUnavailable`` if there is no archive.
    """
    given = os.environ.get(MIRROR_VARIABLE)
    if given and not security:
        return Archive(given.rstrip("/"))
    done = processes.capture(
        ["apt-get", "indextargets", "--format", _TARGETS, "Created-By: Packages"]
    )
    lines = [] if given else done.stdout.splitlines()
    archive = choose_archive(lines, distribution, security=security)
    if archive is None:
        raise ToolUnavailable(
            "the host's apt has no archive to fetch from",
            why=last_lines(done.stderr),
            hint=f"configure apt, or set {MIRROR_VARIABLE} to a mirror of {distribution}",
        )
    return archive


def last_lines(text: str, lines: int = 4) -> str | None:
    """Return the last lines of a program's error output."""
    return "\n".join(text.strip().splitlines()[-lines:]) or None
