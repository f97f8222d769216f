"""The files of all CI services: their form, the jobs, who writes the store, and who releases."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema

from mpforge.ci.services import SERVICES
from mpforge.cli.main import main

SPEC = """\
schema = 1

[project]
python = ["cp311", "cp313"]
targets = ["x86_64", "aarch64", "s390x"]
"""
SCHEMAS = {
    "github": "github-workflows",
    "gitlab": "gitlab-ci",
    "azure": "azure-pipelines",
    "circleci": "circle-ci",
    "buildkite": "buildkite",
    "travis": "travis",
}
TARGETS = ("x86_64", "aarch64", "s390x")
BUILDS = {f"build-{target}" for target in TARGETS}
TESTS = {f"test-{target}" for target in TARGETS}

Written = Callable[..., str]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """Write a service's file; its text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPFORGE_CACHE", str(tmp_path / "cache"))
    Path("pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')

    def write(service: str, spec: str = SPEC) -> str:
        Path("multiplatform.toml").write_text(spec)
        assert main(["ci", service]) == 0
        assert main(["ci", "--check"]) == 0
        return Path(SERVICES[service].file("").name).read_text()

    return write


NO_TESTS = '[test]\nstrategy = "skip"\n'
NO_WHEELS = """\
schema = 1
[project]
targets = ["x86_64", "aarch64"]
[build]
kind = "commands"
commands = ["true"]
outputs = ["x"]
"""


@pytest.mark.parametrize("spec", [SPEC, SPEC + NO_TESTS, NO_WHEELS], ids=["all", "build", "other"])
@pytest.mark.parametrize("service", SCHEMAS)
def test_a_file_has_the_form_that_its_service_asks_for(
    written: Written, service: str, spec: str
) -> None:
    written(service, spec)
    path = SERVICES[service].file("").name
    # Python's and check-jsonschema's usual patterns do not know an escape of Azure's schema.
    words = ["--regex-variant", "nonunicode", "--builtin-schema", f"vendor.{SCHEMAS[service]}"]
    check_jsonschema([*words, path], standalone_mode=False)


def test_every_service_has_a_schema_but_jenkins_whose_file_is_parsed_end_to_end() -> None:
    assert {*SCHEMAS, "jenkins"} == set(SERVICES)


def needs(service: str, text: str) -> dict[str, list[str]]:
    """Return the jobs that each job waits for."""
    found: Any = yaml.safe_load(text)
    if service == "gitlab":
        parents = {name: found[name].get("extends", "") for name in BUILDS | TESTS}
        return {
            name: found[name].get("needs") or found[parent]["needs"]
            for name, parent in parents.items()
        }
    if service == "azure":
        names = {name.replace("-", "_"): name for name in BUILDS | TESTS}
        jobs = {job.get("job", "release"): job.get("dependsOn", []) for job in found["jobs"]}
        return {
            names.get(name, name): [
                names.get(one, one) for one in ([needed] if isinstance(needed, str) else needed)
            ]
            for name, needed in jobs.items()
        }
    if service == "buildkite":
        waits = {step["key"]: step.get("depends_on", []) for step in found["steps"]}
        return {n: [needed] if isinstance(needed, str) else needed for n, needed in waits.items()}
    entries = [next(iter(job.items())) for job in found["workflows"]["wheels"]["jobs"]]
    return {given.get("name", name): given.get("requires", []) for name, given in entries}


@pytest.mark.parametrize("service", ["gitlab", "azure", "buildkite", "circleci"])
def test_a_test_waits_for_its_own_build_only_and_the_release_for_all(
    written: Written, service: str
) -> None:
    found = needs(service, written(service))
    for target in TARGETS:
        assert found[f"build-{target}"] == ["plan"]
        assert found[f"test-{target}"] == [f"build-{target}"]
    # GitLab's release is in a later stage, and waits for all earlier ones.
    assert service == "gitlab" or set(found["release"]) == BUILDS | TESTS


def test_travis_and_jenkins_take_a_test_s_wheels_from_its_build_and_release_last(
    written: Written,
) -> None:
    jobs = {job["name"]: job for job in yaml.safe_load(written("travis"))["jobs"]["include"]}
    assert next(iter(jobs)) == "plan"
    assert list(jobs)[-1] == "release"
    for target in TARGETS:
        assert jobs[f"test-{target}"]["workspaces"]["use"] == [f"build-{target}"]
    assert set(jobs["release"]["workspaces"]["use"]) == BUILDS | TESTS
    stages = re.findall(r"stage\('(.*?)'\)", text := written("jenkins"))
    assert stages[0] == "plan"
    assert stages[-1] == "release"
    assert set(re.findall(r"unstash '(.*)'", text)) == BUILDS
    # Stages in parallel do not end each other.
    assert "failFast" not in text


MACHINES = {
    "gitlab": {"test-aarch64": "saas-linux-small-arm64"},
    "circleci": dict.fromkeys(BUILDS | TESTS, "medium") | {"test-aarch64": "arm.medium"},
    "travis": dict.fromkeys(BUILDS | TESTS, "amd64") | {"test-aarch64": "arm64"},
}


@pytest.mark.parametrize("service", MACHINES)
def test_a_test_runs_on_a_machine_of_its_target_where_the_service_has_one(
    written: Written, service: str
) -> None:
    found = yaml.safe_load(written(service))
    if service == "gitlab":
        jobs = {name: found[name].get("tags", [None])[0] for name in BUILDS | TESTS}
    elif service == "circleci":
        entries = [next(iter(job.values())) for job in found["workflows"]["wheels"]["jobs"]]
        jobs = {given.get("name"): given.get("machine") for given in entries}
    else:
        jobs = {job["name"]: job["arch"] for job in found["jobs"]["include"]}
    assert {name: one for name, one in jobs.items() if one and name in BUILDS | TESTS} == MACHINES[
        service
    ]


def test_a_pull_request_cannot_write_the_store(written: Written) -> None:
    """Buildkite's and Jenkins' condition is run by an end-to-end test."""
    # GitLab has a store for protected refs, and Azure one for each ref: the file must not name a shared one.
    gitlab = yaml.safe_load(written("gitlab"))
    assert gitlab[".mpforge-run"]["cache"].keys() == {"key", "paths", "when"}
    assert "unprotect" not in str(gitlab)
    caches = re.findall(r"- task: Cache@2", written("azure"))
    assert len(caches) == len(BUILDS | TESTS)
    circle = yaml.safe_load(written("circleci"))
    saving = [step for step in circle["commands"]["finish"]["steps"] if "save_cache" in str(step)]
    condition = [step["when"]["condition"]["equal"] for step in saving]
    assert condition == [["<< pipeline.parameters.trusted-branch >>", "<< pipeline.git.branch >>"]]
    assert "save_cache" not in str(circle["jobs"])


def test_only_tags_are_released_and_gitlab_s_must_be_protected(written: Written) -> None:
    released = {service: written(service) for service in SERVICES}
    # A tag that anyone may push would be released from the store that anyone may write.
    assert yaml.safe_load(released["gitlab"])["release"]["rules"] == [
        {"if": '$CI_COMMIT_TAG && $CI_COMMIT_REF_PROTECTED == "true"'}
    ]
    for service, condition in {
        "github": "if: startsWith(github.ref, 'refs/tags/')",
        "azure": "startsWith(variables['Build.SourceBranch'], 'refs/tags/v')",
        "circleci": "filters: {tags: {only: /^v.*/}, branches: {ignore: /.*/}}",
        "buildkite": "if: build.tag =~ /^v/",
        "travis": "- name: release\n    if: tag =~ ^v",
        "jenkins": "when { beforeAgent true; tag 'v*' }",
    }.items():
        assert condition in released[service]
    for service, text in released.items():
        assert text.count("mpforge release --from .mpforge/incoming/*") == 1
        assert ("pypi-attestations sign" in text) == (service in {"github", "gitlab"})


@pytest.mark.parametrize("service", SERVICES)
def test_own_parts_of_every_service_s_file_stay(written: Written, service: str) -> None:
    text = written(service)
    comment = SERVICES[service].comment
    own = re.sub(r"mpforge==\S+?(?='?\n)", "mpforge==99", text)
    assert own != text
    path = Path(SERVICES[service].file("").name)
    path.write_text(f"{own}{comment} mine\n")
    Path("multiplatform.toml").write_text(SPEC.replace(', "s390x"', ""))
    assert main(["ci", service]) == 0
    kept = path.read_text()
    assert "mpforge==99" in kept
    assert kept.endswith(f"{comment} mine\n")
    assert "s390x" not in kept
