"""Objects that are kept: written whole, and given back where the call would give them again."""

from __future__ import annotations

import os
import sys

from .calls import MAGIC
from .files import digest, digest_of, read, write
from .headers import found, headers_told, names_in, searched
from .places import NotReusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import Call
    from .places import Place


def reuse(path: str, call: Call, place: Place) -> bool:
    """Write what a kept object's call gave, if it would give that again. Raises ``OSError``."""
    try:
        data = read(path)
    except FileNotFoundError:
        return False
    try:
        head, _, body = data.partition(b"\n\n")
        magic, looked, *lines = os.fsdecode(head).split("\n")
        parts = {kind: [line[2:] for line in lines if line[0] == kind] for kind in "dfns"}
        sizes = [int(size) for size in parts["s"]]
        if magic != MAGIC or len(sizes) != 3 or sum(sizes) != len(body):
            return False
    except (ValueError, IndexError):
        return False
    if not all(_is_same(line, place) for line in parts["d"]):
        return False
    if digest_of(found(map(place.show, parts["f"]), parts["n"])) != looked:
        return False
    told, noted = body[: sizes[0]], body[sizes[0] : sizes[0] + sizes[1]]
    if call.tells_headers:
        write(call.depfile, place.shown(noted))
    write(call.output, body[sizes[0] + sizes[1] :])
    sys.stderr.buffer.write(place.shown(told))
    return True


def _is_same(line: str, place: Place) -> bool:
    known, _, path = line.partition(" ")
    try:
        return digest(read(place.show(path))) == known
    except OSError:
        return False


def keep(
    path: str, call: Call, place: Place, *, told: bytes, headers_file: str, begun: int
) -> None:
    """Keep what a call has given. Raises ``NotReusable``, ``OSError``."""
    headers = headers_told(call, headers_file)
    folders = searched(call, headers, place)
    names = names_in(headers, call.folders, place)
    # What is young may have changed after it was read.
    if any(os.stat(header).st_ctime_ns >= begun for header in headers):
        raise NotReusable("a header was written meanwhile")
    there = found(folders, names)
    if any(name.endswith((".gch", ".pch")) for name in there):
        raise NotReusable("a precompiled header may have been read")
    made = read(call.output)
    if place.is_named_in(made):
        raise NotReusable("its object names the step's directory")
    own = (header for header in headers if not place.is_fixed(header))
    kept = [f"d {digest(read(header))} {place.hide(header)}" for header in own]
    noted = place.hidden(read(call.depfile)) if call.tells_headers else b""
    told = place.hidden(told)
    lines = [
        *(MAGIC, digest_of(there), *kept),
        *(f"f {place.hide(folder)}" for folder in folders),
        *(f"n {name}" for name in sorted(names)),
        *(f"s {len(part)}" for part in (told, noted, made)),
    ]
    new = f"{path}.{os.getpid()}"
    write(new, b"".join([os.fsencode("\n".join(lines)), b"\n\n", told, noted, made]))
    os.rename(new, path)
