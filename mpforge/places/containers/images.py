"""Images: resolving a name to a pin for one platform, and obtaining the pinned image.

A pin is the digest of one platform's manifest, never of an index, or the id of an image that exists with this
runtime only. The platform is checked after each pull: a runtime does not report a wrong one.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from mpforge.errors import (
    ImageNameWrong,
    ImageUnknown,
    MpforgeError,
    PinGone,
    RegistryUnreachable,
    RuntimeFull,
    RuntimeRefuses,
)
from mpforge.places.containers import registry, registry_session
from mpforge.places.containers.connection import ContainerRuntime, refusal, speaking
from mpforge.places.containers.container import Container, variables
from mpforge.places.containers.labels import LAYER
from mpforge.plan.pins import ImagePin, ImageRequest
from mpforge.platforms import well_known
from mpforge.platforms.image_name import Parts, is_id
from mpforge.spec.suggest import close_to

Working = Callable[[str], AbstractContextManager[None]]
"""Reports long work while its block runs."""

_LAYERS = "mpforge-layer"
"""The repository of layers made by mpforge, each tagged with its key."""


@dataclass(frozen=True)
class Image:
    """An image in the runtime: its id, its variables, the digests of its layers."""

    id: str
    environment: Mapping[str, str]
    layers: tuple[str, ...] = ()


_ONLY_LOCAL = (
    'an image that only a local container runtime has needs `runtime = "engine"` in [build]'
)


def resolve(runtime: ContainerRuntime | None, request: ImageRequest) -> ImagePin:
    """Return the pin of a name now: of an image that only this runtime has, else from the registry.

    Without a runtime the registry alone is asked. Raises ``RuntimeLost``, and as ``registry.digest_of``.
    """
    if not is_id(request.name):
        registry.parse(request.name)
    local = _inspect(runtime, request.name) if runtime is not None else None
    if local is not None and _is_own(local, request.name):
        return _by_id(local, request)
    if is_id(request.name):
        who = "the container runtime has" if runtime is not None else "without a runtime there is"
        raise ImageUnknown(
            f"{who} no image {request.name}",
            hint="name another image in [build] image: an id is known only to the container "
            "runtime that built the image",
        )
    try:
        return ImagePin(request, registry.digest_of(request), is_local=False)
    except (ImageUnknown, RegistryUnreachable) as error:
        if local is not None and isinstance(error, ImageUnknown):
            return _by_id(local, request)
        if runtime is None:
            error.hint = "; ".join(filter(None, (error.hint, _ONLY_LOCAL)))
            raise
        if local is not None:
            raise
        raise _also_not_here(error, runtime, request.name) from None


def obtain(runtime: ContainerRuntime, pin: ImagePin, working: Working) -> Image:
    """Return the pinned image, pulled if the runtime lacks it; ``working`` is the context of the pull.

    Raises ``ImageUnfit``, ``PinGone``, ``RegistryUnreachable``, ``RegistryDenies``, ``RuntimeFull``,
    ``RuntimeLost``.
    """
    name = pin.digest if pin.is_local else f"{registry.parse(pin.request.name).path}@{pin.digest}"
    found = _inspect(runtime, name)
    if found is None and not pin.is_local:
        with working(f"pulling the image {pin.request.name}"):
            _pull(runtime, pin)
        found = _inspect(runtime, name)
    if found is None:
        raise PinGone(
            f"the image {pin.request.name} is pinned by a local id, "
            "which this container runtime does not have",
            why=f"{pin.digest} was made on another machine, or removed",
            hint=f"build it again, or run: mpforge lock --update {pin.request.name}",
        )
    registry.check_platform(_lower(found), pin.request)
    return _image(found)


def layer(runtime: ContainerRuntime, base: Image, key: str, make: Callable[[], Container]) -> Image:
    """Return the layer stored under a key; made from the container of ``make`` if need be.

    Anybody can move a tag: its image must be one layer of ours above ``base``. Raises the errors of
    ``make``, ``RuntimeRefuses``, ``RuntimeLost``.
    """
    tag = f"{_LAYERS}:{key[:32]}"
    found = _inspect(runtime, tag)
    if found is not None and _is_layer(found, base, key):
        return _image(found)
    with make() as container:
        container.commit(_LAYERS, key[:32], key)
    found = _inspect(runtime, tag)
    if found is None:
        raise RuntimeRefuses("the container runtime did not save the image of before-all")
    return _image(found)


def _is_layer(found: Mapping[str, Any], base: Image, key: str) -> bool:
    labels = (found.get("Config") or {}).get("Labels") or {}
    layers = _image(found).layers
    ours = labels.get(LAYER) == key and layers[: len(base.layers)] == base.layers
    return ours and len(layers) <= len(base.layers) + 1


def _also_not_here(error: MpforgeError, runtime: ContainerRuntime, name: str) -> MpforgeError:
    """Return a registry's error for a name that the runtime lacks too, with a similar name as a hint."""
    with speaking("list its images"):
        told = runtime.client.api.images()
    known = {tag for image in told for tag in image.get("RepoTags") or () if "<none>" not in tag}
    near = close_to(name, known - {name})
    why = f"{error.what}; {error.why}" if error.why else error.what
    if near:
        what = f"found no image {name}, neither in {runtime.name} nor in a registry"
        return ImageUnknown(what, why=why, hint=f"did you mean {near}? Otherwise, {error.hint}")
    why = "; ".join(filter(None, [f"{runtime.name} has no such image either", error.why]))
    return type(error)(error.what, why=why, hint=error.hint)


def _is_own(found: Mapping[str, Any], name: str) -> bool:
    """Return whether an image is local: not from the registry in its name.

    Podman has a digest of each image, and names ``localhost`` as the registry of those it built.
    """
    if is_id(name):
        return True
    named = registry.parse(name)
    return named.host == "localhost" or not any(
        _same_place(named, digest) for digest in found.get("RepoDigests") or ()
    )


def _same_place(named: Parts, digest: str) -> bool:
    try:
        at = registry.parse(digest)
    except ImageNameWrong:  # some runtimes list <none>@<none>
        return False
    return (at.host, at.repository) == (named.host, named.repository)


def _by_id(found: Mapping[str, Any], request: ImageRequest) -> ImagePin:
    registry.check_platform(_lower(found), request)
    return ImagePin(request, str(found["Id"]), is_local=True)


def _pull(runtime: ContainerRuntime, pin: ImagePin) -> None:
    """Let the runtime pull a pinned image. Raises the error that best explains a failure."""
    at = registry.parse(pin.request.name)
    exactly = ImageRequest(f"{at.path}@{pin.digest}", pin.request.platform)
    platform = well_known()[pin.request.platform].docker_platform
    known = dict(registry_session.credentials(at.host))
    try:
        with speaking(f"pull the image {pin.request.name}"):
            lines = runtime.client.api.pull(
                exactly.name, stream=True, decode=True, platform=platform, auth_config=known
            )
            said = next((str(line["error"]) for line in lines if "error" in line), None)
    except RuntimeRefuses as refused:
        said = refused.why or refused.what
    if said is None:
        return
    if isinstance(error := refusal(f"pull the image {pin.request.name}", said), RuntimeFull):
        raise error
    try:
        registry.digest_of(exactly)
    except ImageUnknown as error:
        raise PinGone(
            f"{at.host} no longer has the image {pin.request.name} that the lock pins",
            why=f"{pin.digest}, and this container runtime does not have it either; {error.why}",
            hint=f"mpforge lock --update {pin.request.name}",
        ) from None
    except RegistryUnreachable as error:
        raise RegistryUnreachable(
            f"this container runtime does not have the image {pin.request.name}, and {at.host} "
            "can't be reached",
            why=f"{pin.digest}: {error.why}",
            hint=error.hint,
        ) from None
    raise RegistryUnreachable(
        f"the container runtime can't pull {pin.request.name}, which its registry has",
        why=said,
        hint=f"try `docker pull {exactly.name}`; a container runtime on another machine uses that "
        "machine's network",
    )


def _image(found: Mapping[str, Any]) -> Image:
    layers = (found.get("RootFS") or {}).get("Layers") or ()
    return Image(str(found["Id"]), variables(found), tuple(layers))


def _lower(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a runtime's description of an image with the names of an image's configuration."""
    return {name.lower(): value for name, value in found.items()}


def _inspect(runtime: ContainerRuntime, name: str) -> Mapping[str, Any] | None:
    from docker.errors import ImageNotFound

    with speaking(f"inspect the image {name}"):
        try:
            found: Mapping[str, Any] = runtime.client.api.inspect_image(name)
        except ImageNotFound:
            return None
    return found
