"""Putting what tests declare as outputs where a user finds it, of a pass, of a hit and of a failure."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mpforge.artifacts.declared_outputs import collect
from mpforge.plan.events import Emit, OutputsWritten, Warned
from mpforge.plan.steps import Step
from mpforge.store.files import remove_tree
from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory
from mpforge.workspace import Workspace


@dataclass(frozen=True)
class TestOutputs:
    """Where the tests of a session leave their outputs: what is there is of the last run alone."""

    __test__ = False  # not a test class, whatever pytest makes of its name

    store: BlobStore
    workspace: Workspace
    session: str
    emit: Emit

    def clear(self) -> None:
        """Take away what an earlier run left: a run that gets to no test has no report."""
        remove_tree(self.workspace.outputs(self.session))

    def put(self, step: Step, tree: Directory) -> None:
        """Put there what was stored with a pass."""
        if _outputs(step):
            with self._fresh() as place:
                self.store.restore(tree, place)
            self._tell()

    def put_of_failure(self, step: Step, made: Path) -> None:
        """Put there what failed tests have written of it: a report says what failed."""
        if _outputs(step) and made.is_dir():
            with self._fresh() as place:
                missing = collect(_outputs(step), made, place)
            self._tell()
            if missing:
                words = f"[test] outputs: nothing matches {', '.join(missing)}"
                self.emit(Warned(self.session, words))

    @contextlib.contextmanager
    def _fresh(self) -> Iterator[Path]:
        """A directory that takes the last run's place when the block ends."""
        place = self.workspace.outputs(self.session)
        fresh = place.with_name(f".{place.name}")
        remove_tree(fresh)
        fresh.mkdir(parents=True)
        yield fresh
        remove_tree(place)
        fresh.rename(place)

    def _tell(self) -> None:
        place = os.path.relpath(self.workspace.outputs(self.session), self.workspace.root)
        self.emit(OutputsWritten(self.session, place))


def _outputs(step: Step) -> tuple[str, ...]:
    return step.tests.outputs if step.tests is not None else ()
