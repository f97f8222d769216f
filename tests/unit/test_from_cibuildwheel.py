"""Specs of 27 real projects build what cibuildwheel builds, and a page counts their options."""

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BENCH = runpy.run_path(str(ROOT / "benchmarks" / "from_cibuildwheel.py"))
ENTRIES: list[dict[str, Any]] = BENCH["load"]()


@pytest.mark.parametrize("workflows", [False, True], ids=["table", "workflows"])
@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["project"] for entry in ENTRIES])
def test_the_spec_builds_what_cibuildwheel_prints(entry: dict[str, Any], workflows: bool) -> None:
    found = BENCH["compare"](entry, workflows=workflows)
    if found is None:
        assert entry["workflow" if workflows else "table"] is None
        return
    assert found.error == ""
    assert found.ours == found.buildable


def test_enough_projects_are_compared() -> None:
    assert sum(entry["table"] is not None for entry in ENTRIES) == 24
    assert sum(entry["workflow"] is not None for entry in ENTRIES) == 21


def test_the_page_counts_the_options_as_they_are_translated_now() -> None:
    page = (ROOT / "docs" / "from-cibuildwheel.md").read_text("utf-8")
    assert BENCH["with_table"](page, BENCH["page_table"](ENTRIES)) == page


def test_every_option_and_variable_of_every_project_has_an_outcome() -> None:
    for entry in ENTRIES:
        initial = BENCH["initial_spec"](
            BENCH["ProjectFiles"](BENCH["project_files"](entry, workflows=True))
        )
        said = {
            (e.setting.file.rpartition("/")[2], e.setting.name) for e in initial.account.entries()
        }
        written = {(w["file"], v["name"]) for w in entry["workflows"] for v in w["env"]}
        options = entry["options"] or {}
        written |= {
            ("pyproject.toml", name) for name in options if not isinstance(options[name], dict)
        }
        written -= {("pyproject.toml", "overrides")}
        assert written - said == set(), entry["project"]
