"""cibuildwheel's options in the files of GitLab, Azure Pipelines, Travis CI, CircleCI and Cirrus CI."""

import pytest

from tests.unit.initial_specs import PROJECT, outcomes, table, written

LINUX = table('skip = "*-musllinux_*"')

GITLAB = """\
variables:
  CIBW_BUILD: cp311-*
.base:
  before_script:
    - pip install cibuildwheel==3.1.4
  variables: {CIBW_SKIP: "*-musllinux_*"}
wheels:
  extends: .base
  parallel:
    matrix:
      - ARCH: [s390x, ppc64le]
  variables: {CIBW_ARCHS: $ARCH}
  script:
    - cibuildwheel --output-dir dist
mac:
  extends: .base
  tags: [saas-macos-medium-m1]
  variables: {CIBW_TEST_COMMAND: pytest}
  script: [cibuildwheel]
"""
AZURE = """\
variables: {CIBW_BUILD: cp311-manylinux*}
jobs:
  - job: linux
    strategy:
      matrix:
        one: {arch: x86_64}
        two: {arch: aarch64}
    pool: {vmImage: ubuntu-latest}
    steps:
      - bash: |
          python -m pip install cibuildwheel==3.1.4
          cibuildwheel --output-dir dist
        env:
          CIBW_ARCHS: $(arch)
  - job: windows
    pool: {vmImage: windows-latest}
    steps:
      - script: cibuildwheel
        env: {CIBW_BUILD: cp39-*}
"""
TRAVIS = """\
os: linux
env:
  global:
    - CIBW_BUILD="cp311-manylinux* cp312-manylinux*"
jobs:
  include:
    - arch: arm64
    - arch: s390x
      env: CIBW_BUILD=cp312-manylinux*
    - os: osx
install: python3 -m pip install cibuildwheel==3.1.4
script: python3 -m cibuildwheel --output-dir dist
"""
CIRCLE = """\
version: 2
jobs:
  linux-arm:
    machine: {image: ubuntu-2204:current}
    resource_class: arm.medium
    environment: {CIBW_BUILD: cp311-manylinux*}
    steps:
      - checkout
      - run:
          name: Build
          command: |
            pip install cibuildwheel==3.1.4
            cibuildwheel
  mac:
    macos: {xcode: 15.4.0}
    steps:
      - run: CIBW_BUILD='cp39-*' cibuildwheel
"""
CIRRUS = """\
env: {CIBW_BUILD: cp311-manylinux*}
linux_arm64_task:
  compute_engine_instance: {platform: linux, architecture: arm64}
  build_script:
    - pip install cibuildwheel==3.1.4
    - cibuildwheel
macos_task:
  macos_instance: {image: ventura}
  build_script: [cibuildwheel]
"""


@pytest.mark.parametrize(
    ("path", "text", "matrix"),
    [
        (".gitlab-ci.yml", GITLAB, {"ppc64le": ["cp311"], "s390x": ["cp311"]}),
        ("azure-pipelines.yml", AZURE, {"x86_64": ["cp311"], "aarch64": ["cp311"]}),
        (".travis.yml", TRAVIS, {"aarch64": ["cp311", "cp312"], "s390x": ["cp312"]}),
        (".circleci/config.yml", CIRCLE, {"aarch64": ["cp311"]}),
        (".cirrus.yml", CIRRUS, {"aarch64": ["cp311"]}),
    ],
)
def test_the_wheels_of_each_service_are_those_of_its_linux_jobs(
    path: str, text: str, matrix: dict[str, list[str]]
) -> None:
    initial = written(PROJECT, {path: text})
    assert initial.wheels.matrix == matrix
    assert {run.version for run in initial.runs} == {(3, 1, 4)}
    assert not any(" refused: " in line for line in outcomes(initial))


def test_a_job_for_another_system_has_its_variables_listed() -> None:
    assert "CIBW_TEST_COMMAND not needed: the job runs on macOS" in outcomes(
        written(PROJECT, {".gitlab-ci.yml": GITLAB})
    )


def test_what_the_file_does_not_say_is_a_refusal_with_its_line() -> None:
    text = "wheels:\n  variables:\n    CIBW_ARCHS: $MACHINES\n  script: [cibuildwheel]\n"
    initial = written(LINUX, {".gitlab-ci.yml": text})
    (refused,) = [e for e in initial.account.entries() if e.outcome == "refused"]
    assert refused.setting.place == ".gitlab-ci.yml:3"
    assert initial.targets == ("x86_64", "aarch64")


@pytest.mark.parametrize(
    "path", [".gitlab-ci.yml", "azure-pipelines.yml", ".travis.yml", ".cirrus.yml"]
)
@pytest.mark.parametrize(
    "text", ["cibuildwheel", "[cibuildwheel]", "a: {script: {b: [cibuildwheel, {c: 1}]}, env: 3}"]
)
def test_a_file_of_another_shape_is_no_traceback(path: str, text: str) -> None:
    assert written(PROJECT, {path: text}).pythons
