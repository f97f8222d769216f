"""The commands that look and run nothing: plan, explain, matrix, schema, check."""

import json
from pathlib import Path

from tests.integration.checkout import Checkout

ROOT = Path(__file__).parents[2]
BUILD, TEST = "build-aarch64-cp311", "test-aarch64-cp311"


def test_a_plan_without_lock_and_store_asks_for_a_lock_and_runs_nothing(checkout: Checkout) -> None:
    before = sorted(checkout.root.rglob("*"))
    plan = checkout.json("plan", "--json", BUILD)
    assert plan["schema"] == 1
    states = {session["name"]: session["state"] for session in plan["sessions"]}
    assert states[BUILD] != "cached"
    done = checkout.mpforge("plan", BUILD)
    assert done.code == 0
    assert f"{BUILD}: not known\n" in done.output
    assert "    sdist-base: build requirements (cp311)\n" in done.output
    assert done.output.endswith("pins are missing for 1 environment and zig; run `mpforge lock`\n")
    assert done.output.count("mpforge lock") == 1
    after = [path for path in sorted(checkout.root.rglob("*")) if ".mpforge" not in str(path)]
    assert after == before
    assert checkout.cache.stored() == set()


def test_explain_gives_the_strategy_and_its_reason(checkout: Checkout) -> None:
    done = checkout.mpforge("explain", BUILD)
    assert done.code == 0, str(done)
    backend = "setuptools (build-backend = 'setuptools.build_meta')"
    assert "strategy: cross with zig" in done.output
    assert f"backend: {backend}" in done.output
    assert f"because {backend} is known to cross-compile: " in done.output
    assert "since the last run" not in done.output


def test_the_matrix_has_a_job_for_each_session_and_the_arm_tests_run_on_arm(
    checkout: Checkout,
) -> None:
    checkout.edit("multiplatform.toml", '["aarch64"]', '["aarch64", "x86_64"]')
    jobs = {job["name"]: job for job in checkout.json("matrix", "--format", "json")["jobs"]}
    assert {BUILD, TEST, "build-x86_64-cp311", "test-x86_64-cp311"} <= set(jobs)
    assert (jobs[BUILD]["phase"], jobs[TEST]["phase"]) == ("build", "test")
    assert "arm" in jobs[TEST]["runs_on"]
    assert "arm" not in jobs[BUILD]["runs_on"]
    lines = checkout.mpforge("matrix", "--format", "github").output.splitlines()
    given = dict(line.split("=", 1) for line in lines)
    tests = {job["name"] for job in json.loads(given["test"])["include"]}
    assert tests == {TEST, "test-x86_64-cp311"}


def test_schema_prints_the_committed_schema(checkout: Checkout) -> None:
    committed = ROOT / "docs" / "schema.json"
    assert checkout.json("schema") == json.loads(committed.read_text(encoding="utf-8"))


def test_check_of_a_good_spec_ends_with_0(checkout: Checkout) -> None:
    done = checkout.mpforge("check")
    assert (done.code, done.output) == (0, "multiplatform.toml: no errors\n")
