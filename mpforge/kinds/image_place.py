"""Provide an image as the place of a session's steps: its parts, its containers, and copying into them.

Work before and after (packages, compilers, verification) is done on this host; results are copied in.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mpforge.diagnostics.step_failure import INTO_IMAGE
from mpforge.errors import HostCannot, ImageUnfit, MpforgeError, NoHostPython, StepFailed
from mpforge.kinds import before_all, build_tools, image_contents, step_inputs
from mpforge.kinds.container_runtime import Containers, ImageInRuntime, put_zig, zig_of
from mpforge.kinds.image_roots import ImageHere, ImageRoots
from mpforge.kinds.inputs import Inputs
from mpforge.kinds.step_places import python_if_here
from mpforge.kinds.target_machines import ReadyMachine
from mpforge.kinds.task import Task
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain.host_programs import ASKING_SECONDS, version_in
from mpforge.obtain.pythons.target_python import TargetPython
from mpforge.obtain.step_programs import absent, require_version
from mpforge.places import interpreter_launcher
from mpforge.places.containers.container_step import STEP, StepContainer
from mpforge.places.containers.runtime_probe import NATIVE
from mpforge.places.isolation import Isolation
from mpforge.places.step import Left, StepDirectory, StepRun
from mpforge.plan.places import InImage, Machine
from mpforge.plan.steps import AskRequirements, BuildWheel, HostTool, Step
from mpforge.plan.toolchains import Compilers, ImageCompiler
from mpforge.platforms import Platform, well_known
from mpforge.toolchains import native_shell
from mpforge.toolchains.host_reads import cpu_identity
from mpforge.toolchains.ready import COMPILER_NOTES, ReadyCompilers

if TYPE_CHECKING:
    from mpforge.kinds.hook_calls import HookCalls
    from mpforge.kinds.step_ingredients import Provision

AnyImage: TypeAlias = ImageInRuntime | ImageHere

_NOWHERE = Path("/nonexistent")
"""A path that does not exist: an image's files can't be read from this host."""


@dataclass(frozen=True)
class ProvidedImage:
    """An image; its digest stands for the programs and interpreters in it."""

    place: InImage
    containers: Containers | ImageRoots
    toolbox: Toolbox
    inputs: Inputs

    # --- for keys ------------------------------------------------------------------------------

    def compiler_parts(self, compilers: Compilers) -> dict[str, str]:
        """Return the image's parts; for its own compilers also the CPU that ``-march=native`` means."""
        own = isinstance(compilers.toolchain, ImageCompiler) and not self.emulates
        return self._parts() | ({"image.cpu": cpu_identity()} if own else {})

    def _parts(self) -> dict[str, str]:
        """Return the image, and how the runtime runs it.

        The runtime is asked for values that are not remembered.
        """
        pin, how = self.containers.pin(self.place.image), self.containers.how(self._platform)
        files = before_all.seen(self.place, self.inputs)
        sources = {} if files is None else {"image.sources": files.digest()}
        return {"image": pin.digest, "image.runs": how} | sources

    def program_parts(self, step: Step) -> dict[str, str]:
        """Return the declared tools: the image's digest covers their files."""
        return {f"tool.{tool.name}": tool.specifier or "any" for tool in step.tools.host}

    def hook_parts(self, python: str, *, installed: bool) -> dict[str, str]:
        """Return the parts of this host's interpreter that compiles an emulated image's library."""
        return python_if_here(self.toolbox, python) if self.emulates else {}

    def machine_parts(self, machine: Machine, python: str | None) -> dict[str, str]:
        """Return the CPU model, the image's parts, and what compiles its library."""
        parts = {"machine.cpu": machine.cpu or "its own"} | self._parts()
        return parts if python is None else parts | self.hook_parts(python, installed=False)

    @property
    def emulates(self) -> bool:
        """True if the programs of the image are emulated. Raises ``RuntimeCannotRun``."""
        return self.containers.how(self._platform) != NATIVE

    @property
    def _platform(self) -> Platform:
        return well_known()[self.place.image.platform]

    # --- making ready --------------------------------------------------------------------------

    def require(self, python: str | None) -> None:
        """Raise ``RuntimeCannotRun`` if the runtime runs no programs of the image."""
        self.containers.how(self._platform)

    def prepare(self, compilers: Compilers, pythons: tuple[str, ...]) -> None:
        """Obtain the image, and the files put into each container of it. Raises what that raises."""
        image = self._image()
        if (zig := zig_of(self.toolbox, compilers)) is not None:
            image.prepare(zig)
            zig.programs()
        elif compilers.cross and not self.place.before:
            self._crossing(compilers, image)
        for python in () if self.place.before else pythons:
            self._bytecode(image, python, image.asked)

    def is_prepared(self, key: str) -> bool:
        """Return whether it is remembered for this runtime."""
        return self.containers.is_prepared(key)

    def remember(self, key: str) -> None:
        """Remember it for this runtime."""
        self.containers.remember(key)

    def _image(self) -> AnyImage:
        self.containers.how(self._platform)
        return self.containers.image(self.place.image)

    def _with_layer(self, task: Task, compilers: Compilers | None) -> AnyImage:
        """Return the image after the commands of ``before-all``, for the target of the compilers."""
        image = self._image()
        if not self.place.before:
            return image
        target = well_known()[compilers.target] if compilers else self._platform
        if self.place.sources:
            self.inputs.stored()
        files, store = before_all.seen(self.place, self.inputs), self.inputs.store
        return image.with_layer(task, before_all.BeforeAll(self.place, target, files, store))

    def _crossing(self, compilers: Compilers, image: AnyImage) -> ReadyCompilers:
        """Return an image's own cross compiler, and the view of the target for its Python."""
        from mpforge.toolchains.cross_image import ProvidedCrossImage

        platform = well_known()[compilers.target]
        given = before_all.added(self.place, platform)
        variables = dict(image.environment)
        for name, value in given.items():
            variables[name] = build_tools.joined(variables, name, value)
        directories = image_contents.pkg_config_directories(variables, platform)
        variables.setdefault("PKG_CONFIG_LIBDIR", directories)
        wanted = image_contents.CrossImage(
            self.place.image.name, image.id, platform, compilers.python or "", variables, given
        )
        python, tools = image_contents.seen(wanted, self.toolbox.store, image.asked)
        toolchain = ProvidedCrossImage(compilers, self.toolbox.tools)
        return toolchain.ready_for(python, tools, given)

    def _bytecode(self, image: AnyImage, word: str, start: image_contents.Start) -> Path | None:
        """Return bytecode for an emulated Python; None: it compiles its imports itself, more slowly."""
        if not self.emulates:
            return None
        name = f"the library of {word} in the image {self.place.image.name}"
        try:
            host = self.toolbox.host_python(word)
            making = self.toolbox.reporter.working(f"compiling {name}, once")
            return image_contents.bytecode(image.id, host, self.toolbox.store, start, making)
        except (NoHostPython, ImageUnfit):  # the step that needs it reports what an image lacks
            return None
        except (HostCannot, StepFailed, OSError) as error:
            why = error.what if isinstance(error, MpforgeError) else error
            self.toolbox.reporter.warn_once(f"{name} is compiled in each container: {why}")
            return None

    # --- a step --------------------------------------------------------------------------------

    def isolation(self) -> Isolation:
        """Return how well programs are isolated from this host: in a container, completely."""
        return self.containers.isolation

    def folders(self, step: Step, *, git: bool) -> tuple[str, ...]:
        """Return none: the programs are the image's."""
        return ()

    @contextlib.contextmanager
    def hooks(
        self,
        task: Task,
        command: AskRequirements | BuildWheel,
        provision: "Provision",
        *,
        builds: bool,
    ) -> "Iterator[HookCalls]":
        """Yield the hooks, called by the image's own Python."""
        from mpforge.kinds import execution
        from mpforge.kinds.hook_calls import HookCalls

        compilers = command.compilers
        if compilers is None:
            raise AssertionError("builds without compilers run on the host")
        directory = task.directory
        step_inputs.put_source(task, provision, vcs=False)
        if compilers.cross:
            ready = self._crossing(compilers, self._with_layer(task, compilers))
        else:
            ready = build_tools.make_ready(task, provision, compilers, builds=builds)
        site = interpreter_launcher.site_packages(directory.environment, command.python)
        site.mkdir(parents=True)
        provision.store.restore(task.given.trees["environment"], site)
        with self._opened(task, compilers, ready) as place:
            interpreter = image_contents.interpreter(place.container, command.python)
            python = lay_out(directory, command.python, interpreter)
            known = build_tools.placeholders(compilers, directory, ready) | {"python": str(python)}
            path = (str(python.parent), *ready.path)
            run = execution.start(task, provision, ready.variables, path, placeholders=known)
            place.put()
            for tool in task.step.tools.host:
                _require(tool, place, run)
            run = dataclasses.replace(run, place=place)
            # Its interpreter is called by the name that it has in any environment.
            python = directory.environment / "bin" / "python"
            yield HookCalls(task, provision, run, python, directory.source, ready)

    @contextlib.contextmanager
    def on_machine(
        self, task: Task, machine: Machine, python: str | None
    ) -> Iterator[tuple[ReadyMachine, StepContainer]]:
        """Yield a container as the machine that tests run on. Raises ``ImageUnfit``."""
        with self._opened(task) as place:
            found = None
            if python is not None:
                found = _python(python, image_contents.interpreter(place.container, python))
            yield ReadyMachine(None, found, _NOWHERE, machine.cpu), place

    @contextlib.contextmanager
    def reopened(self, task: Task) -> Iterator[StepContainer]:
        """Yield a container with a step's directory as a failed run left it."""
        compilers, ready = task.step.command.compilers, None
        if compilers is not None and compilers.cross:
            ready = self._crossing(compilers, self._with_layer(task, compilers))
        elif (zig := zig_of(self.toolbox, compilers)) is not None:
            ready = ReadyCompilers({}, {}, view=zig.view())
        with self._opened(task, compilers, ready) as place:
            place.put()
            yield place

    @contextlib.contextmanager
    def _opened(
        self, task: Task, compilers: Compilers | None = None, ready: ReadyCompilers | None = None
    ) -> Iterator[StepContainer]:
        """Yield a container for a step, still without the step's files; removed when the block ends.

        The view of ``ready`` and the ``compilers`` of this host are put into it, and their notes are copied
        back. Raises what making it raises.
        """
        zig = zig_of(self.toolbox, compilers)
        image = self._with_layer(task, compilers)
        with image.opened(task, zig) as container:
            places = () if zig is None else put_zig(container, zig)
            if ready is not None and ready.view is not None:
                container.show(ready.view, native_shell.VIEW)
                places = (*places, (ready.view, native_shell.VIEW))
            word = task.step.command.python
            bytecode = word and self._bytecode(
                image, word, lambda: contextlib.nullcontext(container)
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


def _require(tool: HostTool, place: StepContainer, run: StepRun) -> None:
    """Raise ``ToolUnavailable`` if an image lacks a declared tool, or has it in another version."""
    name = f"the image {place.image}"
    found = place.which(tool.name, run.environment.get("PATH", ""))
    if found is None:
        raise absent(tool, where=f"in {name}", hint=INTO_IMAGE)
    if tool.specifier:
        output = place.asked([found, "--version"], run.environment, timeout=ASKING_SECONDS)
        require_version(tool, version_in(output), found, where=name)
