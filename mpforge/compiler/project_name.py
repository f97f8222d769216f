"""Read a project's name from its files without running them."""

import ast
import configparser
from collections.abc import Mapping
from typing import Any


def declared_name(
    pyproject: Mapping[str, Any], setup_cfg: str | None, setup_py: str | None
) -> str | None:
    """Return the name in ``pyproject.toml``, ``setup.cfg`` or a literal in ``setup.py``, if any."""
    tables = (pyproject.get("project", {}), pyproject.get("tool", {}).get("poetry", {}))
    named = [table.get("name") for table in tables if isinstance(table, Mapping)]
    named += [_of_setup_cfg(setup_cfg or ""), _of_setup_py(setup_py or "")]
    return next((name for name in named if isinstance(name, str) and name), None)


def _of_setup_cfg(text: str) -> str | None:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return None  # setuptools reports it
    return parser.get("metadata", "name", fallback=None)


def _of_setup_py(text: str) -> str | None:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and "setup" in ast.dump(node.func):
            for keyword in node.keywords:
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                    return str(keyword.value.value)
    return None
