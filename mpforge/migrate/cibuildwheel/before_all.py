"""Translate ``before-all``: packages to libraries and tools, other commands to a layer of an image."""

import re
import shlex

from mpforge.migrate.cibuildwheel import syntax
from mpforge.migrate.cibuildwheel.packages import installs, packages, without_installs
from mpforge.migrate.cibuildwheel.syntax import quoted
from mpforge.migrate.cibuildwheel.translation import Translation

_RUST = re.compile(r"sh\.rustup\.rs|\brustup\b|\.cargo/(?:env|bin)\b")
_SEPARATOR = re.compile(r"(\s*(?:&&|;|\n)\s*)")
_COMPOUND = re.compile(
    r"(?:^|\s)(?:if|then|else|fi|for|while|do|done|case|esac|[{}()])(?=\s|$)|\|\|"
)
_RUST_BACKENDS = re.compile(r"[\"'](?:maturin|setuptools[-_]rust)\b")


def before_all(found: Translation, option: str, lines: list[str]) -> None:
    """Translate commands that only install packages; others make the build one in the target's image."""
    lines = [left for line in lines if (left := _without_rust(found, option, line))]
    rest = [left for line in lines if (left := _rest(line))]
    in_image = bool(rest) and not _RUST_BACKENDS.search(found.files.text("pyproject.toml") or "")
    if in_image:
        _in_image(found, option, lines)
        return
    for line in lines:
        packages(found, option, line)
    if rest:
        found.refuse(
            option,
            f"{quoted(rest[0])}: runs only in an image, where mpforge builds no Rust; make a native "
            "library that it builds a [libraries] table",
        )


def _without_rust(found: Translation, option: str, line: str) -> str:
    """Return a line without the commands that install Rust."""
    *pairs, last = re.split(_SEPARATOR, line.strip()) if _simple(line) else [line]
    commands = list(zip([*pairs[::2], last], [*pairs[1::2], ""], strict=True))
    rust = [command for command, _ in commands if _RUST.search(command)]
    for command in rust:
        found.drop(option, f"{quoted(command)}: mpforge provides Rust for the target")
    kept = "".join(f"{command}{joint}" for command, joint in commands if command not in rust)
    return re.sub(r"[\s&;]+$", "", kept)


def _simple(line: str) -> bool:
    """Return whether a line is only simple commands, one after another, with no separator in quotes."""
    try:
        for command in _SEPARATOR.split(line)[::2]:
            shlex.split(command)
    except ValueError:
        return False
    return _COMPOUND.search(line) is None


def _rest(line: str) -> str:
    return without_installs(line) if installs(line) else line


def _in_image(found: Translation, option: str, lines: list[str]) -> None:
    """Let commands run in the target's image, with the project's files and the variables that they use."""
    script = " && ".join(syntax.commands(lines))
    sources = found.files.used_by_script(script)
    known = {"CIBUILDWHEEL": "1", **found.build.get("environment", {})}
    # Only a build knows the number of its jobs.
    given = [f"{n}={shlex.quote(value)}" for n, value in known.items() if "{jobs}" not in value]
    script = f"export {' '.join(given)} && {script}"
    if sources or "{project}" in script or "{package}" in script:
        found.build["before-all-sources"] = sources or ["**"]
    found.build |= {"strategy": "hybrid", "network": True, "before-all": [script]}
    found.done(option, "build.before-all")
