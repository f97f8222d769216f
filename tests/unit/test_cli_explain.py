"""How `mpforge explain` shows the ingredients of a key."""

from dataclasses import replace

from mpforge.cli.explain import _step
from mpforge.cli.explain_inputs import inputs_of, lines
from mpforge.engine.preview import StepPreview
from mpforge.keys.walk import ABSENT
from mpforge.plan.steps import OutputOf, RepairWheel, Step
from mpforge.store.results import ActionResult

BUILD = Step(
    "wheel", "the wheel", RepairWheel(OutputOf("made"), "x86_64", "cp311", "manylinux_2_28")
)
STEP = StepPreview(
    BUILD,
    "cached",
    key="a" * 64,
    record={"ingredients": {"program.sh": "1", "host": "Linux", "program.make": "2"}},
)


def test_ingredients_are_counted_and_listed_when_asked_for() -> None:
    head, *told = _step(STEP, None, whole=False)
    assert head == "  wheel: the wheel: cached, key aaaaaaaaaaaa"
    assert told == ["    3 ingredients (program 2); --all lists them"]
    _, *listed = _step(STEP, None, whole=True)
    assert listed == ["    host = Linux", "    program.make = 2", "    program.sh = 1"]


# --- what it takes from this host -----------------------------------------------------------------

RESULT = ActionResult(
    "a" * 64,
    tree="b" * 64,
    log="",
    observed={
        "host:/usr/include/stdio.h": "c" * 64,
        "host:/usr/local/include/stdio.h": ABSENT,
        "host:/opt/include/**": "d" * 64,
        "source:tests/test_one.py": "e" * 64,
    },
)


def test_files_of_the_host_that_were_read_are_listed_beside_the_parts_of_the_key() -> None:
    assert [*lines(inputs_of(BUILD, STEP, RESULT), whole=False)] == [
        "in its key: program 2",
        "read from this host, and not in its key: 2 files; looked for, but absent: 1",
        "  dddddddddddd /opt/include/**",
        "  cccccccccccc /usr/include/stdio.h",
        "read from the source, and not in its key:",
        "  eeeeeeeeeeee tests/test_one.py",
    ]
    listed = [*lines(inputs_of(BUILD, STEP, RESULT), whole=True)]
    assert {"  program.make = 2", "  (absent) /usr/local/include/stdio.h"} <= {*listed}


def test_what_is_not_known_is_said() -> None:
    def last(result: ActionResult | None) -> str:
        return [*lines(inputs_of(BUILD, STEP, result), whole=False)][-1]

    assert "run the session first" in last(None)
    assert "never reused" in last(
        replace(RESULT, observed={"host:(unseen)": "(changed meanwhile)"})
    )
    assert "less isolation (none)" in last(replace(RESULT, facts={"isolation": "none"}))
