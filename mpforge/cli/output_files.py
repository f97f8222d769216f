"""Write files whose place a user chose, and warn about one that becomes part of the project's source."""

import contextlib
import sys
from pathlib import Path

from mpforge.engine.load_index import content, text_of
from mpforge.engine.load_plan import source_of
from mpforge.errors import FileTrouble, MpforgeError
from mpforge.sources import project
from mpforge.sources.project import Project
from mpforge.store.files import write_atomically
from mpforge.store.local import opened
from mpforge.workspace import STATE_NAME, Workspace


def write_file(place: Path, text: str, workspace: Workspace | None) -> None:
    """Write a file and say so on stderr, with a warning if it is a source file of the workspace's project.

    Raises ``FileTrouble``.
    """
    try:
        write_atomically(place, text.encode("utf-8", "replace"))
    except OSError as error:
        raise FileTrouble(
            f"{place} can't be written: {error.strerror}", hint="name another file"
        ) from None
    sys.stderr.write(f"mpforge > wrote {place}\n")
    if workspace is None:
        return
    with contextlib.suppress(MpforgeError, OSError):  # the spec or its source can't be read
        spec = text_of(content(workspace), workspace)
        warn_of_source(place, source_of(workspace, spec, opened(workspace.cache / "store")).source)


def warn_of_source(place: Path, source: Project) -> None:
    """Warn on stderr if a file that was just written is one of the project's source files."""
    if project.has(source, place):
        sys.stderr.write(
            f"mpforge > warning: {place} is now a file of the source, so the next run builds everything "
            f"again: move it to {STATE_NAME}/ or out of the project\n"
        )
