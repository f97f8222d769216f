"""The compilers of a build, and what it is told of its target."""

from dataclasses import dataclass
from typing import Literal

from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.places import Inside, Machine

OF_IMAGE = "image"
"""The toolchain of what is compiled by an image's own compilers."""

NO_COMPILER = "none"
"""The toolchain of what is built without one: a pure project, one wheel for all targets."""

Configurer = Literal["cmake", "meson", "autotools", "cargo"]
"""What configures a build: it is told of the target by files, arguments or variables of its own."""


@dataclass(frozen=True)
class Compilers:
    """The compiler wrappers for one target, and what a host Python must know to build for it.

    ``toolchain`` is ``zig``, ``gcc`` or ``image``; ``zig`` is the request for zig's own package. ``cross``
    says that the build hooks see the target. ``emulator`` is where the build may run what it made for the
    target, as far as this host has one. ``rust`` is the channel of a Rust project, None for any other.
    ``inside`` is where they are called, None: on this host.
    """

    toolchain: str
    target: str
    policy: str
    cross: bool
    python: str | None
    zig: EnvironmentRequest | None = None
    configurer: Configurer | None = None
    emulator: Machine | None = None
    rust: str | None = None
    inside: Inside | None = None
