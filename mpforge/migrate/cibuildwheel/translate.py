"""Translate the options that cibuildwheel uses for one wheel into mpforge's ``build`` and ``test``.

``translate`` returns both tables, and for every option how it was translated.
"""

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from mpforge.migrate.cibuildwheel import syntax
from mpforge.migrate.cibuildwheel.before_all import before_all
from mpforge.migrate.cibuildwheel.environment import APPENDED, JOBS, evaluated
from mpforge.migrate.cibuildwheel.options import KINDS
from mpforge.migrate.cibuildwheel.packages import installs, packages
from mpforge.migrate.cibuildwheel.repair import check, check_requires, repair, use_image
from mpforge.migrate.cibuildwheel.syntax import commands, pip_requirements, quoted
from mpforge.migrate.cibuildwheel.translation import Translation
from mpforge.migrate.files import ProjectFiles
from mpforge.spec.check_values import why_reserved
from mpforge.spec.requirement_lines import parse_line

TEST_SOURCES = ("tests", "test", "conftest.py", "pytest.ini")

_NOT_NEEDED: Mapping[str, str] = {
    "build-verbosity": "each session's whole log is kept: `mpforge log SESSION`",
    "dependency-versions": "multiplatform.lock pins every tool and requirement",
    "output-dir": "results are always in dist/",
    "pyodide-version": "it concerns Pyodide only",
    "test-runtime": "it concerns other platforms only",
    "xbuild-files": "it concerns other platforms only",
    "xbuild-tools": "it concerns other platforms only",
}
_SETTING = re.compile(r"(?:-C|--config-settings?=?)(?P<text>.*)")
_ISOLATED = ("--no-isolation", "-n", "-nx", "--no-build-isolation")
_WITHOUT_EFFECT = (
    *("--skip-dependency-check", "-x", "--wheel", "-w", "--no-deps", "--installer=uv"),
    *("-v", "-vv", "--verbose"),
)
# Of the build alone; a test neither compiles nor links.
_BUILD_ONLY = APPENDED - {"PYTHONPATH"} | {
    "ARFLAGS",
    "RUSTFLAGS",
    "LD_LIBRARY_PATH",
    "LIBRARY_PATH",
    "CPATH",
}
_CONSTRAINTS = frozenset(
    {"PIP_CONSTRAINT", "UV_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "UV_BUILD_CONSTRAINT"}
)


def translate(values: Mapping[str, Any], *, files: ProjectFiles) -> Translation:
    """Translate the values that one wheel has, by option, except those that select wheels."""
    found = Translation(files)
    tested = bool(values.get("test-command"))
    for option in sorted(values, key=lambda name: _ORDER.index(name) if name in _ORDER else 99):
        reader = _READERS.get(option)
        if not tested and option.startswith(("test-", "before-test")) and option in _READERS:
            found.drop(option, "without a test-command, every extension module is imported")
        elif reader is not None:
            reader(found, option, _in_package(found, option, values[option]))
        elif option.endswith("-image"):
            use_image(found, option, str(values[option]))
        elif option in _NOT_NEEDED:
            found.drop(option, _NOT_NEEDED[option])
        else:
            found.refuse(option, "mpforge does not know this option")
    if not tested:
        found.test = {}
    return found


def _in_package(found: Translation, option: str, value: Any) -> Any:
    """Return commands with ``{package}`` for its path in the repository, outside of which nothing is."""
    folder = found.files.folder
    if not folder or option not in _COMMANDS:
        return value
    lines = [line.replace(f"{{project}}/{folder}", "{package}/") for line in value]
    for path in re.findall(r"\{project\}/[\w./-]+", " ".join(lines)):
        found.refuse(option, _outside(path, folder))
    return lines


def _outside(path: str, folder: str) -> str:
    return (
        f"{quoted(path)}: the spec is for {folder.rstrip('/')}, and steps see no file outside of it; "
        "move it there"
    )


# --- commands ---------------------------------------------------------------------------------


def _split(found: Translation, option: str, lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return lines without what installs packages, and the requirements of ``pip install``."""
    kept, requirements = [], []
    for line in lines:
        rest = []
        for part in line.split("&&"):
            pip = syntax.PIP_INSTALL.fullmatch(part.strip())
            if pip is not None:
                entries, others = pip_requirements(syntax.words(pip["words"]), found.files.folder)
                requirements += entries
                if others:
                    what = quoted(" ".join(others))
                    found.refuse(option, f"{what} of pip install is not a requirement")
            elif installs(part) and "before-all" not in found.build:  # else it is an image's
                if left := packages(found, option, part):
                    rest.append(left)
            else:
                rest.append(part)
        if text := "&&".join(rest).strip():
            kept.append(text)
    return kept, requirements


def _before_build(found: Translation, option: str, lines: list[str]) -> None:
    kept, required = _split(found, option, commands(lines))
    if kept:
        found.build["before-build"] = kept
        found.done(option, "build.before-build")
    own = [entry for entry in required if re.fullmatch(r"(-e )?\.(\[.*\])?/?", entry)]
    if own:
        found.refuse(option, f"{quoted(own[0])}: the project can't be installed before it is built")
    _require(found, option, "build", [entry for entry in required if entry not in own])


def _before_test(found: Translation, option: str, lines: list[str]) -> None:
    kept, required = _split(found, option, commands(lines))
    if kept:
        found.test["before"] = kept
        found.done(option, "test.before")
    _require(found, option, "test", required)


def _require(found: Translation, option: str, section: str, given: list[str]) -> None:
    entries = [kept for entry in given if (kept := _in_source(found, option, entry)) is not None]
    constraints = [entry for entry in entries if entry.startswith(("-c", "--constraint"))]
    found.extend(option, section, "requires", [e for e in entries if e not in constraints])
    found.extend(option, section, "constraints", constraints)


def _in_source(found: Translation, option: str, entry: str) -> str | None:
    """Return a requirement with its path relative to the package; None if its path can't be used."""
    line = parse_line(entry)
    if line is None or isinstance(line, str):
        return entry
    folder = found.files.folder
    path = posixpath.normpath(line.path) + "/"
    if not path.startswith(folder):
        found.refuse(option, _outside(line.path, folder))
        return None
    below = path.removeprefix(folder).rstrip("/") or "."
    if below.startswith(("/", "..")) or not (below == "." or found.files.exists(below)):
        found.refuse(option, f"{quoted(line.path)}: the project has no such file")
        return None
    return entry.replace(line.path, f"./{below}".removesuffix("/."), 1) if folder else entry


# --- tests ------------------------------------------------------------------------------------


def _test_command(found: Translation, option: str, lines: list[str]) -> None:
    if not lines:
        return
    found.test["command"] = commands(lines)
    found.done(option, "test.command")
    text = " ".join(found.test["command"])
    if re.search(r"\{(?:project|package)\}", text):  # the whole project is there
        paths = re.findall(r"\{(?:project|package)\}/([\w.*/-]+)", text)
        _add_sources(found, [path.strip("/.") for path in paths])
        sources = found.test.get("sources", TEST_SOURCES)
        _add_sources(found, found.files.used_by_tests(sources))


def _add_sources(found: Translation, paths: Sequence[str]) -> None:
    known = found.test.get("sources", list(TEST_SOURCES))
    more = [path for path in dict.fromkeys(paths) if path and not _covered(path, known)]
    if more:
        found.test["sources"] = [*known, *more]


def _covered(path: str, sources: Sequence[str]) -> bool:
    return "**" in sources or any(path == s or path.startswith(f"{s}/") for s in sources)


def _test_sources(found: Translation, option: str, paths: list[str]) -> None:
    if paths:
        found.test["sources"] = ["**" if path == "." else path.rstrip("/") for path in paths]
        found.done(option, "test.sources")


def _test_requires(found: Translation, option: str, words: list[str]) -> None:
    entries, others = pip_requirements(words, found.files.folder)
    for text in others:
        found.refuse(
            option, f"{quoted(text)}: only requirements, paths and requirements files are supported"
        )
    _require(found, option, "test", entries)


def _listed(found: Translation, option: str, names: list[str], *, sections: str, key: str) -> None:
    for section in sections.split():
        found.extend(option, section, key, names)


# --- builds -----------------------------------------------------------------------------------


def _environment(
    found: Translation, option: str, pairs: list[tuple[str, str]], *, sections: str
) -> None:
    for name, text, reason in evaluated(pairs):
        reserved = why_reserved(name)
        if text is None or reserved:
            found.refuse(option, f"{name}: {reserved or reason}")
        elif name in _CONSTRAINTS:
            _constrained(found, option, name, text)
        elif name.startswith(("PIP_", "UV_", "CIBW_")):
            found.drop(
                option, f"{name}: neither pip, uv nor cibuildwheel runs in a step; see [index]"
            )
        else:
            for section in sections.split():
                if section == "build" or name not in _BUILD_ONLY:
                    table = found.table(section).setdefault("environment", {})
                    table[name] = syntax.with_our_placeholders(text).replace(JOBS, "{jobs}")
            found.done(option, f"{sections.split(maxsplit=1)[0]}.environment.{name}")


def _constrained(found: Translation, option: str, name: str, text: str) -> None:
    for path in text.split():
        local = re.sub(r"^(\{project\}/|\./)", "", path)
        if "://" in local or not found.files.exists(local):
            found.refuse(option, f"{name}: {quoted(path)} is not a file of the project")
            continue
        sections = ("build",) if "BUILD" in name else ("build", "test")
        for section in sections:
            found.extend(option, section, "constraints", [f"-c {local}"])


def _config_settings(found: Translation, option: str, table: dict[str, Any]) -> None:
    if table:
        found.build["config-settings"] = {**found.build.get("config-settings", {}), **table}
        found.done(option, "build.config-settings")


def _frontend(found: Translation, option: str, value: object) -> None:
    if isinstance(value, dict):
        name, args = str(value.get("name", "")), value.get("args", [])
        arguments = [str(word) for word in args] if isinstance(args, list) else syntax.words(args)
    else:
        name, _, rest = str(value).partition(";")
        arguments = syntax.words(rest.strip().removeprefix("args:"))
    name = name.strip().removeprefix("name:").strip()
    if name == "uv" and "before-all" in found.build:
        found.drop(option, "uv: mpforge builds with `build` in an image")
    elif name == "uv":
        found.build["frontend"] = "uv"
        found.done(option, "build.frontend")
    else:
        found.drop(option, f"{name}: mpforge builds with `build`, and installs with uv")
    left = iter(arguments)
    for argument in left:
        if (setting := _SETTING.fullmatch(argument)) is not None:
            text = setting["text"] or next(left, "")
            _config_settings(found, option, dict([text.partition("=")[::2]]) if text else {})
        elif argument in _ISOLATED:
            found.drop(option, f"{argument}: builds are isolated, with what before-build installs")
        elif argument in _WITHOUT_EFFECT:
            found.drop(option, f"{argument}: it has no effect in mpforge")
        else:
            found.refuse(
                option, f"{argument}: the frontend takes no arguments; see config-settings"
            )


def _container_engine(found: Translation, option: str, value: object) -> None:
    match = re.search(r"create[_-]args['\"]?\s*:\s*(.*)", str(value))
    if match is not None:
        found.refuse(
            option,
            f"{quoted(match[0])}: mpforge passes no options of yours to the container runtime",
        )
    else:
        found.drop(option, "mpforge finds the container runtime, or works without one")


Reader = Callable[[Translation, str, Any], None]

_READERS: Mapping[str, Reader] = {
    "test-sources": _test_sources,
    "test-command": _test_command,
    "environment": partial(_environment, sections="build test"),
    "test-environment": partial(_environment, sections="test"),
    "environment-pass": partial(_listed, sections="build test", key="pass-environment"),
    "before-all": before_all,
    "before-build": _before_build,
    "before-test": _before_test,
    "build-frontend": _frontend,
    "container-engine": _container_engine,
    "config-settings": _config_settings,
    "repair-wheel-command": repair,
    "audit-command": check,
    "audit-requires": check_requires,
    "test-extras": partial(_listed, sections="test", key="extras"),
    "test-groups": partial(_listed, sections="test", key="groups"),
    "test-requires": _test_requires,
}
_ORDER = list(_READERS)
_COMMANDS = frozenset(name for name, kind in KINDS.items() if kind == "commands")
