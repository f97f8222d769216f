"""An image's root file system on this host: programs run in it as in a container, without a runtime.

Programs see the image's files with their changes above them (overlayfs); each is started by the launcher and
ends with all that it has started. Where overlayfs is refused, the files are copied. This host writes nothing
into that root while programs run in it: its files are bind mounts. Knows nothing of images' names.
"""

import itertools
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self, TypeAlias

from mpforge.artifacts import archives
from mpforge.errors import ArchiveRefused, RuntimeRefuses
from mpforge.places import root_contents
from mpforge.places.containers.container import Container
from mpforge.places.containers.image_tree import ImageTree
from mpforge.places.containers.runs_programs import RunsPrograms
from mpforge.places.host import HostPlace
from mpforge.places.isolation import isolation
from mpforge.places.place import NotStarted
from mpforge.processes import Ended
from mpforge.store.files import remove_tree

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_VARIABLES = {"HOME": "/root", "HOSTNAME": "localhost"}
_OUT = "/mpforge/out"
_NOT_STARTED = 127
_OPAQUE = "user.overlay.opaque"
_OVERLAY = "overlay"


@dataclass(frozen=True)
class _Start(HostPlace):
    """The start of a program by the launcher, with these operations."""

    operations: tuple[str, ...] = ()

    def _operations(self, file_arguments: Sequence[Path]) -> Sequence[str]:
        return self.operations


class ImageRoot(RunsPrograms):
    """An image's root file system; the end of the ``with`` block removes its changes.

    Has the methods of ``Container``. ``folder`` is a directory of this host for it, created and removed.
    ``emulator`` are the launcher's arguments for one. ``shared`` is a directory of this host that is mounted,
    writable, at the other path.
    """

    def __init__(
        self,
        image: ImageTree,
        folder: Path,
        *,
        network: bool = False,
        called: str = "",
        emulator: tuple[str, ...] = (),
        shared: tuple[Path, str] | None = None,
    ) -> None:
        self.called = called
        self.offline = not network
        self.environment = {"PATH": _PATH, **image.environment}
        self.shared = shared is not None
        self._image = image
        self._folder = folder
        self._emulator = emulator
        self._layers = [image.root]
        self._whole: Path | None = None
        self._numbers = itertools.count()
        self._binds: dict[str, tuple[str, Path]] = {}
        self._put: dict[str, Path] = {}
        if shared is not None:
            self._binds[shared[1]] = ("rw", shared[0])
        for name in ("upper", "work"):
            (folder / name).mkdir(parents=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove its changes."""
        remove_tree(self._folder)

    # --- programs ------------------------------------------------------------------------------

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: str,
        log: BinaryIO,
        timeout: float | None = None,
    ) -> Ended:
        """Run a program to its end; its output is appended to ``log`` as it arrives.

        ``environment`` is added to the image's own. Raises ``RuntimeRefuses``.
        """
        variables = self._variables(environment)
        start = self._start()
        try:
            return start.run(argv, environment=variables, cwd=Path(cwd), log=log, timeout=timeout)
        except NotStarted as error:
            if self._retry(error):
                return self.run(argv, environment=environment, cwd=cwd, log=log, timeout=timeout)
            # As a container runtime reports it.
            log.write(f'exec: "{argv[0]}": {_as_runtime(error)}\n'.encode())
            log.flush()
            return Ended(_NOT_STARTED, 0.0, 0.0)

    def enter(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        cwd: str,
    ) -> int:
        """Run a program on this process's terminal; return its exit status. Raises ``NotStarted``."""
        variables = self._variables(environment)
        try:
            return self._start().enter(argv, environment=variables, secrets=secrets, cwd=Path(cwd))
        except NotStarted as error:
            if self._retry(error):
                return self.enter(argv, environment=environment, secrets=secrets, cwd=cwd)
            raise

    def _variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        return {**_VARIABLES, **self.environment, **environment}

    def _retry(self, error: NotStarted) -> bool:
        """Copy the image's files if the host refuses the overlay; return whether to try again.

        Raises ``RuntimeRefuses`` for other refusals.
        """
        if error.refused is None:
            return False
        if _OVERLAY in error.refused and self._whole is None:
            self._whole = self._folder / "whole"
            write_layers(self._layers[::-1], self._whole)
            return True
        raise RuntimeRefuses(
            f"this host can't run programs of the image {self.called} without a container runtime",
            why=error.reason,
            hint='install Docker or Podman, and set runtime = "engine" in [build]',
        )

    def _start(self) -> _Start:
        words: list[str] = []
        if self._whole is None:
            for layer in self._layers:
                words += ("layer", os.path.realpath(layer), "")
            words += ("changes", os.path.realpath(self._folder), "")
        else:
            words += ("whole", os.path.realpath(self._whole), "")
        words += self._emulator
        words += root_contents.of_image(self._image.root, network=not self.offline)
        for place in sorted(self._binds):
            how, path = self._binds[place]
            words += (how, os.path.realpath(path), place)
        return _Start(isolation().of_image, not self.offline, tuple(words))

    # --- files ---------------------------------------------------------------------------------

    def show(self, tree: Path, place: str) -> None:
        """Mount a directory of this host, which does not change, read-only."""
        self._binds[place] = ("ro", tree)

    def put(self, tree: Path, place: str, *, only: Iterable[str] | None = None) -> None:
        """Copy a directory of the host to ``place``, an absolute path; ``only`` these entries of it.

        Programs may write there; it is a new directory for each call.
        """
        folder = self._new("put")
        for name in sorted(os.listdir(tree)) if only is None else only:
            path = tree / name
            if path.is_dir() and not path.is_symlink():
                shutil.copytree(path, folder / name, symlinks=True)
            else:
                shutil.copy2(path, folder / name, follow_symlinks=False)
        self._binds[place] = ("rw", folder)
        self._put[place] = folder

    def put_packed(self, archive: Path) -> None:
        """Unpack a tar archive of mpforge's as a layer above the image's."""
        if self._whole is None:
            layer = self._new("packed")
            layer.rmdir()
            archives.unpack(archive, layer)
            self._layers.insert(0, layer)

    def get(self, place: str, destination: Path, *, harmless: bool = False) -> None:
        """Copy the content of a directory, or a file, of the root to the host.

        The image's ``cp`` copies it. ``harmless``: leave out entries that could escape. Raises
        ``ArchiveRefused``, ``RuntimeRefuses``.
        """
        found = self._put.pop(place, None)
        if found is not None:
            del self._binds[place]
        else:
            folder = self._new("out")
            self._binds[_OUT] = ("rw", folder)
            code, output = self.ask(["cp", "-a", "--", place, f"{_OUT}/"])
            del self._binds[_OUT]
            found = folder / place.rstrip("/").rpartition("/")[2]
            if code or not os.path.lexists(found):
                raise RuntimeRefuses(
                    f"could not copy {place} out of the image {self.called}", why=output.strip()
                )
        if found.is_symlink():
            raise ArchiveRefused(f"{place} in the image is a link to another place")
        for path in _unsafe(found):
            if not harmless:
                raise ArchiveRefused(f"{place}: {path} escapes its directory")
            path.unlink()
        found.rename(destination)

    def _new(self, kind: str) -> Path:
        path = self._folder / f"{kind}-{next(self._numbers)}"
        path.mkdir()
        return path

    # --- layers --------------------------------------------------------------------------------

    def write_to(self, root: Path) -> None:
        """Write the image's files with the changes above them to a new directory."""
        changed = [*self._layers[::-1], self._folder / "upper"]
        write_layers(changed if self._whole is None else [self._whole], root)


AnyContainer: TypeAlias = Container | ImageRoot
"""A runtime's container, or an image's root file system on this host."""


def _as_runtime(error: NotStarted) -> str:
    return "executable file not found in $PATH" if error.absent else error.reason


def _unsafe(place: Path) -> Iterator[Path]:
    """Yield links below a place that lead out of it, and special files."""
    real = os.path.realpath(place)
    for path in list(place.rglob("*")):
        if path.is_symlink():
            if not Path(os.path.realpath(path)).is_relative_to(real):
                yield path
        elif not path.is_dir() and not path.is_file():
            yield path


def write_layers(layers: Iterable[Path], root: Path) -> None:
    """Copy layers into a new directory, each above the former, without what overlayfs marks as removed."""
    root.mkdir()
    for layer in layers:
        _apply(layer, root, {})


def _apply(layer: Path, root: Path, linked: dict[int, Path]) -> None:
    """Copy a layer into a directory; ``linked`` are the files of the layer with several names, by inode."""
    for source in layer.iterdir():
        path, found = root / source.name, source.lstat()
        mode = stat.S_IMODE(found.st_mode)
        if stat.S_ISDIR(found.st_mode):
            source.chmod(mode | stat.S_IRWXU)
            if path.is_symlink() or not path.is_dir() or _is_opaque(source):
                _remove(path)
                path.mkdir()
            _apply(source, path, linked)
            path.chmod(mode | stat.S_IRWXU)
            continue
        _remove(path)
        if stat.S_ISLNK(found.st_mode):
            path.symlink_to(os.readlink(source))
        elif stat.S_ISREG(found.st_mode) and found.st_ino in linked:
            os.link(linked[found.st_ino], path)
        elif stat.S_ISREG(found.st_mode):
            if not mode & stat.S_IRUSR:
                source.chmod(mode | stat.S_IRUSR)
            shutil.copy2(source, path)
            if found.st_nlink > 1:
                linked[found.st_ino] = path


def _is_opaque(folder: Path) -> bool:
    try:
        return os.getxattr(folder, _OPAQUE) == b"y"
    except OSError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)
