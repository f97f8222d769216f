"""Rewrite archives canonically: the same content gives the same bytes on every machine.

Order, times, owners, modes and compression follow from the files' names and content; no file, link or
directory is lost. The bytes depend on zlib: another version may compress differently. Knows
nothing of the content except a wheel's RECORD.
"""

import gzip
import io
import shutil
import stat
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

from mpforge.artifacts import wheels
from mpforge.artifacts.archives import damage_told
from mpforge.errors import WrongInput
from mpforge.formats.tar import tarfile
from mpforge.store.files import replacing

_FILE, _PROGRAM, _LINK = 0o644, 0o755, 0o777
_SIGNATURES = (".dist-info/RECORD.jws", ".dist-info/RECORD.p7s")
# The times that a zip archive can hold, and what backends compress with: a wheel is large.
_ZIP_TIMES = (315532800, 4354819198)
_ZIP_LEVEL = 6
_TAR_LEVEL = 9


def epoch_of(environment: Mapping[str, str]) -> int:
    """Return ``SOURCE_DATE_EPOCH`` in seconds. Raises ``WrongInput`` if it is not a whole number."""
    text = environment.get("SOURCE_DATE_EPOCH", "")
    if not (text.isascii() and text.isdigit()):
        raise WrongInput(
            f"SOURCE_DATE_EPOCH = {text!r} is not a number of seconds since 1970",
            hint="see https://reproducible-builds.org/specs/source-date-epoch/",
        )
    return int(text)


# --- sdists --------------------------------------------------------------------------------------


def rewrite_tar_gz(archive: Path, *, mtime: int) -> None:
    """Rewrite a gzipped tar archive: members sorted, with ``mtime``, without owner, of mode 644 or 755.

    A hard link becomes a separate file. Of two members with the same name the last counts, as when
    unpacking. Raises ``SourceUnreadable`` for an incomplete or damaged archive.
    """
    with damage_told(archive), tempfile.TemporaryFile(dir=archive.parent) as plain:
        # Members are read in sorted order, and gzip can't seek backwards.
        with gzip.open(archive) as packed:
            shutil.copyfileobj(packed, plain)
        plain.seek(0)
        with (
            tarfile.open(fileobj=plain, mode="r:") as old,
            replacing(archive) as file,
            gzip.GzipFile("", "wb", _TAR_LEVEL, file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
        ):
            last = {member.name: member for member in old}
            for name in sorted(last):
                _copy_member(old, last[name], new, mtime)


def _copy_member(
    old: tarfile.TarFile, member: tarfile.TarInfo, new: tarfile.TarFile, mtime: int
) -> None:
    """Copy a member without its owner and extended headers, except those that its name needs."""
    info = tarfile.TarInfo(member.name)
    info.mtime = mtime
    if member.isdir():
        info.type, info.mode = tarfile.DIRTYPE, _PROGRAM
        new.addfile(info)
    elif member.issym():
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, member.linkname, _LINK
        new.addfile(info)
    else:
        file = old.extractfile(member)
        if file is None:
            raise tarfile.ReadError(f"{member.name} is not a file, directory or link")
        content = file.read()
        info.size, info.mode = len(content), _mode(member.mode)
        new.addfile(info, io.BytesIO(content))


def _mode(mode: int) -> int:
    return _PROGRAM if mode & stat.S_IXUSR else _FILE


# --- wheels --------------------------------------------------------------------------------------


def rewrite_wheel(
    wheel: Path, *, mtime: int, changes: Mapping[str, bytes | None] | None = None
) -> None:
    """Rewrite a wheel: entries sorted, ``.dist-info`` last, with ``mtime``, of mode 644 or 755.

    ``changes`` are files to add or to replace, and to remove (None), by name. RECORD is rewritten unless it
    is signed. Of two entries with the same name the last counts. Raises ``zipfile.BadZipFile`` for a file
    that is not a zip archive.
    """
    at = time.gmtime(min(max(mtime, _ZIP_TIMES[0]), _ZIP_TIMES[1]))
    date = (at.tm_year, at.tm_mon, at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec)
    with (
        zipfile.ZipFile(wheel) as old,
        replacing(wheel) as file,
        zipfile.ZipFile(file, "w") as new,
    ):
        new.comment = old.comment
        last = {entry.filename: entry for entry in old.infolist()}
        added = {name: data for name, data in (changes or {}).items() if data is not None}
        last = {name: entry for name, entry in last.items() if name not in (changes or {})}
        last |= {name: zipfile.ZipInfo(name) for name in added}
        signed = any(name.endswith(_SIGNATURES) for name in last)
        files: dict[str, bytes] = {}
        for name in sorted(last, key=_wheel_order):
            content = added[name] if name in added else old.read(last[name])
            if _is_record(name) and not signed:
                content = wheels.record_of(files, name)
            elif not name.endswith("/"):
                files[name] = content
            new.writestr(_zip_entry(last[name], date), content, compresslevel=_ZIP_LEVEL)


def _is_record(name: str) -> bool:
    return name.count("/") == 1 and name.endswith(".dist-info/RECORD")


def _wheel_order(name: str) -> tuple[bool, bool, str]:
    """Return the sort key: the metadata at the archive's end, as the format recommends, and RECORD last."""
    return name.split("/", 1)[0].endswith(".dist-info"), _is_record(name), name


def _zip_entry(old: zipfile.ZipInfo, date: tuple[int, int, int, int, int, int]) -> zipfile.ZipInfo:
    """Return an entry without extra fields, which hold times and owners."""
    new = zipfile.ZipInfo(old.filename, date)
    new.create_system = 3  # Unix: its modes count, wherever it was made
    new.comment = old.comment
    mode = old.external_attr >> 16
    if old.is_dir():
        new.external_attr = (stat.S_IFDIR | _PROGRAM) << 16 | 0x10
        return new
    new.compress_type = zipfile.ZIP_DEFLATED
    kind = stat.S_IFLNK | _LINK if stat.S_ISLNK(mode) else stat.S_IFREG | _mode(mode)
    new.external_attr = kind << 16
    return new
