"""Compile the index of a workspace, or load it from ``.mpforge/``: all that ``nox -l`` needs.

Every ``nox`` reads it, so this module imports little else of the engine.
"""

import codecs
import contextlib
import functools
import hashlib
import os
from dataclasses import replace
from pathlib import Path

from mpforge import __version__
from mpforge.engine.auto_pythons import digest, narrowed_to
from mpforge.errors import SpecInvalid, TomlInvalid
from mpforge.formats.toml import content_of, decoded
from mpforge.plan.codec import decode, encode
from mpforge.plan.index import Index
from mpforge.store import notes
from mpforge.workspace import Workspace

_OF_A_PLAN = ("platforms", "formats", "spec", "plan", "compiler")


def load_index(workspace: Workspace) -> Index:
    """Return the index of a spec. Raises ``SpecInvalid``."""
    data = content(workspace)
    key = hashlib.sha256(data + own_version().encode()).hexdigest()
    kept = workspace.state / "index.json"
    with contextlib.suppress(ValueError, TypeError):
        index = decode(Index, notes.load(kept))
        if index.key == key and all(digest(workspace.root / p) == d for p, d in index.read):
            return index
    from mpforge.compiler.index import compile_index
    from mpforge.spec.load import find_problems, load_spec

    text, file = text_of(data, workspace), workspace.spec.name
    spec = load_spec(text, file=file)
    named, read = narrowed_to(spec, workspace.root / spec.project.source)
    index = compile_index(named, key)
    doubtful = find_problems(text, file=file)
    files = tuple((f"{spec.project.source}/{name}", sum_) for name, sum_ in read.items())
    index = replace(index, warnings=tuple(map(str, doubtful)), read=files)
    notes.keep(kept, encode(index))
    workspace.ignore_state()
    return index


@functools.cache
def own_version(package: Path = Path(__file__).parents[1]) -> str:
    """Return mpforge's version; in a checkout of mpforge, with the state of the modules that make a plan."""
    if not (package.parent / "pyproject.toml").is_file():
        return __version__
    files = [package / room / name for room in _OF_A_PLAN for name in os.listdir(package / room)]
    found = [(path.name, os.stat(path)) for path in sorted(files) if path.suffix]
    states = [(name, status.st_size, status.st_mtime_ns) for name, status in found]
    return f"{__version__}+{hashlib.sha256(repr(states).encode()).hexdigest()}"


def content(workspace: Workspace) -> bytes:
    """Return a spec's bytes, at most one over the limit. Raises ``SpecInvalid`` if it is no longer a file."""
    try:
        return content_of(workspace.spec, workspace.spec.name)
    except TomlInvalid as error:
        raise _no_spec(error, workspace) from None


def text_of(data: bytes, workspace: Workspace) -> str:
    """Decode a spec. Raises ``SpecInvalid`` if it is not UTF-8."""
    try:
        return decoded(data.removeprefix(codecs.BOM_UTF8), workspace.spec.name)
    except TomlInvalid as error:
        raise _no_spec(error, workspace) from None


def _no_spec(error: TomlInvalid, workspace: Workspace) -> SpecInvalid:
    from mpforge.spec.load import syntax_problem

    return SpecInvalid((syntax_problem(error, workspace.spec.name),))
