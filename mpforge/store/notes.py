"""Notes: files that only spare work, so nothing that happens to one may fail a run.

A note is JSON with a seal: ``{"sha256": "…", "note": …}``, the sha256 of the bytes of what is noted. A
flipped bit, a cut, another file, a directory or a FIFO in its place: each counts as no note, and the next
process that knows better writes it anew. Knows nothing of what is noted.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from mpforge.store.files import regular

_HEAD, _MIDDLE, _TAIL = b'{"sha256": "', b'", "note": ', b"}\n"
_DIGEST = 64
_BODY = len(_HEAD) + _DIGEST + len(_MIDDLE)


def read(path: Path) -> bytes:
    """The bytes of a regular file; a FIFO is not waited for. Raises ``OSError``, also for all else."""
    with regular(path) as file:
        return file.read()


def load(path: Path) -> Any:
    """What was noted, exactly as ``keep`` wrote it; None where there is nothing, or anything else."""
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
    ):  # too deep, or an integer too long, even if sealed
        return None


def sealed(noted: object) -> bytes:
    """The bytes of a note."""
    body = json.dumps(noted, separators=(",", ":")).encode()
    return b"".join((_HEAD, hashlib.sha256(body).hexdigest().encode(), _MIDDLE, body, _TAIL))


def keep(path: Path, noted: object) -> None:
    """Write a note in the place of whatever is there. What can't be written is not kept, unsaid."""
    with contextlib.suppress(OSError):
        put(path, sealed(noted))


def put(path: Path, data: bytes) -> None:
    """Write a file whole, in the place of whatever is there but a directory with something in it.

    Without a flush to the disk: a seal tells what a power failure left of it. Raises ``OSError``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        try:
            os.replace(name, path)
        except IsADirectoryError:
            path.rmdir()
            os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
