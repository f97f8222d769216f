"""Parse an image's name: ``[HOST[:PORT]/]PATH[:TAG][@sha256:…]``.

The rules are the OCI distribution specification's; for the end of the host, Docker's own
(https://pkg.go.dev/github.com/distribution/reference). Does not check that the image exists.
"""

import re
from dataclasses import dataclass

HUB = "docker.io"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
EXPECTED = (
    "[HOST[:PORT]/]PATH[:TAG][@sha256:…] in lower case, or the whole sha256:… of a local image"
)
_WORD = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_WORD}(?:/{_WORD})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_ALGORITHM = "sha256"


@dataclass(frozen=True)
class Parts:
    """``path`` as it was written, without tag and digest; the registry's host, and the repository there."""

    path: str
    host: str
    repository: str
    tag: str
    digest: str | None


def is_id(name: str) -> bool:
    """Return whether a name is the id of an image that a runtime has."""
    return DIGEST.fullmatch(name) is not None


def parts(name: str) -> Parts | None:
    """Return a name's parts; None if it is not the name of an image in a registry (an id is not)."""
    named, at, digest = name.partition("@")
    path, colon, tag = named.rpartition(":")
    if not colon or "/" in tag:
        path, tag = named, "latest"
    host, repository = _at_registry(path)
    good = _HOST.fullmatch(host) and _REPOSITORY.fullmatch(repository) and _TAG.fullmatch(tag)
    if not good or (at and not is_id(digest)) or path == _ALGORITHM:
        return None
    return Parts(path, host, repository, tag, digest or None)


def _at_registry(path: str) -> tuple[str, str]:
    """Return a registry's host and the repository: the first word is a host if it can be nothing else."""
    first, slash, rest = path.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        host, repository = (HUB if first == f"index.{HUB}" else first), rest
    else:
        host, repository = HUB, path
    if host == HUB and "/" not in repository:
        repository = f"library/{repository}"
    return host, repository
