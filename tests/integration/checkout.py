"""A checkout in which mpforge's commands are called in this process: nothing is started but git."""

import contextlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from unittest import mock

from mpforge.cli.main import main
from mpforge.engine.load_index import load_index
from mpforge.engine.selection import Call
from mpforge.reports import front
from mpforge.sources import git
from mpforge.workspace import SPEC_NAME, open_workspace
from tests.e2e.workspace import Run, Workspace


class Checkout(Workspace):
    """The end-to-end tests' workspace with commands that are called, not started."""

    def mpforge(self, *words: str, env: Mapping[str, str | None] | None = None) -> Run:
        """Call a command; its output and errors are told together."""
        said = io.StringIO()
        with self.entered(env), redirect_stdout(said), redirect_stderr(said):
            code = _called(words)
        return Run(code, said.getvalue())

    def json(self, *words: str) -> Any:
        """What a command prints as JSON; it must end with 0."""
        out, errors = io.StringIO(), io.StringIO()
        with self.entered(), redirect_stdout(out), redirect_stderr(errors):
            code = _called(words)
        assert code == 0, f"{words}: exit {code}\n{out.getvalue()}{errors.getvalue()}"
        return json.loads(out.getvalue())

    def session(self, name: str, env: Mapping[str, str | None] | None = None) -> Run:
        """Run one session as nox would call it; its exit code, and what is printed of it."""
        said = io.StringIO()
        with self.entered(env), redirect_stdout(said), redirect_stderr(said):
            workspace = open_workspace(self.root / SPEC_NAME)
            (session,) = [s for s in load_index(workspace).sessions if s.name == name]
            ended, text = front.run(Call(session, workspace))
        return Run(ended.exit_code, f"{said.getvalue()}{text}")

    @contextlib.contextmanager
    def entered(self, env: Mapping[str, str | None] | None = None) -> Iterator[None]:
        """Be a process in this checkout, with its variables, that has asked git nothing yet."""
        git.top_level.cache_clear()
        git.common_directory.cache_clear()
        variables = mock.patch.dict(os.environ, self.environment(env), clear=True)
        with variables, contextlib.chdir(self.root):
            yield


def _called(words: tuple[str, ...]) -> int:
    try:
        return main(words)
    except SystemExit as end:  # argparse
        return end.code if isinstance(end.code, int) else 1
