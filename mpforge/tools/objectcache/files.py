"""Reading and writing files as the program does, and their digests. Knows nothing of compilers."""

from __future__ import annotations

import os

from .places import NotReusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def digest(data: bytes) -> str:
    """The sha256 of bytes; the interpreter's own is quicker to load than the one of hashlib.

    Raises ``NotReusable`` where there is none.
    """
    for name in ("_sha2", "_sha256", "hashlib"):
        try:
            return str(__import__(name).sha256(data).hexdigest())
        except ImportError:
            continue
    raise NotReusable("this interpreter has no sha256")


def digest_of(lines: Iterable[str]) -> str:
    """The sha256 of texts."""
    return digest("\n".join(lines).encode("utf-8", "surrogateescape"))


def read(path: str) -> bytes:
    """What a file holds. Raises ``OSError``."""
    with open(path, "rb", buffering=0) as file:
        return file.read() or b""


def write(path: str, data: bytes) -> None:
    """Write a file anew, as a compiler does."""
    if os.path.isfile(path) and not os.path.islink(path):
        os.unlink(path)
    with open(path, "wb") as file:
        file.write(data)
