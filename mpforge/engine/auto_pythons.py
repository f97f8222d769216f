"""Replace ``auto`` in a spec's Pythons by those that the project's Requires-Python allows.

It is read without running anything, so that the sessions' names are known before a build.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpforge.spec.model import Spec

_FILES = ("pyproject.toml", "setup.cfg", "setup.py", "PKG-INFO")
ABSENT = "(absent)"
"""Stands for the digest of a file that does not exist."""


def narrowed_to(spec: "Spec", root: Path) -> tuple["Spec", dict[str, str]]:
    """Return the spec with its Pythons named, and the digests of the files that were read, by name.

    ``root`` is the project's directory. If none of the Pythons is allowed, all stay, for the error about it.
    Raises ``TomlInvalid``, ``WrongInput`` for a pyproject.toml that can't be read.
    """
    from mpforge.spec.options import is_automatic, narrowed

    if not is_automatic(spec):
        return spec, {}
    from mpforge.compiler.pythons import allows
    from mpforge.platforms import python_words

    required = _requires_python(root)
    words = python_words.automatic()
    try:
        allowed = [word for word in words if required is None or allows(required, word)]
    except ValueError:  # not a specifier; the project's own checks say so
        allowed = []
    return narrowed(spec, allowed or words), {name: digest(root / name) for name in _FILES}


def _requires_python(root: Path) -> str | None:
    from mpforge.artifacts.core_metadata import requires_python as of_metadata
    from mpforge.formats.pyproject import read_pyproject
    from mpforge.migrate.project_pythons import requires_python

    metadata = None if (root / ".git").exists() else _text(root / "PKG-INFO")
    found = requires_python(
        read_pyproject(_text(root / "pyproject.toml")),
        setup_cfg=_text(root / "setup.cfg"),
        setup_py=_text(root / "setup.py"),
        pkg_info=None if metadata is None else of_metadata(metadata),
    )
    return None if found is None else found.text


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return None


def digest(path: Path) -> str:
    """Return the sha256 of a small file, or ``ABSENT``."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ABSENT
