"""Translate ``before-all``: packages to libraries and tools, other commands to a layer of an image."""

import re
import shlex

from mpforge.migrate.cibuildwheel import syntax
from mpforge.migrate.cibuildwheel.packages import installs, packages, without_installs
from mpforge.migrate.cibuildwheel.syntax import quoted
from mpforge.migrate.cibuildwheel.translation import Translation

_RUST = re.compile(r"sh\.rustup\.rs|\brustup\b")
_RUST_BACKENDS = re.compile(r"[\"'](?:maturin|setuptools[-_]rust)\b")


def before_all(found: Translation, option: str, lines: list[str]) -> None:
    """Translate commands that only install packages; others make the build one in the target's image."""
    others = [line for line in lines if _RUST.search(line)]
    if others:
        found.drop(option, "rustup: mpforge brings Rust for the target")
    lines = [line for line in lines if line not in others]
    rest = [left for line in lines if (left := _rest(line))]
    if not rest:
        for line in lines:
            packages(found, option, line)
    elif _RUST_BACKENDS.search(found.files.text("pyproject.toml") or ""):
        found.refuse(
            option,
            f"{quoted(rest[0])}: runs only in an image, where mpforge builds no Rust; make a native "
            "library that it builds a [libraries] table",
        )
    else:
        _in_image(found, option, lines)


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
