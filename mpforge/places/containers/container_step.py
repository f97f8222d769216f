"""A step's programs in a container: its directory has another path there, and is copied in and out.

Arguments, variables and lent files of a call name paths of the host; they are translated to
the container's on the way. Knows nothing of runtimes.
"""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mpforge.errors import StepFailed, WrongInput
from mpforge.places.containers.image_root import AnyContainer
from mpforge.places.root_contents import STEP_IN_IMAGE
from mpforge.platforms import Platform
from mpforge.processes import Ended
from mpforge.store.files import remove_tree

STEP = STEP_IN_IMAGE
"""The path of a step's directory in a container."""

_LENT = "/mpforge/lent"


@dataclass(frozen=True)
class StepContainer:
    """A container with a step's directory; ``others`` are other directories and their paths there.

    The kernel of the container runtime decides if its programs are emulated (binfmt_misc).
    """

    container: AnyContainer
    root: Path
    others: tuple[tuple[Path, str], ...] = ()

    shares_files = False

    @property
    def image(self) -> str:
        """Return the name of its image."""
        return self.container.called

    @property
    def offline(self) -> bool:
        """As ``Place``."""
        return self.container.offline

    def emulation(self, cpu: str | None) -> Mapping[str, str]:
        """Return QEMU's CPU model (https://www.qemu.org/docs/master/user/main.html); the kernel starts it."""
        return {} if cpu is None else {"QEMU_CPU": cpu}

    def to_place_paths(self, text: str) -> str:
        """Return a text with the host's paths replaced by the container's."""
        for path, name in ((self.root, STEP), *self.others):
            text = text.replace(str(path), name)
        return text

    def put(self, entries: Iterable[str] | None = None) -> None:
        """Copy the step's directory, or these entries of it, into the container, unless it shares them."""
        if self.container.shared:
            return
        there = (
            None if entries is None else [name for name in entries if (self.root / name).exists()]
        )
        self.container.put(self.root, STEP, only=there)

    def to_host_paths(self, text: str) -> str:
        """Return a text of the container with the step's paths replaced by the host's."""
        return text.replace(STEP, str(self.root))

    def get(self, path: Path, *, harmless: bool = False) -> None:
        """Replace a file or directory of the step by the container's. As ``Container.get``."""
        if self.container.shared:
            return
        arrived = path.with_name(f"{path.name}.arrived")
        self.container.get(self.to_place_paths(str(path)), arrived, harmless=harmless)
        if path.is_dir():
            remove_tree(path)
        arrived.replace(path)

    def fetch_changes(self) -> None:
        """Copy a failed build's source and outputs back, as far as possible.

        Links that lead to the container's own files are left out.
        """
        for name in ("src", "out", "tmp", "home"):
            with contextlib.suppress(StepFailed):
                self.get(self.root / name, harmless=True)

    def bring_libraries(self, output: Path, platform: Platform, policy: str) -> None:
        """Copy the image's. As ``image_libraries.collect``."""
        from mpforge.places.containers import image_libraries

        image_libraries.collect(self.container, output, platform, policy)

    def which(self, program: str, path: str) -> str | None:
        """Return the path of a program on this PATH in the container, or None. Raises as ``run``."""
        return which(self.container, program, self._path(path))

    def asked(self, argv: Sequence[str], environment: Mapping[str, str], *, timeout: float) -> str:
        """Run a short program with a step's variables and return its output. Raises as ``run``."""
        variables = self._variables(environment)
        return self.container.ask(argv, environment=variables, timeout=timeout)[1]

    def _path(self, ours: str | None) -> str:
        """Return PATH in the container: ours before the image's."""
        given = (ours and self.to_place_paths(ours), self.container.environment.get("PATH"))
        return ":".join(filter(None, given))

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
        """Run a program to its end; PATH is ours before the image's. Raises as ``Container.run``.

        ``file_arguments`` are files of this host, and directories of text files, that ``argv`` names: they
        are copied in for the call, and the directories are copied back.
        """
        variables = self._variables(environment)
        with self._copied_in(argv, file_arguments) as command:
            return self.container.run(
                command,
                environment=variables,
                cwd=self.to_place_paths(str(cwd)),
                log=log,
                timeout=timeout,
            )

    def _variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return a step's variables with the container's paths; PATH is ours before the image's."""
        variables = {name: self.to_place_paths(value) for name, value in environment.items()}
        for name, value in variables.items():
            if "\udc80" <= max(value, default="") <= "\udcff":
                raise WrongInput(
                    f"{name} is not valid UTF-8, and container runtimes pass only UTF-8 to a container",
                    hint="pass it as text, or in a file of the source",
                )
        return {**variables, "PATH": self._path(environment.get("PATH"))}

    def enter(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        cwd: Path,
    ) -> int:
        """As ``Place``; the shell is the image's ``/bin/sh``. Raises as the container's ``enter``."""
        # Scripts for rerunning a program by hand.
        scripts = [*self.root.glob("*.py"), *self.root.glob("*.sh")]
        if not self.container.shared:
            self._put_texts(scripts, STEP)
        else:
            for path in scripts:
                path.write_text(
                    self.to_place_paths(path.read_text(encoding="utf-8")), encoding="utf-8"
                )
        return self.container.enter(
            [*map(self.to_place_paths, argv or ["/bin/sh"])],
            environment=self._variables(environment),
            secrets=secrets,
            cwd=self.to_place_paths(str(cwd)),
        )

    def _put_texts(self, paths: Iterable[Path], place: str) -> None:
        """Copy text files to a directory of the container, with the container's paths in them."""
        with tempfile.TemporaryDirectory(prefix="mpforge-text-") as name:
            for path in paths:
                text = path.read_text(encoding="utf-8")
                Path(name, path.name).write_text(self.to_place_paths(text), encoding="utf-8")
            self.container.put(Path(name), place)

    @contextlib.contextmanager
    def _copied_in(
        self, argv: Sequence[str], file_arguments: Sequence[Path]
    ) -> Iterator[list[str]]:
        names: dict[str, str] = {}
        folders = [path for path in file_arguments if path.is_dir()]
        for number, path in enumerate(file_arguments):
            place = f"{_LENT}/{number}"
            if path in folders:
                self._put_texts(path.iterdir(), place)
                names[str(path)] = place
            else:
                self.container.put(path.parent, place, only=[path.name])
                names[str(path)] = f"{place}/{path.name}"
        yield [names.get(word) or self.to_place_paths(word) for word in argv]
        for path in folders:
            self._bring_back(names[str(path)], path)

    def _bring_back(self, place: str, folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="mpforge-lent-") as name:
            fetched = Path(name, "fetched")
            self.container.get(place, fetched)
            for path in fetched.iterdir():
                path.replace(folder / path.name)


def which(container: AnyContainer, program: str, path: str | None = None) -> str | None:
    """Return a program's path in a container, on ``path`` or its own PATH. Raises as ``Container.run``."""
    environment = {} if path is None else {"PATH": path}
    argv = ["/bin/sh", "-c", 'command -v "$1"', "which", program]
    code, said = container.ask(argv, environment=environment)
    return said.strip() or None if code == 0 else None
