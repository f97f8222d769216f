"""Unpack archives from untrusted sources.

Absolute names, ``..``, links that lead outside, devices, setuid bits and bombs are refused before anything is
written (docs/architecture.md, "Trust"); a link that leads outside only through other links, when it is made.
Does not interpret the content.
"""

import errno
import lzma
import os
import posixpath
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mpforge.errors import ArchiveRefused, SourceUnreadable
from mpforge.formats.tar import tarfile

SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")

# What tarfile, zipfile and the decompressors raise for damaged or malicious archives. RuntimeError: a
# password, an unsupported method, recursion. ValueError, OverflowError: NUL in a link, a time of nan.
DAMAGE: tuple[type[Exception], ...] = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, RuntimeError, ValueError, OverflowError, MemoryError),
)
# A bomb: larger than this, and so many times the archive's own size. Real sdists shrink to a tenth.
_MUCH = 2**30
_TIMES = 200
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_ENCRYPTED = 0x1 | 0x40


def unpack(archive: Path, destination: Path) -> None:
    """Unpack a tar or zip archive into an empty directory.

    Raises ``ArchiveRefused`` for an entry that could escape, ``SourceUnreadable`` for a file that is
    not a complete archive, ``OSError`` if the disk is full.
    """
    with damage_told(archive):
        if archive.name.endswith(".zip"):
            _unpack_zip(archive, destination)
        else:
            _unpack_tar(archive, destination)


@contextmanager
def damage_told(archive: Path) -> Iterator[None]:
    """Turn the errors of archive readers into ``SourceUnreadable``; a full disk stays an ``OSError``."""
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        why = str(error) or type(error).__name__
        raise SourceUnreadable(f"{archive.name} can't be unpacked", why=why) from None


def _unpack_tar(archive: Path, destination: Path) -> None:
    with tarfile.open(archive) as tar:
        _check_tar(archive, tar, destination)
        try:
            tar.extractall(destination, filter="data")
        except tarfile.FilterError as error:
            raise ArchiveRefused(f"{archive.name}: {error}") from None
        except RecursionError:  # tarfile's error for a link in place of its own directory
            raise ArchiveRefused(f"{archive.name} contains a link to itself") from None
        inside = destination.resolve()
        for member in tar:
            if member.issym() and not _real(destination / member.name).is_relative_to(inside):
                raise ArchiveRefused(f"{archive.name}: {member.name} escapes its directory")


def unpack_harmless(archive: Path, destination: Path) -> None:
    """Unpack a tar archive, skipping the entries that ``unpack`` refuses. Raises ``SourceUnreadable``."""

    def harmless(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        try:
            return tarfile.data_filter(member, path)
        except tarfile.FilterError:
            return None

    with damage_told(archive), tarfile.open(archive) as tar:
        tar.extractall(destination, filter=harmless)
    inside = destination.resolve()
    for path in destination.rglob("*"):
        if path.is_symlink() and not _real(path).is_relative_to(inside):
            path.unlink()


def _real(path: Path) -> Path:
    """Return the path with links resolved; a loop of links is no error."""
    return Path(os.path.realpath(path))


def _check_tar(archive: Path, tar: tarfile.TarFile, destination: Path) -> None:
    files: set[str] = set()
    size = 0
    for member in tar:
        size += member.size
        refuse_bomb(archive, size)  # before the next member, which needs this one's bytes
        _refuse(archive, member.name, member.mode)
        name, linked = posixpath.normpath(member.name), posixpath.normpath(member.linkname)
        # tarfile unpacks such a link again and again, or silently not at all.
        if (member.islnk() and linked not in files) or (member.issym() and not member.linkname):
            raise ArchiveRefused(f"{archive.name}: {member.name} is a broken link")
        if member.isreg() or member.islnk():
            files.add(name)
        try:
            tarfile.data_filter(member, str(destination))
        except tarfile.FilterError as error:
            raise ArchiveRefused(f"{archive.name}: {error}") from None


def _unpack_zip(archive: Path, destination: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        refuse_bomb(archive, sum(entry.file_size for entry in file.infolist()))
        for entry in file.infolist():
            if (why := unreadable(entry)) is not None:
                raise zipfile.BadZipFile(f"{entry.filename} {why}")
            kind = stat.S_IFMT(entry.external_attr >> 16)
            _refuse(archive, entry.filename, entry.external_attr >> 16)
            if "\\" in entry.filename:
                raise ArchiveRefused(f"{archive.name}: {entry.filename} escapes its directory")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveRefused(f"{archive.name}: {entry.filename} is not a regular file")
        for entry in file.infolist():
            written = Path(file.extract(entry, destination))
            if (entry.external_attr >> 16) & 0o100 and not entry.is_dir():
                written.chmod(0o755)


def unreadable(entry: zipfile.ZipInfo) -> str | None:
    """Return the reason why Python can't read an entry of a zip archive; None if it can."""
    if entry.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if entry.compress_type not in _ZIP_METHODS:
        return f"is compressed with a method that Python does not support ({entry.compress_type})"
    return None


def _refuse(archive: Path, name: str, mode: int) -> None:
    """Refuse an entry for its name or its mode."""
    if "\0" in name:
        raise ArchiveRefused(f"{archive.name}: a name contains a NUL byte")
    if not name or name.startswith("/") or ".." in name.split("/"):
        raise ArchiveRefused(f"{archive.name}: {name} escapes its directory")
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise ArchiveRefused(f"{archive.name}: {name} is setuid or setgid")


def refuse_bomb(archive: Path, size: int) -> None:
    """Raise ``ArchiveRefused`` if an archive unpacks to far more bytes than its own."""
    packed = archive.stat().st_size
    if size > max(_MUCH, _TIMES * packed):
        raise ArchiveRefused(
            f"{archive.name} would unpack to more than {size // 2**20:,} MiB",
            why=f"that is more than {_TIMES} times its own size",
        )


def sole_directory(folder: Path) -> Path:
    """Return the single top-level directory of an unpacked sdist. Raises ``SourceUnreadable`` without one."""
    found = list(folder.iterdir())
    if len(found) != 1 or not found[0].is_dir():
        names = ", ".join(sorted(path.name for path in found)) or "nothing"
        raise SourceUnreadable(
            f"an sdist must contain exactly one directory; this one contains {names}"
        )
    return found[0]
