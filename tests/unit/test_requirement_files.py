"""What a spec's requirements stand for: files of them, wheels and directories."""

import zipfile
from pathlib import Path

import pytest

from mpforge.engine.requirement_files import Listing
from mpforge.plan.facts import ProjectFacts
from mpforge.plan.requirements import OwnPackage
from mpforge.spec.load import load_spec

SPEC = """\
schema = 1
[project]
python = ["cp311"]
targets = ["x86_64"]
[test]
requires = ENTRIES
"""
PROJECT = ProjectFacts("tree", "b", False, (), own=OwnPackage("own", (), ("t",)))


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "test.txt").write_text("-r base.txt\n-c c.txt\npytest\n")
    (tmp_path / "requirements" / "base.txt").write_text("./plugin[x]  # beside the project\n")
    (tmp_path / "requirements" / "c.txt").write_text("pytest<9\n")
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "setup.py").write_text("setup(name='My.Plugin')\n")
    with zipfile.ZipFile(tmp_path / "w-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("w.py", "")
    return tmp_path


def _listing(root: Path, *entries: str) -> Listing:
    text = SPEC.replace("ENTRIES", repr(list(entries)))
    return Listing(root, PROJECT).add_all(load_spec(text, file="multiplatform.toml"))


def _told(listing: Listing) -> list[str]:
    places = [f"{finding.place}: " if finding.place else "" for finding in listing.findings]
    return [place + f.message for place, f in zip(places, listing.findings, strict=True)]


def _plugin(listing: Listing) -> str:
    (found,) = listing.listed["./plugin"].requirements
    return found


def test_a_file_stands_for_its_lines_and_those_of_the_files_that_it_names(root: Path) -> None:
    listing = _listing(root, "-r requirements/test.txt", "-c requirements/c.txt", "six")
    assert not listing.findings
    one = listing.listed["-r requirements/test.txt"]
    assert [text.partition("#")[0] for text in one.requirements] == [
        "My.Plugin[x] @ file:./plugin",
        "pytest",
    ]
    assert one.constraints == ("pytest<9",)
    assert "six" not in listing.listed
    project = ProjectFacts("tree", "b", False, (), listed=tuple(listing.listed.values()))
    entries = ["-c requirements/c.txt", "six"]
    assert project.requirements(entries) == {"six"}
    assert project.constraints(["a<2", "-r requirements/test.txt"], entries) == (
        "My.Plugin[x]" + one.requirements[0].removeprefix("My.Plugin[x]"),
        "a<2",
        "pytest",
        "pytest<9",
    )


def test_a_path_is_known_by_what_is_there(root: Path) -> None:
    wheel = _listing(root, "./w-1-py3-none-any.whl").listed["./w-1-py3-none-any.whl"]
    assert wheel.requirements[0].startswith("w @ file:./w-1-py3-none-any.whl#sha256=")
    before = _plugin(_listing(root, "./plugin"))
    (root / "plugin" / "code.py").write_text("")
    assert _plugin(_listing(root, "./plugin")) == before, (
        "that is the key's business, not the lock's"
    )
    (root / "plugin" / "setup.cfg").write_text("[options]\ninstall_requires = six\n")
    assert _plugin(_listing(root, "./plugin")) != before


@pytest.mark.parametrize(
    ("entry", "means"),
    [(".", "own"), (".[t]", "own[t]"), ("own[t] @ file:dist/own-1-py3-none-any.whl", "own[t]")],
)
def test_the_project_itself_is_the_wheel_under_test(root: Path, entry: str, means: str) -> None:
    assert _listing(root, entry).listed[entry].requirements == (means,)


def test_what_is_wrong_in_a_file_is_told_at_its_place(root: Path) -> None:
    (root / "requirements" / "base.txt").write_text("six\n\n  >>x\n-r test.txt\n--index-url u\n")
    (root / "requirements" / "c.txt").unlink()
    at = "requirements/base.txt"
    told = _told(_listing(root, "-r requirements/test.txt"))
    assert [line.split(" `test.requires`: ")[0] for line in told] == [
        f"{at}:3:3:",
        f"{at}:4:1:",
        f"{at}:5:1:",
        "requirements/test.txt:2:1:",
    ]
    assert told[1].endswith("requirements/test.txt includes itself")
    assert "has no file requirements/c.txt" in told[3]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("./nowhere", "./nowhere does not exist"),
        ("./requirements", "./requirements has neither pyproject.toml nor setup.py"),
        ("./requirements/c.txt", "./requirements/c.txt: expected a wheel or a directory"),
        ("other @ file:./plugin", "./plugin is My.Plugin, not other"),
        ("other @ file:w-1-py3-none-any.whl", "w-1-py3-none-any.whl is w, not other"),
    ],
)
def test_a_path_with_nothing_to_install_is_told(root: Path, entry: str, words: str) -> None:
    (told,) = _told(_listing(root, entry))
    assert words in told


def test_what_was_read_is_noted_so_that_a_kept_plan_notices_a_change(root: Path) -> None:
    read = _listing(root, "-r requirements/test.txt").read
    assert {"requirements/test.txt", "requirements/c.txt", "plugin/setup.py"} <= read.keys()
    assert read["plugin/pyproject.toml"] == "(absent)"
