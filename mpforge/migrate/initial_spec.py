"""Draft a project's first spec from its ``pyproject.toml``: ``initial_spec``.

``[project]`` and ``[tool.cibuildwheel]`` are translated as far as this version of mpforge
supports them; everything else becomes a remark with its reason. Pure: reads and writes no files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mpforge import platforms
from mpforge.errors import WrongInput
from mpforge.formats.pyproject import read_pyproject
from mpforge.formats.requirements import specifier
from mpforge.migrate import cibuildwheel_syntax as text_of
from mpforge.migrate.cibuildwheel import read_level
from mpforge.migrate.draft import Draft, Remark, comment, to_toml, validated

# The released CPythons that build and test environments can be made for.
PYTHONS = ("cp311", "cp312", "cp313", "cp314")

_HEAD = """\
What is shipped, for which Pythons and targets. `mpforge check` finds mistakes in it, `mpforge plan`
shows what would run, `nox -l` the sessions. Every key: docs/configuration.md."""
_NO_COMMAND = """\
Without a test command, every extension module of a wheel is imported. With pytest it would be:
[test]
requires = ["pytest"]
command = ["{python} -m pytest {posargs}"]"""
_NOT_YET = "not available yet in this version of mpforge"
_OTHER_PLATFORMS = ("android", "ios", "macos", "pyodide", "windows")


@dataclass(frozen=True)
class InitialSpec:
    """A spec to write, and remarks about the options that it leaves out.

    ``translated`` are the options of cibuildwheel that it includes.
    """

    text: str
    pythons: tuple[str, ...]
    targets: tuple[str, ...]
    translated: tuple[str, ...]
    remarks: tuple[Remark, ...]


def initial_spec(
    pyproject: str | None, *, available: Sequence[str], pkg_info: str | None = None
) -> InitialSpec:
    """Return a project's first spec; ``pyproject`` is the file's text, None if there is none.

    ``available`` are the targets that this version builds, ``pkg_info`` is the Requires-Python of an
    unpacked sdist's PKG-INFO, used if pyproject.toml has none. Raises ``WrongInput`` for a file
    that is not TOML, and if no Python is left.
    """
    work = _Translation(read_pyproject(pyproject), tuple(available), pkg_info)
    work.project()
    work.options()
    work.overrides()
    work.elsewhere()
    remarks = (*work.remarks, *validated(work.draft))
    texts = [comment(_HEAD), to_toml(work.draft)]
    if "command" not in work.draft.document.get("test", {}):
        texts.append(comment(_NO_COMMAND))
    notes = [f"{r.key}: {' '.join(r.reason.split())}" for r in remarks]
    if notes:
        texts.append(comment("\n".join(["Not translated:", *(f"- {note}" for note in notes)])))
    return InitialSpec(
        text="\n".join([texts[0], *(f"{text.rstrip()}\n" for text in texts[1:])]),
        pythons=tuple(work.draft.table("project")["python"]),
        targets=tuple(work.draft.table("project")["targets"]),
        translated=tuple(work.translated),
        remarks=remarks,
    )


@dataclass
class _Translation:
    """A translation in progress: ``matrix`` has the Pythons of each target."""

    pyproject: dict[str, Any]
    available: tuple[str, ...]
    pkg_info: str | None
    draft: Draft = field(default_factory=Draft)
    remarks: list[Remark] = field(default_factory=list)
    translated: list[str] = field(default_factory=list)
    matrix: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.all = _table(_table(self.pyproject, "tool"), "cibuildwheel")
        others = {"linux", "overrides", *_OTHER_PLATFORMS}
        own = {key: value for key, value in self.all.items() if key not in others}
        self.table = {**own, **_table(self.all, "linux")}
        self.base = read_level(self.table)

    # --- [project] -----------------------------------------------------------------------------

    def project(self) -> None:
        """Draft the ``[project]`` table."""
        self.draft.document["schema"] = 1
        pythons, why = self._pythons()
        targets = self._targets()
        build, skip = (text_of.globs(self.table.get(key)) for key in ("build", "skip"))
        for target in targets:
            names = {python: _identifier(python, target) for python in pythons}
            found = tuple(p for p in pythons if text_of.is_selected(names[p], build, skip))
            if found:
                self.matrix[target] = found
        if not self.matrix:
            self._nothing_selected(pythons, targets)
        else:
            self.translated += [key for key in ("build", "skip") if self.table.get(key)]
        every = [p for p in pythons if any(p in found for found in self.matrix.values())]
        project = self.draft.table("project")
        project["python"] = every
        project["targets"] = list(self.matrix)
        self.draft.comments["project", "python"] = why
        left = [(t, p) for t, found in self.matrix.items() for p in every if p not in found]
        if left:
            project["skip"] = _words(left, {target: tuple(every) for target in self.matrix})

    def _pythons(self) -> tuple[list[str], str]:
        """Return the Pythons that the project allows, and the source of that."""
        project = _table(self.pyproject, "project")
        allowed, why = self._allowed(project.get("requires-python"))
        if text_of.globs(self.table.get("build")) not in ([], ["*"]):
            return allowed, why
        classifiers = project.get("classifiers", ())
        known = "Programming Language :: Python :: 3."
        named = [p for p in allowed if f"{known}{p.removeprefix('cp3')}" in classifiers]
        if named and named != allowed:
            return named, f"{why}, and the classifiers"
        return allowed, why

    def _allowed(self, requires: object) -> tuple[list[str], str]:
        where, short = "pyproject.toml: requires-python", "requires-python"
        if requires is None and self.pkg_info is not None:
            requires = self.pkg_info
            where = short = "PKG-INFO's Requires-Python"
        if not isinstance(requires, str):
            reason = "pyproject.toml does not declare it: all known Pythons were written"
            self.remarks.append(Remark("requires-python", reason))
            return list(PYTHONS), "leave out those that the project does not run on"
        try:
            limits = specifier(requires)
        except ValueError:
            raise WrongInput(
                f"{where} = {requires!r} is not a version specifier",
                hint='such as ">=3.11"',
            ) from None
        versions = {word: f"3.{word.removeprefix('cp3')}" for word in PYTHONS}
        allowed = [
            word
            for word, version in versions.items()
            if limits.contains(f"{version}.99") or limits.contains(f"{version}.0")
        ]
        if not allowed:
            raise WrongInput(
                f"{where} = {requires!r} leaves no Python to build for",
                why=f"mpforge init knows {', '.join(PYTHONS)}",
            )
        return allowed, f'{short} = "{requires}"'

    def _targets(self) -> list[str]:
        listed = text_of.words(self.table.get("archs"))
        named = [name for word in listed for name in (*_archs(word), word)]
        linux = [name for name in dict.fromkeys(named) if name in _archs("all")]
        if not linux:
            return _archs("auto")
        self.translated.append("archs")
        later = [name for name in linux if name not in self.available]
        if later:
            self.remarks.append(Remark(f"archs: {', '.join(later)}", _NOT_YET))
        return [name for name in linux if name in self.available] or linux

    def _nothing_selected(self, pythons: list[str], targets: list[str]) -> None:
        """Use our oldest Python if cibuildwheel builds only for older ones (an abi3 wheel, say)."""
        reason = f"it selects none of {', '.join(pythons)} for {', '.join(targets)}"
        kept = pythons[:1]
        self.remarks.append(Remark("build, skip", f"{reason}; wrote {kept[0]} instead"))
        self.matrix = {target: tuple(kept) for target in targets}

    # --- [build] and [test] --------------------------------------------------------------------

    def options(self) -> None:
        """Draft the options for all builds, and each target's policy."""
        level = self.base
        policies = {t: p for t, p in level.policies.items() if t in self.matrix}
        same = len(set(policies.values())) == 1 and len(policies) == len(self.matrix)
        if same:
            level.build.setdefault("policy", next(iter(policies.values())))
        for name, options in (("build", level.build), ("test", level.test)):
            if options:
                self.draft.table(name).update(options)
        self.remarks += level.remarks
        self.translated += level.translated
        if not same:
            for target, policy in policies.items():
                self.draft.table("targets", target, "build")["policy"] = policy

    # --- [[overrides]] -------------------------------------------------------------------------

    def overrides(self) -> None:
        """Draft the overrides, and the skipped tests."""
        found: list[dict[str, Any]] = []
        tables = [t for t in text_of.as_list(self.all.get("overrides")) if isinstance(t, dict)]
        for number, table in enumerate(tables):
            where = f"overrides[{number}]"
            select = text_of.globs(table.get("select"))
            matched = self._matched(select)
            if not matched:
                reason = f"{' '.join(select)}: selects nothing that this spec builds"
                self.remarks.append(Remark(where, reason))
                continue
            override = self._override(table, f"{where}.")
            if override:
                found.append({"select": self._selecting(matched), **override})
        skipped = text_of.globs(self.table.get("test-skip"))
        if matched := self._matched(skipped):
            path = ("overrides", len(found))
            self.draft.comments[path] = (
                f"cibuildwheel's test-skip, {' '.join(skipped)}; without this, tests are emulated."
            )
            found.append({"select": self._selecting(matched), "test": {"strategy": "skip"}})
        if skipped:
            self.translated.append("test-skip")
        if found:
            self.draft.document["overrides"] = found

    def _override(self, table: Mapping[str, Any], where: str) -> dict[str, Any]:
        inherited = _inherited(self.table, table)
        sources = self.base.test.get("sources", self.base.sources)
        level = read_level(inherited, where=where, sources=sources)
        for machine, policy in level.policies.items():
            if machine in self.matrix:
                level.build["policy"] = policy
        self.remarks += level.remarks
        self.translated += level.translated
        for name, options, base in (
            ("build", level.build, self.base.build),
            ("test", level.test, self.base.test),
        ):
            for key in ("environment", "config-settings"):
                stays = [k for k in base.get(key, ()) if k not in options.get(key, {})]
                if key in options and stays and key not in _table(table, "inherit"):
                    reason = f"tables merge: {', '.join(stays)} of [{name}] stays"
                    self.remarks.append(Remark(f"{where}{key}", reason))
        return {k: v for k, v in (("build", level.build), ("test", level.test)) if v}

    def _matched(self, patterns: Sequence[str]) -> list[tuple[str, str]]:
        return [
            (target, python)
            for target, pythons in self.matrix.items()
            for python in pythons
            if text_of.matches(_identifier(python, target), patterns)
        ]

    def _selecting(self, matched: list[tuple[str, str]]) -> str | list[str]:
        found = _words(matched, self.matrix)
        return found[0] if len(found) == 1 else found

    # --- other platforms -----------------------------------------------------------------------

    def elsewhere(self) -> None:
        """Add remarks about targets that cibuildwheel builds and this version of mpforge does not."""
        build, skip = (text_of.globs(self.table.get(key)) for key in ("build", "skip"))
        enabled = text_of.words(self.table.get("enable"))
        asked = " ".join([*build, *enabled])
        if "pypy" in asked or any(glob.startswith("pp") for glob in build):
            self.remarks.append(Remark("PyPy", _NOT_YET))
        free = self.table.get("free-threaded-support") or "cpython-freethreading" in enabled
        if free or any(glob.startswith("cp3") and "t-" in glob for glob in build):
            reason = "name them in project.python (cp313t): the host must have such a CPython"
            self.remarks.append(Remark("free-threaded Pythons", reason))
        musl = [
            f"{target}_musl"
            for target in self.matrix
            if any(
                text_of.is_selected(f"{python}-musllinux_{target}", build, skip)
                for python in PYTHONS
            )
        ]
        if self.all and musl:
            reason = f"add the targets {', '.join(musl)} to project.targets to build them"
            self.remarks.append(Remark("musllinux wheels", reason))
        others = [name for name in _OTHER_PLATFORMS if self.all.get(name)]
        if others:
            self.remarks.append(Remark(", ".join(others), _NOT_YET))


def _table(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = holder.get(key, {})
    return found if isinstance(found, dict) else {}


def _archs(word: str) -> list[str]:
    """Return the targets that a word of cibuildwheel's ``archs`` includes."""
    known = platforms.well_known()
    return [name for name, platform in known.items() if word in platform.cibuildwheel]


def _identifier(python: str, target: str) -> str:
    libc = platforms.well_known()[target].libc
    return f"{python}-{libc.policy if libc else ''}_{target}"


def _words(chosen: Sequence[tuple[str, str]], matrix: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the shortest globs over TARGET-PYTHON that select exactly ``chosen`` of ``matrix``."""
    wanted = set(chosen)
    pairs = [(target, python) for target, found in matrix.items() for python in found]
    if wanted >= set(pairs):
        return ["*"]
    pythons = dict.fromkeys(python for _, python in pairs)
    whole = [t for t, found in matrix.items() if all((t, p) in wanted for p in found)]
    across = [p for p in pythons if all(pair in wanted for pair in pairs if pair[1] == p)]
    if all(target in whole for target, _ in wanted):
        return [f"{target}-*" for target in whole]
    if all(python in across for _, python in wanted):
        return [f"*-{python}" for python in across]
    return [f"{target}-{python}" for target, python in pairs if (target, python) in wanted]


def _inherited(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return an override's options, each with its inherited value prepended or appended."""
    found = dict(override)
    for key, how in _table(override, "inherit").items():
        mine, theirs = override.get(key), base.get(key)
        if how == "none" or not mine or not theirs or isinstance(mine, dict):
            continue
        as_list = text_of.commands if key.endswith(("command", "build", "test")) else text_of.words
        one, other = as_list(theirs), as_list(mine)
        found[key] = [*one, *other] if how == "append" else [*other, *one]
    return found
