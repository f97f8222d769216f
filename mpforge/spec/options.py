"""One target's options, merged from every level of the spec, and the targets themselves.

Order: defaults < ``[build]``/``[test]`` < the target's < overrides in file order. Scalars, lists
and ``command`` replace; tables merge by key. What depends on the platform or the host stays
``"auto"``: the compiler chooses the platform's defaults (its policy, its image). A valid spec
is assumed, see ``load``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from mpforge import platforms
from mpforge.formats.toml import Path
from mpforge.platforms import python_words as python_names
from mpforge.spec.library_tables import Library
from mpforge.spec.model import BuildOptions, RepairOptions, Spec, TestOptions
from mpforge.spec.table import Table

_Options = TypeVar("_Options", bound=Table)


@dataclass(frozen=True)
class Options:
    """The options of one build and its test; ``model_fields_set`` of each has the given ones."""

    build: BuildOptions
    test: TestOptions


@dataclass(frozen=True)
class ResolvedTarget:
    """A target with something to build.

    ``platform`` is a well-known name; ``pythons`` those left by ``skip``, empty exactly if the
    kind is not wheel; ``dist`` the folder below ``dist/``, ``None`` for ``dist/`` itself.
    """

    name: str
    platform: str
    pythons: tuple[str, ...]
    dist: str | None


@dataclass(frozen=True)
class Level:
    """A place where options were written, and those options."""

    path: Path
    build: BuildOptions
    test: TestOptions


def resolve(spec: Spec, *, target: str, python: str | None) -> Options:
    """Return the merged options of ``target`` and ``python``, which is ``None`` if there is no Python."""
    levels = tuple(levels_of(spec, target, python))
    return Options(
        build=_merged(BuildOptions(), tuple(level.build for level in levels)),
        test=_merged(TestOptions(), tuple(level.test for level in levels)),
    )


def origin(spec: Spec, target: str, python: str | None, option: str) -> Path | None:
    """Return the path of ``option`` in the last level that sets it; ``None`` if none does.

    ``option`` is dotted: ``build.image``, ``build.repair.strip``.
    """
    words = tuple(option.split("."))
    for level in reversed(tuple(levels_of(spec, target, python))):
        table: object = level.build if words[0] == "build" else level.test
        for word in words[1:]:
            table = _written(table, word)
        if table is not None:
            return (*level.path, *words)
    return None


def levels_of(spec: Spec, target: str, python: str | None) -> Iterator[Level]:
    """Yield the levels that apply to ``target`` and ``python``, weakest first."""
    yield Level((), spec.build, spec.test)
    if target in spec.targets:
        own = spec.targets[target]
        yield Level(("targets", target), own.build, own.test)
    name = word(target, python)
    for number, override in enumerate(spec.overrides):
        if any(fnmatchcase(name, glob) for glob in override.select):
            yield Level(("overrides", number), override.build, override.test)


def all_levels(spec: Spec) -> Iterator[Level]:
    """Yield every level of the spec, in the order of ``levels_of``."""
    yield Level((), spec.build, spec.test)
    for name, target in spec.targets.items():
        yield Level(("targets", name), target.build, target.test)
    for number, override in enumerate(spec.overrides):
        yield Level(("overrides", number), override.build, override.test)


def word(target: str, python: str | None) -> str:
    """Return the name that globs match: ``aarch64-cp311``, or ``gateway`` without a Python."""
    return target if python is None else f"{target}-{python}"


def cpu_word(model: str) -> str:
    """Return a CPU model as a word of a session name: ``neoverse-n1`` → ``neoverse_n1``."""
    return model.lower().replace("-", "_").replace(".", "_")


def targets(spec: Spec) -> tuple[ResolvedTarget, ...]:
    """Return every target with something to build: ``project.targets`` first, then added ones."""
    found = []
    for name in target_names(spec):
        pythons = python_words(spec, name)
        if not pythons and (is_wheel(spec, name) or _skipped(spec, name)):
            continue
        own = spec.targets.get(name)
        platform = platform_name(spec, name) or name
        found.append(ResolvedTarget(name, platform, pythons, own.dist if own else None))
    return tuple(found)


def target_names(spec: Spec) -> tuple[str, ...]:
    """Return the names of all targets, ``skip`` not applied, each once."""
    return tuple(dict.fromkeys((*spec.project.targets, *spec.targets)))


def python_words(spec: Spec, target: str) -> tuple[str, ...]:
    """Return the Pythons that ``target`` is built for; none if the kind is not wheel."""
    return tuple(p for p in all_pythons(spec, target) if not _skipped(spec, word(target, p)))


def all_pythons(spec: Spec, target: str) -> tuple[str, ...]:
    """Return the same as ``python_words``, but without applying ``skip``."""
    if not is_wheel(spec, target):
        return ()
    own = spec.targets.get(target)
    return expanded(spec.project.python if own is None or own.python is None else own.python)


def expanded(words: Iterable[str], allowed: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return Pythons with ``auto`` replaced by ``allowed``, by default by all that it may stand for."""
    stands_for = python_names.automatic() if allowed is None else tuple(allowed)
    found = (stands_for if word == python_names.AUTO else (word,) for word in words)
    return tuple(dict.fromkeys(word for some in found for word in some))


def is_automatic(spec: Spec) -> bool:
    """Return whether a spec leaves some of its Pythons to the project's Requires-Python."""
    lists = [spec.project.python, *(t.python for t in spec.targets.values() if t.python)]
    return any(python_names.AUTO in words for words in lists)


def narrowed(spec: Spec, allowed: Iterable[str]) -> Spec:
    """Return a spec in which ``auto`` is replaced by the Pythons that the project allows."""
    words = tuple(allowed)
    own = {
        name: target.model_copy(update={"python": expanded(target.python, words)})
        for name, target in spec.targets.items()
        if target.python
    }
    project = spec.project.model_copy(update={"python": expanded(spec.project.python, words)})
    return spec.model_copy(update={"project": project, "targets": {**spec.targets, **own}})


def is_wheel(spec: Spec, target: str) -> bool:
    """Return whether ``target`` ships wheels; overrides don't count, because their globs depend on it."""
    own = spec.targets.get(target)
    if own is not None and "kind" in own.build.model_fields_set:
        return own.build.kind == "wheel"
    return spec.build.kind == "wheel"


def platform_name(spec: Spec, target: str) -> str | None:
    """Return the well-known name of ``target``'s platform, ``None`` if the spec gives none.

    A docker platform means glibc, except that a well-known musl target may repeat its own.
    """
    known = platforms.well_known()
    own = spec.targets.get(target)
    written = own.platform if own else None
    if written is None:
        return target if target in known else None
    if target in known and written in (target, known[target].docker_platform):
        return target
    if written in known:
        return written
    return platforms.foreign_names().get(written) if "/" in written else None


def with_needs(names: Iterable[str], table: Mapping[str, Library]) -> tuple[str, ...]:
    """Return names of libraries and of all that they need, each after its needs; there are no cycles."""
    found: dict[str, None] = {}
    for name in names:
        found |= dict.fromkeys((*with_needs(table[name].needs, table), name))
    return tuple(found)


def _skipped(spec: Spec, name: str) -> bool:
    return any(fnmatchcase(name, glob) for glob in spec.project.skip)


def _written(table: object, key: str) -> object:
    if isinstance(table, Table):
        field = key.replace("-", "_")
        return getattr(table, field) if field in table.model_fields_set else None
    return table.get(key) if isinstance(table, Mapping) else None


def _merged(defaults: _Options, levels: tuple[_Options, ...]) -> _Options:
    values: dict[str, object] = {}
    for level in levels:
        for name in level.model_fields_set:
            values[name] = _joined(values.get(name), getattr(level, name))
    return defaults.model_copy(update=values)


def _joined(weak: object, strong: object) -> object:
    if isinstance(weak, Mapping) and isinstance(strong, Mapping):
        return {**weak, **strong}
    if isinstance(weak, RepairOptions) and isinstance(strong, RepairOptions):
        return _merged(RepairOptions(), (weak, strong))
    return strong
