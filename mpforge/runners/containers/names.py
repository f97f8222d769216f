"""What images and platforms are called: names taken apart, platforms in one spelling.

Knows neither registries nor engines.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mpforge.errors import ImageNameWrong

HUB = "docker.io"
_HUB_ADDRESS = "registry-1.docker.io"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md, "Pulling manifests"
_WORD = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_WORD}(?:/{_WORD})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Reference:
    """An image's name, taken apart: ``path`` as it was written, without tag and digest."""

    path: str
    host: str
    repository: str
    tag: str
    digest: str | None

    @property
    def address(self) -> str:
        """Where the registry answers."""
        return _HUB_ADDRESS if self.host == HUB else self.host

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine, and so spoken to without TLS."""
        return is_loopback(self.host)


def is_id(name: str) -> bool:
    """Whether a name is the id of an image that an engine has."""
    return DIGEST.fullmatch(name) is not None


def parse(name: str) -> Reference:
    """Take a name apart. Raises ``ImageNameWrong``."""
    from docker.auth import resolve_repository_name
    from docker.errors import InvalidRepository

    named, at, digest = name.partition("@")
    path, colon, tag = named.rpartition(":")
    if not colon or "/" in tag:
        path, tag = named, "latest"
    try:
        host, repository = resolve_repository_name(path)
    except (InvalidRepository, IndexError):
        host, repository = "", ""
    if host == HUB and "/" not in repository:
        repository = f"library/{repository}"
    plain = _REPOSITORY.fullmatch(repository) and _TAG.fullmatch(tag)
    if not plain or (at and not DIGEST.fullmatch(digest)):
        raise ImageNameWrong(
            f"{name!r} is no name of an image",
            hint="it is [HOST[:PORT]/]PATH[:TAG][@sha256:…] in lower case, or the sha256:… of a local one",
        )
    return Reference(path, host, repository, tag, digest or None)


def is_loopback(host: str) -> bool:
    """Whether ``HOST[:PORT]`` is this machine; what a name stands for is not asked."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


# --- platforms ------------------------------------------------------------------------------------

_ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}
_MEANT = {"arm64": "v8", "amd64": "v1"}


def normal(platform: str) -> str:
    """``OS/ARCHITECTURE[/VARIANT]`` in one spelling: arm64 is v8, amd64 is v1, and arm is meant as v7."""
    system, architecture, variant = (*platform.split("/"), "", "")[:3]
    architecture = _ARCHITECTURES.get(architecture, architecture)
    if architecture == "arm" and not variant:
        variant = "v7"
    if _MEANT.get(architecture) == variant:
        variant = ""
    return "/".join(word for word in (system, architecture, variant) if word)


def platform_of(told: Mapping[str, Any]) -> str:
    """The platform that an index's entry or an image's configuration tells."""
    words = (told.get(name) for name in ("os", "architecture", "variant"))
    return "/".join(str(word) for word in words if word)
