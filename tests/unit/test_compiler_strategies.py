"""The strategy of a target: which, why, and what is said where there is none."""

from dataclasses import replace

import pytest

from mpforge.compiler.backends import Backend
from mpforge.compiler.strategies import Wanted, choose, runtime
from mpforge.plan.facts import HostFacts
from mpforge.plan.pins import StrategyPin
from mpforge.plan.sessions import Choice, Refusal
from mpforge.platforms import well_known

HOST = HostFacts(platform="x86_64", system="Linux x86_64")
WITH_RUNTIME = replace(HOST, container_runtime=True)
SETUPTOOLS = Backend("setuptools", "a view", by="build-backend")
UNKNOWN = Backend("nobody.knows", "mpforge does not know it", crosses=False, by="build-backend")


def _wanted(target: str, backend: Backend | None = SETUPTOOLS) -> Wanted:
    return Wanted(target, well_known()[target], "auto", "auto", "manylinux_2_17", backend)


def _chosen(wanted: Wanted, pin: StrategyPin | None = None, host: HostFacts = HOST) -> Choice:
    choice = choose(wanted, host, pin)
    assert isinstance(choice, Choice), choice
    return choice


def _refused(wanted: Wanted, pin: StrategyPin | None = None, host: HostFacts = HOST) -> Refusal:
    refusal = choose(wanted, host, pin)
    assert isinstance(refusal, Refusal), refusal
    assert refusal.error == "no-strategy"
    return refusal


def test_a_target_of_the_host_s_own_kind_is_built_natively_whatever_the_backend() -> None:
    for backend in (SETUPTOOLS, UNKNOWN, None):
        choice = _chosen(_wanted("x86_64", backend))
        assert (choice.strategy, choice.toolchain) == ("native", "zig")
        assert choice.passed_over == ()


def test_another_target_is_crossed_and_native_is_said_to_be_passed_over() -> None:
    choice = _chosen(_wanted("aarch64"))
    assert choice.strategy == "cross"
    assert "setuptools" in choice.why
    assert choice.passed_over == (("native", "this host is x86_64, not aarch64"),)


def test_a_32_bit_target_is_crossed_too_and_no_registry_is_needed() -> None:
    assert _chosen(_wanted("armv7l"), host=WITH_RUNTIME).strategy == "cross"


def test_a_policy_that_zig_can_t_link_for_is_left_to_the_image_s_compiler() -> None:
    choice = _chosen(replace(_wanted("ppc64le"), image="pypa"), host=WITH_RUNTIME)
    assert (choice.strategy, choice.toolchain) == ("emulate", "image")
    assert "manylinux_2_28" in dict(choice.passed_over)["cross"]
    assert "zig can't link for manylinux_2_17" in (_refused(_wanted("ppc64le")).why or "")


def test_a_target_that_no_image_is_kept_for_needs_one_that_the_spec_names() -> None:
    wanted = replace(_wanted("loongarch64", UNKNOWN), policy="manylinux_2_38")
    refusal = _refused(replace(wanted, image=None), host=WITH_RUNTIME)
    assert "PyPA keeps no image for loongarch64" in (refusal.why or "")
    assert _chosen(replace(wanted, image="own"), host=WITH_RUNTIME).strategy == "hybrid"


def test_the_user_s_own_commands_are_crossed() -> None:
    assert _chosen(_wanted("aarch64", None)).strategy == "cross"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("commands", "the commands get a cross compiler"),
        ("make", "make gets a cross compiler"),
        ("cmake", "CMake gets the target from a toolchain file"),
        ("meson", "Meson gets the target from a cross file"),
        ("autotools", "configure gets the target from --host"),
    ],
)
def test_the_reason_says_how_this_kind_of_build_is_crossed(kind: str, told: str) -> None:
    assert told in _chosen(replace(_wanted("aarch64", None), kind=kind)).why


def test_a_backend_that_is_not_known_to_cross_is_refused_with_every_strategy_s_reason() -> None:
    refusal = _refused(_wanted("aarch64", UNKNOWN))
    told = (refusal.why or "").splitlines()
    assert [line.split(":")[0] for line in told] == ["native", "cross", "hybrid", "emulate"]
    assert "nobody.knows" in (refusal.why or "")
    assert "aarch64" in (refusal.hint or "")
    assert 'strategy = "cross"' in (refusal.hint or "")


def test_a_backend_that_is_not_known_to_cross_is_tried_where_the_spec_asks_for_it() -> None:
    choice = _chosen(replace(_wanted("aarch64", UNKNOWN), strategy="cross"))
    assert "nobody.knows (build-backend) is not known to cross" in choice.why


def test_what_the_spec_asks_for_is_taken_or_refused_but_never_replaced() -> None:
    crossed = _chosen(replace(_wanted("x86_64"), strategy="cross"))
    assert crossed.strategy == "cross"
    assert "the spec asks for it" in crossed.why
    refusal = _refused(replace(_wanted("aarch64"), strategy="native"))
    assert "cross" not in (refusal.why or "")
    assert "the spec asks for it" in (refusal.why or "")


def test_the_lock_s_strategy_is_taken_before_a_better_one() -> None:
    choice = _chosen(_wanted("x86_64"), StrategyPin("x86_64", "x86_64", "cross", "zig"))
    assert choice.strategy == "cross"
    assert "pinned" in choice.why


def test_the_spec_overrules_the_lock() -> None:
    pin = StrategyPin("x86_64", "x86_64", "cross", "zig")
    wanted = replace(_wanted("x86_64"), strategy="native", toolchain="gcc")
    assert (_chosen(wanted, pin).strategy, _chosen(wanted, pin).toolchain) == ("native", "gcc")


def test_the_lock_s_toolchain_is_taken_unless_the_spec_names_one() -> None:
    pin = StrategyPin("x86_64", "x86_64", "native", "gcc")
    assert _chosen(_wanted("x86_64"), pin).toolchain == "gcc"
    assert _chosen(replace(_wanted("x86_64"), toolchain="zig"), pin).toolchain == "zig"


def test_a_pinned_strategy_that_can_t_serve_is_refused_and_said_to_be_pinned() -> None:
    refusal = _refused(
        _wanted("aarch64", UNKNOWN), StrategyPin("aarch64", "x86_64", "cross", "zig")
    )
    assert "pinned in the lock" in (refusal.why or "")


def _boxed(target: str = "aarch64", backend: Backend | None = SETUPTOOLS) -> Wanted:
    return replace(_wanted(target, backend), toolchain="dockcross", boxed="dockcross/arm64")


@pytest.mark.parametrize("target", ["aarch64", "x86_64"])
@pytest.mark.parametrize("strategy", ["auto", "cross"])
def test_a_cross_compiler_in_an_image_is_what_crosses_whatever_the_lock_has(
    target: str, strategy: str
) -> None:
    pin = StrategyPin(target, "x86_64", "hybrid", "zig")
    choice = _chosen(replace(_boxed(target), strategy=strategy), pin, WITH_RUNTIME)
    assert (choice.strategy, choice.toolchain) == ("cross", "dockcross")
    assert choice.image == "dockcross/arm64"
    assert "dockcross is a cross compiler in the image dockcross/arm64" in choice.why
    assert not choice.is_kept


def test_a_compiler_in_an_image_is_asked_for_so_it_is_tried_with_any_backend_but_cargo() -> None:
    assert "not known" in _chosen(_boxed(backend=UNKNOWN), host=WITH_RUNTIME).why
    rust = Backend("maturin", "cargo", configurer="cargo", by="build-backend")
    assert "maturin" in (_refused(_boxed(backend=rust), host=WITH_RUNTIME).why or "")


@pytest.mark.parametrize(
    ("asked", "host", "runs"),
    [
        ("auto", replace(HOST, container_runtime=True, roots=True), "engine"),
        ("auto", replace(HOST, roots=True), "sandbox"),
        ("auto", HOST, "engine"),
        ("sandbox", replace(HOST, container_runtime=True, roots=True), "sandbox"),
        ("engine", replace(HOST, roots=True), "engine"),
    ],
)
def test_a_container_runtime_that_is_set_up_runs_images_before_the_host_itself(
    asked: str, host: HostFacts, runs: str
) -> None:
    assert runtime(asked, host) == runs


def test_images_without_a_runtime_need_a_root_of_their_own() -> None:
    why = "this host can't isolate steps from its files: unshare: Operation not permitted"
    wanted = replace(_wanted("aarch64", UNKNOWN), runtime="sandbox")
    assert _chosen(wanted, host=replace(HOST, roots=True)).strategy == "hybrid"
    refused = _refused(wanted, host=replace(WITH_RUNTIME, no_roots=why))
    assert f"hybrid: {why}" in (refused.why or "")
    refused = _refused(replace(wanted, runtime="engine"), host=replace(HOST, roots=True))
    assert "hybrid: no container runtime found" in (refused.why or "")


def test_without_a_runtime_there_is_no_compiler_in_an_image() -> None:
    assert "no container runtime" in (_refused(_boxed()).why or "")


@pytest.mark.parametrize("strategy", ["auto", "cross"])
def test_the_host_s_gcc_crosses_nothing(strategy: str) -> None:
    refusal = _refused(replace(_wanted("aarch64"), toolchain="gcc", strategy=strategy))
    assert "gcc" in (refusal.why or "")
    assert "zig" in (refusal.hint or "")
