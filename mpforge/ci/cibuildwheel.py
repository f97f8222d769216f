"""Targets that mpforge does not build (Windows, macOS) as jobs of cibuildwheel, from the same spec.

Facts: cibuildwheel's options reference and its table of Pythons, 4.x. What it can't express is left out, with
a remark.
"""

import csv
import functools
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge.plan.sessions import Plan
from mpforge.platforms import Platform, well_known
from mpforge.platforms.python_words import parse
from mpforge.spec.model import BuildOptions, Spec, TestOptions
from mpforge.spec.options import resolve

_TABLE = Path(__file__).with_suffix(".csv")
_FIRST_THREADED = 14  # the minor version of its first CPython without the GIL
_LIVING_PYPY = 11
# Imports every extension module of the installed project, as mpforge's own test of that name does.
_IMPORT = (
    'python -c "import importlib, importlib.metadata as m; '
    "[importlib.import_module('.'.join(f.with_name(f.name.split('.')[0]).parts)) "
    "for f in m.files('{}') if f.suffix in ('.so', '.pyd')]\""
)
_PLACEHOLDER = re.compile(r"(?<![$#])\{([a-z_]+(?::\w+)?)\}")
_BUILD: Mapping[str, str] = {"project": "{project}", "package": "{package}", "python": "python"}
_TEST = {"project": ".", "package": ".", "python": "python", "posargs": "", "wheel": "{wheel}"}
# Options without a counterpart: what uses one may come out otherwise.
_BUILD_ONLY_HERE = (
    "requires",
    "target-requires",
    "constraints",
    "libraries",
    "tools",
    "before-all",
)
_TEST_ONLY_HERE = ("constraints",)
_GLOB = re.compile(r"[*?[]")


@dataclass(frozen=True)
class WheelRow:
    """One job: its target and its Pythons in a name, its machine, and cibuildwheel's variables."""

    name: str
    runner: str
    environment: Mapping[str, str]


@dataclass(frozen=True)
class WheelJobs:
    """All jobs of cibuildwheel, and what of the spec they leave out."""

    rows: tuple[WheelRow, ...] = ()
    remarks: tuple[str, ...] = ()


@functools.cache
def _platforms() -> Mapping[str, tuple[str, bool]]:
    """Return the end of cibuildwheel's identifiers, and whether there is a PyPy, by platform."""
    with _TABLE.open(encoding="ascii", newline="") as file:
        return {
            row["platform"]: (row["identifier"], row["pypy"] == "yes")
            for row in csv.DictReader(file)
        }


def wheel_jobs(
    spec: Spec,
    plan: Plan,
    platforms: Mapping[str, str],
    *,
    runners: Mapping[str, str],
    project: str | None,
    exists: Callable[[str], bool],
) -> WheelJobs:
    """Return a job for each target of another system; Pythons with options of their own have another.

    ``platforms`` are the targets' platform names, ``runners`` the service's machines by platform, ``project``
    is the project's name, and ``exists`` says whether a path is in it.
    """
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    remarks: list[str] = []
    for session in plan.sessions:
        target = session.target or ""
        platform = platforms.get(target, "")
        if session.phase != "build" or session.group or platform not in _platforms():
            continue
        if platform not in runners or session.python is None:
            reason = (
                "cibuildwheel builds only wheels"
                if session.python is None
                else "its job is only in GitHub's file, by `mpforge ci github`"
            )
            remarks.append(f"{target}: {reason}")
        elif not _is_known(session.python, platform):
            remarks.append(
                f"{target}-{session.python}: cibuildwheel does not build for this Python"
            )
        else:
            options = resolve(spec, target=target, python=session.python)
            job = _Options(well_known()[platform], project, exists)
            made = job.read(options.build, options.test)
            remarks += [f"{target}: {remark}" for remark in job.remarks]
            groups.setdefault((target, tuple(sorted(made.items()))), []).append(session.python)
    several = {
        target for target, count in Counter(target for target, _ in groups).items() if count > 1
    }
    rows = (
        WheelRow(
            f"{target}-{pythons[0]}" if target in several else target,
            runners[platforms[target]],
            _selection(platforms[target], pythons) | dict(options),
        )
        for (target, options), pythons in groups.items()
    )
    return WheelJobs(tuple(rows), tuple(dict.fromkeys(remarks)))


def _is_known(python: str, platform: str) -> bool:
    word = parse(python)
    if word.is_pypy:
        return _platforms()[platform][1]
    return not word.threaded or word.minor >= _FIRST_THREADED


def _selection(platform: str, pythons: list[str]) -> dict[str, str]:
    """Return the variables that select a platform's Pythons."""
    pypy = [parse(word).minor for word in pythons if parse(word).is_pypy]
    enabled = ["pypy"] * bool(pypy) + ["pypy-eol"] * any(minor < _LIVING_PYPY for minor in pypy)
    found = {
        "CIBW_BUILD": " ".join(f"{word}-{_platforms()[platform][0]}" for word in pythons),
        "CIBW_ARCHS": well_known()[platform].machine,
        "CIBW_ENABLE": " ".join(enabled),
    }
    return {name: value for name, value in found.items() if value}


def _word(requirement: str) -> str:
    """Return a requirement without spaces, at which cibuildwheel would split it; options keep theirs."""
    return requirement if requirement.startswith("-") else "".join(requirement.split())


class _Options:
    """A reader of one build's options, with a remark for each that it leaves out."""

    def __init__(
        self, platform: Platform, project: str | None, exists: Callable[[str], bool]
    ) -> None:
        self._platform = platform
        self._project = project
        self._exists = exists
        self.remarks: list[str] = []

    def read(self, build: BuildOptions, test: TestOptions) -> dict[str, str]:
        """Return the variables of a build and its test."""
        no_isolation = "" if build.isolation else "; args: --no-isolation"
        frontend = "build[uv]" if build.frontend == "uv" else "build"
        found = {
            "CIBW_BUILD_FRONTEND": f"{frontend}{no_isolation}",
            "CIBW_BEFORE_BUILD": self._commands("build.before-build", build.before_build, _BUILD),
            "CIBW_ENVIRONMENT": self._variables("build.environment", build.environment, _BUILD),
            "CIBW_CONFIG_SETTINGS": self._settings(build),
        }
        for table, names in ((build, _BUILD_ONLY_HERE), (test, _TEST_ONLY_HERE)):
            section = "build" if table is build else "test"
            self.remarks += [
                f"{section}.{name} applies only to mpforge's own builds"
                for name in names
                if getattr(table, name.replace("-", "_"))
            ]
        self.remarks += [
            f"build.repair.{name} applies only to mpforge's own builds"
            for name in ("command", "check")
            if getattr(build.repair, name)
        ]
        if test.strategy in ("skip", "static"):
            return {key: value for key, value in found.items() if value}
        found |= {
            "CIBW_TEST_COMMAND": self._test_command(test),
            "CIBW_TEST_SOURCES": self._sources(test),
            "CIBW_TEST_REQUIRES": " ".join(_word(entry) for entry in test.requires),
            "CIBW_TEST_EXTRAS": ",".join(test.extras),
            "CIBW_TEST_GROUPS": " ".join(test.groups),
            "CIBW_BEFORE_TEST": self._commands("test.before", test.before, _TEST),
            "CIBW_TEST_ENVIRONMENT": self._variables("test.environment", test.environment, _TEST),
        }
        return {key: value for key, value in found.items() if value}

    def _test_command(self, test: TestOptions) -> str:
        if test.command != "import":
            return self._commands("test.command", test.command, _TEST)
        if self._project is None:
            self.remarks.append(
                'test.command = "import" needs a name in [project]: nothing is tested'
            )
            return ""
        return _IMPORT.format(self._project)

    def _commands(
        self, key: str, commands: Iterable[str | tuple[str, ...]], known: Mapping[str, str]
    ) -> str:
        """Return commands as one line of a shell, an empty text if one can't be translated."""
        lines = (line if isinstance(line, str) else self._joined(line) for line in commands)
        return self._filled(key, " && ".join(lines), known)

    def _joined(self, argv: tuple[str, ...]) -> str:
        """Return a command line for the platform's shell; only double quotes quote in Windows' one."""
        if self._platform.os != "windows":
            return shlex.join(argv)
        return " ".join(f'"{word}"' if re.search(r"[\s&|<>^]", word) else word for word in argv)

    def _variables(self, key: str, table: Mapping[str, str], known: Mapping[str, str]) -> str:
        filled = {
            name: self._filled(f"{key}.{name}", str(value), known) for name, value in table.items()
        }
        given = {name: value for name, value in filled.items() if value or not table[name]}
        return " ".join(f"{name}={shlex.quote(value)}" for name, value in given.items())

    def _settings(self, build: BuildOptions) -> str:
        return " ".join(
            shlex.quote(f"{name}={value}")
            for name, given in build.config_settings.items()
            for value in ((given,) if isinstance(given, str) else given)
        )

    def _sources(self, test: TestOptions) -> str:
        """Return the test sources that exist; missing ones are an error for cibuildwheel."""
        globs = [path for path in test.sources if _GLOB.search(path)]
        self.remarks += [
            f"test.sources: {glob} is a glob, but cibuildwheel accepts only paths" for glob in globs
        ]
        paths = (path for path in test.sources if path not in globs and self._exists(path))
        return " ".join(shlex.quote(path) for path in paths)

    def _filled(self, key: str, text: str, known: Mapping[str, str]) -> str:
        """Replace placeholders; an empty text and a remark if cibuildwheel has no such value."""
        own = {"target": self._platform.name, "arch": self._platform.machine, **known}
        unknown = {match[1] for match in _PLACEHOLDER.finditer(text)} - set(own)
        if unknown:
            names = ", ".join(f"{{{name}}}" for name in sorted(unknown))
            self.remarks.append(
                f"{key} uses {names}, which cibuildwheel does not support: left out"
            )
            return ""
        return _PLACEHOLDER.sub(lambda match: own[match[1]], text).strip()
