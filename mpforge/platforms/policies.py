"""The libraries and symbols of a manylinux or musllinux policy (PEP 600, PEP 656).

Libraries and symbol versions are from auditwheel's own tables, names of symbols from ``symbols``.
"""

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from mpforge.platforms import (
    GLIBC,
    LEGACY,
    MUSL,
    Libc,
    Platform,
    legacy_name,
    policy_version,
    well_known,
)
from mpforge.platforms.symbols import first_versions, glibc_symbols, musl_symbols


@dataclass(frozen=True)
class SystemPolicy:
    """``libraries`` are on every system of a policy, with ``versions`` of symbols by prefix (``GLIBCXX``).

    ``forbidden`` are symbols of a library that differs between systems.
    """

    name: str
    libraries: frozenset[str]
    versions: Mapping[str, frozenset[str]]
    forbidden: Mapping[str, frozenset[str]]

    @property
    def musl(self) -> str | None:
        """Name by which files need musl (``libc.musl-x86_64.so.1``, Alpine's); None for another C library."""
        return next((name for name in self.libraries if name.startswith("libc.musl-")), None)


def oldest_libc_symbols(policy: str) -> frozenset[str]:
    """Return the symbols of the oldest C library that a policy promises."""
    version = policy_version(policy)
    return musl_symbols(version) if is_musl(policy) else glibc_symbols(version)


def libc_of(policy: str) -> Libc:
    """Return the C library of a policy."""
    return MUSL if is_musl(policy) else GLIBC


def newer_libc(symbol: str, policy: str) -> tuple[int, ...] | None:
    """Return since which version the C library has a symbol that the policy's oldest one lacks, if known."""
    if symbol in oldest_libc_symbols(policy):
        return None
    return first_versions(libc_of(policy).name).get(symbol)


MUSL_ITSELF = "libc.so"
"""Another name of musl: its loader takes each library called ``libc.…`` for itself (ldso/dynlink.c)."""


def is_musl(policy: str) -> bool:
    """Return whether a policy is one of musl's: ``musllinux_1_2``."""
    return policy.startswith(MUSL.policy)


def platform_tag(policy: str, platform: Platform) -> str:
    """Return a policy's platform tags, joined as auditwheel joins them: the legacy name, if any, first."""
    words = (legacy_name(policy), policy)
    return ".".join(f"{word}_{platform.machine}" for word in words if word)


def normal_policy(policy: str, platform: Platform) -> str:
    """Return a policy's PEP 600 name: ``manylinux2014``, ``manylinux_2_17_aarch64`` → ``manylinux_2_17``."""
    return LEGACY.get(policy, policy.removesuffix(f"_{platform.machine}"))


def policies() -> tuple[str, ...]:
    """Return the names of the usual policies, for suggestions."""
    return tuple(
        dict.fromkeys([*LEGACY, *(p for one in well_known().values() for p in one.policies)])
    )


@functools.cache
def system_policy(policy: str, platform: Platform) -> SystemPolicy:
    """Return a policy on a platform; if auditwheel does not list it, with the next older one's libraries."""
    from auditwheel.architecture import Architecture
    from auditwheel.libc import Libc
    from auditwheel.policy import WheelPolicies

    logging.getLogger("auditwheel").setLevel(
        logging.ERROR
    )  # it tells of musl's name, which nox prints
    machine, wanted = Architecture(platform.machine), policy_version(policy)
    if is_musl(policy):
        own = (platform.oldest_policy, *platform.policies)
        nearest_musl = max((p for p in own if policy_version(p) <= wanted), default=own[0])
        listed = WheelPolicies(libc=Libc.MUSL, arch=machine, musl_policy=nearest_musl)
    else:
        listed = WheelPolicies(libc=Libc.GLIBC, arch=machine)
    known = [
        (policy_version(word), one)
        for one in listed
        if (word := one.name.removesuffix(f"_{platform.machine}")) != "linux"
        and policy_version(word) <= wanted
    ]
    nearest = max(known, key=lambda pair: pair[0], default=(wanted, None))[1]
    loader = {PurePosixPath(platform.loader).name} if platform.loader else set()
    return SystemPolicy(
        policy,
        frozenset(loader | (nearest.whitelist if nearest else set())),
        nearest.symbol_versions if nearest else {},
        nearest.blacklist if nearest else {},
    )
