"""docs/configuration.md names everything that a spec can say, and its examples are good specs."""

import re
from pathlib import Path
from typing import get_args

import pytest

from mpforge import platforms
from mpforge.sources import project
from mpforge.spec import model
from mpforge.spec.library_tables import Library
from mpforge.spec.load import find_problems
from mpforge.spec.placeholders import KNOWN
from mpforge.spec.table import Table
from mpforge.spec.translate import keys_of

TEXT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
TABLES: dict[str, type[Table]] = {
    "[project]": model.Project,
    "[sdist]": model.Sdist,
    "[index]": model.Index,
    "[build]": model.BuildOptions,
    "[test]": model.TestOptions,
    "[targets.NAME]": model.Target,
    "[[overrides]]": model.Override,
    "[toolchains.NAME]": model.Toolchain,
    "[libraries.NAME]": Library,
    "[release]": model.Release,
}


def section(name: str) -> str:
    found = re.search(rf"^## `{re.escape(name)}`.*?(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, name
    return found.group()


@pytest.mark.parametrize(("name", "table"), TABLES.items())
def test_every_key_of_a_table_has_a_row_and_no_other_has(name: str, table: type[Table]) -> None:
    rows = set(re.findall(r"^\| `([a-z-]+)[.`]", section(name), re.MULTILINE))
    assert rows == set(keys_of(table))


def test_every_default_that_is_no_empty_one_is_named() -> None:
    for name, table in TABLES.items():
        for key, field in zip(keys_of(table), table.model_fields.values(), strict=True):
            if isinstance(field.default, str):
                row = next(line for line in section(name).splitlines() if f"| `{key}`" in line)
                assert f'`"{field.default}"`' in row


def test_every_placeholder_is_explained() -> None:
    assert {word for word in KNOWN if f"`{{{word}}}`" not in TEXT} == set()


def test_every_well_known_target_is_named() -> None:
    glibc = [name for name in platforms.well_known() if not name.endswith("_musl")]
    assert [name for name in glibc if f"`{name}`" not in TEXT] == []


def test_what_this_version_builds_is_what_is_said() -> None:
    said = {row[0]: row[1] for row in re.findall(r"^\| (\w+) \| (.*?) \|", TEXT, re.MULTILINE)}
    assert set(re.findall(r"`(\w+)`", said["targets"])) == set(platforms.available())
    assert set(re.findall(r"`(\w+)`", said["kinds"])) == set(get_args(model.Kind))
    assert set(get_args(model.Kind)) <= set(re.findall(r"`(\w+)`", TEXT))


def test_every_ignored_name_is_listed() -> None:
    sources = TEXT[TEXT.index("## Sources") : TEXT.index("## Files")]
    names = [
        *project.OWN_FILES,
        *project.IGNORED_NAMES,
        *project.IGNORED_IN_DIRECTORY,
        *project.IGNORED_AT_TOP,
    ]
    ours = {"multiplatform.lock"}
    assert [name for name in names if f"`{name}`" not in sources and name not in ours] == []


def test_the_examples_are_good_specs() -> None:
    examples = re.findall(r"^```toml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    assert len(examples) == 4
    for example in examples:
        assert find_problems(example, file="multiplatform.toml") == ()
