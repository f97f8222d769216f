"""Find a project's Requires-Python: in pyproject.toml, setup.cfg, setup.py (by its syntax), or PKG-INFO."""

import ast
import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RequiresPython:
    """A specifier, and the file and key that it comes from."""

    text: str
    source: str


def requires_python(
    pyproject: Mapping[str, Any],
    *,
    setup_cfg: str | None,
    setup_py: str | None,
    pkg_info: str | None,
) -> RequiresPython | None:
    """Return the first one there is, in the order in which cibuildwheel looks; PKG-INFO's last."""
    project = pyproject.get("project", {})
    written = project.get("requires-python") if isinstance(project, dict) else None
    candidates = (
        (written, "pyproject.toml's requires-python"),
        (_of_setup_cfg(setup_cfg), "setup.cfg's python_requires"),
        (_of_setup_py(setup_py), "setup.py's python_requires"),
        (pkg_info, "PKG-INFO's Requires-Python"),
    )
    return next((RequiresPython(text, where) for text, where in candidates if text), None)


def _of_setup_cfg(text: str | None) -> str | None:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text or "")
    except configparser.Error:
        return None
    return parser.get("options", "python_requires", fallback=None)


def _of_setup_py(text: str | None) -> str | None:
    """Return the literal text of ``python_requires=``, or of the name that it is given; no code is run."""
    try:
        tree = ast.parse(text or "")
    except (SyntaxError, ValueError, RecursionError):
        return None
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                    names[target.id] = node.value.value
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "python_requires":
            if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                return node.value.value
            if isinstance(node.value, ast.Name):
                return names.get(node.value.id)
    return None
