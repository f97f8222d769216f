"""Put the declared outputs of tests into the checkout, after a pass, a hit and a failure."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mpforge.artifacts.declared_outputs import collect
from mpforge.plan.events import OutputsWritten
from mpforge.plan.reporter import Reporter
from mpforge.plan.steps import Step
from mpforge.store.files import remove_tree
from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory
from mpforge.workspace import Workspace


@dataclass(frozen=True)
class TestOutputs:
    """Directory with the outputs of a session's tests, always of the last run alone."""

    __test__ = False  # not a test class, although pytest takes it for one by its name

    store: BlobStore
    workspace: Workspace
    reporter: Reporter

    @property
    def _place(self) -> Path:
        return self.workspace.outputs(self.reporter.session)

    def clear(self) -> None:
        """Remove the outputs of an earlier run: a run that does not reach its tests has no report."""
        remove_tree(self._place)

    def put(self, step: Step, tree: Directory) -> None:
        """Put the outputs that were stored with a pass."""
        if _outputs(step):
            with self._fresh() as place:
                self.store.restore(tree, place)
            self._tell()

    def put_of_failure(self, step: Step, made: Path) -> None:
        """Put the outputs that failed tests have written: a report says what failed."""
        if _outputs(step) and made.is_dir():
            with self._fresh() as place:
                missing = collect(_outputs(step), made, place)
            self._tell()
            if missing:
                self.reporter.warn(f"[test] outputs: nothing matches {', '.join(missing)}")

    @contextlib.contextmanager
    def _fresh(self) -> Iterator[Path]:
        """Yield a directory that replaces the last run's when the block ends."""
        place = self._place
        fresh = place.with_name(f".{place.name}")
        remove_tree(fresh)
        fresh.mkdir(parents=True)
        yield fresh
        remove_tree(place)
        fresh.rename(place)

    def _tell(self) -> None:
        place = os.path.relpath(self._place, self.workspace.root)
        self.reporter.emit(OutputsWritten(self.reporter.session, place))


def _outputs(step: Step) -> tuple[str, ...]:
    return step.tests.outputs if step.tests is not None else ()
