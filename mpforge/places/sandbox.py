"""The sandbox, a place for a step: a root file system with its directory, its tools and base programs only.

Every step's directory has the same path in it, so that no path of this host gets into results. The
directory's path on this host leads there too: files that were written before may name it.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mpforge.errors import StepFailed
from mpforge.places import root_contents
from mpforge.places.host import HostPlace
from mpforge.places.isolation import isolation
from mpforge.places.root_contents import STEP
from mpforge.processes import Ended

_STEP_PATH = re.compile(rf"(?<![\w./-]){STEP}(?![\w.-])")


def no_paths() -> Iterable[Path]:
    """Return no paths: for a step without tools."""
    return ()


@dataclass(frozen=True)
class Sandbox(HostPlace):
    """A sandbox on this host for the step in ``root``.

    ``visible`` returns the files and directories of this host that programs may read; it is called as each
    one starts. ``mounted`` maps directories of steps to directories of this host that are mounted there.
    ``base`` is the root with the base programs; ``also`` are further operations of the launcher, after it.
    """

    root: Path = Path(STEP)
    visible: Callable[[], Iterable[Path]] = no_paths
    mounted: Mapping[Path, Path] = field(default_factory=dict)
    base: Path = root_contents.HOST
    also: tuple[str, ...] = ()

    def to_place_paths(self, text: str) -> str:
        """Replace the step's directory by its path in the sandbox."""
        return text.replace(str(self.root), STEP)

    def to_host_paths(self, text: str) -> str:
        """Replace the path in the sandbox by the step's directory, in a text that a program wrote."""
        return _STEP_PATH.sub(lambda _: str(self.root), text)

    def which(self, program: str, path: str) -> str | None:
        """As ``Place``."""
        for mount_point, tree in self.mounted.items():
            path = path.replace(str(mount_point), str(tree))
        if self.base == root_contents.HOST:
            return super().which(program, path)
        folders = path.split(os.pathsep)
        real = [self._in_base(folder) for folder in folders]
        found = super().which(program, os.pathsep.join(real))
        return found and str(Path(folders[real.index(os.path.dirname(found))], program))

    def _in_base(self, folder: str) -> str:
        """Return a directory's path on this host: below ``base`` for one of the base programs'."""
        below = any(Path(folder).is_relative_to(place) for place in root_contents.SYSTEM)
        return f"{self.base}{folder}" if below else folder

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: Path,
        log: BinaryIO,
        timeout: float | None = None,
        file_arguments: Sequence[Path] = (),
    ) -> Ended:
        """As ``Place``. Raises ``StepFailed`` for a link, pipe or device in place of mpforge's files."""
        for folder in file_arguments:
            if folder.is_dir() and not folder.is_relative_to(self.root):
                self._translate(folder)
        ended = super().run(
            argv,
            environment=environment,
            cwd=cwd,
            log=log,
            timeout=timeout,
            file_arguments=file_arguments,
        )
        for folder in (self.root, *filter(Path.is_dir, file_arguments)):
            _refuse_special_files(folder)
        return ended

    def _operations(self, file_arguments: Sequence[Path]) -> Sequence[str]:
        own = str(self.root)
        files = [path for path in file_arguments if not path.is_dir()]
        operations = [*root_contents.base_system(self.base, network=self.network), *self.also]
        real = os.path.realpath(own)
        operations += ("rw", real, STEP)  # first: it would hide what the host has below that path
        operations += root_contents.bind_mounts([*self.visible(), *files], self.base)
        for name in dict.fromkeys((own, real)):
            is_mounted = any(Path(name).is_relative_to(place) for place in operations[2::3])
            operations += ("rw", real, name) if is_mounted else ("link", STEP, name)
        for mount_point, tree in self.mounted.items():
            if mount_point.is_relative_to(self.root):
                place = self.to_place_paths(str(mount_point))
                operations += ("ro", os.path.realpath(tree), place)
        for path in file_arguments:
            if path.is_dir() and not path.is_relative_to(self.root):
                operations += ("rw", os.path.realpath(path), str(path))
        return operations

    def _translate(self, folder: Path) -> None:
        """Rewrite text files with the paths of the sandbox."""
        for path in folder.iterdir():
            path.write_text(self.to_place_paths(path.read_text(encoding="utf-8")), encoding="utf-8")


def _refuse_special_files(folder: Path) -> None:
    """Refuse a link, pipe or device where mpforge, which is not in the sandbox, reads and writes."""
    os.chmod(folder, 0o700)  # the program may have closed it
    for entry in [*os.scandir(folder)]:
        if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
            raise StepFailed(
                f"a program of the step made {STEP}/{entry.name} a link, pipe or device",
                hint="mpforge reads and writes files there; let the build write below its source directory",
            )


def on_host(
    root: Path,
    *,
    network: bool = False,
    visible: Callable[[], Iterable[Path]] = no_paths,
    mounted: Mapping[Path, Path] | None = None,
    base: Path = root_contents.HOST,
    also: tuple[str, ...] = (),
    by: tuple[str, ...] = (),
) -> HostPlace:
    """Return the place on this host for the step in ``root``: isolated as far as the host allows."""
    found = isolation()
    if found.has_root:
        on = {} if mounted is None else mounted
        return Sandbox(found, network, root, visible, on, base, also, by=by)
    return HostPlace(found, network, by=by)
