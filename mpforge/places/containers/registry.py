"""Query a registry for one platform's manifest of an image's name, without a container runtime.

The documents are OCI's and Docker's. Pulls nothing.
"""

from collections.abc import Mapping
from typing import Any

from mpforge.errors import ImageNameWrong, ImageUnfit
from mpforge.places.containers.registry_session import RegistrySession
from mpforge.plan.pins import ImageRequest
from mpforge.platforms import glibc_platforms, image_name, well_known
from mpforge.platforms.image_name import DIGEST, Parts

# --- names ----------------------------------------------------------------------------------------


def parse(name: str) -> Parts:
    """Parse an image's name. Raises ``ImageNameWrong``."""
    found = image_name.parts(name)
    if found is None:
        raise ImageNameWrong(
            f"{name!r} is not a valid image name", hint=f"use {image_name.EXPECTED}"
        )
    return found


# --- documents ------------------------------------------------------------------------------------


def normal(platform: str) -> str:
    """Return ``OS/ARCHITECTURE[/VARIANT]`` as in the table: without the default variant."""
    system, architecture, variant = (*platform.split("/"), "", "")[:3]
    for known in glibc_platforms():
        meant = variant in ("", known.docker_variant)
        if meant and architecture in (known.machine, known.docker_architecture):
            return "/".join([system, *(known.docker_platform or "").split("/")[1:]])
    return "/".join(word for word in (system, architecture, variant) if word)


def platform_of(told: Mapping[str, Any]) -> str:
    """Return the platform in an index's entry, an image's configuration or a runtime's description of it."""
    words = (told.get(name) for name in ("os", "architecture", "variant"))
    return "/".join(str(word) for word in words if word)


def check_platform(told: Mapping[str, Any], request: ImageRequest) -> None:
    """Raise ``ImageUnfit`` if an image, by its configuration, is of another platform than requested."""
    has, wanted = platform_of(told), well_known()[request.platform].docker_platform or ""
    if normal(has) != normal(wanted):
        raise ImageUnfit(
            f"the image {request.name} is for {has}, but {request.platform} needs {wanted}",
            hint="name an image of that platform in [build] image, in the target's own table, or in its "
            f"toolchain's; if it has been replaced since: mpforge lock --update {request.name}",
        )


def manifests(index: Mapping[str, Any]) -> dict[str, str]:
    """Return the digest of each platform's manifest in an index, by the platform's normal name.

    Entries that are no images (attestations have ``unknown``) are left out; of two for one platform the
    first counts, as for runtimes.
    """
    found: dict[str, str] = {}
    for entry in index["manifests"]:
        platform = normal(platform_of(entry.get("platform") or {}))
        if platform and "unknown" not in platform and DIGEST.fullmatch(str(entry["digest"])):
            found.setdefault(platform, entry["digest"])
    return found


# --- queries --------------------------------------------------------------------------------------


def digest_of(request: ImageRequest) -> str:
    """Return the digest of the current manifest of a name for a platform.

    Raises ``ImageNameWrong``, ``ImageUnknown``, ``ImageUnfit``, ``RegistryUnreachable``, ``RegistryDenies``,
    ``HashMismatch``.
    """
    reference = parse(request.name)
    wanted = well_known()[request.platform].docker_platform or ""
    talk = RegistrySession(reference, request.name)
    digest, manifest = talk.document("manifests", reference.digest or reference.tag)
    try:
        if "config" in manifest:  # of a single image
            _, configuration = talk.document("blobs", manifest["config"]["digest"])
            has = {normal(platform_of(configuration)): digest}
        else:
            has = manifests(manifest)
    except (AttributeError, KeyError, TypeError):
        raise ImageUnfit(
            f"{request.name} at {reference.host} is not an image that mpforge can read",
            hint="push it again with Docker 1.10 or newer, or name another image in [build] image",
        ) from None
    found = has.get(normal(wanted))
    if found is None:
        raise ImageUnfit(
            f"{reference.host} has no {request.name} for {request.platform}, which needs {wanted}",
            why=f"it has {', '.join(has) or 'no platform'}",
            hint="name an image of that platform in [build] image, or in the target's own table",
        )
    return found
