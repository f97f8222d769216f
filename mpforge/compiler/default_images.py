"""Which image is a target's environment where the spec names none: the policy's, as PyPA keeps it.

Facts: https://github.com/pypa/manylinux. Pure: whether an engine or a registry has one, others find out.
"""

from mpforge.platforms import GLIBC, Platform
from mpforge.platforms.libc import legacy_name


def of(platform: Platform, policy: str) -> str:
    """``quay.io/pypa/manylinux2014_aarch64``: the image that a policy's wheels are built in."""
    name = legacy_name(policy) if platform.libc is GLIBC else None
    return f"quay.io/pypa/{name or policy}_{platform.machine}"
