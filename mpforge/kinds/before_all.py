"""Run the commands of ``before-all`` once in an image, whose result is kept as a layer on top of it.

The layer's key is the image, the commands, their environment, and the files of the project that they see;
files that they fetch are in no key.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge.diagnostics.step_failure import Ended, diagnosed
from mpforge.errors import StepFailed, StepTimeout, ToolNotDeclared, WrongInput
from mpforge.formats.globs import select
from mpforge.kinds.inputs import Inputs
from mpforge.kinds.task import Task
from mpforge.places.containers.container_step import which
from mpforge.places.containers.image_root import AnyContainer
from mpforge.places.step import said_since
from mpforge.plan.places import InImage
from mpforge.plan.texts import ShellLine, Text
from mpforge.platforms import Platform
from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory, from_entries

_SHELL = "/bin/sh"
_PROJECT = "/project"
"""The path of the project's files in the image while the commands run, the same as cibuildwheel's."""


def seen(place: InImage, inputs: Inputs) -> Directory | None:
    """Return the files of the project that the commands of a place see; None if they need none."""
    if not place.sources:
        return None
    entries = dict(inputs.files.walk())
    return from_entries({path: entries[path] for path in select(entries, place.sources)})


@dataclass(frozen=True)
class BeforeAll:
    """The commands of ``before-all`` in an image for a target; ``files`` of the project are in ``store``."""

    place: InImage
    target: Platform
    files: Directory | None
    store: BlobStore

    def key(self, image: str) -> str:
        """Return the key of the layer on an image's id. Raises ``WrongInput``."""
        given, lines = added(self.place, self.target), self._lines()
        words = [image, lines, self.place.network, *sorted(given.items())]
        words += [] if self.files is None else [self.files.digest()]
        return hashlib.sha256(json.dumps(words).encode()).hexdigest()

    def run(self, container: AnyContainer, task: Task) -> None:
        """Run the commands. Raises ``StepTimeout``, and as ``diagnosed`` says."""
        task.log.write(f"-- before-all, once for {self.place.image.name}\n".encode())
        given, cwd = added(self.place, self.target), "/"
        if self.files is not None:
            cwd = _PROJECT
            with tempfile.TemporaryDirectory(dir=task.directory.root) as folder:
                self.store.restore(self.files, Path(folder, "project"))
                container.put(Path(folder, "project"), cwd)
        for argv in self._lines():
            _run(container, argv, task, given, cwd)
        if self.files is not None:  # a mount, where no container runtime is needed
            _run(container, [_SHELL, "-c", f"rm -rf {_PROJECT} 2>/dev/null || :"], task, given, "/")

    def _lines(self) -> list[list[str]]:
        """Return the commands, each as a program and its arguments. Raises ``WrongInput``."""
        more = {} if self.files is None else dict.fromkeys(("{project}", "{package}"), _PROJECT)
        return [
            [_SHELL, "-e", "-c", _filled(line.text, self.target, more)]
            if isinstance(line, ShellLine)
            else [_filled(word, self.target, more) for word in line.words]
            for line in self.place.before
        ]


def added(place: InImage, target: Platform) -> dict[str, str]:
    """Return the variables that a toolchain of the spec adds to the image's. Raises ``WrongInput``."""
    return {name: _filled(value, target, {}) for name, value in place.environment}


def _filled(text: Text, target: Platform, more: Mapping[str, str]) -> str:
    """Fill the placeholders in a text that belongs to an image, not to a step."""
    known = {
        "{triple}": target.gnu_triple,
        "{arch}": target.machine,
        "{target}": target.name,
        **more,
    }
    for part in text:
        if not isinstance(part, str) and str(part) not in known:
            raise WrongInput(
                f"{part} has no value in before-all, nor in a toolchain's environment",
                hint=f"use one of {' '.join(sorted(known))}; with `before-all-sources` in [build] also "
                "{project}",
            )
    return "".join(part if isinstance(part, str) else known[str(part)] for part in text)


def _run(
    container: AnyContainer, argv: list[str], task: Task, given: Mapping[str, str], cwd: str
) -> None:
    """Run a command of ``before-all``. Raises ``StepTimeout``, and as ``diagnosed`` says."""
    line, limit = " ".join(argv).removeprefix(f"{_SHELL} -e -c "), task.step.timeout
    task.log.write(f"$ {line}\n".encode())
    begin = task.log.tell()
    ended = container.run(argv, environment=given, cwd=cwd, log=task.log, timeout=limit)
    error: StepFailed | None = None
    if ended.timed_out:
        error = StepTimeout(
            f"before-all ran longer than {limit:.0f} s: {line}",
            hint="raise `timeout`, or see the log for where it hangs",
        )
    elif ended.returncode:
        badly = Ended(
            title=f"before-all ({line})",
            table="build",
            root=task.directory.root,
            how=f"exit status {ended.returncode}",
            offline=container.offline,
            has=lambda name: which(container, name, given.get("PATH")) is not None,
            image=container.called,
        )
        error = diagnosed(badly, said_since(task.log, begin))
        if isinstance(error, ToolNotDeclared):  # only another image can have it
            error.hint = "name an image that has it in [build] image"
        if type(error) is StepFailed and container.offline:
            error.hint = "set [build] network = true if it needs the network"
    if error is not None:
        error.enterable = False  # it was not a step's container, and is removed
        raise error
