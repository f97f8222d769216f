"""The C libraries that wheels are built for, and their policies' names (PEP 600, PEP 656)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Libc:
    """A C library.

    ``policy`` is the prefix of its policies' names. ``version_name`` is the ``os.confstr`` name of the
    running version; musl has none. ``versioned``: its symbols have versions, and zig can link against an
    older one than its own.
    """

    name: str
    policy: str
    version_name: str | None
    versioned: bool


GLIBC = Libc("glibc", "manylinux", "CS_GNU_LIBC_VERSION", versioned=True)
MUSL = Libc("musl", "musllinux", None, versioned=False)
LIBCS: Mapping[str, Libc] = {libc.name: libc for libc in (GLIBC, MUSL)}

# PEP 600's names for tools that know no other: older installers, indexes, and PyPA's images.
LEGACY: Mapping[str, str] = {
    "manylinux1": "manylinux_2_5",
    "manylinux2010": "manylinux_2_12",
    "manylinux2014": "manylinux_2_17",
}
_LEGACY_OF = {policy: word for word, policy in LEGACY.items()}


def legacy_name(policy: str) -> str | None:
    """Return an older name of a policy: ``manylinux_2_17`` → ``manylinux2014``; None if it never had one."""
    return _LEGACY_OF.get(policy)


def policy_version(policy: str) -> tuple[int, int]:
    """Parse ``manylinux_2_28`` to (2, 28), ``manylinux2014`` to (2, 17). Raises ``ValueError`` for others."""
    match = re.fullmatch(r"(?:many|musl)linux_(\d+)_(\d+)", LEGACY.get(policy, policy))
    if match is None:
        raise ValueError(f"not a platform policy: {policy!r}")
    return int(match.group(1)), int(match.group(2))
