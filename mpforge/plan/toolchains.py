"""The toolchain of a build, one of five cases, and the settings for a build's target."""

from dataclasses import dataclass
from typing import Literal, get_args

from mpforge.plan.codec import OneOf
from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.places import ON_HOST, InImage, Machine, PlannedPlace

OF_IMAGE = "image"
"""Name of the toolchain for builds with an image's own compilers."""

NO_COMPILER = "none"
"""Name of the toolchain for builds without a compiler: a pure project, one wheel for all targets."""

# Each case has the same properties: `name` is the spec's and the lock's word for it, `cross` says that
# the build hooks are shown another target than the machine that they run on, `zig` is the request for
# zig's own package, `place` where its programs are called.


@dataclass(frozen=True)
class HostZig(OneOf, kind="zig"):
    """zig on this host."""

    zig: EnvironmentRequest
    cross: bool

    name = "zig"
    place = ON_HOST


@dataclass(frozen=True)
class ZigInImage(OneOf):
    """The host's zig, called from builds in a target image."""

    zig: EnvironmentRequest
    place: InImage

    name = "zig"
    cross = False


@dataclass(frozen=True)
class HostGcc(OneOf, kind="gcc"):
    """The gcc of this host, for this host."""

    name = "gcc"
    cross = False
    zig = None
    place = ON_HOST


@dataclass(frozen=True)
class ImageCompiler(OneOf, kind="image"):
    """The compilers of an image of the target."""

    place: InImage

    name = OF_IMAGE
    cross = False
    zig = None


@dataclass(frozen=True)
class CrossImage(OneOf):
    """The cross compilers of an image of this host's machine."""

    place: InImage

    name = OF_IMAGE
    cross = True
    zig = None


Toolchain = HostZig | ZigInImage | HostGcc | ImageCompiler | CrossImage

TOOLCHAIN_NAMES = frozenset(case.name for case in get_args(Toolchain))
"""The toolchains' names in the spec and the lock."""

Configurer = Literal["cmake", "meson", "autotools", "cargo"]
"""The system that configures a build; it learns the target from files, arguments or variables."""


@dataclass(frozen=True)
class Compilers:
    """A toolchain for one target, and the settings of a host Python that builds for it.

    ``emulator`` is the machine on which the build may run programs made for the target, as far as this host
    has one. ``rust`` is the channel of a Rust project, None for any other.
    """

    toolchain: Toolchain
    target: str
    policy: str
    python: str | None
    configurer: Configurer | None = None
    emulator: Machine | None = None
    rust: str | None = None

    @property
    def cross(self) -> bool:
        """True if the build hooks are shown the target in place of the machine that they run on."""
        return self.toolchain.cross

    @property
    def place(self) -> PlannedPlace:
        """The place where the compilers are called."""
        return self.toolchain.place
