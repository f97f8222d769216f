"""The files of `mpforge ci`: audited, parsed, GitHub's run by act, and scripts of others by a shell.

act (nektos/act) runs the workflow on this machine without containers. Stand-ins for GitHub's actions
(``tests/e2e/actions``) keep its cache and artifacts in directories, and a script stands in for mpforge: what
is tried here is what a job does before, after and instead of another.
"""

import importlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from mpforge.cli.main import main

PROGRAMS = Path(sys.executable).parent
ACTIONS = Path(__file__).with_name("actions")
WORKFLOW = ".github/workflows/wheels.yml"
SPEC = """\
schema = 1

[project]
python = ["cp311", "cp313"]
targets = ["x86_64", "aarch64"]
"""
# Builds what the store lacks; a test needs the wheel, and fails where the project says so.
MPFORGE = """\
#!/bin/bash
echo "mpforge $*"
[ "$1" = release ] && mkdir -p dist && touch dist/x.whl
[ "$1" = run ] || exit 0
for name in "${@:2}"; do
  target=${name#*-}
  case $name in
    build-*)
      mkdir -p dist "$MPFORGE_CACHE"
      [ -e "$MPFORGE_CACHE/$target" ] || echo "built $target" | tee "$MPFORGE_CACHE/$target"
      cp "$MPFORGE_CACHE/$target" dist/$target.whl
      echo sdist > dist/x-1.tar.gz;;
    test-*) mkdir -p "$MPFORGE_CACHE"; [ -e dist/$target.whl ] && [ ! -e fails-$target ];;
  esac || exit 1
done
"""

ATTEST = """\
#!/bin/sh
echo "attested $*"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a spec, and no file of a CI service."""
    made = tmp_path / "project"
    made.mkdir()
    monkeypatch.chdir(made)
    monkeypatch.setenv("MPFORGE_CACHE", str(tmp_path / "cache"))
    (made / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')
    (made / "multiplatform.toml").write_text(SPEC)
    return made


@pytest.mark.usefixtures("project")
def test_zizmor_finds_nothing_in_github_s_file() -> None:
    assert main(["ci", "github"]) == 0
    words = [
        str(PROGRAMS / "zizmor"),
        "--offline",
        "--no-progress",
        "--min-severity",
        "low",
        WORKFLOW,
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("project")
def test_the_jenkinsfile_is_groovy() -> None:
    # By name, because the grammar has no types.
    tree_sitter, groovy = map(importlib.import_module, ("tree_sitter", "tree_sitter_groovy"))
    parser = tree_sitter.Parser(tree_sitter.Language(groovy.language()))
    for tests in ("", '[test]\nstrategy = "skip"\n'):
        Path("multiplatform.toml").write_text(SPEC + tests)
        assert main(["ci", "jenkins"]) == 0
        text = Path("Jenkinsfile").read_text()
        assert not parser.parse(text.encode()).root_node.has_error
        assert parser.parse(text.replace("{", "", 1).encode()).root_node.has_error


def script_of(service: str) -> str:
    """Return what a service's file runs in the job test-x86_64."""
    assert main(["ci", service]) == 0
    if service == "buildkite":
        steps = yaml.safe_load(Path(".buildkite/pipeline.yml").read_text())["steps"]
        script = next(step["command"] for step in steps if step["key"] == "test-x86_64")
        return str(script.replace("$$", "$").replace("/tmp/mpforge-store", '"$HOME/store"'))
    text = Path("Jenkinsfile").read_text().partition("stage('test-x86_64')")[2]
    return text.split("'''")[1].replace("python3 -m venv", "echo")


@pytest.mark.parametrize(
    ("service", "trusted", "foreign"),
    [
        (
            "buildkite",
            {"BUILDKITE_PULL_REQUEST": "false", "BUILDKITE_BRANCH": "main"},
            {"BUILDKITE_PULL_REQUEST": "7", "BUILDKITE_BRANCH": "main"},
        ),
        ("jenkins", {"BRANCH_IS_PRIMARY": "true"}, {"CHANGE_ID": "7"}),
    ],
)
def test_on_a_machine_s_own_disk_only_the_default_branch_writes_the_store(
    project: Path, tmp_path: Path, service: str, trusted: dict[str, str], foreign: dict[str, str]
) -> None:
    """A failed test keeps its wheels, too."""
    script = script_of(service)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"mpforge": MPFORGE, "pip": "", "buildkite-agent": ""}.items():
        (programs / name).write_text(text or "#!/bin/sh\n")
        (programs / name).chmod(0o755)
    store = tmp_path / ("store" if service == "buildkite" else ".cache/mpforge")
    incoming = project / ".mpforge/incoming"
    (incoming / "build-x86_64").mkdir(parents=True)
    (incoming / "build-x86_64/x86_64.whl").write_text("built")
    store.mkdir(parents=True)
    (store / "old").touch()
    script = script.replace(
        "mpforge run", 'ls "$MPFORGE_CACHE"; touch "$MPFORGE_CACHE/new"; mpforge run'
    )
    both = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "WORKSPACE_TMP": str(tmp_path / "temporary"),
        "TMPDIR": str(tmp_path / "temporary"),
        "BUILDKITE_PIPELINE_DEFAULT_BRANCH": "main",
    }
    (tmp_path / "temporary").mkdir()
    (project / "fails-x86_64").touch()
    for variables, seen in ((foreign, False), (trusted, True)):
        shell = ["bash", "-e"] if service == "buildkite" else ["sh", "-xe"]
        done = subprocess.run(
            [*shell, "-c", script],
            env=both | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert "old" in done.stdout
        assert (store / "new").exists() == seen
        assert (incoming / "test-x86_64/x86_64.whl").read_text() == "built"


@dataclass(frozen=True)
class GitHub:
    """GitHub's cache and artifacts for a project, as directories of ``service``."""

    service: Path
    project: Path

    def runs(self, event: str, ref: str) -> tuple[set[str], set[str], str]:
        """Run the workflow; return the jobs that ran, those with a failed step, and what was printed."""
        uses = set(re.findall(r"uses: (\S+)", (self.project / WORKFLOW).read_text()))
        repositories = {(one.split("@")[0].split("/")[1], one.split("@")[1]) for one in uses}
        payload = self.service / "event.json"
        payload.write_text(json.dumps({"ref": ref, "repository": {"default_branch": "main"}}))
        words: list[str | Path] = [
            PROGRAMS / "act",
            event,
            "--eventpath",
            payload,
            "--no-cache-server",
            "--env",
            f"SERVICE={self.service}",
        ]
        for runner in ("ubuntu-24.04", "ubuntu-24.04-arm"):
            words += ["--platform", f"{runner}=-self-hosted"]
        for name, commit in repositories:
            words += ["--local-repository", f"actions/{name}@{commit}={ACTIONS / name}"]
        done = subprocess.run(
            words,
            cwd=self.project,
            env={"PATH": os.environ["PATH"], "HOME": str(self.service)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        # act gives all jobs of a matrix one result, so that a step's failure says more.
        ran, failed = (
            set(re.findall(rf"\[[^/]+/(\S+?)(?:-\d)?\s*\] +{mark}", done.stdout))
            for mark in ("🏁", "❌")
        )
        return ran, failed, done.stdout

    def kept(self, folder: str) -> set[str]:
        """Return the names in the cache, or of artifacts, without the commit."""
        return {
            re.sub("-[0-9a-f]{40}$", "", path.name) for path in (self.service / folder).glob("*")
        }


@pytest.fixture
def github(project: Path, tmp_path: Path) -> GitHub:
    """The project at GitHub, with its workflow."""
    service = tmp_path / "service"
    (service / "bin").mkdir(parents=True)
    (service / "project").symlink_to(project)
    scripts = {"mpforge": MPFORGE, "pip": "#!/bin/sh\n", "pypi-attestations": ATTEST}
    for name, text in scripts.items():
        (service / "bin" / name).write_text(text)
        (service / "bin" / name).chmod(0o755)
    assert main(["ci", "github"]) == 0
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    return GitHub(service, project)


JOBS = {"plan", "build-x86_64", "build-aarch64", "test-x86_64", "test-aarch64"}


def test_github_runs_the_workflow_for_forks_pushes_failures_and_releases(github: GitHub) -> None:
    # A fork's pull request builds, and saves nothing.
    ran, failed, said = github.runs("pull_request", "refs/pull/1/merge")
    assert (ran, failed) == (JOBS, set()), said
    assert said.count("| built ") == 2
    assert github.kept("caches") == set()
    # The default branch saves, and its second run builds nothing; a failing test fails its job only.
    assert github.runs("push", "refs/heads/main")[:2] == (JOBS, set())
    (github.project / "fails-x86_64").touch()
    ran, failed, said = github.runs("push", "refs/heads/main")
    assert (ran, failed) == (JOBS, {"test-x86_64"}), said
    assert "| built " not in said
    assert len(github.kept("caches")) == 4
    assert github.kept("artifacts") >= {"dist-x86_64", "dist-aarch64"}
    # A tag releases all, or nothing.
    assert "| mpforge release" not in github.runs("push", "refs/tags/v1")[2]
    (github.project / "fails-x86_64").unlink()
    ran, failed, said = github.runs("push", "refs/tags/v1")
    assert (ran, failed) == (JOBS | {"release"}, set()), said
    assert "| attested sign dist/x.whl" in said
    released = re.search(r"\| mpforge release --from (.*)", said)
    assert released
    folders = [
        f"dist-{target}{tested}" for target in ("aarch64", "x86_64") for tested in ("", "-tested")
    ]
    assert released[1].split() == [f".mpforge/incoming/{name}" for name in folders]
