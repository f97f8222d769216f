"""Requirements of a target: markers of it, and extras of the project under test."""

import dataclasses

import pytest

from mpforge.errors import UnknownExtra, WrongInput
from mpforge.plan.requirements import OwnPackage, depends_on_patch, named, with_own_extras

OWN = OwnPackage(
    "Own.Project",
    (
        "always>=1",
        'arm-only; platform_machine == "aarch64"',
        'intel-only ; platform_machine == "x86_64"',
        'old; python_version < "3.12"',
        'windows-only; sys_platform == "win32"',
        'quick[all]>=2; extra == "fast"',
        'both; extra == "fast" and python_version >= "3.12"',
        'own-project[fast,more-here]; extra == "all"',
        'OWN_project[all]; extra == "more-here"',  # a cycle, as people write them
        'more; extra == "more-here"',
    ),
    extras=("fast", "More_Here", "all"),
)


@pytest.mark.parametrize(
    ("target", "python", "extras", "expected"),
    [
        ("aarch64", "cp311", (), ("always>=1", "arm-only", "old")),
        ("x86_64", "cp311", (), ("always>=1", "intel-only", "old")),
        ("x86_64", "cp313", (), ("always>=1", "intel-only")),
        ("x86_64", "cp313t", (), ("always>=1", "intel-only")),
        ("aarch64", "cp311", ("fast",), ("always>=1", "arm-only", "old", "quick[all]>=2")),
        ("aarch64", "cp313", ("Fast",), ("always>=1", "arm-only", "both", "quick[all]>=2")),
        ("x86_64", "cp313", ("ALL",), ("always>=1", "both", "intel-only", "more", "quick[all]>=2")),
    ],
)
def test_what_tests_need_is_answered_for_the_target_and_its_python(
    target: str, python: str, extras: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert with_own_extras(OWN, (), extras, target=target, python=python) == expected


def test_a_requirement_that_names_the_project_stands_for_its_extras() -> None:
    """In requirements and groups too: no index is asked for the project."""
    texts = ("pytest", "own_project[more_here]>=7", "Own-Project", "x; sys_platform == 'win32'")
    found = with_own_extras(OWN, texts, (), target="x86_64", python="cp313")
    assert found == ("always>=1", "both", "intel-only", "more", "pytest", "quick[all]>=2")


@pytest.mark.parametrize(("texts", "extras"), [((), ("fasd",)), (("own-project[fasd]",), ())])
def test_an_unknown_extra_is_an_error_with_those_that_there_are(
    texts: tuple[str, ...], extras: tuple[str, ...]
) -> None:
    with pytest.raises(UnknownExtra) as caught:
        with_own_extras(OWN, texts, extras, target="x86_64", python="cp311")
    assert caught.value.what == "Own.Project has no extra 'fasd'"
    assert caught.value.hint == "did you mean fast? its extras: More_Here, all, fast"


def test_extras_that_only_a_build_can_tell_are_not_refused_beforehand() -> None:
    own = dataclasses.replace(OWN, requires=(), extras=None)
    assert with_own_extras(own, ("a",), ("x",), target="x86_64", python="cp311") == ("a",)


@pytest.mark.parametrize(
    ("marker", "some_only"),
    [
        ('python_full_version >= "3.11.2"', True),
        ('python_full_version == "3.11.4"', True),
        ('python_full_version < "3.11.3"', True),
        ('python_full_version <= "3.11.0a6"', False),  # as in coverage[toml]: of no release
        ('python_full_version >= "3.11"', False),
        ('python_version >= "3.11.2"', False),
        ('extra == "x"', False),
    ],
)
def test_what_some_patch_versions_want_is_wanted_of_all(marker: str, some_only: bool) -> None:
    text = f"a ; {marker}"
    assert depends_on_patch(text, target="x86_64", python="cp311") == some_only
    own = OwnPackage("p", (text,), ())
    wanted = with_own_extras(own, (), (), target="x86_64", python="cp311")
    assert (wanted == ("a",)) == (some_only or marker == 'python_full_version >= "3.11"')


def test_a_marker_that_compares_what_has_no_order_is_told() -> None:
    with pytest.raises(WrongInput, match="can't be answered"):
        with_own_extras(OWN, ["a ; os_name ~= 'posix'"], (), target="x86_64", python="cp311")


def test_names_are_compared_normalized() -> None:
    assert named(["Unit.Tests", "b"], "unit_tests") == "Unit.Tests"
    assert named(["b"], "c") is None
