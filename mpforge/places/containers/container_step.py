"""A step's programs in a container: its directory has another name there, and goes in and out by copies.

What a program is told, by arguments, variables and files that a call brings, names the paths of the host;
they are said in the container's words on the way. Knows nothing of engines.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mpforge.errors import StepFailed, ToolUnavailable, WrongInput
from mpforge.places.containers.container import Container
from mpforge.processes import Ended, at_terminal, attached
from mpforge.store.files import remove_tree

STEP = "/mpforge/step"
"""Where a step's directory is in a container."""

_LENT = "/mpforge/lent"
_CLIENTS = ("PATH", "HOME", "TERM", "DOCKER_CONFIG")
"""What the engine's client sees of this process's variables."""


@dataclass(frozen=True)
class StepContainer:
    """A container that holds a step's directory; ``others`` are other directories and their names there.

    Whether its programs are emulated is up to the kernel of the container runtime (binfmt_misc).
    """

    container: Container
    root: Path
    others: tuple[tuple[Path, str], ...] = ()

    shares_files = False

    @property
    def image(self) -> str:
        """The name of its image."""
        return self.container.called

    @property
    def offline(self) -> bool:
        """As ``Place``."""
        return self.container.offline

    def emulation(self, cpu: str | None) -> Mapping[str, str]:
        """The CPU model for QEMU, which the kernel calls (https://www.qemu.org/docs/master/user/main.html)."""
        return {} if cpu is None else {"QEMU_CPU": cpu}

    def shown(self, text: str) -> str:
        """A text with the host's paths as the container calls them."""
        for path, name in ((self.root, STEP), *self.others):
            text = text.replace(str(path), name)
        return text

    def put(self, entries: Iterable[str] | None = None) -> None:
        """Copy the step's directory, or these entries of it, into the container."""
        there = (
            None if entries is None else [name for name in entries if (self.root / name).exists()]
        )
        self.container.put(self.root, STEP, only=there)

    def told(self, text: str) -> str:
        """A text of the container's with the step's paths as the host calls them."""
        return text.replace(STEP, str(self.root))

    def get(self, path: Path, *, harmless: bool = False) -> None:
        """Replace a file or directory of the step by the container's. As ``Container.get``."""
        arrived = path.with_name(f"{path.name}.arrived")
        self.container.get(self.shown(str(path)), arrived, harmless=harmless)
        if path.is_dir():
            remove_tree(path)
        arrived.replace(path)

    def fetch_changes(self) -> None:
        """Bring back what a failed build has made of its source and outputs, as far as that can be.

        Links that lead to the container's own files are left out.
        """
        for name in ("src", "out", "tmp", "home"):
            with contextlib.suppress(StepFailed):
                self.get(self.root / name, harmless=True)

    def which(self, program: str, path: str) -> str | None:
        """What programs that run with this PATH find by a name. Raises as ``run``."""
        return which(self.container, program, self._path(path))

    def asked(self, argv: Sequence[str], environment: Mapping[str, str], *, timeout: float) -> str:
        """What a short program prints that sees a step's variables. Raises as ``run``."""
        variables = self._variables(environment)
        return self.container.ask(argv, environment=variables, timeout=timeout)[1]

    def _path(self, ours: str | None) -> str:
        """PATH in the container: ours before the image's."""
        given = (ours and self.shown(ours), self.container.environment.get("PATH"))
        return ":".join(filter(None, given))

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
        """Run a program to its end; PATH is ours before the image's. Raises as ``Container.run``.

        ``lends`` are files of this host and directories of texts, named among the arguments, that the program
        gets for the call; the directories are brought back.
        """
        variables = self._variables(environment)
        with self._lent(argv, lends) as words:
            return self.container.run(
                words,
                environment=variables,
                cwd=self.shown(str(cwd)),
                log=log,
                timeout=timeout,
            )

    def _variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """A step's variables as its programs see them; PATH is ours before the image's."""
        variables = {name: self.shown(value) for name, value in environment.items()}
        for name, value in variables.items():
            if "\udc80" <= max(value, default="") <= "\udcff":
                raise WrongInput(
                    f"{name} has bytes that are no UTF-8: an engine can't give them to a container",
                    hint="give it as text, or in a file of the source",
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
        """As ``Place``, by the client of the container runtime; the shell is the image's ``/bin/sh``.

        Raises ``ToolUnavailable`` where there is no client.
        """
        for path in self.root.glob("*.*"):
            if path.suffix in (".py", ".sh"):  # what is there for whoever does it by hand
                self._put_text(path)
        words, variables = self._entering(argv or ["/bin/sh"], environment, secrets, cwd)
        return attached(words, environment=variables, cwd=self.root)

    def _entering(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        cwd: Path,
    ) -> tuple[list[str], dict[str, str]]:
        """The client's command line, which shows no secret, and its variables."""
        client = shutil.which("docker") or shutil.which("podman")
        if client is None:
            raise ToolUnavailable(
                "there is no docker or podman here, whose client lets you into a container",
                hint="install it (Debian: apt-get install docker-cli), or give a program to run "
                "by `[build] before-build`",
            )
        words = [client, "exec", "--interactive", *(["--tty"] if at_terminal() else [])]
        words += ["--user", "0:0", "--workdir", self.shown(str(cwd))]
        for name, value in self._variables(environment).items():
            words += ["--env", f"{name}={value}"]
        for name in secrets:
            words += ["--env", name]
        own = {name: os.environ[name] for name in _CLIENTS if name in os.environ}
        own |= self.container.engine.variables
        if Path(client).name == "podman":  # which does not read that
            words[1:1] = ["--url", self.container.engine.endpoint]
        return [*words, self.container.id, *map(self.shown, argv)], {**secrets, **own}

    def _put_text(self, path: Path) -> None:
        """Copy a text of the step into the container, in the container's words."""
        with tempfile.TemporaryDirectory(prefix="mpforge-text-") as name:
            copy = Path(name, path.name)
            copy.write_text(self.shown(path.read_text(encoding="utf-8")), encoding="utf-8")
            self.container.put(Path(name), self.shown(str(path.parent)), only=[path.name])

    @contextlib.contextmanager
    def _lent(self, argv: Sequence[str], lends: Sequence[Path]) -> Iterator[list[str]]:
        names: dict[str, str] = {}
        folders = [path for path in lends if path.is_dir()]
        for number, path in enumerate(lends):
            place = f"{_LENT}/{number}"
            if path in folders:
                self._put_named(path, place)
                names[str(path)] = place
            else:
                self.container.put(path.parent, place, only=[path.name])
                names[str(path)] = f"{place}/{path.name}"
        yield [names.get(word) or self.shown(word) for word in argv]
        for path in folders:
            self._bring_back(names[str(path)], path)

    def _put_named(self, folder: Path, place: str) -> None:
        """Copy a directory of texts in, with their paths in the container's words."""
        with tempfile.TemporaryDirectory(prefix="mpforge-lent-") as name:
            for path in folder.iterdir():
                text = path.read_text(encoding="utf-8")
                Path(name, path.name).write_text(self.shown(text), encoding="utf-8")
            self.container.put(Path(name), place)

    def _bring_back(self, place: str, folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="mpforge-lent-") as name:
            fetched = Path(name, "fetched")
            self.container.get(place, fetched)
            for path in fetched.iterdir():
                path.replace(folder / path.name)


def which(container: Container, program: str, path: str | None = None) -> str | None:
    """Where a container has a program on a PATH, or on its own. Raises as ``Container.run``."""
    environment = {} if path is None else {"PATH": path}
    argv = ["/bin/sh", "-c", 'command -v "$1"', "which", program]
    code, said = container.ask(argv, environment=environment)
    return said.strip() or None if code == 0 else None
