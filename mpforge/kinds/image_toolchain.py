"""Run programs of steps in an image: the runtime, the image, copying into a container and out of it.

Work before and after (packages, compilers, verification) is done on this host; results are copied in.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.errors import (
    HostCannot,
    ImageUnfit,
    MpforgeError,
    NoHostPython,
    RuntimeCannotRun,
    StepFailed,
)
from mpforge.housekeeping.cache_contents import PLATFORMS_RUN
from mpforge.kinds import build_tools, image_bytecode, image_contents, image_layers
from mpforge.kinds.target_machines import ReadyMachine
from mpforge.kinds.task import Task
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain.pins import Pins
from mpforge.obtain.pythons.target_python import TargetPython
from mpforge.places import interpreter_launcher
from mpforge.places.containers import connection, endpoint, images, runtime_probe, volumes
from mpforge.places.containers.container import Container
from mpforge.places.containers.container_step import STEP, StepContainer
from mpforge.places.containers.labels import reap
from mpforge.places.step import Left, StepDirectory
from mpforge.plan.places import Inside, Machine
from mpforge.plan.toolchains import Compilers, CrossImage
from mpforge.platforms import Platform, well_known
from mpforge.toolchains import native_shell
from mpforge.toolchains.ready import COMPILER_NOTES, Language, ReadyCompilers
from mpforge.workspace import Workspace

if TYPE_CHECKING:
    from mpforge.places.containers.connection import ContainerRuntime
    from mpforge.places.containers.images import Image
    from mpforge.toolchains.zig_in_image import ProvidedZigInImage

_ZIG = "/mpforge/zig"
_SHELL = "/bin/sh"
_NOWHERE = Path("/nonexistent")
"""A path that does not exist: an image's files can't be read from this host."""


class Containers:
    """The containers of a session's steps."""

    def __init__(self, workspace: Workspace, pins: Pins, toolbox: Toolbox) -> None:
        self._cache = workspace.cache
        self._pins = pins
        self._toolbox = toolbox
        self._probes = runtime_probe.Probes(self._cache / PLATFORMS_RUN)
        self._layers = image_layers.Layers(self._cache, toolbox)

    @functools.cached_property
    def runtime(self) -> "ContainerRuntime":
        """The runtime. Raises ``NoContainerRuntime``."""
        found = connection.connect(os.environ)
        reap(found)
        return found

    # --- for keys ------------------------------------------------------------------------------

    def parts(self, inside: Inside) -> dict[str, str]:
        """Return the key's parts for an image and the way the runtime runs it.

        The runtime is asked for values that are not remembered.
        """
        request = inside.image
        pin = self._pins.image(request, lambda: images.resolve(self.runtime, request))
        return {"image": pin.digest, "image.runs": self._how(well_known()[request.platform])}

    def emulates(self, inside: Inside) -> bool:
        """Return whether the programs of an image are emulated. Raises ``RuntimeCannotRun``."""
        return self._how(well_known()[inside.image.platform]) != runtime_probe.NATIVE

    def _how(self, platform: Platform) -> str:
        """Return ``native``, or QEMU's version, for a platform. Raises ``RuntimeCannotRun``."""
        address = endpoint.address(os.environ) or ""
        how = self._probes.remembered(address, platform.name)
        if not how:
            how = self._probes.how(self.runtime, platform.name)
        if not how:
            architecture = (platform.docker_platform or "/all").split("/")[1]
            raise RuntimeCannotRun(
                f"the container runtime does not run programs of {platform.name}",
                why="there is no handler for them in its kernel (binfmt_misc), or one without the flag F",
                hint="Debian, Ubuntu: apt-get install qemu-user-static binfmt-support; elsewhere: docker run "
                f"--privileged --rm tonistiigi/binfmt --install {architecture}; "
                "`mpforge doctor` tells more",
            )
        return how

    # --- making ready --------------------------------------------------------------------------

    def is_prepared(self, key: str) -> bool:
        """Return whether the preparation of a key is remembered for this runtime.

        It may have been removed since: then a step that needs it prepares it again.
        """
        return self._probes.was_prepared(endpoint.address(os.environ) or "", key)

    def remember(self, key: str) -> None:
        """Remember that the preparation of a key is done."""
        self._probes.remember_prepared(self.runtime.endpoint, key)

    def prepare(self, compilers: Compilers, pythons: tuple[str, ...]) -> None:
        """Obtain the image, and the files put into each container of it for builds by these Pythons.

        Raises what obtaining them raises.
        """
        if compilers.inside is not None:
            image = self._image(compilers.inside)
            if (zig := self._zig(compilers)) is not None:
                self._volumes(zig, image)
                zig.programs()
            elif compilers.cross and not compilers.inside.before:
                self._crossing(compilers, compilers.inside, image)
            for python in () if compilers.inside.before else pythons:
                start = functools.partial(self._asked, image, compilers.inside.image.name)
                self._bytecode(compilers.inside, image, python, start)

    def _image(self, inside: Inside) -> "Image":
        pin = self._pins.image(inside.image, lambda: images.resolve(self.runtime, inside.image))
        self._how(well_known()[inside.image.platform])
        return images.obtain(self.runtime, pin, self._toolbox.working)

    def _with_layer(self, task: Task, inside: Inside, target: Platform) -> "Image":
        """Return the image after the commands of ``before-all``."""
        image = self._image(inside)
        return (
            self._layers.of(task, self.runtime, image, inside, target) if inside.before else image
        )

    def _zig(self, compilers: Compilers | None) -> "ProvidedZigInImage | None":
        """Return zig, if builds in the image call it."""
        from mpforge.toolchains.zig_in_image import ProvidedZigInImage

        found = compilers and self._toolbox.toolchain(compilers)
        return found if isinstance(found, ProvidedZigInImage) else None

    def _volumes(self, provided: "ProvidedZigInImage", image: "Image") -> dict[str, str]:
        """Return the read-only mounts of each container: zig."""
        zig = provided.zig()
        volume = volumes.provide(
            self.runtime,
            f"zig-{zig.digest[:16]}",
            zig.path.parent,
            image=image.id,
            lock=self._cache / "store" / "locks" / "volumes",
            filling=self._toolbox.working(
                f"giving zig {zig.version} to the container runtime, once"
            ),
        )
        return {_ZIG: volume}

    def _crossing(self, compilers: Compilers, inside: Inside, image: "Image") -> ReadyCompilers:
        """Return an image's own cross compiler, and the view of the target for its Python."""
        from mpforge.toolchains.cross_image import ProvidedCrossImage

        platform = well_known()[compilers.target]
        added = image_layers.added(inside, platform)
        variables = dict(image.environment)
        for name, value in added.items():
            variables[name] = build_tools.joined(variables, name, value)
        directories = image_contents.pkg_config_directories(variables, platform)
        variables.setdefault("PKG_CONFIG_LIBDIR", directories)
        wanted = image_contents.CrossImage(
            inside.image.name, image.id, platform, compilers.python or "", variables, added
        )
        python, tools = image_contents.seen(
            wanted,
            self._toolbox.store,
            functools.partial(self._asked, image, inside.image.name),
        )
        toolchain = ProvidedCrossImage(compilers, self._toolbox.tools)
        return toolchain.ready_for(python, tools, added)

    def _asked(self, image: "Image", name: str) -> Container:
        """Open a container in which an image is asked for its contents."""
        return Container(self.runtime, image.id, title=str(self._cache), called=name)

    def _bytecode(
        self,
        inside: Inside,
        image: "Image",
        word: str,
        start: Callable[[], contextlib.AbstractContextManager[Container]],
    ) -> Path | None:
        """Return bytecode for an emulated Python; None: it compiles its imports itself, more slowly."""
        if not self.emulates(inside):
            return None
        name = f"the library of {word} in the image {inside.image.name}"
        try:
            host = self._toolbox.host_python(word)
            making = self._toolbox.working(f"compiling {name}, once")
            return image_bytecode.provide(image.id, host, self._toolbox.store, start, making)
        except (NoHostPython, ImageUnfit):  # the step that needs it reports what an image lacks
            return None
        except (HostCannot, StepFailed, OSError) as error:
            why = error.what if isinstance(error, MpforgeError) else error
            self._toolbox.warn_once(f"{name} is compiled in each container: {why}")
            return None

    # --- a step --------------------------------------------------------------------------------

    def compilers(
        self, task: Task, compilers: Compilers, wanted: tuple[Language, ...]
    ) -> ReadyCompilers:
        """Return a step's compilers in an image, for these languages. Raises what obtaining them raises."""
        inside = compilers.inside
        if inside is not None and isinstance(compilers.toolchain, CrossImage):
            image = self._with_layer(task, inside, _target(inside, compilers))
            return self._crossing(compilers, inside, image)
        root, flags = task.directory.root, build_tools.compiler_flags(task.step)
        return self._toolbox.compilers(compilers, wanted, root, flags)

    @contextlib.contextmanager
    def opened(
        self,
        task: Task,
        inside: Inside,
        compilers: Compilers | None = None,
        ready: ReadyCompilers | None = None,
    ) -> Iterator[StepContainer]:
        """Yield a container for a step, still without the step's files; removed when the block ends.

        The view of ``ready`` and the ``compilers`` of this host are put into it, and their notes are copied
        back. Raises what making it raises.
        """
        zig = self._zig(compilers)
        image = self._with_layer(task, inside, _target(inside, compilers))
        seen = {} if zig is None else self._volumes(zig, image)
        network = task.step.network
        with Container(
            self.runtime,
            image.id,
            network=network,
            volumes=seen,
            title=str(task.directory.root),
            called=inside.image.name,
        ) as container:
            places = () if zig is None else _put_compilers(container, zig)
            if ready is not None and ready.view is not None:
                container.put(ready.view, native_shell.VIEW)
                places = (*places, (ready.view, native_shell.VIEW))
            word = task.step.command.python
            bytecode = word and self._bytecode(
                inside, image, word, lambda: contextlib.nullcontext(container)
            )
            if bytecode:
                container.put_packed(bytecode)
            place = StepContainer(container, task.directory.root, places)
            try:
                yield place
            except (MpforgeError, Left):
                if task.keeps:
                    place.fetch_changes()
                raise
            finally:
                with contextlib.suppress(StepFailed):
                    place.get(task.directory.root / COMPILER_NOTES)

    @contextlib.contextmanager
    def reopened(self, task: Task) -> Iterator[StepContainer]:
        """Yield a container with a step's directory as a failed run left it."""
        inside, compilers = task.step.inside, task.step.command.compilers
        if inside is None:
            raise AssertionError(f"{task.step.id} runs on the host")
        ready = None
        if compilers is not None and compilers.cross:
            ready = self.compilers(task, compilers, ())
        elif (zig := self._zig(compilers)) is not None:
            ready = ReadyCompilers({}, {}, view=zig.view())
        with self.opened(task, inside, compilers, ready) as place:
            place.put()
            yield place

    def interpreter(self, at: StepContainer, word: str) -> str:
        """Return the path of a Python in a container. Raises ``ImageUnfit`` if it has none."""
        return image_contents.interpreter(at.container, word)

    def machine(self, at: StepContainer, machine: Machine, python: str | None) -> ReadyMachine:
        """Return a container as the machine that tests run on. Raises ``ImageUnfit``."""
        found = None if python is None else _python(python, self.interpreter(at, python))
        return ReadyMachine(None, found, _NOWHERE, machine.cpu)


def _put_compilers(
    container: Container, provided: "ProvidedZigInImage"
) -> tuple[tuple[Path, str], ...]:
    """Install zig's names as native programs; return pairs of host path and container path."""
    container.put(provided.programs(), "/mpforge")
    return (
        (provided.view() / "bin", native_shell.BIN),
        (provided.zig().path.parent, _ZIG),
    )


def _target(inside: Inside, compilers: Compilers | None) -> Platform:
    """Return the target of a build or test in an image: usually the image's own platform."""
    return well_known()[compilers.target if compilers else inside.image.platform]


def lay_out(directory: StepDirectory, word: str, interpreter: str) -> Path:
    """Make a virtual environment in a step's directory for an image's Python; site-packages has the packages.

    Paths in it are those of the container.
    """
    python = interpreter_launcher.write_launcher(
        directory.environment, python=_python(word, interpreter), emulator=None, cpu=None
    )
    interpreter_launcher.write_entry_points(directory.environment, shown=Path(STEP, "env"))
    return python


def _python(word: str, interpreter: str) -> TargetPython:
    """Return an image's Python as a target Python."""
    return TargetPython(
        python=word,
        version=f"3.{word.removeprefix('cp3').removesuffix('t')}",
        sysroot=_NOWHERE,
        executable=Path(interpreter),
        digest="",
        provider="image",
    )
