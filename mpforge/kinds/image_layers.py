"""Run the commands of ``before-all`` once in an image, and keep the result as a layer on top of it.

The layer's key is the image, the commands and their environment; files that they fetch are in no key.
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mpforge.diagnostics.step_failure import Ended, diagnosed
from mpforge.errors import StepFailed, StepTimeout, ToolNotDeclared, WrongInput
from mpforge.kinds.task import Task
from mpforge.kinds.toolbox import Toolbox
from mpforge.places.containers import images
from mpforge.places.containers.container import Container
from mpforge.places.containers.container_step import which
from mpforge.places.step import said_since
from mpforge.plan.places import InImage
from mpforge.plan.texts import ShellLine, Text
from mpforge.platforms import Platform
from mpforge.store.locks import alone

if TYPE_CHECKING:
    from pathlib import Path

    from mpforge.places.containers.connection import ContainerRuntime
    from mpforge.places.containers.images import Image

_SHELL = "/bin/sh"


class Layers:
    """The layers of a session's images; one session makes a layer, others wait for it."""

    def __init__(self, cache: "Path", toolbox: Toolbox) -> None:
        self._cache = cache
        self._toolbox = toolbox
        self._known: dict[str, Image] = {}

    def of(
        self,
        task: Task,
        runtime: "ContainerRuntime",
        image: "Image",
        place: InImage,
        target: Platform,
    ) -> "Image":
        """Return the image with the commands' layer. Raises ``StepTimeout``, and as ``diagnosed`` says."""
        given, lines = added(place, target), _lines(place, target)
        words = [image.id, lines, place.network, *sorted(given.items())]
        key = hashlib.sha256(json.dumps(words).encode()).hexdigest()
        if key in self._known:
            return self._known[key]

        def make() -> Container:
            container = Container(
                runtime,
                image.id,
                network=place.network,
                title=str(task.directory.root),
                called=place.image.name,
            )
            task.log.write(f"-- before-all, once for {place.image.name}\n".encode())
            try:
                with self._toolbox.working(f"before-all of {place.image.name}, once"):
                    for argv in lines:
                        _run(container, argv, task, given)
            except BaseException:
                container.close()
                raise
            return container

        lock = self._cache / "store" / "locks" / f"layer-{key}"
        waits = functools.partial(self._toolbox.waits, "before-all")
        with alone(lock, waits=waits, warn=self._toolbox.warn_once):
            self._known[key] = images.layer(runtime, image, key, make)
        return self._known[key]


def added(place: InImage, target: Platform) -> dict[str, str]:
    """Return the variables that a toolchain of the spec adds to the image's. Raises ``WrongInput``."""
    return {name: _filled(value, target) for name, value in place.environment}


def _lines(place: InImage, target: Platform) -> list[list[str]]:
    """Return the commands of ``before-all``, each as a program and its arguments. Raises ``WrongInput``."""
    return [
        [_SHELL, "-e", "-c", _filled(line.text, target)]
        if isinstance(line, ShellLine)
        else [_filled(word, target) for word in line.words]
        for line in place.before
    ]


def _filled(text: Text, target: Platform) -> str:
    """Fill the placeholders in a text that belongs to an image, not to a step."""
    known = {
        "{triple}": target.gnu_triple,
        "{arch}": target.machine,
        "{target}": target.name,
    }
    for part in text:
        if not isinstance(part, str) and str(part) not in known:
            raise WrongInput(
                f"{part} has no value in before-all, nor in a toolchain's environment",
                hint=f"use one of {' '.join(sorted(known))}",
            )
    return "".join(part if isinstance(part, str) else known[str(part)] for part in text)


def _run(container: Container, argv: list[str], task: Task, given: Mapping[str, str]) -> None:
    """Run a command of ``before-all``. Raises ``StepTimeout``, and as ``diagnosed`` says."""
    line, limit = " ".join(argv).removeprefix(f"{_SHELL} -e -c "), task.step.timeout
    task.log.write(f"$ {line}\n".encode())
    begin = task.log.tell()
    ended = container.run(argv, environment=given, cwd="/", log=task.log, timeout=limit)
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
