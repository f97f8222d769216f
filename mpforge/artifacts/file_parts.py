"""Split a file into parts: the members of an archive or the sections of an ELF file, with their facts.

zip (so wheels too), tar, gzip, bzip2, xz and ELF are known; anything else has no parts. Pure reading of
bytes; knows nothing of its callers.
"""

import bz2
import io
import lzma
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mpforge.artifacts.archives import DAMAGE
from mpforge.artifacts.elf import MAGIC as ELF_MAGIC
from mpforge.artifacts.elf import READER_ERRORS
from mpforge.formats.tar import tarfile

_DAMAGES: tuple[type[Exception], ...] = (*DAMAGE, *READER_ERRORS)
_COMPRESSIONS = {0: "stored", 8: "deflated", 12: "bzip2", 14: "lzma", 93: "zstandard"}
_TAR_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "hard link",
}

Facts = Mapping[str, str]
"""Metadata by name."""


@dataclass(frozen=True)
class Part:
    """A member or section: its content, and its metadata in the whole (``facts``, by name).

    ``packed`` is its compressed size, None if it isn't compressed.
    """

    name: str
    content: bytes
    facts: Facts = field(default_factory=dict)
    packed: int | None = None


@dataclass(frozen=True)
class Anatomy:
    """The parts of a file in their order; ``facts`` are those of the whole.

    ``kind`` is the word for a part: ``entry``, ``section``, or empty for a compressed single file.
    """

    kind: str
    parts: tuple[Part, ...]
    facts: Facts = field(default_factory=dict)


def anatomy(data: bytes) -> Anatomy | None:
    """Split bytes into parts; None for an unknown format or damaged data."""
    for recognises, read in _FORMATS:
        if recognises(data):
            try:
                return read(data)
            except _DAMAGES:
                return None
    return None


# --- archives ------------------------------------------------------------------------------------


def _zip(data: bytes) -> Anatomy:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = tuple(
            Part(entry.filename, archive.read(entry), _zip_facts(entry), entry.compress_size)
            for entry in archive.infolist()
        )
        return Anatomy("entry", parts, {"comment": archive.comment.decode("utf-8", "replace")})


def _zip_facts(entry: zipfile.ZipInfo) -> dict[str, str]:
    year, month, day, hour, minute, second = entry.date_time
    return {
        "mtime": f"{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}",
        "mode": stat.filemode(entry.external_attr >> 16),
        "compression": _COMPRESSIONS.get(entry.compress_type, str(entry.compress_type)),
        "system": str(entry.create_system),
        "extra field": entry.extra.hex(),
        "comment": entry.comment.decode("utf-8", "replace"),
    }


def _tar(data: bytes) -> Anatomy:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        parts = tuple(
            Part(member.name, _tar_content(archive, member), _tar_facts(member))
            for member in archive
        )
        return Anatomy("entry", parts, dict(archive.pax_headers))


def _tar_content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) if member.isreg() else None
    return b"" if file is None else file.read()


def _tar_facts(member: tarfile.TarInfo) -> dict[str, str]:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(member.mtime))
    own = ("path", "linkpath", "size", "mtime", "uid", "gid", "uname", "gname")
    headers = {name: text for name, text in member.pax_headers.items() if name not in own}
    return {
        "mtime": stamp,
        "mode": oct(member.mode),
        "owner": f"{member.uid}:{member.gid} {member.uname}:{member.gname}",
        "kind": _TAR_KINDS.get(member.type, repr(member.type)),
        "link": member.linkname,
        **headers,
    }


# --- compressed single files ---------------------------------------------------------------------


def _gzip(data: bytes) -> Anatomy:
    """Split a gzip file; the header's flags say whether it holds a name (RFC 1952)."""
    flags, seconds = struct.unpack("<3xBL", data[:8])
    plain = zlib.decompressobj(wbits=31)
    content = plain.decompress(data) + plain.flush()
    if not plain.eof:
        raise EOFError("a truncated gzip file")
    start = 10 + (2 + int.from_bytes(data[10:12], "little") if flags & 4 else 0)
    name = data[start : data.index(b"\0", start)] if flags & 8 else b""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) if seconds else "none"
    return Anatomy("", (Part("", content),), {"mtime": stamp, "name": name.decode("latin-1")})


def _compressed(decompress: Callable[[bytes], bytes]) -> Callable[[bytes], Anatomy]:
    return lambda data: Anatomy("", (Part("", decompress(data)),))


# --- ELF -----------------------------------------------------------------------------------------


def _elf(data: bytes) -> Anatomy | None:
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(io.BytesIO(data))
    names = ("e_type", "e_machine", "e_flags", "e_version")
    facts = {name: str(elf.header[name]) for name in names}
    facts |= {name: str(value) for name, value in elf.header["e_ident"].items()}
    parts = tuple(_section(section) for section in elf.iter_sections() if section.name)
    return Anatomy("section", parts, facts) if parts else None


def _section(section: Any) -> Part:
    """Return a section; one without content in the file (``.bss``) is represented by its size."""
    header = section.header
    facts = {"type": str(header.sh_type), "flags": hex(header.sh_flags)}
    if header.sh_type == "SHT_NOBITS":
        return Part(section.name, b"", {**facts, "size": str(header.sh_size)})
    return Part(section.name, section.data(), facts)


_FORMATS: Iterable[tuple[Callable[[bytes], bool], Callable[[bytes], Anatomy | None]]] = (
    (lambda data: data.startswith((b"PK\x03\x04", b"PK\x05\x06")), _zip),
    (lambda data: data.startswith(b"\x1f\x8b\x08"), _gzip),
    (lambda data: data.startswith(b"BZh"), _compressed(bz2.decompress)),
    (lambda data: data.startswith(b"\xfd7zXZ\x00"), _compressed(lzma.decompress)),
    (lambda data: data[257:262] == b"ustar", _tar),
    (lambda data: data.startswith(ELF_MAGIC), _elf),
)
