"""A root of its own as the place of a step: its directory at a fixed path, its tools, base programs, no more.

Its programs know the step's directory by one path, whichever step it is, so that no path of this host
gets into what they make. The directory's path here leads there too: files that were written before may
name it.
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

_NAMED = re.compile(rf"(?<![\w./-]){STEP}(?![\w.-])")


def nothing() -> Iterable[Path]:
    """Return no paths: a step without tools."""
    return ()


@dataclass(frozen=True)
class Sandbox(HostPlace):
    """A root on this host for the step in ``root``.

    ``visible`` returns the files and directories of this host that programs may read, when one is started.
    ``tools`` are directories of steps that are elsewhere on this host, and where. ``base`` is the root with
    the base programs.
    """

    root: Path = Path(STEP)
    visible: Callable[[], Iterable[Path]] = nothing
    tools: Mapping[Path, Path] = field(default_factory=dict)
    base: Path = root_contents.HOST

    def shown(self, text: str) -> str:
        """Return a text with the step's directory as its programs know it."""
        return text.replace(str(self.root), STEP)

    def told(self, text: str) -> str:
        """Return a text that a program wrote, with the step's directory as the host knows it."""
        return _NAMED.sub(lambda _: str(self.root), text)

    def which(self, program: str, path: str) -> str | None:
        """As ``Place``."""
        for there, here in self.tools.items():
            path = path.replace(str(there), str(here))
        if self.base == root_contents.HOST:
            return super().which(program, path)
        folders = path.split(os.pathsep)
        real = [self._of_base(folder) for folder in folders]
        found = super().which(program, os.pathsep.join(real))
        return found and str(Path(folders[real.index(os.path.dirname(found))], program))

    def _of_base(self, folder: str) -> str:
        """Return where a directory is on this host, if it is one of the base programs'."""
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
        lends: Sequence[Path] = (),
    ) -> Ended:
        """As ``Place``. Raises ``StepFailed`` if the program made a trap of its directory for mpforge."""
        ended = super().run(
            argv, environment=environment, cwd=cwd, log=log, timeout=timeout, lends=lends
        )
        for folder in (self.root, *filter(Path.is_dir, lends)):
            _refuse_odd(folder)
        return ended

    def _operations(self, lends: Sequence[Path]) -> Sequence[str]:
        own = str(self.root)
        files = [path for path in lends if not path.is_dir()]
        words = [*root_contents.base(self.base, network=self.network)]
        words += root_contents.shown([*self.visible(), *files], self.base)
        real = os.path.realpath(own)
        words += ("rw", real, STEP)
        for name in dict.fromkeys((own, real)):
            inside = any(Path(name).is_relative_to(place) for place in words[2::3])
            words += ("rw", real, name) if inside else ("link", STEP, name)
        for there, here in self.tools.items():
            if there.is_relative_to(self.root):
                words += ("ro", os.path.realpath(here), self.shown(str(there)))
        for path in lends:
            if path.is_dir() and not path.is_relative_to(self.root):
                self._rewrite(path)
                words += ("rw", os.path.realpath(path), str(path))
        return words

    def _rewrite(self, folder: Path) -> None:
        """Name the step's directory in texts as its programs know it."""
        for path in folder.iterdir():
            path.write_text(self.shown(path.read_text(encoding="utf-8")), encoding="utf-8")


def _refuse_odd(folder: Path) -> None:
    """Refuse a link, pipe or device where mpforge itself reads and writes, outside of the root."""
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
    visible: Callable[[], Iterable[Path]] = nothing,
    tools: Mapping[Path, Path] | None = None,
    base: Path = root_contents.HOST,
) -> HostPlace:
    """Return the place on this host for the step in ``root``: as far apart as the host can."""
    found = isolation()
    if found.has_root:
        return Sandbox(found, network, root, visible, {} if tools is None else tools, base)
    return HostPlace(found, network)
