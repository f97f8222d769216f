"""What a plan's sessions need from outside, and which of it a lock pins.

The lock, ``plan`` and fetching read the same list. Pins are added while sessions run, so whether something is
pinned is asked with the current lock.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from mpforge.plan.codec import OneOf
from mpforge.plan.pins import EnvironmentRequest, ImageRequest, Lock


@dataclass(frozen=True)
class Packages(OneOf):
    """The packages of an environment.

    ``more``: requirements that only a step's answer adds, the ``backend``'s own or those of the ``wheel``
    under test with its ``extras``. Only then is it known which pin is needed.
    """

    request: EnvironmentRequest
    more: Literal["backend", "wheel"] | None = None
    extras: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToolWheel(OneOf):
    """A program that a build declares and a wheel carries (cmake, ninja)."""

    request: EnvironmentRequest


@dataclass(frozen=True)
class Zig(OneOf):
    """zig's own package."""

    request: EnvironmentRequest


@dataclass(frozen=True)
class Interpreter(OneOf):
    """A CPython of this host (``cp311``), which runs build backends."""

    python: str


@dataclass(frozen=True)
class Emulation(OneOf):
    """An emulator for a target, with its own ``python`` if one runs there, else its C libraries.

    The host decides which packages of a distribution these are, if any.
    """

    target: str
    python: str | None


@dataclass(frozen=True)
class Rust(OneOf):
    """A Rust of this channel with the standard library of ``target`` (None: of this host).

    Either a toolchain of this host, or packages of its distribution.
    """

    channel: str
    target: str | None


@dataclass(frozen=True)
class Crates(OneOf):
    """The crates of Cargo.lock, which pins them."""


@dataclass(frozen=True)
class Image(OneOf):
    """An image in which programs of a step run."""

    request: ImageRequest


@dataclass(frozen=True)
class BasePrograms:
    """The pinned base programs, in place of this host's."""

    kind: Literal["base-programs"] = "base-programs"


Need = Packages | ToolWheel | Zig | Interpreter | Emulation | Rust | Crates | Image | BasePrograms


@dataclass(frozen=True)
class Want:
    """A need, and the names of the sessions that have it."""

    need: Need
    sessions: tuple[str, ...]

    def is_pinned(self, lock: Lock) -> bool | None:
        """Return whether the lock pins it; None: it has no pin, or the host or a run decides."""
        match self.need:
            case Packages(request, more=None) | ToolWheel(request) | Zig(request):
                return not request.requirements or lock.environment(request) is not None
            case Image(request=image):
                return lock.image(image) is not None
            case _:
                return None

    def is_of(self, sessions: Collection[str]) -> bool:
        """Return whether one of these sessions has the need."""
        return any(name in sessions for name in self.sessions)


def unpinned(wants: Iterable[Want], lock: Lock) -> str:
    """Return the known missing pins of the lock: ``6 environments, zig and the image debian``."""
    needs = [want.need for want in wants if want.is_pinned(lock) is False]
    number = sum(isinstance(need, Packages) for need in needs)
    words = [f"{number} environment{'s' * (number > 1)}"] if number else []
    words += dict.fromkeys(_name(need) for need in needs if not isinstance(need, Packages))
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def _name(need: Need) -> str:
    match need:
        case ToolWheel(request):
            return " ".join(request.requirements)
        case Image(request=image):
            return f"the image {image.name}"
        case _:
            return need.kind
