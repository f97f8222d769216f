"""The libraries and symbol versions of a manylinux policy, from auditwheel's own tables (PEP 600)."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from mpforge.platforms import LEGACY, Platform, legacy_name, policy_version, well_known


@dataclass(frozen=True)
class SystemPolicy:
    """``libraries`` are on every system of a policy, with ``versions`` of symbols by prefix (``GLIBCXX``).

    ``glibc`` is None for musl. ``forbidden`` are symbols of a library that differs between systems.
    """

    name: str
    glibc: tuple[int, int] | None
    libraries: frozenset[str]
    versions: Mapping[str, frozenset[str]]
    forbidden: Mapping[str, frozenset[str]]


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

    musl, machine = policy.startswith("musl"), Architecture(platform.machine)
    libc, musl_policy = (Libc.MUSL, policy) if musl else (Libc.GLIBC, None)
    listed = WheelPolicies(libc=libc, arch=machine, musl_policy=musl_policy)
    wanted = policy_version(policy)
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
        None if musl else wanted,
        frozenset(loader | (nearest.whitelist if nearest else set())),
        nearest.symbol_versions if nearest else {},
        nearest.blacklist if nearest else {},
    )
