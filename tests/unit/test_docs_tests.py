"""Tests that a page of the documentation names exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_a_page_names_exists() -> None:
    known = {
        f"{path.name}::{name}"
        for path in ROOT.glob("tests/*/test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    named = {
        name
        for page in ROOT.glob("docs/*.md")
        for name in re.findall(r"\btest_\w+\.py::test_\w+", page.read_text("utf-8"))
    }
    assert len(named) > 40
    assert named <= known, sorted(named - known)
