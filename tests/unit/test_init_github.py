"""cibuildwheel's options in GitHub's workflows: every level of variables, matrices, actions and scripts."""

import json
import textwrap
import tomllib

import pytest

from tests.unit.initial_specs import PROJECT, WORKFLOW, in_workflow, outcomes, table, written

ACTION = "uses: pypa/cibuildwheel@v4.2.0"


def job(*steps: str, runner: str = "ubuntu-latest", more: str = "") -> str:
    listed = "\n".join("  - " + step.replace("\n", "\n    ") for step in steps)
    return f"runs-on: {runner}\n{more}\nsteps:\n{listed}"


def test_variables_of_every_level_are_read_and_the_inner_ones_win() -> None:
    initial = in_workflow(
        job(
            f"{ACTION}\nenv:\n  CIBW_BUILD: cp313-*",
            more="env:\n  CIBW_BUILD: cp312-*\n  CIBW_ARCHS: aarch64",
        ),
        top="env:\n  CIBW_BUILD: cp311-*\n  CIBW_SKIP: '*-musllinux_*'",
    )
    assert (initial.pythons, initial.targets) == (("cp313",), ("aarch64",))
    assert f"{WORKFLOW}:" in initial.runs[0].where


@pytest.mark.parametrize(
    ("pin", "pythons"),
    [
        ("v2.23.3", ["cp313"]),
        ("v3.0", ["cp313"]),
        ("v3.4", ["cp313", "cp314", "cp314t"]),
        ("1828c10ab37f  # v3.1.4", ["cp313", "cp314", "cp314t"]),
        ("main", ["cp313", "cp314", "cp315", "cp314t", "cp315t"]),
    ],
)
def test_the_pinned_version_says_which_pythons_there_are(pin: str, pythons: list[str]) -> None:
    pyproject = PROJECT.replace("3.9", "3.13")
    initial = in_workflow(job(f"uses: pypa/cibuildwheel@{pin}"), pyproject=pyproject)
    assert list(initial.pythons) == pythons


def test_before_version_3_auto_includes_the_32_bit_machine_and_an_older_image() -> None:
    initial = in_workflow(
        job("uses: pypa/cibuildwheel@v2.23"), pyproject=table('build = "cp311-many*"')
    )
    assert initial.targets == ("x86_64", "i686")
    assert "policy" not in initial.text


def test_a_matrix_is_read_for_each_of_its_combinations() -> None:
    matrix = (
        "strategy:\n  matrix:\n    python: [cp311, cp312]\n    arch: [x86_64, s390x]\n"
        "    exclude: [{python: cp312, arch: s390x}]\n    include: [{python: cp313, arch: aarch64}]"
    )
    variables = (
        "env:\n  CIBW_BUILD: ${{ matrix.python }}-manylinux_*\n  CIBW_ARCHS: ${{ matrix.arch }}"
    )
    initial = in_workflow(job(f"{ACTION}\n{variables}", more=matrix))
    assert initial.wheels.matrix == {
        "x86_64": ["cp311", "cp312"],
        "aarch64": ["cp313"],
        "s390x": ["cp311"],
    }


@pytest.mark.parametrize(
    ("runner", "targets"),
    [
        ("ubuntu-24.04", ("x86_64",)),
        ("ubuntu-24.04-arm", ("aarch64",)),
        ("[self-hosted, linux, s390x]", ("s390x",)),
        ("${{ matrix.os }}", ("aarch64",)),
        ("${{ vars.RUNNER }}", ("x86_64", "aarch64")),
    ],
)
def test_the_runner_says_what_auto_is(runner: str, targets: tuple[str, ...]) -> None:
    matrix = "strategy:\n  matrix:\n    os: [ubuntu-24.04-arm, macos-14, windows-2025]"
    initial = in_workflow(
        job(ACTION, runner=runner, more=matrix), pyproject=table('skip = "*-musl*"')
    )
    assert initial.targets == targets


def test_variables_of_jobs_for_other_platforms_are_listed_as_not_needed() -> None:
    initial = in_workflow(
        job(
            f"{ACTION}\nif: runner.os == 'macOS'\nenv:\n  CIBW_BUILD: cp39-*",
            f"{ACTION}\nenv:\n  CIBW_PLATFORM: pyodide\n  CIBW_TEST_COMMAND: x",
            f"{ACTION}\nenv:\n  CIBW_BUILD: cp311-*\n  CIBW_ARCHS_MACOS: arm64\n  CIBW_ARCHES: x",
        )
    )
    assert initial.pythons == ("cp311",)
    assert {
        "CIBW_BUILD not needed: the step never runs with this matrix",
        "CIBW_TEST_COMMAND not needed: the job builds for pyodide",
        "CIBW_ARCHS_MACOS not needed: it concerns other platforms; they are not built yet",
        "CIBW_ARCHES refused: cibuildwheel has no such variable; did you mean CIBW_ARCHS?",
    } <= set(outcomes(initial))


def test_what_only_the_running_job_knows_is_a_refusal_with_its_line() -> None:
    initial = in_workflow(job(f"{ACTION}\nenv:\n  CIBW_BUILD: ${{{{ needs.x.outputs.y }}}}"))
    (refused,) = [e for e in initial.account.entries() if e.outcome == "refused"]
    assert refused.setting.place == f"{WORKFLOW}:10"
    assert (
        refused.text
        == "its text is known only when the job runs; cibuildwheel's default is used instead"
    )
    assert len(initial.pythons) == 9


def test_the_action_s_inputs_are_read() -> None:
    pyproject = '[tool.cibuildwheel]\nbuild = "cp312-*"\n'
    text = (
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n"
        "      - uses: pypa/cibuildwheel@v4.2.0\n"
        "        with: {package-dir: sub, output-dir: out, extras: uv, config-file: sub/ci.toml}\n"
    )
    files = {
        WORKFLOW: text,
        "sub/pyproject.toml": '[project]\nname = "s"\nrequires-python = ">=3.12"\n',
        "sub/ci.toml": '[tool.cibuildwheel]\nskip = "cp313-* *t-* *-musl*"\n',
    }
    initial = written(pyproject, files)
    project = tomllib.loads(initial.text)["project"]
    assert project["source"] == "sub"
    assert project["python"] == ["cp312", "cp314", "cp315"]
    assert "extras not needed: mpforge has its own tools" in outcomes(initial)


def test_only_builds_one_wheel_and_may_come_from_a_list_that_another_job_prints() -> None:
    initial = in_workflow(job(f"{ACTION}\nwith:\n  only: cp312-musllinux_s390x"))
    assert initial.wheels.matrix == {"s390x_musl": ["cp312"]}
    lists = (
        "run: |\n  pip install cibuildwheel==4.2.0\n"
        "  X=$(cibuildwheel --print-build-identifiers --platform linux --archs x86_64,aarch64)"
    )
    initial = in_workflow(
        job(
            f"{lists}\nenv:\n  CIBW_BUILD: cp312-many*",
            f"{ACTION}\nwith:\n  only: ${{{{ fromJSON(needs.a.outputs.x).y }}}}",
        )
    )
    assert initial.wheels.matrix == {"x86_64": ["cp312"], "aarch64": ["cp312"]}


@pytest.mark.parametrize("selects", ["with:\n  only", "env:\n  CIBW_BUILD"])
def test_wheels_of_a_printed_list_have_the_options_of_the_job_that_builds_them(
    selects: str,
) -> None:
    lists = "run: cibuildwheel --print-build-identifiers --platform linux --archs s390x"
    build = f"uses: pypa/cibuildwheel@v3.1.4\n{selects}: ${{{{ matrix.only }}}}"
    text = (
        f"on: push\njobs:\n  list:\n    runs-on: ubuntu-latest\n    steps:\n    - {lists}\n"
        "      env:\n        CIBW_BUILD: cp312-many*\n"
        "  build:\n    strategy:\n      matrix:\n        include: ${{ fromJSON(needs.list.outputs.x) }}\n"
        "    env:\n      CIBW_ENVIRONMENT: A=1\n      CIBW_TEST_COMMAND: run-tests\n"
        "    runs-on: ${{ matrix.os }}\n    steps:\n    - " + build.replace("\n", "\n      ") + "\n"
    )
    initial = written(files={WORKFLOW: text})
    assert initial.wheels.matrix == {"s390x": ["cp312"]}
    spec = tomllib.loads(initial.text)
    assert spec["build"]["environment"]["A"] == "1"
    assert spec["test"]["command"] == ["run-tests"]
    assert not any("refused" in line for line in outcomes(initial))


def test_identifiers_that_are_only_printed_build_nothing() -> None:
    prints = "run: cibuildwheel --print-build-identifiers"
    initial = in_workflow(job(prints, f"{ACTION}\nenv:\n  CIBW_BUILD: cp312-many*"))
    assert initial.wheels.matrix == {"x86_64": ["cp312"]}


@pytest.mark.parametrize(
    "script",
    [
        "pipx run cibuildwheel==3.1.4 --archs s390x",
        "python -m pip install 'cibuildwheel==3.1.4'\npython3 -m cibuildwheel --archs s390x .",
        "uvx cibuildwheel@3.1.4 --platform linux \\\n  --archs=s390x",
        "pip install cibuildwheel==3.1.4\nexport CIBW_ARCHS=s390x\ncibuildwheel",
        "pip install cibuildwheel==3.1.4\nCIBW_ARCHS='s390x' cibuildwheel --output-dir x",
        "pip install cibuildwheel==3.1.4\nX=1\nCIBW_BUILD='*' CIBW_ARCHS=s390x cibuildwheel",
    ],
)
def test_scripts_that_call_cibuildwheel_are_read(script: str) -> None:
    step = "run: |\n  " + script.replace("\n", "\n  ")
    initial = in_workflow(
        job(step), pyproject=table('skip = "*-musl*"', PROJECT.replace("3.9", "3.13"))
    )
    assert initial.wheels.matrix == {"s390x": ["cp313", "cp314", "cp314t"]}


def test_a_variable_of_a_call_that_only_a_shell_knows_is_refused_once_with_its_line() -> None:
    step = 'run: |\n  export CIBW_ARCHS=s390x\n  CIBW_TEST_REQUIRES="pytest $X" cibuildwheel'
    initial = in_workflow(job(step))
    (refused,) = [e for e in initial.account.entries() if e.outcome == "refused"]
    assert (refused.setting.name, refused.setting.line) == ("CIBW_TEST_REQUIRES", 10)
    assert [
        e.setting.line for e in initial.account.entries() if e.setting.name == "CIBW_ARCHS"
    ] == [9]


def test_variables_that_a_script_hands_to_later_steps_are_read() -> None:
    first = (
        'run: |\n  echo "CIBW_BUILD=cp312-many*" >> $GITHUB_ENV\n'
        '  echo "CIBW_ARCHS=$(uname -m)" >> "$GITHUB_ENV"'
    )
    initial = in_workflow(job(first, ACTION))
    assert initial.wheels.matrix == {"x86_64": ["cp312"]}
    (refused,) = [e for e in initial.account.entries() if e.outcome == "refused"]
    assert (refused.setting.name, refused.setting.line) == ("CIBW_ARCHS", 10)


CALLED = """\
on:
  workflow_call:
    inputs:
      variables: {type: string}
      os: {default: ubuntu-latest}
jobs:
  wheels:
    runs-on: ${{ inputs.os }}
    steps:
      - run: echo "${VARIABLES}" >> "${GITHUB_ENV}"
        env:
          VARIABLES: ${{ inputs.variables }}
      - uses: pypa/cibuildwheel@v4.2.0
"""
CALLS = """\
on: push
jobs:
  all:
    strategy:
      matrix:
        arch: [s390x, ppc64le]
    uses: ./.github/workflows/called.yml
    with:
      variables: |
        CIBW_ARCHS=${{ matrix.arch }}
        CIBW_BUILD<<EOF
        cp312-many*
        EOF
        CIBW_SKIP=${{ github.event_name == 'pull_request' && '*' || '' }}
"""


def test_a_reusable_workflow_is_read_for_each_of_its_calls() -> None:
    files = {".github/workflows/called.yml": CALLED, WORKFLOW: CALLS}
    initial = written(PROJECT, files)
    assert initial.wheels.matrix == {"ppc64le": ["cp312"], "s390x": ["cp312"]}


def test_wheels_of_several_runs_are_joined_and_other_options_are_told() -> None:
    one = f"{ACTION}\nenv:\n  CIBW_BUILD: cp311-many* cp312-many*\n  CIBW_TEST_COMMAND: pytest"
    other = f"{ACTION}\nenv:\n  CIBW_BUILD: cp312-many* cp313-many*"
    initial = in_workflow(job(one, other))
    assert initial.pythons == ("cp311", "cp312", "cp313")
    (wheels,) = initial.wheels.differing.values()
    assert [wheel.python for wheel in wheels] == ["cp312"]
    assert tomllib.loads(initial.text)["overrides"][0]["test"]["command"] == ["pytest"]


def test_a_variable_in_a_script_that_is_not_read_is_noted_with_its_line() -> None:
    script = "run: |\n  # CIBW_SKIP\n  python -c \"import os; os.environ['CIBW_BUILD']\""
    initial = in_workflow(job(script, ACTION))
    assert initial.problems == (
        (f"{WORKFLOW}:10", "CIBW_BUILD is named in a part of the file that mpforge does not read"),
    )


def test_a_workflow_that_is_no_yaml_is_a_problem_with_its_place() -> None:
    initial = written(PROJECT, {WORKFLOW: "jobs: [\n"})
    assert initial.problems == ((f"{WORKFLOW}:2:1", initial.problems[0][1]),)
    assert "so its options are not in the spec: expected the node content" in initial.problems[0][1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jobs: 3",
        "jobs: {a: [1], b: {steps: 4}, c: {steps: [5, {run: [6]}], env: 7, strategy: 8}}",
        "[1]",
    ],
)
def test_a_workflow_of_another_shape_is_no_traceback(text: str) -> None:
    assert written(PROJECT, {WORKFLOW: text}).runs == ()


def test_commands_of_a_package_below_the_top_name_its_own_files_and_no_others() -> None:
    step = """
        steps:
        - uses: pypa/cibuildwheel@v3.0.0
          with: {package-dir: src/pkg}
          env:
            CIBW_BEFORE_BUILD: python {project}/bin/write.py
            CIBW_TEST_COMMAND: python {project}/src/pkg/test/run.py
            CIBW_TEST_REQUIRES: pytest ./src/pkg/plugin {package}/other ./tools
    """
    job = f"runs-on: ubuntu-latest\n{textwrap.dedent(step)}"
    lines = "\n".join(f"    {line}" for line in job.splitlines())
    files = {
        WORKFLOW: f"on: [push]\njobs:\n  wheels:\n{lines}\n",
        "src/pkg/pyproject.toml": PROJECT,
    }
    initial = written(None, files, exist=("src/pkg/plugin", "src/pkg/other", "tools"))
    spec = tomllib.loads(initial.text)
    assert (spec["project"]["source"], spec["test"]["command"]) == (
        "src/pkg",
        ["python {package}/test/run.py"],
    )
    assert spec["test"]["requires"] == ["pytest", "./plugin", "./other"]
    said = " ".join(line for line in outcomes(initial) if "refused" in line)
    assert ("`{project}/bin/write.py`" in said, "`./tools`" in said) == (True, True)


def test_a_note_about_every_job_of_a_matrix_is_one() -> None:
    step = (
        "runs-on: ubuntu-latest\nstrategy: {matrix: {python: [cp311, cp312]}}\nsteps:\n"
        "  - uses: pypa/cibuildwheel@v4.2.0\n    with: {package-dir: made}\n"
        "    env: {CIBW_BUILD: '${{ matrix.python }}-*'}"
    )
    (problem,) = in_workflow(step).problems
    assert problem[1] == "package-dir made is not read: the project has no pyproject.toml in made"


@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("pip install cython\nmake cython", "make cython"),
        (
            "sudo apt-get install -y x\npython tools/generate.py \\\n  --all",
            "python tools/generate.py --all",
        ),
        ("python -m pip install -U pip\necho done\ngit fetch --unshallow\nX=1", None),
    ],
)
def test_a_command_that_may_write_sources_before_cibuildwheel_is_a_note(
    script: str, command: str | None
) -> None:
    notes = [text for _, text in in_workflow(job(f"run: {json.dumps(script)}", ACTION)).problems]
    assert notes == ([] if command is None else [notes[0]])
    assert command is None or notes[0].startswith(f"the job runs `{command}` before cibuildwheel;")


def test_a_reusable_workflow_of_another_repository_that_may_build_wheels_is_noted() -> None:
    initial = in_workflow(
        "uses: org/shared/.github/workflows/build.yml@v1\nwith:\n  targets: cp3*-manylinux_x86_64"
    )
    ((place, text),) = initial.problems
    assert place == f"{WORKFLOW}:5"
    assert "can't read org/shared/.github/workflows/build.yml@v1" in text
    lint = "on: push\njobs: {lint: {uses: org/shared/.github/workflows/lint.yml@v1}}\n"
    assert written(files={WORKFLOW: lint}).problems == ()
