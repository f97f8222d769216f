"""Options are merged from every level, and targets from both places where they are named."""

import pytest
from pydantic import ValidationError

from mpforge.spec.load import load_spec
from mpforge.spec.model import Spec
from mpforge.spec.options import ResolvedTarget, origin, python_words, resolve, targets

TEXT = """\
schema = 1
[project]
python = ["cp311", "cp313", "cp313t"]
targets = ["aarch64", "x86_64"]
skip = ["x86_64-*t"]
[build]
toolchain = "zig"
environment = { A = "build", B = "build" }
requires = ["one"]
repair = { strip = true }
[targets.gateway]
platform = "linux/arm/v7"
python = ["cp313"]
dist = "gw"
build = { environment = { B = "target" }, requires = [], repair = { args = ["x"] } }
test = { command = ["a", "b"] }
[[overrides]]
select = ["gateway-*", "*-cp313t"]
build = { toolchain = "gcc", environment = { C = "first" } }
test = { command = "c" }
[[overrides]]
select = "*-cp313"
build = { environment = { C = "second" }, target-requires = ["numpy"] }
"""


@pytest.fixture(name="spec")
def _spec() -> Spec:
    return load_spec(TEXT, file="m.toml")


def test_later_levels_win_and_tables_merge_by_key(spec: Spec) -> None:
    options = resolve(spec, target="gateway", python="cp313")
    assert options.build.toolchain == "gcc"
    assert options.build.environment == {"A": "build", "B": "target", "C": "second"}
    assert options.build.requires == ()
    assert (options.build.repair.strip, options.build.repair.args) == (True, ("x",))
    assert options.build.target_requires == ("numpy",)
    assert options.test.command == ("c",)
    assert options.build.timeout == 7200


def test_overrides_reach_only_what_they_select(spec: Spec) -> None:
    options = resolve(spec, target="aarch64", python="cp311")
    assert options.build.toolchain == "zig"
    assert options.build.environment == {"A": "build", "B": "build"}
    assert options.test.command == "import"


def test_merged_options_are_frozen(spec: Spec) -> None:
    options = resolve(spec, target="aarch64", python="cp311")
    with pytest.raises(ValidationError, match="frozen"):
        options.build.pure = True  # type: ignore[misc]


def test_an_option_has_an_origin_if_it_is_written_at_any_level(spec: Spec) -> None:
    assert origin(spec, "aarch64", "cp311", "build.toolchain") is not None
    assert origin(spec, "aarch64", "cp311", "build.repair.strip") is not None
    assert origin(spec, "aarch64", "cp311", "build.repair.args") is None
    assert origin(spec, "gateway", "cp313", "build.repair.args") is not None
    assert origin(spec, "aarch64", "cp313", "build.target-requires") is not None
    assert origin(spec, "aarch64", "cp311", "build.target-requires") is None
    assert origin(spec, "aarch64", "cp311", "build.image") is None
    assert origin(spec, "gateway", "cp313", "test.command") is not None


def test_targets_are_the_projects_and_then_those_added(spec: Spec) -> None:
    assert targets(spec) == (
        ResolvedTarget("aarch64", "aarch64", ("cp311", "cp313", "cp313t"), None),
        ResolvedTarget("x86_64", "x86_64", ("cp311", "cp313"), None),
        ResolvedTarget("gateway", "armv7l", ("cp313",), "gw"),
    )
    assert python_words(spec, "x86_64") == ("cp311", "cp313")


def test_a_target_of_which_everything_is_skipped_is_none() -> None:
    text = TEXT.replace('"x86_64-*t"', '"x86_64-*", "gateway-cp313"')
    spec = load_spec(text, file="m.toml")
    assert [target.name for target in targets(spec)] == ["aarch64"]


def test_a_target_that_ships_no_wheel_has_no_python() -> None:
    text = """\
schema = 1
[project]
targets = ["aarch64", "x86_64"]
[build]
kind = "make"
outputs = ["hello"]
[[overrides]]
select = "aarch64"
build = { network = true }
"""
    spec = load_spec(text, file="m.toml")
    assert [target.pythons for target in targets(spec)] == [(), ()]
    assert resolve(spec, target="aarch64", python=None).build.network
    assert not resolve(spec, target="x86_64", python=None).build.network


def test_a_well_known_musl_target_stays_musl_under_dockers_name() -> None:
    text = TEXT + '[targets.aarch64_musl]\nplatform = "linux/arm64"\n'
    spec = load_spec(text, file="m.toml")
    assert targets(spec)[-1].platform == "aarch64_musl"
