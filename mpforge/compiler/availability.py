"""Refuse parts of the spec's vocabulary that this version of mpforge does not build yet.

Such a spec is valid; a session that needs one of these things says so and ends with exit code 4.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from mpforge.plan.facts import HostFacts
from mpforge.plan.requirements import name_of
from mpforge.plan.sessions import Refusal
from mpforge.platforms import Platform, python_words
from mpforge.platforms.cpus import Cpu, lacking_features

if TYPE_CHECKING:
    from mpforge.spec.model import BuildOptions, Toolchain

TOOLCHAINS = ("auto", "zig", "gcc")
PYPYS = ("pp311",)
"""The PyPys whose headers can be had (``obtain.pythons.pypy_headers``)."""
_CONTAINED = ("hybrid", "emulate")
# QEMU's models of x86-64-v4 machines; its code generator lacks AVX-512 (7.2 warns of it, and raises
# an illegal instruction).
_AVX512 = (
    *("Skylake-Server", "Cascadelake-Server", "Cooperlake", "Icelake", "SapphireRapids"),
    *("GraniteRapids", "DiamondRapids", "KnightsMill", "EPYC-Genoa", "EPYC-Turin"),
)


_WITHOUT_IMAGE = (
    'set strategy = "cross" (and no image), so that zig on this host builds them and the project; or install '
    "the library in the image, by before-all in [build] with network = true, and leave `libraries` out"
)


def refusal(
    platform: Platform,
    python: str | None,
    build: "BuildOptions",
    toolchain: "Toolchain | None" = None,
) -> Refusal | None:
    """Return the refusal for the first thing that a build session needs and that is not available yet.

    ``toolchain`` is the one of ``[toolchains]`` that the build names.
    """
    if not platform.available:
        here = _not_yet("project.targets", f"the target {platform.name}")
        if platform.os == "linux":
            return here
        return replace(here, hint="`mpforge ci github` writes a cibuildwheel job that builds it")
    boxed = toolchain is not None and toolchain.kind == "container"
    missing = next(_needed(python, build, boxed=boxed), None)
    if missing is None:
        return None
    refused = _not_yet(*missing)
    return replace(refused, hint=_WITHOUT_IMAGE) if missing[0] == "build.libraries" else refused


def in_image_refusal(strategy: str) -> Refusal:
    """Return the refusal of native libraries for a build that turns out to need an image."""
    refusal = _not_yet("build.libraries", f"native libraries with strategy = {strategy!r}")
    return replace(refusal, hint=_WITHOUT_IMAGE)


def _not_yet(key: str, what: str) -> Refusal:
    return Refusal(
        error="not-available-yet",
        what=f"{what} ({key}): not available yet in this version of mpforge",
        hint="leave this target or option out to build the rest; docs/contract.md lists what is available",
    )


def test_refusal(platform: Platform, cpu: str | None) -> Refusal | None:
    """Return why tests can't run on a CPU model, if that is known without asking the emulator."""
    if cpu is None or not platform.x86 or not cpu.startswith(_AVX512):
        return None
    return Refusal(
        error="host-cannot",
        what=f"{cpu} (test.cpus) has AVX-512, which QEMU does not emulate: tests on it would prove nothing",
        hint="name a model of level v3 or lower, such as Haswell, Skylake-Client, EPYC or max; "
        'AVX-512 needs a real machine and test.strategy = "native"',
    )


def older_host_refusal(host: HostFacts, cpu: Cpu | None) -> Refusal | None:
    """Return why a host can't run what is built for a CPU: it lacks some of its extensions."""
    if cpu is None or host.cpu_features is None:
        return None
    lacking = sorted(lacking_features(cpu, host.cpu_features))
    if not lacking:
        return None
    return Refusal(
        error="host-cannot",
        what=f"this host can't run programs built for {cpu.name} (build.cpu)",
        why=f"its processor lacks {', '.join(lacking)}",
        hint='set test.strategy = "emulate", or run the test on a machine with such a CPU',
    )


def _needed(python: str | None, build: "BuildOptions", *, boxed: bool) -> Iterator[tuple[str, str]]:
    """Yield the keys that a build needs and this version does not support, each with a description.

    ``boxed``: its compiler is in a container image.
    """
    pypy = python is not None and python_words.parse(python).is_pypy
    in_image = build.strategy in _CONTAINED or build.image != "auto" or boxed
    toolchain = f"the toolchain {build.toolchain!r} of [toolchains]"
    missing = {
        ("project.python", f"{python} with a compiler in an image, or one other than zig"): pypy
        and (in_image or build.toolchain not in ("auto", "zig") or build.strategy == "native"),
        ("project.python", f"the Python {python}"): pypy and python not in PYPYS,
        ("build.kind", f"kind = {build.kind!r} in an image"): in_image and build.kind != "wheel",
        ("build.isolation", "isolation = false in an image"): in_image and not build.isolation,
        ("build.frontend", "uv as the frontend in an image"): in_image and build.frontend == "uv",
        (
            "build.target-requires",
            "target-requires with a compiler in an image"
            if boxed
            else "target-requires in an image, whose packages are the target's (build.requires)",
        ): in_image and bool(build.target_requires),
        ("build.toolchain", toolchain): build.toolchain not in TOOLCHAINS and not boxed,
        ("build.libraries", "native libraries for builds in an image"): in_image
        and bool(build.libraries),
        ("build.isolation", f"kind = {build.kind!r} with isolation = false"): not build.isolation
        and build.kind != "wheel",
        (
            "build.target-requires",
            "target-requires without an isolated build environment",
        ): bool(build.target_requires and (build.kind != "wheel" or not build.isolation)),
    }
    yield from (what for what, needed in missing.items() if needed)


def is_zig(requirement: str) -> bool:
    """Return whether a requirement names zig's package, with or without a version."""
    return name_of(requirement) == "ziglang"
