"""Walk over a step's ingredients; the only module that lists them.

Every field of the step's command is an ingredient by construction: a reference enters as the digest of the
tree it refers to, anything else as its own value, placeholders as written (except for fields that only narrow
a tree: the digest is of the narrowed tree). Whatever else the step uses (interpreters,
toolchains, packages, emulators) enters as named parts from its provider.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mpforge import __version__
from mpforge.keys.digest import Ingredient
from mpforge.plan.codec import encode
from mpforge.plan.places import Machine, PlannedPlace
from mpforge.plan.steps import BY_NAME, NARROWS, Step, Tree
from mpforge.plan.texts import symbolic
from mpforge.plan.toolchains import Compilers

ABSENT = "(absent)"
SECRET = "(secret)"  # noqa: S105 - stands for a secret's value in a key


@dataclass(frozen=True)
class Resolved:
    """Resolved references of a step.

    ``trees`` are digests by the command's field; ``parts`` the named parts of everything else that is used
    (``zig.version``, ``package.setuptools``); ``host`` the values of variables that are passed on.
    """

    trees: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, str | None] = field(default_factory=dict)


def ingredients(step: Step, resolved: Resolved) -> Iterator[Ingredient]:
    """Yield every ingredient of a step's key. Raises ``KeyError`` for a reference that is not resolved."""
    yield Ingredient("mpforge", __version__)
    narrowing = {f.name for f in dataclasses.fields(step.command) if NARROWS in f.metadata}
    for name, value in _fields(step):
        if isinstance(value, Tree):
            yield Ingredient(name, resolved.trees[name], tree=True)
        elif name not in narrowing:
            yield Ingredient(name, _text(value))
    yield Ingredient("kind", step.command.kind)
    yield Ingredient("network", "declared" if step.network else "none")
    for name, value in resolved.parts.items():
        yield Ingredient(name, value)
    for name, written in step.variables.values:
        yield Ingredient(f"environment.{name}", symbolic(written))
    for name in dict.fromkeys(step.variables.passed):
        taken = resolved.host.get(name)
        # Quoted, so that no value looks like an absent one.
        yield Ingredient(f"pass-environment.{name}", ABSENT if taken is None else json.dumps(taken))
    for name in dict.fromkeys(step.variables.secrets):
        yield Ingredient(f"secrets.{name}", SECRET)


def references(step: Step) -> dict[str, Tree]:
    """Return the references of a step's command by field: those that must be resolved."""
    return {name: value for name, value in _fields(step) if isinstance(value, Tree)}


def _fields(step: Step) -> Iterator[tuple[str, object]]:
    for item in dataclasses.fields(step.command):
        value = getattr(step.command, item.name)
        if (word := item.metadata.get(BY_NAME)) is None:
            yield item.name, value
        else:
            yield from ((f"{word}.{name}", reference) for name, reference in value)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Compilers):
        fields = _compilers(value)
    else:
        fields = _machine(value) if isinstance(value, Machine) else encode(value)
    return json.dumps(fields, sort_keys=True)


def _compilers(value: Compilers) -> dict[str, object]:
    """Merge the fields of the compilers and their toolchain; zig's package is among the parts."""
    toolchain = {**encode(value.toolchain), "toolchain": value.toolchain.name}
    del toolchain["kind"]  # the others imply it
    emulator = None if value.emulator is None else _machine(value.emulator)
    merged = {**encode(value), **toolchain, "emulator": emulator, "cross": value.cross, "zig": None}
    return _placed(merged, value.place)


def _machine(value: Machine) -> dict[str, object]:
    return _placed(encode(value), value.place)


def _placed(fields: dict[str, object], place: PlannedPlace) -> dict[str, object]:
    """Return these fields with the place as keys write it, under the name that it has there."""
    kept = {name: value for name, value in fields.items() if name != "place"}
    return {**kept, "inside": place.in_key}
