"""Read wheels that a backend made, and check their format (PEP 427).

Every fault raises ``WheelRejected``, before anything is written. Knows nothing of what compiled
files need, nor of what a tag promises.
"""

import base64
import contextlib
import csv
import hashlib
import io
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path, PurePosixPath
from typing import Any

from mpforge.artifacts.archives import damage_told, unreadable
from mpforge.errors import SourceUnreadable, WheelRejected
from mpforge.platforms import python_words

# A bomb: larger than this, and so many times the wheel's own size. Deflate gives 1,000 at most.
_MUCH = 2**27
_TIMES = 200
_LONGEST = 255  # bytes of a name, on every file system
_UNSIGNED = ("RECORD", "RECORD.jws", "RECORD.p7s")
_OWN = re.compile(r"[^/]+\.dist-info/METADATA")  # a wheel may hold those of vendored packages


@dataclass(frozen=True)
class WheelName:
    """A wheel's file name taken apart (PEP 427), each tag set sorted."""

    name: str
    version: str
    pythons: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]

    @property
    def pure(self) -> bool:
        """True if its tags claim that it runs anywhere."""
        return self.platforms == ("any",)


def wheel_name(filename: str) -> WheelName:
    """Take a file name apart. Raises ``packaging.utils.InvalidWheelFilename``."""
    from packaging.utils import parse_wheel_filename

    name, version, _, tags = parse_wheel_filename(filename)
    return WheelName(
        str(name),
        str(version),
        tuple(sorted({tag.interpreter for tag in tags})),
        tuple(sorted({tag.abi for tag in tags})),
        tuple(sorted({tag.platform for tag in tags})),
    )


def installable_tags(python: str, platforms: Sequence[str]) -> list[Any]:
    """Return the tags that an installer for a Python (``cp311``) takes, the best first (PEP 425, PEP 703)."""
    from packaging.tags import compatible_tags, cpython_tags, generic_tags

    word, plain = python_words.parse(python), python.removesuffix("t")
    version = 3, word.minor
    own = (
        generic_tags(python, [word.tag], platforms)
        if word.is_pypy
        else cpython_tags(version, [python], platforms)
    )
    return [*own, *compatible_tags(version, plain, platforms)]


# --- the archive -----------------------------------------------------------------------------------


@contextmanager
def opened(wheel: Path) -> Iterator[zipfile.ZipFile]:
    """Open a wheel for reading. Raises ``WheelRejected`` for damage, also when met while reading."""
    try:
        with damage_told(wheel), zipfile.ZipFile(wheel) as archive:
            yield archive
    except SourceUnreadable as error:
        raise WheelRejected(f"{wheel.name} is damaged, or not a wheel", why=error.why) from None


def names(wheel: Path) -> list[str]:
    """Return the names of a wheel's entries. Raises ``WheelRejected``."""
    with opened(wheel) as archive:
        return archive.namelist()


def metadata(wheel: Path) -> Message:
    """Return the headers of a wheel's own METADATA. Raises ``WheelRejected``."""
    return BytesHeaderParser().parsebytes(metadata_bytes(wheel))


def metadata_bytes(wheel: Path) -> bytes:
    """Return the content of a wheel's own METADATA. Raises ``WheelRejected``."""
    with opened(wheel) as archive:
        name = next(filter(_OWN.fullmatch, archive.namelist()), None)
        if name is not None:
            return archive.read(name)
    raise WheelRejected(f"{wheel.name} has no METADATA")


def unpack(wheel: Path, destination: Path) -> None:
    """Unpack a wheel into a new directory. Raises ``WheelRejected`` for unsafe entries."""
    with opened(wheel) as archive:
        entries = archive.infolist()
        reasons = [*_entry_reasons(entries), *_bomb_reasons(entries, wheel.stat().st_size)]
        if reasons:
            raise WheelRejected(f"{wheel.name} has invalid entries", why="\n".join(reasons))
        archive.extractall(destination)


def _entry_reasons(entries: list[zipfile.ZipInfo]) -> Iterator[str]:
    """Yield a reason for each entry that leads outside, is no plain file, or is duplicated."""
    for entry in entries:
        # zipfile cuts a name at a NUL and turns backslashes, on systems where those lead somewhere.
        name = entry.orig_filename
        if (wrong := _name_reason(name)) is not None:
            yield f"{name!r} {wrong}"
        mode = entry.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            kind = "a symlink" if stat.S_ISLNK(mode) else "not a regular file"
            yield f"{name!r} is {kind}, which installers don't support"
        if (why := unreadable(entry)) is not None:
            yield f"{name!r} {why}"
    count = Counter(entry.filename.rstrip("/") for entry in entries)
    yield from (f"{name!r} occurs {times} times" for name, times in count.items() if times > 1)
    files = {entry.filename for entry in entries if not entry.is_dir()}
    above = {str(parent) for name in count for parent in PurePosixPath(name).parents}
    yield from (f"{name!r} is both a file and a directory" for name in sorted(files & above))


def _name_reason(name: str) -> str | None:
    parts = name.removesuffix("/").split("/")
    if any(ord(character) < 32 for character in name) or not name.isprintable():
        return "contains a non-printable character"
    if "\\" in name or re.match("[A-Za-z]:", name):
        return "escapes the wheel's directory on Windows"
    if {"", ".", ".."} & {*parts}:
        return "escapes the wheel's directory, or has an empty path component"
    if any(len(part.encode("utf-8", "surrogatepass")) > _LONGEST for part in parts):
        return f"has a path component of more than {_LONGEST} bytes"
    return None


def _bomb_reasons(entries: list[zipfile.ZipInfo], packed: int) -> Iterator[str]:
    size = sum(entry.file_size for entry in entries)
    if size > max(_MUCH, _TIMES * packed):
        yield f"it would unpack to {size // 2**20:,} MiB, more than {_TIMES} times its own size"


# --- format and metadata ---------------------------------------------------------------------------


def format_reasons(filename: str, content: Path) -> Iterator[str]:
    """Yield reasons why unpacked files don't match the wheel's file name: metadata, tags, missing files."""
    name = wheel_name(filename)
    folders = sorted(path.name for path in content.glob("*.dist-info") if path.is_dir())
    if len(folders) != 1:
        yield f"it must have one .dist-info directory, but has {' and '.join(folders) or 'none'}"
        return
    folder = content / folders[0]
    project, _, version = folders[0].removesuffix(".dist-info").partition("-")
    if not _same(name, project, version):
        yield f"its metadata directory is {folders[0]}"
    headers = {}
    for file in ("METADATA", "WHEEL"):
        try:
            headers[file] = _headers((folder / file).read_bytes())
        except FileNotFoundError:
            yield f"{file} is missing"
        except UnicodeDecodeError:
            yield f"{file} is not UTF-8"
    if (found := headers.get("METADATA")) is not None:
        project, version = str(found.get("Name", "")).strip(), str(found.get("Version", "")).strip()
        if not _same(name, project, version):
            yield f"METADATA says name {project!r} and version {version!r}"
    if (found := headers.get("WHEEL")) is not None:
        yield from _tag_reasons(filename, found)
    yield from _lost(content, folder / "RECORD")


def _same(name: WheelName, project: str, version: str) -> bool:
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    try:
        return (canonicalize_name(project), Version(version)) == (name.name, Version(name.version))
    except InvalidVersion:
        return False


def _headers(text: bytes) -> Message:
    text.decode("utf-8")
    return BytesHeaderParser().parsebytes(text)


def _tag_reasons(filename: str, wheel: Message) -> Iterator[str]:
    """Yield the disagreements between WHEEL and the file's name."""
    from packaging.tags import parse_tag
    from packaging.utils import parse_wheel_filename

    version = str(wheel.get("Wheel-Version", "")).strip()
    if not re.fullmatch(r"1\.\d+", version):
        yield f"WHEEL has the Wheel-Version {version!r}, which is not 1.0"
    if str(wheel.get("Root-Is-Purelib", "")).strip().lower() not in ("true", "false"):
        yield "WHEEL's Root-Is-Purelib is neither true nor false"
    said = [str(tag).strip() for tag in wheel.get_all("Tag", [])]
    wrong = [tag for tag in said if tag.count("-") != 2]
    tags = {one for tag in said if tag not in wrong for one in parse_tag(tag)}
    if wrong or tags != parse_wheel_filename(filename)[3]:
        yield f"WHEEL has the tags {', '.join(said) or '(none)'}"


def is_for_purelib(content: Path) -> bool:
    """Return whether an unpacked wheel has ``Root-Is-Purelib: true``."""
    for path in content.glob("*.dist-info/WHEEL"):
        found = _headers(path.read_bytes()).get("Root-Is-Purelib", "")
        return str(found).strip().lower() == "true"
    return False


def _lost(content: Path, record: Path) -> Iterator[str]:
    """Yield the files that RECORD lists and the wheel lacks; the rest of RECORD is rewritten later."""
    try:
        rows = read_record(record.read_bytes())
    except FileNotFoundError:
        yield "RECORD is missing"
        return
    except ValueError as error:
        yield f"RECORD can't be read ({error})"
        return
    for name in rows:
        there = _name_reason(name) is None and (content / name).is_file()
        if not there and not name.endswith(_UNSIGNED):
            yield f"RECORD lists {name!r}, which is missing"


# --- RECORD ----------------------------------------------------------------------------------------


def read_record(content: bytes) -> dict[str, tuple[str, str]]:
    """Return hash and size of each file by name. Raises ``ValueError`` for an invalid RECORD."""
    found = {}
    try:
        for row in csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True):
            if row:
                name, digest, size = row
                found[name] = digest, size
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    return found


def record_of(files: Mapping[str, bytes], own: str) -> bytes:
    """Return a sorted RECORD of files by name; ``own`` is its own name, which has neither hash nor size."""
    rows = [(name, *hash_and_size(content)) for name, content in files.items()]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(sorted([*rows, (own, "", "")]))
    return text.getvalue().encode("utf-8")


def hash_and_size(content: bytes) -> tuple[str, str]:
    """Return a file's hash and size as RECORD has them."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return f"sha256={digest.decode('ascii')}", str(len(content))


def record_reasons(content: Path) -> Iterator[str]:
    """Yield reasons for files of an unpacked wheel that RECORD lacks or has wrong, and the reverse.

    A missing or unreadable RECORD is reported by ``format_reasons``.
    """
    for record in content.glob("*.dist-info/RECORD"):
        with contextlib.suppress(ValueError):
            yield from _differences(content, read_record(record.read_bytes()))


def _differences(content: Path, rows: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    files = {
        path.relative_to(content).as_posix(): path
        for path in content.rglob("*")
        if path.is_file() and path.name not in _UNSIGNED
    }
    for name in sorted(files.keys() | {n for n in rows if not n.endswith(_UNSIGNED)}):
        if name not in files or name not in rows:
            yield f"{name} is not in {'RECORD' if name in files else 'the wheel'}"
        elif rows[name] != hash_and_size(files[name].read_bytes()):
            yield f"RECORD has a different hash or size for {name}"
