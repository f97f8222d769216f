"""Notes: files that only save work, so a damaged or missing one never fails a run.

A note is JSON with a checksum: ``{"sha256": "…", "note": …}``, the sha256 of the bytes of its content. A
flipped bit, a truncated file, a directory or a FIFO in its place: each counts as no note, and the next
process that has the content writes it anew. Knows nothing of the content.
"""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from mpforge.store.files import make_way, regular, replacing

_HEAD, _MIDDLE, _TAIL = b'{"sha256": "', b'", "note": ', b"}\n"
_DIGEST = 64
_BODY = len(_HEAD) + _DIGEST + len(_MIDDLE)


def read(path: Path) -> bytes:
    """Read a regular file without blocking on a FIFO. Raises ``OSError``, also for other kinds of files."""
    with regular(path) as file:
        return file.read()


def load(path: Path) -> Any:
    """Return the content exactly as ``keep`` wrote it; None if the note is missing or damaged."""
    try:
        data = read(path)
        body = data[_BODY : -len(_TAIL)]
        seal = hashlib.sha256(body).hexdigest().encode()
        if data != b"".join((_HEAD, seal, _MIDDLE, body, _TAIL)):
            return None
        return json.loads(body)
    except (
        OSError,
        ValueError,
        RecursionError,
    ):  # even a sealed one: too deep, an integer too long
        return None


def sealed(noted: object) -> bytes:
    """Return the bytes of a note, checksum included."""
    body = json.dumps(noted, separators=(",", ":")).encode()
    return b"".join((_HEAD, hashlib.sha256(body).hexdigest().encode(), _MIDDLE, body, _TAIL))


def keep(path: Path, noted: object) -> None:
    """Write a note, replacing what is at its path. A failure to write is ignored."""
    with contextlib.suppress(OSError):
        put(path, sealed(noted))


def put(path: Path, data: bytes) -> None:
    """Write a file atomically, replacing anything but a directory that is not empty.

    Without a flush to disk: the checksum detects damage by a power failure. Raises ``OSError``.
    """
    make_way(path)
    with replacing(path, mode=0o600) as file:
        file.write(data)
