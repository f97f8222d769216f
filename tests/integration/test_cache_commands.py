"""`mpforge cache` on a cache that was filled without a build: shown, bounded, checked and emptied."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from mpforge.store.tool_store import ToolStore
from tests.e2e.storage import Storage
from tests.integration.checkout import Checkout
from tests.kept_store import DAY, Kept


@pytest.fixture
def kept(checkout: Checkout, tmp_path: Path) -> Kept:
    """The checkout's store."""
    return Kept(checkout.cache.root / "store", tmp_path / "made")


def tool(checkout: Checkout) -> Path:
    """The tool ``base``, with a link to a program; made anew if it is damaged."""
    store = ToolStore(checkout.cache.root / "tools")

    def make(folder: Path) -> None:
        (folder / "sh").symlink_to("/bin/sh")

    return store.obtain(name="base", version="1", digest="ab" * 32, make=make).path.parent


def flip(path: Path) -> None:
    """Another bit, and the same size and time."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def everything(checkout: Checkout) -> dict[Path, bytes]:
    """The files of the cache."""
    files = (path for path in checkout.cache.root.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files}


# --- gc and clear ---------------------------------------------------------------------------------


def test_gc_removes_what_was_not_used_for_longest(checkout: Checkout, kept: Kept) -> None:
    one, two = kept.result("one", "1" * 99, days=3), kept.result("two", "2" * 99, days=5)
    before = checkout.json("cache", "stats", "--json")["size"]
    done = checkout.json("cache", "gc", "--size", f"{before - 1}B", "--json")
    assert done["schema"] == 1
    assert done["removed"]["results"] == 1
    assert (done["before"], done["left"]) == (before, [])
    assert done["limits"] == {"size": before - 1, "age": 30 * DAY}
    assert done["after"] == checkout.json("cache", "stats", "--json")["size"] == kept.size()
    assert kept.results() == {one}
    assert not kept.whole(two)
    Storage(kept.root).check()


def test_gc_without_limits_given_takes_the_variables(checkout: Checkout, kept: Kept) -> None:
    kept.result("old", "1", days=4)
    new = kept.result("new", "2")
    checkout.mpforge("cache", "gc")
    assert len(kept.results()) == 2
    checkout.variables["MPFORGE_CACHE_AGE"] = "3d"
    done = checkout.mpforge("cache", "gc")
    assert done.code == 0
    assert done.output.startswith("removed 1 result: "), done.output
    assert kept.results() == {new}
    checkout.variables["MPFORGE_CACHE_SIZE"] = "10B"
    checkout.json("cache", "gc", "--size", "1GB", "--json")
    assert kept.results() == {new}
    checkout.mpforge("cache", "gc")
    assert kept.results() == set()


def test_gc_removes_what_killed_processes_left(checkout: Checkout, kept: Kept) -> None:
    kept.result("one", "1")
    root = checkout.cache.root
    stale = [
        root / "store" / "locks" / ("a" * 64),
        root / "tools" / ".zig-0123456789abcdef.lock",
        root / "store" / "work" / "1700000000-1-killed" / "0" / "file",
        root / "tools" / ".making" / "1700000000-1-killed" / "0" / "file",
    ]
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    held = root / "store" / "locks" / ("b" * 64)
    with FileLock(held):
        assert checkout.mpforge("cache", "gc").code == 0
        assert not any(path.exists() for path in stale)
        assert held.exists()
    assert len(kept.results()) == 1


def test_after_clear_the_cache_is_empty_but_for_its_name(checkout: Checkout, kept: Kept) -> None:
    kept.result("one", "1")
    tool(checkout)
    name = checkout.cache.root / "name"
    name.write_text("ours", encoding="utf-8")
    run = checkout.mpforge("cache", "clear")
    assert run.code == 0, str(run)
    assert "removed 1 result, " in run.output
    assert f"left: {name}: " in run.output
    assert {path.name for path in everything(checkout)} == {"name", "layout.json"}
    assert checkout.json("cache", "stats", "--json")["size"] == 0


# --- verify ---------------------------------------------------------------------------------------


def test_verify_says_nothing_of_what_is_whole(checkout: Checkout, kept: Kept) -> None:
    kept.result("one", "1")
    tool(checkout)
    before = everything(checkout)
    run = checkout.mpforge("cache", "verify")
    assert (run.code, run.output) == (0, "nothing is damaged\n")
    found = checkout.json("cache", "verify", "--json")
    assert found == {"schema": 1, "damaged": 0, "findings": []}
    assert everything(checkout) == before


def output(kept: Kept, _tool: Path) -> Path:
    return max(kept.root.glob("blobs/*/*"), key=lambda path: path.stat().st_size)


def pack(kept: Kept, _tool: Path) -> Path:
    kept.result("packed", "2", packed=True)
    return next(kept.root.glob("packs/*/*"))


def entry(kept: Kept, _tool: Path) -> Path:
    return next(kept.root.glob("actions/*/*"))


def manifest(_kept: Kept, tool: Path) -> Path:
    return tool / "manifest.jsonl"


@pytest.mark.parametrize("damaged", [output, pack, entry, manifest])
def test_verify_finds_a_bit_that_flipped(
    checkout: Checkout, kept: Kept, damaged: Callable[[Kept, Path], Path]
) -> None:
    kept.result("one", "1" * 99)
    made = tool(checkout)
    path = damaged(kept, made)
    flip(path)
    run = checkout.mpforge("cache", "verify")
    assert run.code == 1, str(run)
    gone = made if damaged is manifest else path
    assert f"removed: {gone}: " in run.output
    assert not gone.exists()
    assert "again when needed" in run.output
    assert checkout.mpforge("cache", "verify").code == 0


def test_a_tool_with_a_link_that_was_changed_is_found_and_made_again(checkout: Checkout) -> None:
    made = tool(checkout)
    link = made / "tree" / "sh"
    link.unlink()
    link.symlink_to("/bin/false")
    assert f"removed: {made}: " in checkout.mpforge("cache", "verify").output
    assert os.readlink(tool(checkout) / "tree" / "sh") == "/bin/sh"


def test_foreign_files_are_named_and_left(checkout: Checkout, kept: Kept) -> None:
    kept.result("one", "1")
    root = checkout.cache.root
    mine = [
        root / "mine",
        root / "store" / "mine",
        root / "store" / "blobs" / "mine",
        next(root.glob("store/blobs/*")) / "mine",
        root / "store" / "actions" / "mine.json",
        root / "tools" / "mine",
        root / "distribution" / "downloads" / "mine.deb",
    ]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine", encoding="utf-8")
    (root / "tools" / "my-folder").mkdir()
    named = {str(path) for path in (*mine, root / "tools" / "my-folder")}
    assert set(checkout.json("cache", "stats", "--json")["foreign"]) == named
    found = checkout.json("cache", "verify", "--json")
    assert found["damaged"] == 0
    assert {finding["path"] for finding in found["findings"]} == named
    assert checkout.json("cache", "gc", "--size", "0", "--json")["left"] == []
    left = checkout.json("cache", "clear", "--json")["left"]
    assert {thing["name"] for thing in left} == named
    assert all(path.read_text(encoding="utf-8") == "mine" for path in mine)
    assert (root / "tools" / "my-folder").is_dir()


# --- as a command ---------------------------------------------------------------------------------


def test_without_a_project_and_a_cache_there_is_nothing_to_do(
    checkout: Checkout, tmp_path: Path
) -> None:
    checkout.root = tmp_path / "empty"
    checkout.root.mkdir()
    for words in (["stats"], ["gc"], ["verify"], ["clear"]):
        assert checkout.mpforge("cache", *words).code == 0
        assert checkout.json("cache", *words, "--json")["schema"] == 1
    assert not checkout.cache.root.exists()
    assert list(checkout.root.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gc", "--size", "20"], "--size: '20' can't be parsed"),
        (["gc", "--age", "a month"], "--age: 'a month' can't be parsed"),
        (["empty"], "invalid choice"),
        ([], "usage: mpforge cache"),
    ],
)
def test_a_wrong_command_line_is_exit_2(checkout: Checkout, words: list[str], said: str) -> None:
    run = checkout.mpforge("cache", *words)
    assert run.code == 2
    assert said in run.output


def test_a_cache_of_another_layout_is_left_alone(checkout: Checkout, kept: Kept) -> None:
    kept.result("one", "1")
    (kept.root / "layout.json").write_text('{"layout": 99}', encoding="utf-8")
    before = everything(checkout)
    for words in (["stats"], ["gc", "--size", "0"], ["verify"], ["clear"]):
        run = checkout.mpforge("cache", *words)
        assert run.code == 4, str(run)
        assert "layout 99" in run.output
    assert everything(checkout) == before


def test_a_cache_with_a_damaged_layout_is_left_alone_with_one_remedy(
    checkout: Checkout, kept: Kept
) -> None:
    kept.result("one", "1")
    layout = kept.root / "layout.json"
    layout.write_text("junk", encoding="utf-8")
    run = checkout.mpforge("cache", "verify")
    assert run.code == 4, str(run)
    assert f"{layout} is damaged\n  -> run `rm {layout}`" in run.output
    assert "version" not in run.output
    assert layout.read_text(encoding="utf-8") == "junk"


def test_stats_tell_what_is_kept_how_much_and_when_it_was_used(
    checkout: Checkout, kept: Kept
) -> None:
    kept.result("one", "1" * 99, days=2)
    tool(checkout)
    stats = checkout.json("cache", "stats", "--json")
    held = {holding["what"]: holding for holding in stats["holdings"]}
    assert (held["results"]["count"], held["tools"]["count"]) == (1, 1)
    assert stats["size"] == sum(holding["size"] for holding in stats["holdings"]) > kept.size()
    assert stats["limits"] == {"size": 20 * 10**9, "age": 30 * DAY}
    run = checkout.mpforge("cache", "stats", env={"MPFORGE_CACHE_SIZE": f"{2 * stats['size']}B"})
    assert str(checkout.cache.root) in run.output
    assert "(50 %)" in run.output
    assert time.strftime("%Y-%m-%d", time.localtime(time.time() - 2 * DAY)) in run.output
