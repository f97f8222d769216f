"""Bring together the wheels of all runs of cibuildwheel, and the options of each, in mpforge's words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mpforge import platforms
from mpforge.compiler.pythons import allows
from mpforge.migrate.account import Account
from mpforge.migrate.cibuildwheel.options import KINDS, Options, Table, Value, image_options
from mpforge.migrate.cibuildwheel.selection import (
    Invocation,
    Wheel,
    machines_of,
    select,
    skipped_tests,
    unknown_words,
)
from mpforge.migrate.cibuildwheel.syntax import matches
from mpforge.migrate.cibuildwheel.translate import translate
from mpforge.migrate.cibuildwheel.versions import LAST_WITH, NEWEST, Version, default_policy
from mpforge.migrate.factor import Leaves, Pair, leaves_of
from mpforge.migrate.files import ProjectFiles
from mpforge.migrate.run import SELECTED_BY, Run
from mpforge.platforms import python_words

SELECTING = frozenset({"archs", "build", "skip", "enable", "free-threaded-support"})
PYPYS = ("pp311",)


@dataclass
class Wheels:
    """The wheels of all runs.

    ``all`` are cibuildwheel's, with the run that builds each first; ``leaves`` are the options of those that
    mpforge builds, too; ``left_out`` are the others, with the reason. ``differing`` are those for which a
    later run has other options, by its place. ``named``: the options name the Pythons.
    ``instead`` is the oldest Python, which the spec has because none of cibuildwheel's wheels can be built.
    ``runs`` are the runs that build, with their machines.
    """

    all: dict[Wheel, Run] = field(default_factory=dict)
    leaves: dict[Pair, Leaves] = field(default_factory=dict)
    left_out: dict[Wheel, str] = field(default_factory=dict)
    differing: dict[str, list[Wheel]] = field(default_factory=dict)
    named: bool = False
    instead: str | None = None
    runs: list[tuple[Run, tuple[str, ...]]] = field(default_factory=list)

    @property
    def matrix(self) -> Mapping[str, Sequence[str]]:
        """Return the Pythons of each target, both in the order of their tables."""
        order = {word: n for n, word in enumerate(python_words.known())}
        found: dict[str, list[str]] = {}
        for target in platforms.well_known():
            pythons = [python for name, python in self.leaves if name == target]
            if pythons:
                found[target] = sorted(pythons, key=lambda word: order[word])
        return found


def collect(
    runs: Sequence[Run],
    tables: Mapping[str, Table],
    *,
    requires_python: str | None,
    files: ProjectFiles,
    account: Account,
) -> Wheels:
    """Return the wheels of ``runs``; ``tables`` are the options by the name of their file.

    ``files`` are the package's.

    Where runs build the same wheel, the first one's options are used, of files that upload wheels first.
    """
    wheels = Wheels()
    every: list[_Run] = []
    pairs = sorted(_selecting_and_building(runs), key=lambda pair: not pair[1].publishes)
    for selecting, building in pairs:
        run, options = _with_options(selecting, tables)
        wheels.runs.append((run, machines_of(options, _invocation(run))))
        _account_selection(run, options, account)
        build = options.value("build")
        wheels.named |= bool(run.text("only") or (build and build.content not in ([], ["*"])))
        selected = select(options, _invocation(run), requires_python)
        if building is not selecting:
            run, options = _with_options(building, tables)
            late = [setting for setting in run.unresolved if setting.name in SELECTED_BY]
            account.add(late, "translated", "project.python")
            _account_run(replace(run, unresolved=tuple(set(run.unresolved) - set(late))), account)
        one = _Run(run, options, files, account)
        for wheel in selected:
            _add(wheels, wheel, one)
        every.append(one)
    if not wheels.leaves:
        _add_oldest(wheels, every, requires_python)
    return wheels


def _add_oldest(wheels: Wheels, runs: "list[_Run]", requires_python: str | None) -> None:
    """Add wheels of the oldest Python in place of older ones: an abi3 wheel serves all later Pythons."""
    words = python_words.automatic()
    oldest = next((w for w in words if requires_python is None or allows(requires_python, w)), None)
    for run in runs if oldest is not None else ():
        for machine in machines_of(run.options, _invocation(run.run)):
            wheel = Wheel(str(oldest), "manylinux", machine)
            if why_not_built(wheel) is None:
                wheels.leaves.setdefault((wheel.target, wheel.python), run.leaves(wheel))
                wheels.instead, wheels.named = oldest, True


def _assumed(options: Options) -> Version:
    """Return the newest version that knows the groups of ``enable``, for a run without a pinned one."""
    value = options.value("enable")
    groups = value.content if value is not None else []
    return min((LAST_WITH[group] for group in groups if group in LAST_WITH), default=NEWEST)


def _invocation(run: Run) -> Invocation:
    return Invocation(
        run.version,
        run.machines or platforms.hosts(),
        run.text("only") or None,
        run.text("archs") or None,
        tuple(run.text("enable").split()),
    )


def _with_options(run: Run, tables: Mapping[str, Table]) -> tuple[Run, Options]:
    """Return a run with the version that it is assumed to have, and its options."""
    options = Options(tables.get(run.text("config-file"), Table()), run.variables)
    return run if run.version_known else replace(run, version=_assumed(options)), options


def _selecting_and_building(runs: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Return the runs that build, each after the run that selects its wheels, mostly itself.

    A run that prints identifiers selects for those whose matrix it makes: of its own file, if there are any.
    """
    lists = [run for run in runs if run.lists]
    builds = [run for run in runs if not run.lists]
    if not lists or not builds:
        return [(run, run) for run in runs]
    late = [run for run in builds if run.selected_late]
    pairs = [(one, run) for one in lists for run in [r for r in late if r.file == one.file] or late]
    return [*pairs, *((run, run) for run in builds if run not in late)]


def _add(wheels: Wheels, wheel: Wheel, run: "_Run") -> None:
    known = wheel in wheels.all
    wheels.all.setdefault(wheel, run.run)
    reason = why_not_built(wheel)
    if reason is not None:
        wheels.left_out[wheel] = reason
        return
    leaves = run.leaves(wheel)
    pair = (wheel.target, wheel.python)
    if not known:
        wheels.leaves[pair] = leaves
    elif wheels.leaves[pair] != leaves:
        wheels.differing.setdefault(run.run.where, []).append(wheel)


_INPUTS = {
    "only": "project.python",
    "archs": "project.targets",
    "enable": "project.python",
    "package-dir": "project.source",
    "config-file": "the file's options",
}
_VARIABLES = ("CIBW_PLATFORM", "CIBW_PROJECT_REQUIRES_PYTHON", "CIBW_PRERELEASE_PYTHONS")
_LATE = "its text is known only when the job runs; cibuildwheel's default is used instead"


def _account_selection(run: Run, options: Options, account: Account) -> None:
    """Record how settings that select wheels were translated, and which settings are not known."""
    for name in sorted(SELECTING):
        if (value := options.value(name)) is not None:
            key = "project.targets" if name == "archs" else "project.python"
            account.translated(value.settings, key)
            for word in unknown_words(name, value.content):
                account.add(value.settings, "refused", f"cibuildwheel has no `{word}` for {name}")
    _account_run(run, account)


def _account_run(run: Run, account: Account) -> None:
    for name, setting in run.inputs.items():
        if name in _INPUTS and run.text(name):
            account.translated([setting], _INPUTS[name])
    for name in _VARIABLES:
        if name in run.variables:
            account.translated([run.variables[name]], "project.python")
    account.add(run.unresolved, "refused", _LATE)


_IN_IMAGE = frozenset(
    ("build", key) for key in ("strategy", "network", "image", "before-all", "before-all-sources")
)
"""The paths of options that make a build one in an image."""


class _Run:
    """A run, and the options of each of its wheels in our words; equal options are translated once."""

    def __init__(self, run: Run, options: Options, files: ProjectFiles, account: Account) -> None:
        self.run, self.options, self._files, self._account = run, options, files, account
        self._skipped = skipped_tests(options)
        self._names = [n for n in (*KINDS, *image_options()) if n not in SELECTING | {"test-skip"}]
        self._memo: dict[str, Leaves] = {}

    def leaves(self, wheel: Wheel) -> Leaves:
        """Return the options of a wheel, with what cibuildwheel does by default.

        That is the image of its version, and its own variable.
        """
        leaves = dict(self._translated(self._values(wheel)))
        platform = platforms.well_known()[wheel.target]
        policy = default_policy(platform, self.run.version)
        if policy not in (None, platform.default_policy):
            leaves.setdefault(("build", "policy"), policy)
        leaves["build", "environment", "CIBUILDWHEEL"] = "1"
        if ("test", "command") in leaves:
            leaves["test", "environment", "CIBUILDWHEEL"] = "1"
        if wheel.python.startswith("pp") and ("build", "before-all") in leaves:
            leaves = {path: value for path, value in leaves.items() if path not in _IN_IMAGE}
            if (before := self.options.value("before-all", wheel.identifier)) is not None:
                text = f"{wheel.python}: it runs only in an image, where mpforge builds no PyPy"
                self._account.add(before.settings, "refused", text)
        if matches(wheel.identifier, self._skipped):
            leaves = {path: value for path, value in leaves.items() if path[0] != "test"}
            leaves["test", "strategy"] = "skip"
            if (value := self.options.value("test-skip")) is not None:
                self._account.translated(value.settings, "test.strategy")
        return leaves

    def _values(self, wheel: Wheel) -> dict[str, Value]:
        pypy = "pypy_" if wheel.python.startswith("pp") else ""
        image = f"{wheel.libc}-{pypy}{wheel.machine}-image"
        found = {}
        for name in self._names:
            if name.endswith("-image") and name != image:
                continue
            if (value := self.options.value(name, wheel.identifier)) is not None:
                found[name] = value
        return found

    def _translated(self, values: Mapping[str, Value]) -> Leaves:
        key = repr([(name, value) for name, value in values.items()])
        if key not in self._memo:
            contents: dict[str, Any] = {name: value.content for name, value in values.items()}
            translation = translate(contents, files=self._files)
            for option, outcome, text in translation.outcomes:
                self._account.add(values[option].settings, outcome, text)
            self._memo[key] = leaves_of({"build": translation.build, "test": translation.test})
        return self._memo[key]


def why_not_built(wheel: Wheel) -> str | None:
    """Return the reason why mpforge can't build a wheel; None if it can."""
    platform = platforms.well_known().get(wheel.target)
    if platform is None or not platform.available:
        return f"{wheel.target} is not a target of this version of mpforge"
    if wheel.python.startswith("gp"):
        return "GraalPy is not built"
    if wheel.python.startswith("pp") and wheel.python not in PYPYS:
        return f"of PyPy, only {', '.join(PYPYS)} is built"
    if wheel.python not in python_words.known():
        oldest = python_words.known()[0]
        return f"{wheel.python} is older than {oldest}, the oldest that is built"
    return None
