"""Which image is a target's environment where the spec names none: the policy's, as PyPA keeps it.

Facts: https://github.com/pypa/manylinux. Pure: whether an engine or a registry has one, others find out.
"""

from mpforge.platforms import Platform, policy_version

_LEGACY = {(2, 5): "manylinux1", (2, 12): "manylinux2010", (2, 17): "manylinux2014"}


def of(platform: Platform, policy: str) -> str:
    """``quay.io/pypa/manylinux2014_aarch64``: the image that a policy's wheels are built in."""
    plain = policy.startswith("manylinux") and platform.libc == "glibc"
    name = _LEGACY.get(policy_version(policy), policy) if plain else policy
    return f"quay.io/pypa/{name}_{platform.machine}"
