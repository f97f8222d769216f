"""Where keys and list elements stand in a TOML text."""

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
