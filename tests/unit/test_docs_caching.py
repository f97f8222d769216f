"""docs/caching.md claims nothing of mpforge that no test shows."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "caching.md").read_text(encoding="utf-8")
TESTS = ROOT / "tests" / "e2e" / "test_cache_rules.py"


def _rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


PROBES = {row[0]: row for row in _rows("Fifteen probes")}
NAMES = [
    node.name
    for node in ast.parse(TESTS.read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
]


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_names_tests_that_exist_by_its_own_name(probe: str) -> None:
    prefix = PROBES[probe][-1].strip("`").removesuffix("*")
    assert prefix == f"test_{_slug(probe)}"
    assert [name for name in NAMES if name.startswith(prefix)]


@pytest.mark.parametrize("name", NAMES)
def test_a_test_of_the_rules_has_a_row(name: str) -> None:
    assert [probe for probe in PROBES if name.startswith(f"test_{_slug(probe)}")]


def test_there_are_as_many_probes_and_rules_as_the_headings_say() -> None:
    assert len(PROBES) == 15
    assert [row[0] for row in _rows("Eighteen rules")] == [str(n) for n in range(1, 19)]


def test_every_row_says_how_each_runner_fared() -> None:
    assert {len(row) for row in PROBES.values()} == {10}
    assert all(all(row) for row in PROBES.values())


def test_every_file_that_is_referred_to_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", TEXT) if "://" not in link]
    files = re.findall(r"`(tests/[\w/.]+\.py)`", TEXT)
    assert links
    assert files
    missing = [link for link in links if not (ROOT / "docs" / link).exists()]
    assert missing + [file for file in files if not (ROOT / file).exists()] == []
