"""The end-to-end tests' forked programs, and the same programs started as a shell starts them."""

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Run, Workspace

BUILD = f"build-{NATIVE}"
COMMANDS = (
    *(("check",), ("plan",), ("explain", BUILD), ("lock",), ("matrix",), ("log", BUILD)),
    *(("cache", "stats"), ("schema",), ("run", BUILD), ("run", "nothing"), ("no-command",)),
)


def ended(workspace: Workspace, program: str, *words: str, fresh: bool) -> Run:
    with workspace.started(program, *words, fresh=fresh) as running:
        return running.end()


@pytest.mark.gcc
def test_a_forked_program_ends_and_prints_as_one_that_was_started(quick: Workspace) -> None:
    assert BUILD in ended(quick, "nox", "-s", BUILD, fresh=True).did
    nox = (("-l",), ("-s", BUILD), ("-s", "nothing"))
    for words in (
        *(("mpforge", *words) for words in COMMANDS),
        *(("nox", *words) for words in nox),
    ):
        started, forked = ended(quick, *words, fresh=True), ended(quick, *words, fresh=False)
        assert str(forked) == str(started), words
        assert "Traceback" not in forked.output, words
