"""Sessions: their names, what they require, their tags, their order (docs/contract.md, "Sessions")."""

import pytest

from mpforge.compiler.index import compile_index
from mpforge.plan.index import Index, IndexedSession
from mpforge.spec.load import load_spec
from mpforge.spec.options import cpu_word

TWO = '[project]\npython = ["cp311", "cp313"]\ntargets = ["aarch64", "x86_64"]\n'
MAKE = '[project]\ntargets = ["aarch64"]\n[build]\nkind = "make"\noutputs = ["x"]\n'


def _index(text: str) -> Index:
    return compile_index(load_spec(f"schema = 1\n{text}", file="m.toml"), "key")


def _named(text: str) -> dict[str, IndexedSession]:
    return {session.name: session for session in _index(text).sessions}


def test_every_target_and_python_has_its_sessions_and_groups() -> None:
    per_target = [
        "deps-{}",
        "build-{}-cp311",
        "build-{}-cp313",
        "test-{}-cp311",
        "test-{}-cp313",
        "build-{}",
        "test-{}",
    ]
    assert list(_named(TWO)) == [
        "sdist",
        *(name.format("aarch64") for name in per_target),
        *(name.format("x86_64") for name in per_target),
        "build",
        "test",
        "release",
    ]


def test_a_session_requires_what_the_documentation_says() -> None:
    named = _named(TWO)
    assert named["sdist"].requires == ()
    assert named["deps-aarch64"].requires == ()
    assert named["build-aarch64-cp311"].requires == ("sdist", "deps-aarch64")
    assert named["test-aarch64-cp311"].requires == ("build-aarch64-cp311",)
    assert named["build-aarch64"].requires == ("build-aarch64-cp311", "build-aarch64-cp313")
    assert named["test"].requires == ("test-aarch64", "test-x86_64")
    assert named["release"].requires == ()


def test_sessions_are_tagged_with_phase_target_and_python() -> None:
    named = _named(TWO)
    assert named["build-x86_64-cp313"].tags == ("build", "x86_64", "cp313")
    assert named["test-x86_64"].tags == ("test", "x86_64")
    assert named["build"].tags == ("build",)


def test_only_sessions_that_stand_for_others_are_groups() -> None:
    groups = {session.name for session in _index(TWO).sessions if session.group}
    assert groups == {
        "build",
        "test",
        *(f"{phase}-{target}" for phase in ("build", "test") for target in ("aarch64", "x86_64")),
    }


def test_without_wheels_there_is_no_sdist_and_a_target_builds_itself() -> None:
    named = _named(MAKE)
    assert list(named) == [
        "deps-aarch64",
        "build-aarch64",
        "test-aarch64",
        "build",
        "test",
        "release",
    ]
    assert named["build-aarch64"].requires == ("deps-aarch64",)
    assert named["test-aarch64"].requires == ("build-aarch64",)
    assert not named["build-aarch64"].group


@pytest.mark.parametrize(
    ("text", "stem"), [(TWO.replace(', "x86_64"', ""), "aarch64-cp311"), (MAKE, "aarch64")]
)
def test_cpu_models_have_a_session_each_and_the_plain_name_is_all_of_them(
    text: str, stem: str
) -> None:
    named = _named(f'{text}[test]\ncommand = "true"\ncpus = ["cortex-a53", "neoverse-n1"]\n')
    models = (f"test-{stem}-cortex_a53", f"test-{stem}-neoverse_n1")
    assert named[f"test-{stem}"].requires == models
    assert named[f"test-{stem}"].group
    for model in models:
        assert named[model].requires == (f"build-{stem}",)
    assert [named[model].cpu for model in models] == ["cortex-a53", "neoverse-n1"]


def test_a_pair_that_is_skipped_has_no_session_and_nothing_requires_it() -> None:
    named = _named(f'{TWO}skip = ["aarch64-cp313"]\n')
    assert "build-aarch64-cp313" not in named
    assert named["build-aarch64"].requires == ("build-aarch64-cp311",)


def test_nothing_requires_what_is_not_there() -> None:
    for text in (TWO, MAKE):
        named = _named(text)
        assert all(set(named) >= set(session.requires) for session in named.values())


def test_a_cpu_model_s_word_is_one_that_nox_can_match() -> None:
    assert cpu_word("Neoverse-N1") == "neoverse_n1"
    assert cpu_word("qemu64-v2.1").isidentifier()


def test_the_index_carries_the_key_of_what_it_was_made_from() -> None:
    assert _index(TWO).key == "key"


def test_what_skip_leaves_out_is_known_by_name() -> None:
    index = _index(TWO.replace("targets", 'skip = ["*-cp313", "x86_64-*"]\ntargets'))
    assert index.left_out == (
        *("build-aarch64-cp313", "test-aarch64-cp313", "deps-x86_64"),
        *("build-x86_64-cp311", "build-x86_64-cp313", "test-x86_64-cp311", "test-x86_64-cp313"),
        *("build-x86_64", "test-x86_64"),
    )
    assert not set(index.left_out) & {session.name for session in index.sessions}


def test_without_skip_nothing_is_left_out() -> None:
    assert _index(TWO).left_out == ()
