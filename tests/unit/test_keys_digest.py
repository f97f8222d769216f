"""Keys: what they depend on, and how a difference is told."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpforge.keys.digest import Difference, Ingredient, differences, digest, short, to_json

NAMES = st.text(min_size=1, max_size=5)
VALUES = st.text(max_size=5)
TABLES = st.dictionaries(NAMES, VALUES, min_size=1, max_size=6)


def _listed(table: dict[str, str]) -> list[Ingredient]:
    return [Ingredient(name, value) for name, value in table.items()]


@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_ingredients_does_not_change_a_key(
    table: dict[str, str], random: Random
) -> None:
    shuffled = _listed(table)
    random.shuffle(shuffled)
    assert digest(shuffled) == digest(_listed(table))


@given(TABLES, TABLES)
def test_two_sets_of_ingredients_have_one_key_only_if_they_are_equal(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert (digest(_listed(one)) == digest(_listed(other))) == (one == other)


@given(TABLES, st.data())
def test_a_change_of_any_one_ingredient_changes_the_key(
    table: dict[str, str], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(table)))
    changed = {**table, name: data.draw(VALUES.filter(lambda value: value != table[name]))}
    without = {key: value for key, value in table.items() if key != name}
    renamed = {**without, name + "'": table[name]}
    before = digest(_listed(table))
    assert before not in {digest(_listed(changed)), digest(_listed(without))}
    assert renamed == table or digest(_listed(renamed)) != before


def test_an_ingredient_named_twice_is_a_mistake_not_a_key() -> None:
    with pytest.raises(ValueError, match="twice"):
        digest([Ingredient("a", "1"), Ingredient("a", "2")])


def test_a_key_is_shown_by_its_first_twelve_digits() -> None:
    key = digest([Ingredient("a", "1")])
    assert len(key) == 64
    assert short(key) == key[:12]


# --- explaining -------------------------------------------------------------------------------

OLD = "sha256:" + "a" * 64
NEW = "sha256:" + "b" * 64


def _record(
    values: dict[str, str], files: dict[str, str], trees: tuple[str, ...] = ()
) -> dict[str, object]:
    listed = [Ingredient(name, value, name in trees) for name, value in values.items()]
    record: dict[str, object] = json.loads(json.dumps(to_json(listed, files)))
    return record


def test_equal_records_differ_in_nothing() -> None:
    record = _record({"a": "1"}, {"source: x.c": OLD})
    assert differences(record, record) == ()


def test_a_changed_tree_is_told_file_by_file_and_not_by_its_digest() -> None:
    before = _record({"source": "1" * 64}, {"x.c": OLD, "y.c": OLD}, trees=("source",))
    after = _record({"source": "2" * 64}, {"x.c": NEW, "z.c": NEW}, trees=("source",))
    told = [str(difference) for difference in differences(before, after)]
    assert told == ["x.c changed", "y.c is gone", "z.c appeared (sha256:bbbbb)"]


def test_a_changed_value_is_told_with_both_values() -> None:
    before = _record({"zig.version": "0.13", "same": "1"}, {})
    after = _record({"zig.version": "0.14", "same": "1"}, {})
    assert differences(before, after) == (Difference("zig.version", "0.13", "0.14"),)
    assert str(differences(before, after)[0]) == "zig.version: 0.13 → 0.14"


def test_a_file_that_became_executable_is_told() -> None:
    before = _record({}, {"run.sh": OLD})
    after = _record({}, {"run.sh": f"{OLD} executable"})
    assert [d.name for d in differences(before, after)] == ["run.sh"]
