"""The default image of a target: PyPA's image for the policy.

Facts: https://github.com/pypa/manylinux. Pure: does not check that a runtime or a registry has it.
"""

from mpforge.platforms import GLIBC, Platform
from mpforge.platforms.libc import legacy_name


def of(platform: Platform, policy: str) -> str:
    """Return the image that a policy's wheels are built in: ``quay.io/pypa/manylinux2014_aarch64``."""
    name = legacy_name(policy) if platform.libc is GLIBC else None
    return f"quay.io/pypa/{name or policy}_{platform.machine}"
