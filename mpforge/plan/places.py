"""The places of a step's programs, as planned, and the machines of a target's programs.

Each place has the same properties: ``images`` are its requests for images, ``sees_host`` says that programs
see this host's files, programs and interpreters, ``in_key`` is its value in a key, and ``platform`` the name
of its own platform on a host of that name. Running in a place is the matter of ``mpforge/places``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from mpforge.plan.codec import OneOf, encode
from mpforge.plan.pins import ImageRequest
from mpforge.plan.texts import CommandLine, Text


@dataclass(frozen=True)
class OnHost(OneOf):
    """This host."""

    images = ()
    sees_host = True
    in_key = None

    def platform(self, host: str) -> str:
        """The host's."""
        return host


@dataclass(frozen=True)
class InImage(OneOf):
    """An image, after ``before`` has been run in it; ``runtime`` runs it: a container runtime, or this host.

    ``network`` says that those commands may see more than loopback, ``sources`` are globs over the files of
    the project that they see. ``environment`` are the variables that a toolchain of the spec adds to the
    image's.
    """

    image: ImageRequest
    before: tuple[CommandLine, ...] = ()
    network: bool = False
    environment: tuple[tuple[str, Text], ...] = ()
    runtime: Literal["engine", "sandbox"] = "engine"
    sources: tuple[str, ...] = ()

    sees_host = False

    @property
    def images(self) -> tuple[ImageRequest, ...]:
        """Its one image."""
        return (self.image,)

    def platform(self, host: str) -> str:
        """The image's."""
        return self.image.platform

    @property
    def in_key(self) -> Mapping[str, Any]:
        """Its fields without the image's name and its runtime: the image's digest is a part.

        So is the digest of the files that its commands see.
        """
        fields = encode(replace(self, image=ImageRequest("", self.image.platform)))
        others = ("kind", "runtime", "sources")
        return {name: value for name, value in fields.items() if name not in others}


PlannedPlace = OnHost | InImage

ON_HOST = OnHost()


@dataclass(frozen=True)
class Machine:
    """A machine for a target's programs: native or emulated, of which CPU model, in which place."""

    target: str
    emulated: bool
    cpu: str | None
    place: PlannedPlace = ON_HOST
