"""Links that lead out of a source: followed within the repository, told otherwise (with git: tests/e2e)."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from mpforge.errors import SourceUnreadable
from mpforge.sources import links
from mpforge.sources.links import Followed, may_stay
from mpforge.store.files import files_below


def _listed(folder: Path, all_below: bool) -> Iterable[str]:
    """Every file but ``*.o``, as git lists where that is ignored."""
    found = (path for path in files_below(folder) if not path.endswith(".o"))
    return [path for path in found if all_below or "/" not in path]


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    """A package ``python`` in a repository that has more."""
    repository = tmp_path.resolve() / "repository"
    files = ("LICENSE", "python/a.py", "csrc/lib.c", "csrc/lib.o", "csrc/deep/x.h", "include/y.h")
    for path in files:
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text(path)
    (tmp_path / "outside").write_text("not the project's")
    return repository / "python"


def _link(root: Path, **targets: str) -> Followed:
    """Links of the package, by their names, all followed."""
    for name, target in targets.items():
        (root / name).symlink_to(target)
    found = Followed(str(root.parent), _listed)
    found.follow(root, list(targets))
    return found


def _why(found: Followed) -> str:
    (words,) = found.left_out.values()
    return words


# --- what is followed -------------------------------------------------------------------------


def test_a_link_to_a_file_of_the_repository_is_that_file(root: Path) -> None:
    found = _link(root, licence="../LICENSE")
    assert (found.files, found.targets) == ({"licence": "LICENSE"}, {"LICENSE"})
    assert not found.links
    assert not found.left_out


def test_a_link_to_a_directory_is_all_that_git_lists_in_it(root: Path) -> None:
    found = _link(root, csrc="../csrc")
    assert found.files == {"csrc/lib.c": "csrc/lib.c", "csrc/deep/x.h": "csrc/deep/x.h"}
    assert not found.left_out


def test_a_chain_of_links_and_an_absolute_one_are_followed_to_their_end(root: Path) -> None:
    (root.parent / "second").symlink_to("third")
    (root.parent / "third").symlink_to(root.parent / "LICENSE")
    assert _link(root, first="../second").files == {"first": "LICENSE"}


def test_an_absolute_link_into_the_source_itself_is_followed(root: Path) -> None:
    assert _link(root, again=str(root / "a.py")).files == {"again": "python/a.py"}


def test_links_within_a_followed_directory_stay_or_are_followed_again(root: Path) -> None:
    (root.parent / "csrc" / "near.h").symlink_to("deep/x.h")
    (root.parent / "csrc" / "far.h").symlink_to("../include/y.h")
    (root.parent / "csrc" / "all").symlink_to("../include")
    found = _link(root, csrc="../csrc")
    assert found.links == {"csrc/near.h": "deep/x.h"}
    assert found.files["csrc/far.h"] == found.files["csrc/all/y.h"] == "include/y.h"


# --- what is not ------------------------------------------------------------------------------


def test_a_link_that_leaves_the_repository_is_named_with_its_target(root: Path) -> None:
    found = _link(root, away="../../outside")
    assert found.files == {}
    assert "away is a symlink to ../../outside, which is outside of the repository" in _why(found)
    found = Followed(str(root.parent), _listed, "the project's directory")
    found.follow(root, ["away"])
    assert "which is outside of the project's directory: it is left out" in _why(found)
    assert "copy its target into the project" in _why(found)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("../csrc/lib.o", "git ignores"),
        ("../nowhere", "No such file"),
        ("../.git/config", "in .git"),
        ("..", "contains the link itself"),
        ("../empty", "lists no file"),
        ("../pipe", "not a regular file"),
    ],
)
def test_what_can_be_no_source_is_told_with_the_reason(
    root: Path, target: str, reason: str
) -> None:
    (root.parent / ".git").mkdir()
    (root.parent / ".git" / "config").write_text("")
    (root.parent / "empty").mkdir()
    os.mkfifo(root.parent / "pipe")
    assert reason in _why(_link(root, link=target))


def test_links_that_lead_in_a_circle_are_told(root: Path) -> None:
    (root.parent / "one").symlink_to("two")
    (root.parent / "two").symlink_to("one")
    assert "can't be followed" in _why(_link(root, link="../one"))


def test_a_directory_that_leads_back_is_followed_up_to_there(root: Path) -> None:
    (root.parent / "csrc" / "back").symlink_to("../python")
    (root.parent / "csrc" / "top").symlink_to("..")
    found = _link(root, csrc="../csrc")
    assert set(found.files) == {"csrc/lib.c", "csrc/deep/x.h"}
    assert set(found.left_out) == {"csrc/back", "csrc/top"}


def test_two_directories_that_link_to_each_other_end(root: Path) -> None:
    (root.parent / "include" / "csrc").symlink_to("../csrc")
    (root.parent / "csrc" / "include").symlink_to("../include")
    found = _link(root, csrc="../csrc")
    assert "csrc/include/y.h" in found.files
    assert set(found.left_out) == {"csrc/include/csrc"}


def test_directories_that_double_with_each_link_are_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MOST", 100)
    for number in range(10):
        folder = root.parent / f"d{number}"
        folder.mkdir()
        (folder / "file").write_text("")
        for name in ("a", "b"):
            (folder / name).symlink_to(f"../d{number + 1}")
    with pytest.raises(SourceUnreadable, match="more than 100 files"):
        _link(root, start="../d0")


# --- which links lead out ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "target", "stays"),
    [
        ("a", "b", True),
        ("d/a", "../b", True),
        ("a", "a", True),
        ("a", "nowhere", True),
        ("a", "d/../b", True),
        ("a", "../b", False),
        ("d/a", "../../b", False),
        ("a", "/b", False),
        ("a", "linked/../b", False),  # up from where the link leads to
        ("d/a", "../d/b", True),
        ("a", ".", False),
        ("d/a", ".", False),
        ("d/a", "..", False),
        ("d/a", "../d", False),
        ("d/a", "../again", False),  # another link to d
    ],
)
def test_a_link_stays_where_its_text_leads_to_a_place_in_the_source_that_is_not_above_it(
    tmp_path: Path, path: str, target: str, stays: bool
) -> None:
    (tmp_path / "source" / "d").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "source" / "linked").symlink_to("../elsewhere")
    (tmp_path / "source" / "again").symlink_to("d")
    assert may_stay(str(tmp_path / "source"), path, target) is stays
