"""The tool store, pins and progress reports with which a session obtains its tools."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from mpforge.obtain.base_programs import Base
from mpforge.obtain.pins import Pins
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.store import file_digests
from mpforge.store.file_digests import FileDigests
from mpforge.store.tool_store import ToolStore


@dataclass(frozen=True)
class SessionTools:
    """The tool store, the pins, and the functions that report progress.

    ``working(what)`` is the context of long work, ``warn`` reports a warning for the whole session.
    ``host_python`` returns the host's CPython of a word and raises ``NoHostPython``. ``host_paths`` are the
    files and directories of this host, outside of the store, that programs of steps may read. ``base`` are
    the pinned base programs, None if steps see this host's.
    """

    cache: Path
    store: ToolStore
    pins: Pins
    working: Callable[[str], AbstractContextManager[None]]
    warn: Callable[[str], None]
    host_python: Callable[[str], HostPython]
    host_paths: set[Path] = field(default_factory=set)
    base: Base | None = None

    @property
    def release(self) -> tuple[str, str] | None:
        """Return the distribution and suite of the pinned base's packages; None if there is no such base."""
        return None if self.base is None else self.base.release

    @property
    def host_files(self) -> FileDigests:
        """Return the digests of this host's files."""
        return file_digests.shared(self.cache)
