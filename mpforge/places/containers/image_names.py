"""Names of images and platforms: parsing names, normalizing platforms.

Knows neither registries nor runtimes.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mpforge.errors import ImageNameWrong
from mpforge.platforms import glibc_platforms, image_name
from mpforge.platforms.image_name import HUB

_HUB_ADDRESS = "registry-1.docker.io"


def parse(name: str) -> image_name.Parts:
    """Parse an image's name. Raises ``ImageNameWrong``."""
    found = image_name.parts(name)
    if found is None:
        raise ImageNameWrong(
            f"{name!r} is not a valid image name", hint=f"use {image_name.EXPECTED}"
        )
    return found


def address_of(host: str) -> str:
    """Return the address of the registry that an image's name calls ``host``."""
    return _HUB_ADDRESS if host == HUB else host


def is_loopback(host: str) -> bool:
    """Return whether ``HOST[:PORT]`` is this machine; names are not resolved."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


# --- platforms ------------------------------------------------------------------------------------


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
