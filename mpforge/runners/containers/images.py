"""Images: what a name stands for on one platform, and the image itself.

A pin is the digest of one platform's manifest, never of an index, or the id of an image that exists with this
engine only. The platform is looked at after each pull: an engine says nothing of a wrong one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mpforge.errors import EngineRefuses, ImageUnfit, ImageUnknown, PinGone
from mpforge.plan.pins import ImagePin, ImageRequest
from mpforge.platforms import well_known
from mpforge.runners.containers.connection import Engine, speaking
from mpforge.runners.containers.container import Container

_LAYERS = "mpforge-layer"
"""The repository of layers that we made, each tagged with its key."""


@dataclass(frozen=True)
class Image:
    """An image that the engine has: its id, and the variables that it sets."""

    id: str
    environment: Mapping[str, str]


def resolve(engine: Engine, request: ImageRequest) -> ImagePin:
    """What a name stands for now. Raises ``ImageUnknown``, ``ImageUnfit``, ``EngineLost``."""
    local = _inspect(engine, request.name)
    if local is None:
        raise ImageUnknown(
            f"the container engine has no image {request.name}",
            hint="pull or build it, or name another one in [build] image",
        )
    _check(local, request)
    return ImagePin(request, str(local["Id"]))


def obtain(engine: Engine, pin: ImagePin) -> Image:
    """The pinned image. Raises ``ImageUnfit``, ``PinGone``, ``EngineLost``."""
    found = _inspect(engine, pin.digest)
    if found is None:
        raise PinGone(
            f"the image {pin.request.name} is pinned by its id, and this engine has none of it",
            why=f"{pin.digest} was made on another machine, or removed",
            hint=f"make it again, or mpforge lock --update {pin.request.name}",
        )
    _check(found, pin.request)
    return _image(found)


def layer(engine: Engine, key: str, make: Callable[[], Container]) -> Image:
    """The image that is kept under a key; made of a container that ``make`` gives, if need be.

    Raises what ``make`` raises, ``EngineRefuses``, ``EngineLost``.
    """
    tag = f"{_LAYERS}:{key[:32]}"
    found = _inspect(engine, tag)
    if found is not None:
        return _image(found)
    with make() as container:
        container.commit(_LAYERS, key[:32])
    found = _inspect(engine, tag)
    if found is None:
        raise EngineRefuses("the container engine did not keep the image that it was told to")
    return _image(found)


def _image(found: Mapping[str, Any]) -> Image:
    words = (word.partition("=") for word in found["Config"]["Env"] or ())
    return Image(str(found["Id"]), {name: value for name, _, value in words})


def _check(found: Mapping[str, Any], request: ImageRequest) -> None:
    """Raise ``ImageUnfit`` where an image is of another platform than it must be."""
    has = _platform(found)
    wanted = well_known()[request.platform].docker_platform or ""
    if not _same(has, wanted):
        raise ImageUnfit(
            f"the image {request.name} is of {has}, and {request.platform} needs {wanted}",
            hint="name an image of that platform, in [build] image or in the table of its toolchain",
        )


def _platform(found: Mapping[str, Any]) -> str:
    words = (found.get(name, "") for name in ("Os", "Architecture", "Variant"))
    return "/".join(word for word in words if word)


def _same(has: str, wanted: str) -> bool:
    """Whether two platforms are one: of arm64 there is v8 only, and Podman leaves variants out."""
    plain = [word.removesuffix("/v8") for word in (has, wanted)]
    return plain[0] == plain[1] or (plain[1] == "linux/arm/v7" and plain[0] == "linux/arm")


def _inspect(engine: Engine, name: str) -> Mapping[str, Any] | None:
    from docker.errors import ImageNotFound

    with speaking(f"look at the image {name}"):
        try:
            found: Mapping[str, Any] = engine.client.api.inspect_image(name)
        except ImageNotFound:
            return None
    return found
