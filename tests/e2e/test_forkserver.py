"""The end-to-end tests' forked programs, and the same programs started as a shell starts them."""

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Run, Workspace

BUILD = f"build-{NATIVE}"
COMMANDS = (
    *(
        ("mpforge", *words)
        for words in (("plan",), ("log", BUILD), ("run", BUILD), ("no-command",))
    ),
    *(("nox", *words) for words in (("-l",), ("-s", BUILD), ("-s", "nothing"))),
)


def ended(workspace: Workspace, program: str, *words: str, fresh: bool) -> Run:
    with workspace.started(program, *words, fresh=fresh) as running:
        return running.end()


@pytest.mark.gcc
def test_a_forked_program_ends_and_prints_as_one_that_was_started(quick: Workspace) -> None:
    assert BUILD in ended(quick, "nox", "-s", BUILD, fresh=True).did
    for words in COMMANDS:
        started, forked = ended(quick, *words, fresh=True), ended(quick, *words, fresh=False)
        assert str(forked) == str(started), words
        assert "Traceback" not in forked.output, words
