"""The documentation's site has every page; whether links lead somewhere, `nox -s docs` checks."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(
        r"^ +- ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(listed) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))
