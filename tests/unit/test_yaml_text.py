"""YAML as CI services read it: values, lines, and clear errors."""

import pytest

from mpforge.errors import YamlInvalid
from mpforge.formats.yaml_text import read_yaml


def test_values_are_those_of_yaml_1_2() -> None:
    text = 'on: [push]\na: yes\nb: "3.10"\nc: 3.10\nd: true\ne:\nf: 0x1f\ng: |\n  two\n  lines\nh: !tag 1\n'
    value = read_yaml(text, "f").value
    assert list(value) == ["on", *"abcdefgh"]
    assert list(value.values()) == [
        *(["push"], "yes", "3.10", 3.1, True, None, "0x1f", "two\nlines\n", "1"),
    ]


def test_every_value_has_its_line() -> None:
    document = read_yaml("a:\n  b:\n    - x\n    - y\n", "f")
    assert document.line(("a", "b", 1)) == 4
    assert document.line(("a", "b", 7)) == 2


def test_aliases_and_merged_tables_are_followed() -> None:
    text = "base: &b {x: 1, y: 1}\none:\n  <<: *b\n  y: 2\ntwo: *b\n"
    value = read_yaml(text, "f").value
    assert value["one"] == {"x": 1, "y": 2}
    assert value["two"] == {"x": 1, "y": 1}


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a: 1\n b: 2\n", "f:2:3", "mapping values are not allowed here"),
        ("a: [1\n", "f:2:1", "expected ',' or ']'"),
        ("a: \x07\n", "f:1:1", "special characters are not allowed"),
        ("--- 1\n--- 2\n", "f:2:1", "but found another document"),
        ("? [a]\n: 1\n", "f:1:1", "a key is not a string"),
        ("a: &a [*a]\n", "f:1:1", "too many aliases"),
        ("- " * 5000, "f:1:1", ""),
    ],
)
def test_what_can_not_be_read_is_an_error_with_its_place(text: str, place: str, said: str) -> None:
    with pytest.raises(YamlInvalid) as caught:
        read_yaml(text, "f")
    assert said in caught.value.what
    assert str(caught.value.place) == place


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(YamlInvalid, match="too many aliases"):
        read_yaml("\n".join(lines), "f")
