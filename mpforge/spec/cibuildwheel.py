"""cibuildwheel's vocabulary: its globs over build identifiers, its lists, and one level of its options.

``read_level`` turns options (``[tool.cibuildwheel]`` with its ``linux`` table, or one override) into
ours, with a remark for each that has no equal here. Facts: cibuildwheel's options reference and its
JSON schema, 1.x to 3.x. Which targets and Pythons there are, is the caller's business.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from mpforge.spec.draft import Remark
from mpforge.spec.placeholders import KNOWN, misspelt

TEST_SOURCES = ("tests", "test", "conftest.py", "pytest.ini")

# Options without an equal, and what there is instead; `archs`, `build` and so on are the caller's.
_REASONS: Mapping[str, str] = {
    "audit-command": "every wheel is audited by mpforge itself",
    "audit-requires": "every wheel is audited by mpforge itself",
    "before-all": "it is run once in an image, and images are not available yet; a native library "
    "that it installs is missing from the build",
    "build-verbosity": "not needed: each session's whole log is kept, see `mpforge log SESSION`",
    "container-engine": "not needed: nothing runs in a container",
    "dependency-versions": "not needed: multiplatform.lock pins every tool and requirement",
    "output-dir": "results are always in dist/",
    "pyodide-version": "Pyodide is no target",
    "test-runtime": "it is about other platforms",
    "xbuild-tools": "it is about other platforms; programs for a step go into build.tools",
}
_SILENT = re.compile(r"select|inherit|musllinux-.*-image|manylinux-pypy_.*-image")
_POLICY = re.compile(r"manylinux(?:_(\d+)_(\d+)|1|2010|2014)(?!\d)")
_PIP = re.compile(
    r"(?:\{?python3?\}?\s+-m\s+)?\{?(?:uv\s+)?pip3?\}?\s+install\s+(?P<words>.+)", re.DOTALL
)
_PIP_FLAGS = frozenset(
    {"-U", "--upgrade", "-q", "--quiet", "--no-cache-dir", "--prefer-binary", "-v", "--verbose"}
)
_SYSTEM = re.compile(
    r"\b(?:yum|dnf|apt|apt-get|apk|brew|choco|vcpkg|conan)\s+(?:-\S+\s+)*install\b|\bapk\s+add\b"
)
_KEEPS_STATE = re.compile(r"\s*(?:cd|pushd|export|source|set|\.)\s")


@dataclass
class Level:
    """One level of options as ours: ``build`` and ``test`` by our keys.

    ``policies`` are by machine; ``where`` is what remarks begin with; ``sources`` what the level below
    copies for tests.
    """

    where: str = ""
    sources: tuple[str, ...] = TEST_SOURCES
    build: dict[str, Any] = field(default_factory=dict)
    test: dict[str, Any] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    translated: list[str] = field(default_factory=list)

    def remark(self, key: str, reason: str) -> None:
        """Say that an option, or a part of it, is not in the spec."""
        self.remarks.append(Remark(f"{self.where}{key}", reason))


def read_level(
    table: Mapping[str, Any], *, where: str = "", sources: Sequence[str] = TEST_SOURCES
) -> Level:
    """The options of ``table`` as ours; those about selecting are left to the caller."""
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
        if len(level.remarks) == before and not _SILENT.fullmatch(key):
            level.translated.append(f"{where}{key}")
    return level


# What decides which wheels there are; read by ``initial``.
SELECTING = frozenset({"archs", "build", "skip", "test-skip", "enable", "free-threaded-support"})
SELECTING |= {"overrides", "project-requires-python"}


# --- lists and globs --------------------------------------------------------------------------


def words(value: object) -> list[str]:
    """A list, or words in one string (quoted as for a shell)."""
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError:
            return value.split()
    return [str(item) for item in value] if isinstance(value, list) else []


def globs(value: object) -> list[str]:
    """Globs over build identifiers with their braces expanded."""
    text = " ".join(value) if isinstance(value, list) else str(value or "")
    return [glob for word in _split(text) for glob in _expanded(word)]


def is_selected(identifier: str, build: Sequence[str], skip: Sequence[str]) -> bool:
    """Whether cibuildwheel would build ``cp311-manylinux_x86_64``."""
    return matches(identifier, build or ["*"]) and not matches(identifier, skip)


def matches(identifier: str, patterns: Sequence[str]) -> bool:
    """Whether one of the globs matches."""
    return any(fnmatchcase(identifier, pattern) for pattern in patterns)


def _split(text: str) -> list[str]:
    """At white space outside braces."""
    return re.findall(r"(?:\{[^}]*\}|[^\s{])+", text)


def _expanded(glob: str) -> list[str]:
    match = re.search(r"\{([^{}]*)\}", glob)
    if match is None:
        return [glob]
    head, tail = glob[: match.start()], glob[match.end() :]
    return [
        whole
        for choice in match.group(1).split(",")
        for whole in _expanded(f"{head}{choice.strip()}{tail}")
    ]


# --- commands ---------------------------------------------------------------------------------


def commands(value: object) -> list[str]:
    """Shell lines; cibuildwheel joins a list with ``&&``, so lines that change a shell stay one."""
    lines = [value] if isinstance(value, str) else [str(line) for line in _list(value)]
    if any(_KEEPS_STATE.match(line) for line in lines[:-1]):
        lines = [" && ".join(lines)]
    return [_with_our_placeholders(line) for line in lines]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _with_our_placeholders(line: str) -> str:
    """What is no placeholder of cibuildwheel's is no placeholder of ours either."""
    theirs = {"project", "package", "wheel", "dest_dir", "python"}

    def kept(match: re.Match[str]) -> str:
        word = match["word"]
        ours = word in KNOWN - theirs or bool(misspelt(match.group()))
        return f"#{match.group()}" if ours and word not in theirs else match.group()

    line = line.replace("{pip}", "pip")
    return re.sub(r"(?<![$#])\{(?P<word>[A-Za-z_]\w*)(?::\w+)?\}", kept, line)


def _without_pip(level: Level, key: str, lines: list[str]) -> tuple[list[str], list[str]]:
    """Lines without their ``pip install`` parts, and the requirements of those."""
    kept, requirements = [], []
    for line in lines:
        rest = []
        for part in line.split("&&"):
            pip = _PIP.fullmatch(part.strip())
            found = _requirements(words(pip["words"])) if pip else None
            if found is not None:
                requirements += found
            elif pip is not None:
                level.remark(key, f"{_quoted(part)}: there is no pip in a step's environment")
            elif _SYSTEM.search(part):
                level.remark(key, f"{_quoted(part)}: a step can't install system packages")
            else:
                rest.append(part)
        if rest:
            kept.append("&&".join(rest).strip())
    return kept, requirements


def _requirements(listed: list[str]) -> list[str] | None:
    """The requirements among pip's arguments, ``None`` if there is anything else."""
    found = [word for word in listed if word not in _PIP_FLAGS]
    return found if all(map(_is_requirement, found)) else None


def _is_requirement(text: str) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return True


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return f"`{line}`" if len(line) <= 70 else f"`{line[:66]} …`"


# --- one reader for each option ---------------------------------------------------------------


def _before_build(level: Level, key: str, value: object) -> None:
    kept, required = _without_pip(level, key, commands(value))
    if kept:
        level.build["before-build"] = kept
    _require(level.build, required)


def _before_test(level: Level, key: str, value: object) -> None:
    kept, required = _without_pip(level, key, commands(value))
    if kept:
        level.test["before"] = kept
    _require(level.test, required)


def _require(table: dict[str, Any], requirements: list[str]) -> None:
    if requirements:
        table["requires"] = list(dict.fromkeys([*table.get("requires", ()), *requirements]))


def _test_command(level: Level, _key: str, value: object) -> None:
    lines = commands(value)
    level.test["command"] = lines
    used = re.findall(r"\{(?:project|package)\}/([\w.*/-]+)", " ".join(lines))
    paths = [path.strip("/") for path in used if ".." not in path.split("/")]
    known = level.test.get("sources", list(level.sources))
    more = [p for p in dict.fromkeys(paths) if p.strip(".") and not _covered(p, known)]
    if more:
        level.test["sources"] = [*known, *more]


def _covered(path: str, sources: Sequence[str]) -> bool:
    return any(path == source or path.startswith(f"{source}/") for source in sources)


def _test_sources(level: Level, _key: str, value: object) -> None:
    listed = [source.rstrip("/") for source in words(value)]
    given = level.test.get("sources", ())
    more = [path for path in given if path not in level.sources and not _covered(path, listed)]
    level.test["sources"] = [*listed, *more]


def _test_requires(level: Level, key: str, value: object) -> None:
    listed = words(value)
    bad = [word for word in listed if not _is_requirement(word)]
    if bad:
        level.remark(key, f"{_quoted(' '.join(bad))}: only requirements (PEP 508) can be given")
    _require(level.test, [word for word in listed if word not in bad])


def _into(section: str, key: str) -> Callable[[Level, str, object], None]:
    def reader(level: Level, _key: str, value: object) -> None:
        table = level.build if section == "build" else level.test
        table[key] = words(value)

    return reader


def _environment(section: str) -> Callable[[Level, str, object], None]:
    def reader(level: Level, key: str, value: object) -> None:
        kept = {}
        for name, text in _assignments(value).items():
            if "$" in text or "`" in text:
                level.remark(f"{key}.{name}", f"{_quoted(text)}: values are literal, no shell")
            elif name.startswith(("PIP_", "CIBW_")):
                level.remark(f"{key}.{name}", "no pip and no cibuildwheel reads it")
            else:
                kept[name] = _with_our_placeholders(text)
        if kept:
            (level.build if section == "build" else level.test)["environment"] = kept

    return reader


def _assignments(value: object) -> dict[str, str]:
    if isinstance(value, dict):
        return {str(name): str(text) for name, text in value.items()}
    pairs = [word.partition("=") for word in words(value)]
    return {name: text for name, equals, text in pairs if equals}


def _config_settings(level: Level, key: str, value: object) -> None:
    if isinstance(value, dict):
        level.build[key] = {
            name: [str(v) for v in some] if isinstance(some, list) else str(some)
            for name, some in value.items()
        }
        return
    found: dict[str, Any] = {}
    for name, text in ((n, t) for n, e, t in (w.partition("=") for w in words(value)) if e):
        found[name] = [*_list(found[name]), text] if name in found else [text]
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
    lines = [value] if isinstance(value, str) else [str(line) for line in _list(value)]
    argv = words(lines[0]) if len(lines) == 1 else []
    if not any(line.strip() for line in lines):
        level.remark(key, "every wheel is repaired and verified, or is not shipped")
        return
    if argv[:2] != ["auditwheel", "repair"] or "&&" in argv or "|" in argv:
        level.remark(key, f"{_quoted(' && '.join(lines))}: mpforge runs auditwheel itself")
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
        level.remark(key, f"{_quoted(str(value))}: images are not available yet")
    else:
        level.policies[machine] = policy


def _policy(text: str) -> str | None:
    """The policy that an image's or a platform's name tells; none is older than manylinux_2_17."""
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
    "environment": _environment("build"),
    "environment-pass": _into("build", "pass-environment"),
    "repair-wheel-command": _repair,
    "test-command": _test_command,
    "test-environment": _environment("test"),
    "test-extras": _into("test", "extras"),
    "test-groups": _into("test", "groups"),
    "test-requires": _test_requires,
    "test-sources": _test_sources,
}
