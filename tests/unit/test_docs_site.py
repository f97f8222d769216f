"""The documentation has every page and the layers that are checked; links, `nox -s docs` checks."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(
        r"^ +- ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(listed) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_the_layers_of_the_architecture_are_those_that_import_linter_checks() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = next(each["layers"] for each in contracts["contracts"] if each["id"] == "layers")
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8").split("\n## Layers\n")[1]
    rows = re.findall(r"^\| (`[^|]+`) \|", text.split("\n## ")[0], re.MULTILINE)
    checked = [layer.split(" | ") for layer in layers if not layer.startswith("(")]
    assert [re.findall(r"`(\w+)`", row) for row in rows] == checked
