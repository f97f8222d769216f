"""What the spec's vocabulary has and this version of mpforge does not build yet.

Such a spec is valid; a session that needs one of these things says so and ends with exit code 4.
Nothing here pretends.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mpforge.plan.model import Refusal
from mpforge.platforms import Platform

if TYPE_CHECKING:
    from mpforge.spec.model import BuildOptions, Spec, TestOptions

PLATFORMS = ("x86_64", "aarch64")
KINDS = ("wheel", "make", "commands")


def refusal(
    spec: "Spec", platform: Platform, python: str | None, build: "BuildOptions"
) -> Refusal | None:
    """The first thing that a build session needs and that is not available yet."""
    for key, what in _needed(spec, platform, python, build):
        return _not_yet(key, what)
    return None


def test_refusal(test: "TestOptions", *, native: bool) -> Refusal | None:
    """The same for a test session."""
    if test.cpus and native:
        return _not_yet("test.cpus", "CPU models on a target that this host runs natively")
    return None


def _not_yet(key: str, what: str) -> Refusal:
    return Refusal(
        error="not-available-yet",
        what=f"{what} ({key}): not available yet in this version of mpforge",
        hint="docs/design.md lists what is; leave this target or option out to build the rest",
    )


def _needed(
    spec: "Spec", platform: Platform, python: str | None, build: "BuildOptions"
) -> Iterator[tuple[str, str]]:
    if platform.name not in PLATFORMS:
        yield "project.targets", f"the target {platform.name}"
    if python is not None and (python.endswith("t") or not python.startswith("cp")):
        yield "project.python", f"the Python {python}"
    if build.kind not in KINDS:
        yield "build.kind", f"kind = {build.kind!r}"
    if build.strategy in ("hybrid", "emulate"):
        yield "build.strategy", f"the strategy {build.strategy!r}"
    if build.image != "auto":
        yield "build.image", "images"
    if build.toolchain not in ("auto", "zig", "gcc"):
        yield "build.toolchain", f"the toolchain {build.toolchain!r} of [toolchains]"
    if build.libraries:
        yield "build.libraries", "native libraries"
    if build.before_all:
        yield "build.before-all", "commands that are run once in an image"
    if not build.isolation:
        yield "build.isolation", "builds without isolation"
    if build.target_requires:
        yield "build.target-requires", "build requirements of the target's own"
    if any(not is_zig(tool) for tool in build.tools):
        yield "build.tools", "declared tools other than ziglang"
    if build.policy.startswith("musllinux"):
        yield "build.policy", "musl policies"


def is_zig(requirement: str) -> bool:
    """Whether a requirement names zig's package, with or without a version."""
    return (
        re.fullmatch(r"ziglang(?![A-Za-z0-9._-]).*", requirement.strip(), re.I | re.S) is not None
    )
