"""Translate cibuildwheel's options into mpforge's, one level at a time.

``read_level`` turns options (``[tool.cibuildwheel]`` with its ``linux`` table, or one override) into
ours, with a remark for each that has no equivalent. Facts: cibuildwheel's options reference and its
JSON schema, 1.x to 3.x. The caller selects targets and Pythons.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mpforge.migrate.cibuildwheel_syntax import (
    INSTALLS_SYSTEM_PACKAGES,
    PIP_INSTALL,
    as_list,
    commands,
    pip_requirements,
    quoted,
    with_our_placeholders,
    words,
)
from mpforge.migrate.draft import Remark

TEST_SOURCES = ("tests", "test", "conftest.py", "pytest.ini")

# Options without an equivalent, and the alternative; the caller handles `archs`, `build` and so on.
_REASONS: Mapping[str, str] = {
    "audit-command": "every wheel is audited by mpforge itself",
    "audit-requires": "every wheel is audited by mpforge itself",
    "before-all": 'builds run in an image only on request: set strategy = "hybrid" and before-all '
    "in [build]; otherwise a native library that it installs is missing",
    "build-verbosity": "not needed: each session's whole log is kept, see `mpforge log SESSION`",
    "container-engine": "not needed: mpforge finds the container runtime by DOCKER_HOST or its socket",
    "dependency-versions": "not needed: multiplatform.lock pins every tool and requirement",
    "output-dir": "results are always in dist/",
    "pyodide-version": "Pyodide is not a target",
    "test-runtime": "it concerns other platforms",
    "xbuild-tools": "it concerns other platforms; programs for a step go into build.tools",
}
_SILENT = re.compile(r"select|inherit|musllinux-.*-image|manylinux-pypy_.*-image")
_POLICY = re.compile(r"manylinux(?:_(\d+)_(\d+)|1|2010|2014)(?!\d)")


@dataclass
class Level:
    """One level of translated options: ``build`` and ``test`` by our keys.

    ``policies`` are by machine; ``where`` is the prefix of remarks; ``sources`` are the files that the level
    below copies for tests.
    """

    where: str = ""
    sources: tuple[str, ...] = TEST_SOURCES
    build: dict[str, Any] = field(default_factory=dict)
    test: dict[str, Any] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    translated: list[str] = field(default_factory=list)

    def table(self, section: str) -> dict[str, Any]:
        """Return the options of ``build`` or ``test``."""
        return self.build if section == "build" else self.test

    def remark(self, key: str, reason: str) -> None:
        """Record that an option, or a part of it, is not in the spec."""
        self.remarks.append(Remark(f"{self.where}{key}", reason))


def read_level(
    table: Mapping[str, Any], *, where: str = "", sources: Sequence[str] = TEST_SOURCES
) -> Level:
    """Translate the options of ``table``, except those that select builds, which the caller handles."""
    level = Level(where, tuple(sources))
    for key, value in table.items():
        if value in ("", [], {}, None) and key != "repair-wheel-command":
            continue
        before = len(level.remarks)
        reader = _READERS.get(key)
        if reader is not None:
            reader(level, key, value)
        elif key.startswith("manylinux-") and not _SILENT.fullmatch(key):
            _image(level, key, value)
        elif key in _REASONS:
            level.remark(key, _REASONS[key])
        elif not _SILENT.fullmatch(key) and key not in SELECTING and not isinstance(value, dict):
            level.remark(key, "mpforge does not know this option")
        if len(level.remarks) == before and not _SILENT.fullmatch(key) and key not in SELECTING:
            level.translated.append(f"{where}{key}")
    return level


# Options that select wheels; read by ``initial_spec``.
SELECTING = frozenset({"archs", "build", "skip", "test-skip", "enable", "free-threaded-support"})
SELECTING |= {"overrides", "project-requires-python"}


# --- one reader for each option ---------------------------------------------------------------


def _without_pip(level: Level, key: str, lines: list[str]) -> tuple[list[str], list[str]]:
    """Return lines without their ``pip install`` parts, and the requirements of those."""
    kept, requirements = [], []
    for line in lines:
        rest = []
        for part in line.split("&&"):
            pip = PIP_INSTALL.fullmatch(part.strip())
            if pip is not None:
                found, others = pip_requirements(words(pip["words"]))
                requirements += found
                if others:
                    what = quoted(" ".join(others))
                    level.remark(key, f"{what} of pip install is not a requirement")
            elif INSTALLS_SYSTEM_PACKAGES.search(part):
                level.remark(key, f"{quoted(part)}: a step can't install system packages")
            else:
                rest.append(part)
        if rest:
            kept.append("&&".join(rest).strip())
    return kept, requirements


def _before_build(level: Level, key: str, value: object) -> None:
    kept, required = _without_pip(level, key, commands(value))
    if kept:
        level.build["before-build"] = kept
    own = [entry for entry in required if re.fullmatch(r"(-e )?\.(\[.*\])?/?", entry)]
    if own:
        level.remark(key, f"{quoted(own[0])}: the project can't be installed before it is built")
    _require(level.build, [entry for entry in required if entry not in own])


def _before_test(level: Level, key: str, value: object) -> None:
    kept, required = _without_pip(level, key, commands(value))
    if kept:
        level.test["before"] = kept
    _require(level.test, required)


def _require(table: dict[str, Any], entries: list[str]) -> None:
    constraints = [entry for entry in entries if entry.startswith(("-c", "--constraint"))]
    requirements = [entry for entry in entries if entry not in constraints]
    for key, found in (("requires", requirements), ("constraints", constraints)):
        if found:
            table[key] = list(dict.fromkeys([*table.get(key, ()), *found]))


def _test_command(level: Level, _key: str, value: object) -> None:
    lines = commands(value)
    level.test["command"] = lines
    used = re.findall(r"\{(?:project|package)\}/([\w.*/-]+)", " ".join(lines))
    known = level.test.get("sources", list(level.sources))
    paths = dict.fromkeys(path.strip("/.") for path in used)
    more = [path for path in paths if path and not _covered(path, known)]
    if more:
        level.test["sources"] = [*known, *more]


def _covered(path: str, sources: Sequence[str]) -> bool:
    return any(path == source or path.startswith(f"{source}/") for source in sources)


def _test_sources(level: Level, _key: str, value: object) -> None:
    listed = ["**" if source == "." else source.rstrip("/") for source in words(value)]
    given = level.test.get("sources", ())
    more = [path for path in given if path not in level.sources and not _covered(path, listed)]
    level.test["sources"] = [*listed, *more]


def _test_requires(level: Level, key: str, value: object) -> None:
    entries, others = pip_requirements(words(value))
    for text in others:
        level.remark(
            key, f"{quoted(text)}: only requirements, paths and requirements files are supported"
        )
    _require(level.test, entries)


def _listed(level: Level, _key: str, value: object, *, section: str, ours: str) -> None:
    level.table(section)[ours] = [name for word in words(value) for name in word.split(",") if name]


def _environment(level: Level, key: str, value: object, *, section: str) -> None:
    kept = {}
    given = value if isinstance(value, dict) else dict(_pairs(value))
    for name, text in ((str(name), str(text)) for name, text in given.items()):
        if "$" in text or "`" in text:
            level.remark(
                f"{key}.{name}", f"{quoted(text)}: values are literal; no shell expands them"
            )
        elif name.startswith(("PIP_", "CIBW_")):
            level.remark(f"{key}.{name}", "neither pip nor cibuildwheel runs here")
        else:
            kept[name] = with_our_placeholders(text)
    if kept:
        level.table(section)["environment"] = kept


def _pairs(value: object) -> list[tuple[str, str]]:
    """Return the words ``NAME=TEXT`` of a value as pairs."""
    parts = [word.partition("=") for word in words(value)]
    return [(name, text) for name, equals, text in parts if equals]


def _config_settings(level: Level, key: str, value: object) -> None:
    if isinstance(value, dict):
        level.build[key] = {
            name: [str(v) for v in some] if isinstance(some, list) else str(some)
            for name, some in value.items()
        }
        return
    found: dict[str, list[str]] = {}
    for name, text in _pairs(value):
        found.setdefault(name, []).append(text)
    level.build[key] = {n: some[0] if len(some) == 1 else some for n, some in found.items()}


def _frontend(level: Level, key: str, value: object) -> None:
    if isinstance(value, dict):
        name, arguments = str(value.get("name", "")), words(value.get("args", []))
    else:
        name, _, rest = str(value).partition(";")
        arguments = words(rest.strip().removeprefix("args:"))
    if name.strip() == "uv":
        level.build["frontend"] = "uv"
    for argument in arguments:
        if argument in ("--no-isolation", "-n", "--no-build-isolation", "-nx"):
            level.remark(key, f"{argument}: builds without isolation are not available yet")
        else:
            level.remark(key, f"{argument}: the frontend takes no arguments; see config-settings")


def _repair(level: Level, key: str, value: object) -> None:
    lines = [value] if isinstance(value, str) else [str(line) for line in as_list(value)]
    argv = words(lines[0]) if len(lines) == 1 else []
    if not any(line.strip() for line in lines):
        level.remark(key, "every wheel is repaired and verified, or is not shipped")
        return
    if argv[:2] != ["auditwheel", "repair"] or "&&" in argv or "|" in argv:
        level.remark(key, f"{quoted(' && '.join(lines))}: mpforge runs auditwheel itself")
        return
    repair: dict[str, Any] = {}
    rest = iter(argv[2:])
    for word in rest:
        name, equals, text = word.partition("=")
        if name in ("-w", "--wheel-dir") or word == "{wheel}":
            _ = text if equals or word == "{wheel}" else next(rest, "")
        elif name == "--exclude":
            repair.setdefault("exclude", []).append(text if equals else next(rest, ""))
        elif name == "--strip":
            repair["strip"] = True
        elif name == "--plat":
            _platform(level, key, text if equals else next(rest, ""))
        else:
            repair.setdefault("args", []).append(word)
    if repair:
        level.build["repair"] = repair


def _platform(level: Level, key: str, value: str) -> None:
    policy = _policy(value)
    if policy is None:
        level.remark(key, f"--plat {value}: the tag is the lowest that the audit proves")
    else:
        level.build["policy"] = policy


def _image(level: Level, key: str, value: object) -> None:
    machine = key.removeprefix("manylinux-").removesuffix("-image")
    policy = _policy(str(value))
    if policy is None:
        level.remark(key, f'{quoted(str(value))}: with strategy = "hybrid" it is [build] image')
    else:
        level.policies[machine] = policy


def _policy(text: str) -> str | None:
    """Return the policy in an image's or a platform's name; at least manylinux_2_17."""
    match = _POLICY.search(text)
    if match is None or ("/" in text and "pypa/" not in text):
        return None
    if match[1] is None or (int(match[1]), int(match[2])) < (2, 17):
        return "manylinux_2_17"
    return match.group()


_READERS: Mapping[str, Callable[[Level, str, object], None]] = {
    "before-build": _before_build,
    "before-test": _before_test,
    "build-frontend": _frontend,
    "config-settings": _config_settings,
    "environment": partial(_environment, section="build"),
    "environment-pass": partial(_listed, section="build", ours="pass-environment"),
    "repair-wheel-command": _repair,
    "test-command": _test_command,
    "test-environment": partial(_environment, section="test"),
    "test-extras": partial(_listed, section="test", ours="extras"),
    "test-groups": partial(_listed, section="test", ours="groups"),
    "test-requires": _test_requires,
    "test-sources": _test_sources,
}
