"""How `mpforge explain` shows the ingredients of a key."""

from mpforge.cli.explain import _step
from mpforge.engine.preview import StepPreview

STEP = StepPreview(
    "wheel",
    "the wheel",
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
