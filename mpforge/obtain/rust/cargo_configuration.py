"""The configuration that cargo reads besides a project's own: that of directories above it, and the user's.

cargo merges ``.cargo/config.toml`` of its directory and of every one above it, then CARGO_HOME's
(doc.rust-lang.org/cargo, "Configuration"). A step's directory lies below the cache: files
above it are no part of a build, so cargo is told to search no higher than the step's directory. Knows
nothing of builds.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mpforge import processes
from mpforge.errors import HostCannot
from mpforge.formats.toml import table_of

# cargo's own tests use it to ignore the directories above (crates/cargo-util/src/paths.rs, `ancestors`).
# It is undocumented, so `refuse_above` tests the cargo in use if it matters.
_TOP = "__CARGO_TEST_ROOT"
_NAMES = ("config", "config.toml")  # cargo reads the first if both exist
_ASKING_SECONDS = 60.0


def top(directory: Path) -> dict[str, str]:
    """Return the variable that stops cargo's search at a step's directory, for workspaces too."""
    return {_TOP: str(directory.resolve())}


def refuse_above(cargo: Path, directory: Path) -> None:
    """Raise ``HostCannot`` if this cargo would read a configuration above a step's directory nevertheless."""
    found = _above(directory)
    if found is None or _stops(cargo, directory / "rust" / "probe"):
        return
    raise HostCannot(
        f"{cargo} reads {found}, which is above the step's directory",
        why="its settings would change the build although they are not part of the project, and "
        "this cargo can't ignore them",
        hint="move that file away, or set MPFORGE_CACHE to a directory with no such file above it",
    )


def user_home(own: Mapping[str, str]) -> Path | None:
    """Return the user's CARGO_HOME if cargo can work in it, else None."""
    home = Path(own.get("CARGO_HOME") or Path(own.get("HOME", "/")) / ".cargo")
    return home if os.access(home, os.W_OK) else None


def user_parts(own: Mapping[str, str]) -> dict[str, str]:
    """Return the user's configuration as an ingredient of a key: a digest of it and its includes."""
    home = user_home(own)
    path = None if home is None else _in(home)
    if path is None:
        return {}
    content = hashlib.sha256()
    for text in _texts(path, set()):
        content.update(hashlib.sha256(text).digest())
    return {"cargo.configuration": content.hexdigest()}


def _above(directory: Path) -> Path | None:
    """Return the nearest configuration above a directory."""
    found = (_in(folder / ".cargo") for folder in directory.resolve().parents)
    return next((path for path in found if path is not None), None)


def _in(folder: Path) -> Path | None:
    return next((folder / name for name in _NAMES if (folder / name).is_file()), None)


def _stops(cargo: Path, scratch: Path) -> bool:
    """Return whether a cargo obeys ``top``, tested with an unreadable configuration."""
    below = scratch / "below"
    below.mkdir(parents=True, exist_ok=True)
    (scratch / ".cargo").mkdir(exist_ok=True)
    (scratch / ".cargo" / "config.toml").write_text("not TOML", encoding="utf-8")
    own = {"PATH": os.defpath, "CARGO_HOME": str(below), **top(below)}
    try:
        answer = processes.capture(
            [str(cargo), "help"], environment=own, cwd=below, timeout=_ASKING_SECONDS
        )
    except TimeoutError:
        return False
    return answer.returncode == 0


def _texts(path: Path, seen: set[Path]) -> Iterator[bytes]:
    """Yield a configuration and all that it includes; nothing for a missing file."""
    if path in seen:
        return
    seen.add(path)
    try:
        text = path.read_bytes()
    except OSError:
        yield b""
        return
    yield text
    for name in _paths(table_of(text).get("include")):
        yield from _texts(path.parent / name, seen)


def _paths(included: Any) -> Iterator[str]:
    """Yield the paths of ``include``: a text, or a list of texts and of tables with a ``path``."""
    for one in included if isinstance(included, list) else [included]:
        name = one.get("path") if isinstance(one, dict) else one
        if isinstance(name, str):
            yield name
