"""Unpack the layers of an image into one directory, without privilege.

By https://github.com/opencontainers/image-spec/blob/main/layer.md. Owners, devices, set-id bits and extended
attributes are left out: the files belong to the caller. Knows neither registries nor places.
"""

import contextlib
import gzip
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mpforge import processes
from mpforge.artifacts.archives import damage_told, refuse_bomb
from mpforge.errors import ArchiveRefused, ImageUnfit
from mpforge.formats.tar import tarfile
from mpforge.store.files import remove_tree

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_AT_ONCE = 1 << 20
_MOST_LINKS = 40


def unpack(archive: Path, root: Path) -> None:
    """Unpack a layer on top of those that ``root`` has.

    Links are resolved as in the image, so that none leads out of ``root``. Raises ``ArchiveRefused`` for an
    entry that could, ``SourceUnreadable`` for damage, ``ImageUnfit`` without a program for its compression.
    """
    with damage_told(archive), _unpacked(archive) as file, tarfile.open(fileobj=file) as tar:
        layer = _Layer(archive.name, tar, root)
        layer.remove_hidden()
        for member in tar:
            layer.put(member)


@contextlib.contextmanager
def _unpacked(archive: Path) -> Iterator[IO[bytes]]:
    """Yield the tar archive of a layer."""
    with archive.open("rb") as file:
        head = file.read(len(_ZSTD))
    if head.startswith(_ZSTD):
        with _by_zstd(archive) as plain:
            yield plain
    elif head.startswith(_GZIP):
        with (
            tempfile.TemporaryFile(dir=archive.parent) as plain,
            gzip.open(archive) as packed,
        ):
            while data := packed.read(_AT_ONCE):
                plain.write(data)
                refuse_bomb(archive, plain.tell())
            plain.seek(0)
            yield plain
    else:
        with archive.open("rb") as plain:
            yield plain


@contextlib.contextmanager
def _by_zstd(archive: Path) -> Iterator[IO[bytes]]:
    program = shutil.which("zstd")
    if program is None:
        raise ImageUnfit(
            "a layer of the image is compressed by zstd, which Python can't read",
            hint="install zstd (Debian, Ubuntu: apt-get install zstd)",
        )
    plain = archive.with_name(f"{archive.name}.plain")
    done = processes.capture([program, "-q", "-d", str(archive), "-o", str(plain)])
    if done.returncode:
        raise tarfile.ReadError(done.stderr.strip())
    with plain.open("rb") as file:
        yield file
    plain.unlink()


class _Layer:
    """A layer that is being unpacked; ``name`` is the archive's in messages."""

    def __init__(self, name: str, tar: tarfile.TarFile, root: Path) -> None:
        self._name = name
        self._tar = tar
        self._root = str(root)

    def remove_hidden(self) -> None:
        """Remove what the layer hides of those below: its whiteouts do so wherever they stand in it."""
        for member in self._tar:
            folder, _, name = self._parts(member.name)
            if name == _OPAQUE:
                place = self._inside(folder)
                if os.path.isdir(place):
                    for entry in os.listdir(place):
                        _remove(f"{place}/{entry}")
            elif name.startswith(_WHITEOUT):
                hidden = name.removeprefix(_WHITEOUT)
                if hidden in ("", ".", ".."):
                    raise self._refused(member.name)
                _remove(f"{self._inside(folder)}/{hidden}")

    def put(self, member: tarfile.TarInfo) -> None:
        """Unpack an entry; whiteouts and special files are left out."""
        folder, _, name = self._parts(member.name)
        if not name or name.startswith(_WHITEOUT):
            return
        above = self._inside(folder)
        try:
            os.makedirs(above, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise self._refused(member.name) from None
        path = f"{above}/{name}"
        if member.isdir():
            if os.path.islink(path) or not os.path.isdir(path):
                _remove(path)
                os.mkdir(path)
            os.chmod(path, member.mode & 0o777 | stat.S_IRWXU | member.mode & stat.S_ISVTX)
            return
        _remove(path)
        if member.issym():
            os.symlink(member.linkname, path)
        elif member.islnk():
            self._link(member, path)
        elif (content := self._tar.extractfile(member)) is not None:
            with content, open(path, "xb") as file:
                shutil.copyfileobj(content, file, _AT_ONCE)
                os.fchmod(file.fileno(), member.mode & 0o777 | stat.S_IRUSR)
            os.utime(path, (member.mtime, member.mtime))

    def _link(self, member: tarfile.TarInfo, path: str) -> None:
        folder, _, name = self._parts(member.linkname)
        target = f"{self._inside(folder)}/{name}"
        if not os.path.islink(target) and not os.path.isfile(target):
            raise self._refused(member.name)
        os.link(target, path, follow_symlinks=False)

    def _parts(self, name: str) -> tuple[str, str, str]:
        words = [word for word in name.split("/") if word not in ("", ".")]
        if ".." in words or "\0" in name:
            raise self._refused(name)
        return "/".join(words).rpartition("/")

    def _inside(self, folder: str) -> str:
        """Return the directory of a name in the image, with links followed as there."""
        done: list[str] = []
        left, links = folder.split("/")[::-1], 0
        while left:
            word = left.pop()
            if word == "..":
                del done[-1:]
            elif word not in ("", "."):
                try:
                    target = os.readlink("/".join((self._root, *done, word)))
                except OSError:  # no link
                    done.append(word)
                    continue
                links += 1
                if links > _MOST_LINKS:
                    raise self._refused(folder)
                done = [] if target.startswith("/") else done
                left += target.split("/")[::-1]
        return "/".join((self._root, *done))

    def _refused(self, name: str) -> ArchiveRefused:
        return ArchiveRefused(f"the image's layer {self._name}: {name} can't be unpacked safely")


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(Path(path))
    else:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)
