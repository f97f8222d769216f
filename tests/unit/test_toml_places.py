"""Where keys and list elements stand in a TOML text."""

import pytest

from mpforge.errors import TomlInvalid
from mpforge.formats.toml import read_toml
from mpforge.formats.toml_places import key_places, nearest_place

TEXT = """\
schema = 1  # ünïcode
[project]
python = ["cp311", # first
  "cp313"]
"a.b" . c = { "ü" = 1, list = [ { k = 1 }, { k = 2 } ] }
[targets.gateway]
[targets.gateway.build]
pure = true
[[overrides]]
select = "x"
[[overrides]]
[overrides.build]
pure = true
"""


def test_each_kind_of_key_has_its_own_line_and_column() -> None:
    places = key_places(TEXT)
    assert places["schema",] == (1, 1)
    assert places["project",] == (2, 2)
    assert places["project", "python", 1] == (4, 3)
    assert places["project", "a.b"] == (5, 1)
    assert places["project", "a.b", "c"] == (5, 9)
    assert places["project", "a.b", "c", "list", 1, "k"] == (5, 46)
    assert places["targets",] == (6, 2)
    assert places["targets", "gateway"] == (6, 10)
    assert places["targets", "gateway", "build", "pure"] == (8, 1)
    assert places["overrides", 0, "select"] == (10, 1)
    assert places["overrides", 1] == (11, 3)
    assert places["overrides", 1, "build", "pure"] == (13, 1)


def test_columns_count_characters_not_bytes() -> None:
    assert key_places('"ü" = { b = 1 }')["ü", "b"] == (1, 9)


def test_windows_line_ends_do_not_move_a_place() -> None:
    assert key_places("a = 1\r\nb = 2\r\n")["b",] == (2, 1)


def test_a_missing_key_is_placed_at_the_table_that_lacks_it() -> None:
    places = key_places(TEXT)
    assert nearest_place(places, ("overrides", 1, "select")) == (11, 3)
    assert nearest_place(places, ("nowhere",)) == (1, 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('a = 1\nb = ["x",\nc = ["y"]\n', "f:2:5 this `[` is not closed"),
        ('b = ["x"\n\n[table]\nc = 1\n', "f:1:5 this `[` is not closed"),
        ('b = ["x",\n', "f:1:5 this `[` is not closed"),
        ("a = 1\nb = {c = 1\n", "f:2:5 this `{` is not closed"),
        ("[[e]]\np = [\n  {q = [1]},\n\n[[e]]\np = []\n", "f:2:5 this `[` is not closed"),
        ("b = [\n  1,\n  x,\n]\n", "f:3:3 Invalid value"),
        ("b = [x]\n", "f:1:6 Invalid value"),
        ("a = [1]\nb =\n", "f:2:4 Invalid value"),
    ],
)
def test_a_value_that_is_not_closed_is_told_where_it_begins(text: str, told: str) -> None:
    with pytest.raises(TomlInvalid) as error:
        read_toml(text, "f")
    assert f"{error.value.place} {error.value.what}" == told
