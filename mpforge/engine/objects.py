"""Objects that a build's compilers made, kept from one build of a step to the next.

What a build left is a tree of the store, a file for each object, under a key of the step and its compilers;
the next build of that step gets a copy of its own. Whether an object serves is decided by the program
that stands before the compilers (``tools/objectcache``): nothing here is an ingredient of a step's
key, because it must not change a byte. ``MPFORGE_COMPILER_CACHE=0`` does without.
"""

import hashlib
import os
import py_compile
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mpforge.engine.inputs import Inputs
from mpforge.engine.task import Task
from mpforge.engine.toolbox import Toolbox
from mpforge.errors import Damaged, ToolUnavailable
from mpforge.plan.events import Emit, Reused
from mpforge.plan.model import Compilers
from mpforge.processes import interrupted
from mpforge.store.local import Store
from mpforge.store.results import ActionResult
from mpforge.store.trees import FileNode
from mpforge.tools import objectcache, toolwheels

SWITCH = "MPFORGE_COMPILER_CACHE"
_FOLDER, _LOG = "objects", "objects.txt"
_OBJECT = re.compile(r"[0-9a-f]{64}")
_NAMED = 5
_PACKAGE = Path(objectcache.__file__).parent


@dataclass(frozen=True)
class Objects:
    """The objects of one session's builds."""

    store: Store
    toolbox: Toolbox
    inputs: Inputs
    session: str
    emit: Emit

    def lend(self, task: Task, compilers: Compilers) -> dict[str, str]:
        """Give a step that is about to build its objects; the variables that its compilers need."""
        if not task.reuses or os.environ.get(SWITCH) == "0":
            return {}
        try:
            program = self._program()
        except (ToolUnavailable, py_compile.PyCompileError) as error:
            self.toolbox.warn_once(f"objects are not reused: {error}")
            return {}
        folder = task.directory.root / _FOLDER
        folder.mkdir(parents=True)
        for node, name in self._kept(self._key(task, compilers)):
            self._restore(node, folder / name)
        return {
            "MPFORGE_OBJECTS": str(folder),
            "MPFORGE_OBJECTS_LOG": str(task.directory.root / _LOG),
            "MPFORGE_OBJECTS_FIXED": str(self.toolbox.store.root),
            "MPFORGE_OBJECTS_PYTHON": str(toolwheels.interpreter()),
            "MPFORGE_OBJECTS_PROGRAM": str(program),
        }

    def take_back(self, task: Task, *, whole: bool) -> None:
        """Keep what a build has used or made; of one that failed on the way, the rest too."""
        folder, compilers = (
            task.directory.root / _FOLDER,
            getattr(task.step.command, "compilers", None),
        )
        if not isinstance(compilers, Compilers) or not folder.is_dir() or interrupted():
            return
        calls = list(_calls(task.directory.root))
        self._tell(task, calls)
        wanted = {key for _, key, _ in calls} if whole else set(os.listdir(folder))
        try:
            self._keep(self._key(task, compilers), folder, wanted)
        except OSError as error:  # what was built is no worse for it
            self.toolbox.warn_once(f"objects are not kept: {error.strerror or error}")

    # --- the store -----------------------------------------------------------------------------

    def _key(self, task: Task, compilers: Compilers) -> str:
        """Where a step's objects are kept: other compilers, other objects."""
        parts = self.toolbox.compiler_parts(compilers)
        salt = os.environ.get("MPFORGE_CACHE_SALT", "")
        words = [
            "objects",
            self._project(),
            task.step.id,
            _digest(),
            salt,
            repr(sorted(parts.items())),
        ]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()

    def _project(self) -> str:
        """The project's name: two of one name hinder each other, no more."""
        try:
            found = tomllib.loads(self.inputs.read("pyproject.toml") or "")
            return str(found["project"]["name"])
        except (tomllib.TOMLDecodeError, KeyError, TypeError, Damaged):
            return self.inputs.source.root.name

    def _kept(self, key: str) -> Iterator[tuple[FileNode, str]]:
        try:
            result = self.store.find(key)
            tree = None if result is None else self.store.tree(result.tree)
        except Damaged as error:
            self.toolbox.warn_once(f"{error.what}; objects are compiled again")
            return
        for name, node in () if tree is None else tree.walk():
            if isinstance(node, FileNode) and _OBJECT.fullmatch(name):
                yield node, name

    def _restore(self, node: FileNode, place: Path) -> None:
        try:
            self.store.copy_out(node.digest, place)
        except Damaged as error:
            self.toolbox.warn_once(f"{error.what}; an object is compiled again")

    def _keep(self, key: str, folder: Path, wanted: set[str]) -> None:
        names = [name for name in wanted if _OBJECT.fullmatch(name) and _is_file(folder / name)]
        if not names:
            return
        tree = self.store.put_directory(folder, names)
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        self.store.keep(
            ActionResult(key, tree.digest(), self.store.put_bytes(b""), finished=finished)
        )

    # --- what is told --------------------------------------------------------------------------

    def _tell(self, task: Task, calls: list[tuple[str, str, str]]) -> None:
        """Say in the log, and to who listens, what was compiled and what was not."""
        counted = Counter(what for what, _, _ in calls)
        reused, compiled = counted.pop("reused", 0), counted.pop("compiled", 0)
        made = [source for what, _, source in calls if what == "compiled"]
        lines = [f"objects: {reused} reused, {compiled} compiled{_listed(made)}"] if calls else []
        for reason in counted:
            sources = [source for what, _, source in calls if what == reason]
            lines.append(f"objects: {counted[reason]} {reason}{_listed(sources)}")
        task.log.writelines(f"{line}\n".encode("utf-8", "replace") for line in lines)
        if reused:
            rest = sum(counted.values())
            self.emit(Reused(self.session, task.step.id, reused, compiled + rest))

    # --- the program ---------------------------------------------------------------------------

    def _program(self) -> Path:
        """The program that stands before compilers, compiled: it is started for each file."""

        def make(folder: Path) -> None:
            package = folder / _PACKAGE.name
            package.mkdir()
            for path in _modules():
                py_compile.compile(
                    str(path),
                    cfile=str(package / f"{path.stem}.pyc"),
                    dfile=f"{_PACKAGE.name}/{path.name}",
                    doraise=True,
                    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                )

        made = self.toolbox.store.obtain(
            name="objectcache", version="1", digest=_digest(), make=make
        )
        return made.path / _PACKAGE.name / "__main__.pyc"


def _modules() -> list[Path]:
    return sorted(_PACKAGE.glob("*.py"))


def _digest() -> str:
    """What the program is: its texts, and the interpreter that runs it."""
    texts = b"\0".join(
        part for path in _modules() for part in (path.name.encode(), path.read_bytes())
    )
    return hashlib.sha256(texts + sys.version.encode()).hexdigest()


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _calls(step: Path) -> Iterator[tuple[str, str, str]]:
    """What the program told of each call in a step's directory: what, the object's key, the file."""
    try:
        lines = (step / _LOG).read_text("utf-8", "surrogateescape").splitlines()
    except FileNotFoundError:
        return
    for words in (line.split("\t") for line in lines):
        if len(words) == 3:
            yield words[0], words[1], words[2].removeprefix(f"{step}/")


def _listed(sources: list[str]) -> str:
    """``: a.c, b.c`` and so on, not more than a few."""
    if not sources:
        return ""
    more = f" and {len(sources) - _NAMED} more" if len(sources) > _NAMED else ""
    return f": {', '.join(sources[:_NAMED])}{more}"
