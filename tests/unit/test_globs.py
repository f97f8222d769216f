"""Globs over paths: what they match, and that no glob takes long."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpforge.formats.globs import Glob, normal, select, without


@pytest.mark.parametrize(
    ("glob", "matched"),
    [
        ("docs", ["docs/a/b.md", "docs/x.md"]),
        ("docs/", ["docs/a/b.md", "docs/x.md"]),
        ("docs/**", ["docs/a/b.md", "docs/x.md"]),
        ("docs/*", ["docs/a/b.md", "docs/x.md"]),
        ("docs/*.md", ["docs/x.md"]),
        ("*.md", ["x.md"]),
        ("**/*.md", ["docs/a/b.md", "docs/x.md", "x.md"]),
        ("**/a", ["docs/a/b.md"]),
        ("?.md", ["x.md"]),
        ("doc", []),
        ("docs**.md", ["docs/a/b.md", "docs/x.md"]),
        ("**/**/x.*", ["docs/x.md", "x.md", "src/x.c"]),
        ("docs/**/b.md", ["docs/a/b.md"]),
        ("docs/**/x.md", ["docs/x.md"]),
        ("d**/", ["docs/a/b.md", "docs/x.md"]),
        ("x+md", []),
        ("docs/x.md", ["docs/x.md"]),
        ("./docs//x.md", ["docs/x.md"]),
        (".", ["docs/a/b.md", "docs/x.md", "x.md", "src/x.c"]),
    ],
)
def test_a_glob_matches_within_names_and_a_folder_means_all_of_it(
    glob: str, matched: list[str]
) -> None:
    paths = ["docs/a/b.md", "docs/x.md", "x.md", "src/x.c"]
    assert select(paths, [glob]) == matched
    assert without(paths, [glob]) == [path for path in paths if path not in matched]


def _expression(glob: str) -> re.Pattern[str]:
    """What a glob means, as an expression that may take exponential time."""
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", normal(glob))
    text = "".join(meaning.get(part, re.escape(part)) for part in parts)
    return re.compile(f"{text}(?:/.*)?", re.DOTALL)


PARTS = st.lists(st.sampled_from(["a", "b", ".", "/", "*", "**", "**/", "?", "\n"]), max_size=6)
NAMES = st.lists(st.sampled_from(["a", "b", ".", "/", "\n", "é"]), max_size=8)


@given(PARTS.map("".join), NAMES.map("".join))
def test_a_glob_means_what_its_expression_means(glob: str, path: str) -> None:
    assert Glob(glob).matches(path) == bool(_expression(glob).fullmatch(path))


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("s/" + "*a" * 40 + "*b", "s/" + "a" * 2000),
        ("**/" * 40 + "x", "a/" * 2000),
        ("**a" * 40 + "b", "a" * 2000),
        ("*" * 400 + "b", "a" * 2000),
        ("?*" * 100 + "b", "a" * 2000),
    ],
)
def test_a_glob_of_many_stars_is_matched_at_once(glob: str, path: str) -> None:
    """By an expression that backtracks, none of these ends within a lifetime."""
    assert not Glob(glob).matches(path)
