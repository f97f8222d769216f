"""A bounded store: what was not used for longest goes first, what is in use or may be needed stays."""

import errno
import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpforge.housekeeping.collection import (
    IN_USE,
    NOTHING,
    Collected,
    Evictable,
    Left,
    Limits,
    collect,
)
from mpforge.store.local import Store
from mpforge.store.process_homes import Home
from mpforge.store.results import ActionResult
from tests.kept_store import DAY, Kept

UNBOUNDED = Limits(size=10**12, age=10**9)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "store", tmp_path / "made")


# --- size -----------------------------------------------------------------------------------------


def test_what_is_within_the_limits_stays(kept: Kept) -> None:
    keys = [kept.result("a", "x", days=3), kept.result("b", "y", days=20, packed=True)]
    before = kept.files()
    done = collect(kept.root, UNBOUNDED)
    assert done == Collected({}, (), kept.size(), kept.size())
    assert kept.files() == before
    assert kept.whole(*keys)


def test_what_was_not_used_for_longest_goes_until_the_rest_is_small_enough(kept: Kept) -> None:
    old, older, recent = (
        kept.result("old", "1" * 100, days=5),
        kept.result("older", "2" * 100, days=9),
        kept.result("recent", "3" * 100, days=1),
    )
    done = collect(kept.root, Limits(kept.size() - 1, age=10**9))
    assert kept.results() == {old, recent}
    assert done.removed == {"action": 1}
    assert done.after == kept.size() < done.before
    collect(kept.root, Limits(kept.size() - 1, age=10**9))
    assert kept.results() == {recent}
    assert kept.whole(recent)
    assert not kept.whole(old)
    assert not kept.whole(older)


def test_a_result_that_another_s_key_needs_goes_after_it(kept: Kept) -> None:
    wheel = kept.result("wheel", "1", days=9)
    repaired = kept.result("repaired", "2", days=8, needs=wheel)
    tests = kept.result("tests", "3", days=1, needs=repaired)
    kept.result("other", "4", days=2)
    assert collect(kept.root, Limits(10**12, age=5 * DAY)).removed == {}
    for left in ({wheel, repaired, tests}, {wheel, repaired}, {wheel}):
        collect(kept.root, Limits(kept.size() - 1, age=10**9))
        assert kept.results() == left


def test_a_use_counts_and_not_the_making(kept: Kept) -> None:
    first, second = kept.result("first", "1", days=9), kept.result("second", "2", days=5)
    assert Store(kept.root).find(first) is not None
    collect(kept.root, Limits(kept.size() - 1, age=10**9))
    assert kept.results() == {first}
    assert second not in kept.results()


@pytest.mark.parametrize("packed", [False, True], ids=["files", "pack"])
def test_a_result_goes_with_what_only_it_needs(kept: Kept, packed: bool) -> None:
    kept.result("old", "only", "shared", days=9, packed=packed)
    new = kept.result("new", "shared", "mine", days=1, packed=packed)
    alone = Kept(kept.root.with_name("other"), kept.folder.with_name("others"))
    alone.result("new", "shared", "mine", days=1, packed=packed)
    collect(kept.root, Limits(kept.size() - 1, age=10**9))
    assert kept.whole(new)
    names = {path.name for path in kept.files()}
    assert names == {path.name for path in alone.files()}, "nothing of the old one is left"


def test_other_things_are_bounded_along_with_results(kept: Kept) -> None:
    key = kept.result("a", "x", days=3)
    gone: list[str] = []

    def tool(name: str, days: float) -> Evictable:
        def remove(_is_used: Callable[[], bool]) -> bool:
            gone.append(name)
            return True

        return Evictable(f"tool {name}", 100, time.time() - days * DAY, remove)

    tools = [tool("new", 1), tool("old", 5)]
    done = collect(kept.root, Limits(kept.size() + 100, age=10**9), tools)
    assert gone == ["old"]
    assert kept.results() == {key}
    done = collect(kept.root, Limits(kept.size(), age=10**9), tools[:1])
    assert (gone, kept.results()) == (["old"], set()), "the result is older than this tool"
    assert done.after == 100


# --- age ------------------------------------------------------------------------------------------


def test_what_was_not_used_for_too_long_goes_however_small(kept: Kept) -> None:
    kept.result("old", "1", days=31)
    new = kept.result("new", "2", days=29)
    collect(kept.root, Limits(10**12, age=30 * DAY))
    assert kept.results() == {new}
    assert kept.whole(new)


def test_a_time_in_the_future_is_not_old(kept: Kept) -> None:
    keys = {kept.result("a", "1", days=-400), kept.result("b", "2", days=-0.5)}
    collect(kept.root, Limits(10**12, age=30 * DAY))
    assert kept.results() == keys
    assert kept.whole(*keys)


# --- what no result needs -------------------------------------------------------------------------


def test_what_no_result_needs_stays_for_a_day(kept: Kept) -> None:
    young, old = kept.file("young", days=0.9), kept.file("old", days=1.1)
    collect(kept.root, UNBOUNDED)
    assert kept.files() == {young}
    assert not old.exists()


def test_what_no_result_needs_goes_before_any_result(kept: Kept) -> None:
    key = kept.result("a", "x", days=3)
    kept.file("nobody's" * 1000, days=1.5)
    collect(kept.root, Limits(1000, age=10**9))
    assert kept.results() == {key}
    assert kept.whole(key)


def test_what_a_damaged_result_needed_is_nobodys(kept: Kept) -> None:
    key = kept.result("a", "x", days=2)
    whole = kept.result("b", "y", days=2)
    kept.action(key).write_text("{}", encoding="utf-8")
    collect(kept.root, UNBOUNDED)
    assert kept.whole(whole)
    assert hashlib.sha256(b"x").hexdigest() not in {path.name for path in kept.files()}


def test_foreign_files_are_no_matter(kept: Kept) -> None:
    kept.result("a", "x", days=2)
    foreign = [
        kept.root / "blobs" / "mine",
        kept.root / "blobs" / "ab" / "mine",
        kept.root / "actions" / "folder" / "mine.json",
        kept.root / "packs" / "00" / ("f" * 64),
        kept.root / "mine",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine", encoding="utf-8")
    collect(kept.root, NOTHING)
    assert [path.read_text(encoding="utf-8") for path in foreign] == ["mine"] * 5
    assert kept.files() == set(foreign) - {kept.root / "mine"}


# --- what is in use -------------------------------------------------------------------------------


def test_what_a_living_process_uses_stays_and_is_named(kept: Kept) -> None:
    used, other = kept.result("used", "1", "shared", days=9), kept.result("b", "shared", days=9)
    process = Home(kept.root / "work")
    process.use(f"action {used}", "tool zig")
    tool = Evictable("tool zig", 10, 0.0, lambda _: pytest.fail("it is in use"))
    done = collect(kept.root, NOTHING, [tool])
    assert kept.results() == {used}
    assert {thing.name for thing in done.left} == {f"action {used}", "tool zig"}
    assert kept.whole(used)
    process.close()
    done = collect(kept.root, NOTHING)
    assert kept.files() == set()
    assert (done.left, done.after) == ((), 0)
    assert other


def test_what_a_living_process_touched_since_it_began_stays(kept: Kept) -> None:
    old, touched = kept.file("old", days=2), kept.file("touched", days=3)
    process = Store(kept.root)
    process.put_bytes(b"touched")
    collect(kept.root, NOTHING)
    assert kept.files() == {touched}
    assert not old.exists()
    kept.processes_end()
    kept.age(0.001, touched)
    collect(kept.root, NOTHING)
    assert kept.files() == set()


def test_who_says_at_the_last_moment_that_it_uses_something_gets_it_back(kept: Kept) -> None:
    kept.result("first", "1" * 10, days=9)
    second = kept.result("second", "2" * 10, days=5)
    process = Home(kept.root / "work")

    def remove(_is_used: Callable[[], bool]) -> bool:
        process.use(f"action {second}")
        return True

    collect(kept.root, NOTHING, [Evictable("tool x", 1, time.time() - 7 * DAY, remove)])
    assert kept.results() == {second}
    assert kept.whole(second)
    process.close()


def test_what_is_found_by_another_process_meanwhile_stays(kept: Kept) -> None:
    kept.result("first", "1" * 10, days=9)
    second = kept.result("second", "2" * 10, days=5)

    def remove(_is_used: Callable[[], bool]) -> bool:
        assert Store(kept.root).find(second) is not None
        return True

    collect(kept.root, NOTHING, [Evictable("tool x", 1, time.time() - 7 * DAY, remove)])
    assert kept.results() == {second}
    assert kept.whole(second)


def test_what_is_stored_meanwhile_stays_and_is_whole(kept: Kept) -> None:
    kept.result("old", "shared", "1", days=9)
    kept.result("later", "2", days=5)
    stored: list[str] = []

    def remove(_is_used: Callable[[], bool]) -> bool:
        other = Store(kept.root)
        made = kept.folder / "meanwhile"
        made.mkdir()
        (made / "2").write_text("2", encoding="utf-8")
        tree = other.put_directory(made)
        other.keep(ActionResult(key="e" * 64, tree=tree.digest(), log=other.put_bytes(b"log")))
        stored.append("e" * 64)
        return True

    tool = Evictable("tool x", 1, time.time() - 7 * DAY, remove)
    collect(kept.root, NOTHING, [tool])
    assert kept.results() == set(stored)
    assert kept.whole(*stored), "though a result that went had needed one of its files too"


def test_a_tool_that_somebody_uses_after_all_counts_as_left(kept: Kept) -> None:
    kept.result("a", "x", days=1)
    tool = Evictable("tool x", 1000, 0.0, lambda _: False)
    done = collect(kept.root, Limits(10**6, age=DAY * 9), [tool])
    assert done.left == (Left("tool x", IN_USE),)
    assert done.after == kept.size() + 1000


# --- other collections, and faults ----------------------------------------------------------------


def test_another_collection_at_once_makes_this_one_take_no_more_than_it_must(kept: Kept) -> None:
    kept.result("oldest", "1" * 100, days=9)
    kept.result("old", "2" * 100, days=7)
    new = kept.result("new", "3" * 100, days=5)
    size = kept.size()

    def remove(_is_used: Callable[[], bool]) -> bool:
        collect(kept.root, Limits(size - 1, age=10**9))
        return True

    tool = Evictable("tool x", 1, time.time() - 10 * DAY, remove)
    collect(kept.root, Limits(size // 2, age=10**9), [tool])
    assert kept.results() == {new}


def test_what_can_not_be_removed_keeps_nothing_else_from_going(kept: Kept) -> None:
    kept.result("a", "x", days=3)

    def remove(_is_used: Callable[[], bool]) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    done = collect(kept.root, NOTHING, [Evictable("tool roots", 10, 0.0, remove)])
    assert kept.files() == set()
    assert done.left == (Left("tool roots", "Permission denied"),)
    assert done.after == 10


def test_no_trace_of_a_collection_is_left(kept: Kept) -> None:
    kept.result("a", "x", days=2)
    collect(kept.root, NOTHING)
    assert list((kept.root / "work").iterdir()) == []


def test_a_store_that_is_not_there_yet_holds_nothing(tmp_path: Path) -> None:
    assert collect(tmp_path / "store", NOTHING) == Collected({}, (), 0, 0)


def test_where_nothing_can_be_written_nothing_is_removed(kept: Kept) -> None:
    key = kept.result("a", "x", days=90)
    shutil.rmtree(kept.root / "work", ignore_errors=True)
    (kept.root / "work").write_text("in the way", encoding="utf-8")
    with pytest.raises(OSError, match=r"exists|Not a directory"):
        collect(kept.root, NOTHING)
    (kept.root / "work").unlink()
    assert kept.whole(key)


# --- whatever is in it ----------------------------------------------------------------------------

RESULTS = st.lists(
    st.tuples(
        st.sets(st.sampled_from("abcdefgh"), max_size=4),
        st.integers(0, 20),
        st.booleans(),
    ),
    max_size=6,
)


@settings(max_examples=25)
@given(RESULTS, st.integers(0, 4000), st.sets(st.integers(0, 5)))
def test_what_is_left_is_whole_and_small_enough_or_in_use(
    tmp_path_factory: pytest.TempPathFactory,
    results: list[tuple[set[str], int, bool]],
    size: int,
    in_use: set[int],
) -> None:
    """Whatever results share, and whichever are in use."""
    place = tmp_path_factory.mktemp("any")
    kept = Kept(place / "store", place / "made")
    keys = [
        kept.result(f"{number}", *texts, days=days + 2, packed=packed)
        for number, (texts, days, packed) in enumerate(results)
    ]
    process = Home(kept.root / "work")
    used = {keys[number] for number in in_use if number < len(keys)}
    process.use(*(f"action {key}" for key in used))
    done = collect(kept.root, Limits(size, age=10**9))
    assert done.after == kept.size()
    assert used <= kept.results()
    assert kept.size() <= size or kept.results() == used
    assert kept.whole(*kept.results())
    process.close()
