"""Collect the inputs of a step and the ingredients of its key.

A step's references stand for trees: the project's files as it sees them, another step's output, shipped
files. Interpreters, compilers, packages and machines enter its key as named parts from their providers. Runs
nothing; the output of another step is requested.
"""

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mpforge.keys import digest as key_of
from mpforge.keys.digest import Ingredient
from mpforge.keys.walk import ABSENT, Resolved, ingredients, references
from mpforge.kinds.inputs import Inputs
from mpforge.kinds.observed_reads import HOST, SOURCE
from mpforge.kinds.registry import kind_of
from mpforge.kinds.step_places import Places
from mpforge.kinds.task import Given
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain.pins import Pins
from mpforge.plan.requirements import OwnPackage
from mpforge.plan.sessions import Plan
from mpforge.plan.steps import (
    AskRequirements,
    BuildWheel,
    MakeSdist,
    ProjectFiles,
    ShippedFiles,
    Step,
)
from mpforge.plan.toolchains import Compilers
from mpforge.store.protocols import BlobStore
from mpforge.store.results import ActionResult
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.kinds.target_machines import Machines

Realize = Callable[[str], tuple[ActionResult, Directory]]
"""Function that returns a step's result and output tree."""


@dataclass(frozen=True)
class Shipped:
    """Files in ``dist/`` of a build session, as a tree by path, and the metadata of a wheel.

    ``store`` puts the files into the store as they are now and returns their tree.
    """

    tree: Directory
    store: Callable[[], Directory]
    own: Callable[[], OwnPackage]


@dataclass
class Provision:
    """The providers for the steps of one session; ``posargs`` reach tests alone."""

    plan: Plan
    store: BlobStore
    toolbox: Toolbox
    pins: Pins
    inputs: Inputs
    machines: "Callable[[], Machines]"
    places: Places
    posargs: tuple[str, ...] = ()
    shipped: Mapping[str, Shipped] = field(default_factory=dict)
    added: dict[str, Step] = field(default_factory=dict)
    """Steps that the plan could not know: builds of requirements without a wheel."""

    def step(self, identifier: str) -> Step:
        """Return the step of that id."""
        return self.added.get(identifier) or self.plan.step(identifier)

    def given(self, step: Step, realize: Realize) -> Given:
        """Return a step's inputs. Raises what making them raises, and ``Damaged``."""
        kind, command = kind_of(step.command), step.command
        trees: dict[str, Directory] = {}
        for name, value in references(step).items():
            if isinstance(value, ProjectFiles):
                tree = self.inputs.files
            elif isinstance(value, ShippedFiles):
                tree = self.shipped[value.session].tree
            else:
                _, output = realize(value.step)
                tree = kind_of(self.step(value.step).command).source_in(output)
            trees[name] = kind.seen(command, tree, self.inputs) if name == "source" else tree
        return kind.given(command, trees, self, realize)

    def settle(self, step: Step) -> None:
        """Put the files that a step refers to into the store, so that they can't change under it."""
        for value in references(step).values():
            if isinstance(value, ProjectFiles):
                self.inputs.stored()
            elif isinstance(value, ShippedFiles):
                shipped = self.shipped[value.session]
                self.shipped = {value.session: dataclasses.replace(shipped, tree=shipped.store())}

    def key(self, step: Step, given: Given) -> tuple[str, list[Ingredient]]:
        """Return a step's key and the ingredients that it is the digest of."""
        trees = {name: tree.digest() for name, tree in {**given.trees, **given.keyed}.items()}
        parts = self._parts(step, given)
        step = dataclasses.replace(step, command=kind_of(step.command).keyed(step.command, given))
        listed = list(ingredients(step, Resolved(trees, parts, self._host(step))))
        return key_of.digest(listed), listed

    def read_now(self, names: Iterable[str], given: Given) -> dict[str, str]:
        """Return the present values of these names of observed reads."""
        from mpforge.toolchains import host_reads

        asked = set(names)
        of_host = {name.removeprefix(HOST) for name in asked if name.startswith(HOST)}
        contents = host_reads.contents(of_host, self.toolbox.tools.host_files) if of_host else {}
        now = {f"{HOST}{path}": text for path, text in contents.items()}
        for name in asked - now.keys():
            node = given.trees["source"].get(name.removeprefix(SOURCE))
            now[name] = ABSENT if node is None else node.digest
        return now

    def _host(self, step: Step) -> dict[str, str | None]:
        return {name: os.environ.get(name) for name in step.variables.passed}

    def _parts(self, step: Step, given: Given) -> dict[str, str]:
        """Return what a step uses in addition to inputs; ``given`` is empty before they are known."""
        parts = {"host": self.plan.host} | _salt() | self.places.of(step.place).program_parts(step)
        return parts | kind_of(step.command).parts(step.command, given, self)

    def hook_parts(self, command: AskRequirements | MakeSdist | BuildWheel) -> dict[str, str]:
        """Return the parts of the Python that builds; without environment also its packages."""
        installed, place = command.environment is None, self.places.of(command.place)
        return place.hook_parts(command.python, installed=installed)

    def compiler_parts(self, compilers: Compilers | None) -> dict[str, str]:
        """Return the parts of compilers, with the place or the emulator that they are used with."""
        if compilers is None:
            return {}
        place = self.places.of(compilers.place)
        parts = self.toolbox.compiler_parts(compilers) | place.compiler_parts(compilers)
        if compilers.emulator is None:
            return parts
        return parts | self.machines().build_parts(compilers.emulator)

    def recipe(self, identifiers: tuple[str, ...]) -> dict[str, str]:
        """Return everything known of these steps' keys before anything runs.

        Outputs of other steps enter as the steps' names: their own ingredients are included too.
        """
        parts: dict[str, str] = {}
        for identifier in identifiers:
            step = self.plan.step(identifier)
            kind = kind_of(step.command)
            trees = {
                name: kind.seen(step.command, self.inputs.files, self.inputs).digest()
                if isinstance(value, ProjectFiles)
                else str(value)
                for name, value in references(step).items()
            }
            resolved = Resolved(trees, self._parts(step, Given({})), self._host(step))
            for ingredient in ingredients(step, resolved):
                parts[f"{identifier}: {ingredient.name}"] = ingredient.value
            if (command := step.installs) is not None and command.extra is not None:
                # Its hook's answer decides which environment is used: any of these.
                parts[f"{identifier}: pins"] = self.pins.digest_of(command.request)
        return parts


def files(given: Given) -> dict[str, str]:
    """Return the files of a step's inputs, for its explanation; environments are listed by package."""
    return {
        f"{name}/{path}": text
        for name, tree in {**given.trees, **given.keyed}.items()
        if not name.endswith("environment")
        for path, text in tree.described().items()
    }


def _salt() -> dict[str, str]:
    """Return ``MPFORGE_CACHE_SALT``, which invalidates results stored with another one, or none."""
    salt = os.environ.get("MPFORGE_CACHE_SALT")
    return {"salt": salt} if salt else {}
