"""What mpforge and its readers own in a CI file, and what happens to each when it is written again."""

from pathlib import Path

import pytest

from mpforge.ci.ci_file import CiFile
from mpforge.cli import ci
from mpforge.errors import CiFileEdited, CiFileForeign

FILE = CiFile("ci.yml", "github")
OLD, NEW = "a" * 40, "b" * 40
MIDDLE = f"""\
# own: settings
name: wheels
# end of own
jobs:
  build:
    - uses: actions/checkout@{OLD} # v5.2
    # own: build steps
    # end of own
    - run: mpforge run build
"""


def test_a_file_without_edits_is_written_as_it_was() -> None:
    text = FILE.written(MIDDLE)
    assert FILE.updated(text, MIDDLE) == text


def test_own_parts_and_the_text_around_stay_when_the_rest_changes() -> None:
    text = FILE.written(MIDDLE)
    own = "    # own: build steps\n    - run: apt-get install swig\n"
    text = text.replace("    # own: build steps\n", own).replace("name: wheels", "name: mine")
    text = f"# Licence: MIT\n{text}  notify:\n    needs: build\n"
    new = FILE.updated(text, MIDDLE.replace("run build", "run build test"))
    assert new.startswith("# Licence: MIT\n# >>> mpforge ci github ")
    assert new.endswith("# <<< mpforge ci github\n  notify:\n    needs: build\n")
    assert "name: mine\n" in new
    assert own in new
    assert "- run: mpforge run build test\n" in new


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("  build:\n", "  built:\n", 6),
        ("    - run: mpforge run build\n", "", 10),
        ("    - run: mpforge run build\n", "    - run: mpforge run build\n    - run: x\n", 11),
        ("    # end of own\n", "", 10),
        ("# own: settings\n", "", 2),
    ],
)
def test_an_edit_of_mpforges_part_is_an_error_at_its_line(old: str, new: str, line: int) -> None:
    text = FILE.written(MIDDLE).replace(old, new)
    with pytest.raises(CiFileEdited) as caught:
        FILE.updated(text, MIDDLE)
    assert str(caught.value.place) == f"ci.yml:{line}:1"
    assert "mpforge ci github --force" in (caught.value.hint or "")


def test_force_discards_edits_and_keeps_own_parts() -> None:
    text = FILE.written(MIDDLE).replace("run build", "run nothing").replace("wheels", "mine")
    assert FILE.updated(text, MIDDLE, force=True) == FILE.written(MIDDLE).replace("wheels", "mine")


def test_a_newer_pin_of_an_action_is_kept_and_an_older_one_is_replaced() -> None:
    newer = FILE.written(MIDDLE).replace(f"{OLD} # v5.2", f"{NEW} # v5.10")
    assert FILE.updated(newer, MIDDLE) == newer
    assert FILE.updated(newer, MIDDLE.replace("v5.2", "v6")) == FILE.written(
        MIDDLE.replace("v5.2", "v6")
    )


def test_a_file_of_someone_else_is_refused() -> None:
    with pytest.raises(CiFileForeign, match=r"mpforge did not write ci\.yml"):
        FILE.updated("jobs: {}\n", MIDDLE)


def test_a_directory_in_the_place_of_the_file_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(CiFileForeign, match="is a directory"):
        ci._text(tmp_path)


def test_a_file_without_the_last_line_is_refused() -> None:
    with pytest.raises(CiFileEdited, match="last line"):
        FILE.updated(FILE.written(MIDDLE).replace("# <<<", "# <"), MIDDLE)


def test_an_own_part_that_has_no_place_any_more_is_not_lost() -> None:
    step = "    # own: build steps\n    - run: apt-get install swig\n"
    text = FILE.written(MIDDLE).replace("    # own: build steps\n", step)
    without = MIDDLE.replace("    # own: build steps\n    # end of own\n", "")
    with pytest.raises(CiFileEdited, match="no place for your own part `build steps`") as caught:
        FILE.updated(text, without)
    assert str(caught.value.place) == "ci.yml:8:1"
    # An empty one goes without a word.
    assert FILE.updated(FILE.written(MIDDLE), without) == FILE.written(without)
