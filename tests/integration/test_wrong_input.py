"""Bad input: a clear message, the right exit code, never a traceback, whoever reads it."""

import pytest

from tests.e2e.workspace import Run
from tests.integration.checkout import Checkout

BUILD = "build-aarch64-cp311"
SIX = """
    schema = 1

    [project]
    source = "."
    python = ["cp311", "3.12"]
    archs = ["aarch64"]
    targets = ["arch64"]

    [build]
    strategy = "crosss"
    environment = { CC = "gcc" }

    [test]
    command = "{pyhton} -m pytest"
"""
MISTAKES = {
    "python": "5:",
    "archs": "6:",
    "targets": "7:",
    "strategy": "10:",
    "CC": "11:",
    "pyhton": "14:",
}


def refused(run: Run, code: str, exit_code: int) -> None:
    """A command that fails with a code, says so, and shows nothing of our inside."""
    assert run.code == exit_code, str(run)
    assert code in run.output
    assert "Traceback" not in run.output


# --- the spec -------------------------------------------------------------------------------------


def test_a_spec_with_six_mistakes_gives_six_errors_with_places(checkout: Checkout) -> None:
    checkout.write("multiplatform.toml", SIX)
    run = checkout.mpforge("check")
    refused(run, "did you mean", 2)
    lines = [line for line in run.output.splitlines() if "multiplatform.toml:" in line]
    assert len(lines) == 6, str(run)
    for word, line in MISTAKES.items():
        assert any(f"multiplatform.toml:{line}" in told and word in told for told in lines), word


def test_a_spec_that_is_no_toml_is_told_with_its_place(checkout: Checkout) -> None:
    checkout.write("multiplatform.toml", "schema = 1\n[project\n")
    run = checkout.mpforge("check")
    refused(run, "toml-syntax", 2)
    assert "multiplatform.toml:2:" in run.output


@pytest.mark.parametrize(
    "words",
    [
        *(["plan"], ["plan", "--json"], ["explain", BUILD], ["check"], ["lock"]),
        *(["matrix", "--format", "json"], ["log", BUILD], ["run", BUILD]),
    ],
    ids=" ".join,
)
def test_every_command_says_that_there_is_no_spec(checkout: Checkout, words: list[str]) -> None:
    (checkout.root / "multiplatform.toml").unlink()
    refused(checkout.mpforge(*words), "spec-not-found", 2)


def test_a_missing_source_fails_the_session(checkout: Checkout) -> None:
    checkout.edit("multiplatform.toml", "[project]", '[project]\nsource = "nowhere"')
    run = checkout.session(BUILD)
    refused(run, "source-missing", 2)
    assert "nowhere" in run.output


def test_what_is_not_built_yet_is_refused_by_its_own_session_only(checkout: Checkout) -> None:
    checkout.edit(
        "multiplatform.toml", 'targets = ["aarch64"]', 'targets = ["aarch64", "windows_x86_64"]'
    )
    refused(checkout.session("build-windows_x86_64-cp311"), "not-available-yet", 4)
    refused(checkout.mpforge("plan", "build-windows_x86_64"), "not-available-yet", 4)
    assert checkout.mpforge("plan", BUILD).code == 0


@pytest.mark.parametrize("command", ["run", "plan", "explain", "log"])
def test_a_session_that_skip_leaves_out_is_told_so(checkout: Checkout, command: str) -> None:
    checkout.edit(
        "multiplatform.toml",
        'python = ["cp311"]',
        'python = ["cp311", "cp313"]\nskip = ["*-cp313"]',
    )
    (checkout.root / "noxfile.py").unlink()  # with one of the project's own, nox looks first
    done = checkout.mpforge(command, "build-aarch64-cp313")
    assert done.code == 2, str(done)
    assert "project.skip leaves build-aarch64-cp313 out" in done.output


def test_what_is_doubtful_in_a_spec_is_told_each_time(checkout: Checkout) -> None:
    checkout.edit("multiplatform.toml", "[build]", '[build]\nstrategy = "cross"\nimage = "a/b:1"')
    for _ in range(2):
        done = checkout.mpforge("plan", BUILD)
        assert done.code == 0, str(done)
        assert done.output.count("warning: unused-key: `build.image` has no effect") == 1, str(done)


# --- the lock -------------------------------------------------------------------------------------


def test_with_ci_set_a_missing_pin_is_refused_and_names_the_command(checkout: Checkout) -> None:
    run = checkout.session(BUILD, env={"CI": "true", "MPFORGE_LOCKED": None})
    refused(run, "pin-missing", 2)
    assert "mpforge lock" in run.output
    assert not (checkout.root / "multiplatform.lock").exists()


def test_a_lock_with_conflict_markers_is_told_with_its_place(checkout: Checkout) -> None:
    checkout.write("multiplatform.lock", "<<<<<<< ours\nschema = 1\n")
    run = checkout.session(BUILD)
    refused(run, "lock-invalid", 2)
    assert "multiplatform.lock:1:" in run.output


# --- the command line -----------------------------------------------------------------------------


def test_a_session_that_no_command_can_take_is_told_which_it_takes(checkout: Checkout) -> None:
    for words, said in (
        (("log", "build-nothing"), "there is no session build-nothing"),
        (("log", "deps-aarch64"), "deps-aarch64 has no log: it obtains tools"),
        (("log", "test-aarch64"), "name one of test-aarch64-cp311"),
        (("explain", "E999"), "there is no session or error code E999"),
        (("explain", "host-lek"), "did you mean host-leak?"),
        (("verify", "test-aarch64-cp311"), f"name an sdist or build session: sdist {BUILD}"),
        (("verify", "deps-aarch64"), "deps-aarch64 can't be verified"),
        (("verify", "build-nothing"), "there is no session build-nothing"),
    ):
        run = checkout.mpforge(*words)
        refused(run, said, 2)


def test_a_file_of_the_command_line_that_is_not_there_is_named(checkout: Checkout) -> None:
    run = checkout.mpforge("cache", "import", "taken.tar")
    refused(run, "wrong-input: taken.tar can't be used: No such file or directory", 2)
    (checkout.root / "multiplatform.toml").unlink()
    refused(checkout.mpforge("explain", "E999"), "there is no error code E999, and there is no", 2)


def test_without_a_session_run_lists_them_with_an_exit_code_of_its_own(checkout: Checkout) -> None:
    run = checkout.mpforge("run")
    refused(run, "nothing-selected", 3)
    assert BUILD in run.output


def test_a_cache_deep_in_the_source_is_refused(checkout: Checkout) -> None:
    deep = checkout.root / "a" / "cache"
    run = checkout.session(BUILD, env={"MPFORGE_CACHE": str(deep)})
    refused(run, "MPFORGE_CACHE", 2)
