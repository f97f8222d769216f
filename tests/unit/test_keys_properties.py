"""A key's properties, for steps of every kind: each ingredient counts, and nothing else.

Steps are drawn from the types of the plan itself, so a new field or a new kind of step is tested as well.
"""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any, Literal

from hypothesis import assume, given
from hypothesis import strategies as st

from mpforge.keys.digest import digest
from mpforge.keys.walk import Resolved, ingredients, references
from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.steps import (
    NARROWS,
    Command,
    Identities,
    Identity,
    Libraries,
    OutputOf,
    ProjectFiles,
    ShippedFiles,
    Step,
    Variables,
)
from mpforge.plan.texts import Placeholder, Text, symbolic

REFERENCES = (ProjectFiles, OutputOf, ShippedFiles)
WORDS = st.text(alphabet="ab-é ", min_size=1, max_size=3)
NAMES = st.sampled_from(["A", "B", "CFLAGS"])
DIGESTS = [c * 64 for c in "0123"]
PLACEHOLDERS = st.sampled_from(
    [Placeholder("jobs"), Placeholder("prefix"), Placeholder("prefix", "z"), Placeholder("target")]
)
LITERALS = st.text(alphabet="a#$", max_size=2).flatmap(
    lambda start: st.sampled_from(["{jobs}", "{prefix:z}", "{a,b}", "b", ""]).map(
        lambda end: f"{start}{end}"
    )
)


def _joined(parts: list[str | Placeholder]) -> Text:
    """A text as the spec's reader gives it: pieces of text in one, no placeholder behind ``#`` or ``$``."""
    text: list[str | Placeholder] = []
    for part in parts:
        last = text[-1] if text else None
        if isinstance(part, str) and isinstance(last, str):
            text[-1] = last + part
        elif isinstance(part, str) or not (isinstance(last, str) and last[-1:] in ("#", "$")):
            text.append(part)
    return tuple(part for part in text if part != "")


TEXTS = st.lists(LITERALS | PLACEHOLDERS, max_size=3).map(_joined)


@functools.cache
def like(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type of the plan."""
    known: dict[Any, st.SearchStrategy[Any]] = {Text: TEXTS, str: WORDS, bool: st.booleans()}
    if (of := {Libraries: OutputOf, Identities: Identity}.get(hint)) is not None:
        named = st.dictionaries(WORDS, like(of), max_size=2)
        return named.map(lambda table: tuple(table.items()))
    if hint in known:
        return known[hint]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        several = inner[-1] is Ellipsis
        return st.lists(like(inner[0]), max_size=2).map(tuple) if several else _each(inner)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(like, inner))
    return _built(hint)


def _each(hints: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.tuples(*map(like, hints))


def _built(kind: Any) -> st.SearchStrategy[Any]:
    if kind is type(None):
        return st.none()
    hints = typing.get_type_hints(kind)
    fields = {name: like(hint) for name, hint in hints.items()}
    if "zig" in hints:  # its package is among the parts
        fields["zig"] = st.just(EnvironmentRequest("tool", "cp311", "x86_64", ("ziglang",)))
    return st.builds(kind, **fields)


COMMANDS = st.sampled_from(typing.get_args(Command)).flatmap(like)
VARIABLES = st.builds(
    Variables,
    values=st.dictionaries(NAMES, TEXTS, max_size=2).map(lambda table: tuple(table.items())),
    passed=st.lists(NAMES, unique=True, max_size=2).map(tuple),
    secrets=st.lists(st.sampled_from(["TOKEN", "KEY"]), unique=True, max_size=2).map(tuple),
)
STEPS = st.builds(Step, id=WORDS, title=WORDS, command=COMMANDS, variables=VARIABLES)


@st.composite
def resolved_for(draw: st.DrawFn, step: Step) -> Resolved:
    """What a step's references may stand for, what it uses, and what the host's variables are."""
    trees = {name: draw(st.sampled_from(DIGESTS)) for name in references(step)}
    parts = draw(st.dictionaries(st.sampled_from(["tool.a", "tool.b", "zig"]), WORDS))
    host = {name: draw(st.none() | WORDS) for name in step.variables.passed}
    return Resolved(trees, parts, host)


KNOWN = STEPS.flatmap(lambda step: st.tuples(st.just(step), resolved_for(step)))


def key(step: Step, resolved: Resolved) -> str:
    return digest(ingredients(step, resolved))


def _other(data: st.DataObject, hint: Any, value: object) -> Any:
    return data.draw(like(hint).filter(lambda drawn: drawn != value))


def _is_reference(hint: Any) -> bool:
    return hint in REFERENCES or any(map(_is_reference, typing.get_args(hint)))


@given(KNOWN, st.data())
def test_a_change_of_any_field_of_any_command_changes_its_key(
    known: tuple[Step, Resolved], data: st.DataObject
) -> None:
    step, resolved = known
    hints = typing.get_type_hints(type(step.command))
    own = [
        item.name
        for item in dataclasses.fields(step.command)
        if NARROWS not in item.metadata and not _is_reference(hints[item.name])
    ]
    assume(own)  # some commands have only fields that narrow a tree
    name = data.draw(st.sampled_from([name for name in own if name != "kind"]))
    changes: dict[str, Any] = {name: _other(data, hints[name], getattr(step.command, name))}
    other = replace(step, command=replace(step.command, **changes))
    assert key(other, resolved) != key(step, resolved)


def _renamed(command: Any, name: str, reference: object) -> Any:
    """A command with another reference; those of a field of several have its word before their names."""
    _, _, own = name.partition(".")
    if not own:
        return replace(command, **{name: reference})
    several = ((one, reference if one == own else other) for one, other in command.libraries)
    return replace(command, libraries=tuple(several))


@given(KNOWN, st.data())
def test_a_change_of_any_tree_changes_the_key_and_its_maker_s_name_does_not(
    known: tuple[Step, Resolved], data: st.DataObject
) -> None:
    step, resolved = known
    for name, value in references(step).items():
        others = [other for other in DIGESTS if other != resolved.trees[name]]
        trees = {**resolved.trees, name: data.draw(st.sampled_from(others))}
        assert key(step, replace(resolved, trees=trees)) != key(step, resolved)
        kind: Any = type(value)
        same = replace(step, command=_renamed(step.command, name, data.draw(like(kind))))
        assert key(same, resolved) == key(step, resolved)


def _changed(data: st.DataObject, table: Mapping[str, Any], values: Any) -> dict[str, Any]:
    """A table with one row changed, removed or added."""
    name = data.draw(st.sampled_from([*sorted(table), "new"]))
    if name in table and data.draw(st.booleans()):
        return {other: value for other, value in table.items() if other != name}
    return {**table, name: data.draw(values.filter(lambda drawn: drawn != table.get(name)))}


@given(KNOWN, st.data())
def test_a_change_of_what_a_step_uses_changes_its_key(
    known: tuple[Step, Resolved], data: st.DataObject
) -> None:
    step, resolved = known
    parts = _changed(data, resolved.parts, WORDS)
    assert key(step, replace(resolved, parts=parts)) != key(step, resolved)


@given(KNOWN, st.data())
def test_a_change_of_what_a_step_sees_of_the_environment_changes_its_key(
    known: tuple[Step, Resolved], data: st.DataObject
) -> None:
    step, resolved = known
    values = _changed(data, dict(step.variables.values), TEXTS)
    other = replace(step, variables=replace(step.variables, values=tuple(values.items())))
    assert key(other, resolved) != key(step, resolved)
    for name in step.variables.passed:
        host = {**resolved.host, name: _other(data, str | None, resolved.host[name])}
        assert key(step, replace(resolved, host=host)) != key(step, resolved)
    assert key(replace(step, network=not step.network), resolved) != key(step, resolved)


@given(KNOWN, st.randoms(use_true_random=False))
def test_no_order_changes_a_key_but_that_of_lists_which_mean_one(
    known: tuple[Step, Resolved], random: Random
) -> None:
    step, resolved = known

    def shuffled(table: Any) -> Any:
        rows = list(table.items()) if isinstance(table, Mapping) else list(table)
        random.shuffle(rows)
        return dict(rows) if isinstance(table, Mapping) else tuple(rows)

    variables = Variables(
        shuffled(step.variables.values),
        shuffled(step.variables.passed),
        shuffled(step.variables.secrets),
    )
    other = Resolved(shuffled(resolved.trees), shuffled(resolved.parts), shuffled(resolved.host))
    assert key(replace(step, variables=variables), other) == key(step, resolved)


@given(KNOWN, WORDS, WORDS, st.integers(min_value=1), st.booleans())
def test_names_titles_times_and_what_the_host_has_besides_change_no_key(
    known: tuple[Step, Resolved], identifier: str, title: str, timeout: int, cache: bool
) -> None:
    step, resolved = known
    other = replace(step, id=identifier, title=title, timeout=timeout, cache=cache)
    host = {**resolved.host, "HOME": "/home/somebody", "PWD": "/elsewhere"}
    assert key(other, replace(resolved, host=host)) == key(step, resolved)


@given(TEXTS, TEXTS)
def test_two_texts_look_alike_only_if_they_are(one: Text, other: Text) -> None:
    assert (symbolic(one) == symbolic(other)) == (one == other)
