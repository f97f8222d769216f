"""What is a placeholder, and what stays the shell's."""

import pytest

from mpforge.spec.placeholders import KNOWN, Placeholder, misspelt, parse


def test_a_known_word_in_braces_is_a_placeholder_between_literals() -> None:
    assert parse("cd {project}/x && make -j{jobs}") == (
        "cd ",
        Placeholder("project"),
        "/x && make -j",
        Placeholder("jobs"),
    )


@pytest.mark.parametrize("text", ["${VAR}", "${project}", "{a,b}", "{print}", "{ project }", "{}"])
def test_what_is_the_shells_stays_literal(text: str) -> None:
    assert parse(text) == (text,)


def test_a_hash_before_the_brace_makes_it_literal() -> None:
    assert parse("echo #{project} {target}") == ("echo {project} ", Placeholder("target"))


def test_prefix_may_name_a_library() -> None:
    assert parse("{prefix:libxml2}{prefix}") == (
        Placeholder("prefix", "libxml2"),
        Placeholder("prefix"),
    )
    assert str(Placeholder("prefix", "libxml2")) == "{prefix:libxml2}"


def test_every_known_word_parses_to_itself() -> None:
    assert [parse("{" + word + "}") for word in sorted(KNOWN)] == [
        (Placeholder(word),) for word in sorted(KNOWN)
    ]


def test_an_empty_text_has_no_parts() -> None:
    assert parse("") == ()


def test_only_unknown_words_close_to_a_known_one_are_misspelt() -> None:
    assert misspelt("{projct} {pyton} {print} ${projct} #{projct} {project}") == (
        ("{projct}", "{project}"),
        ("{pyton}", "{python}"),
    )
    assert misspelt("{prefx:zlib}") == (("{prefx:zlib}", "{prefix:zlib}"),)
