"""cibuildwheel's options in mpforge's words, one at a time."""

import tomllib
from typing import Any

import pytest

from mpforge.migrate.cibuildwheel.translate import TEST_SOURCES
from mpforge.migrate.files import ProjectFiles
from mpforge.migrate.initial_spec import InitialSpec, initial_spec
from tests.unit.initial_specs import outcomes, outcomes_of, spec_of, table, written

ONE = 'build = "cp311-*"\narchs = "x86_64"\nskip = "*-musllinux_*"\n'


def one(options: str, **files: Any) -> dict[str, Any]:
    """The spec of one wheel; without what every translated spec has."""
    spec = spec_of(ONE + options, **files)
    build, test = spec.get("build", {}), spec.get("test", {})
    for section in (build, test):
        section.get("environment", {}).pop("CIBUILDWHEEL", None)
        if section.get("environment") == {}:
            del section["environment"]
    if build.get("policy") == "manylinux_2_28":
        del build["policy"]
    return {name: section for name, section in (("build", build), ("test", test)) if section}


def test_builds_and_tests_that_were_translated_see_cibuildwheel_s_variable() -> None:
    spec = spec_of('test-command = "pytest"')
    assert spec["build"]["environment"] == {"CIBUILDWHEEL": "1"}
    assert spec["test"]["environment"] == {"CIBUILDWHEEL": "1"}


def test_test_options_are_ours_under_other_names() -> None:
    assert one(
        'test-command = "pytest {project}/tests"\n'
        'test-requires = ["pytest>=8", "hypothesis"]\n'
        'test-extras = "socks,brotli"\n'
        'test-groups = ["test"]\n'
        'test-sources = ["tests", "data"]\n'
        "test-environment = \"A=1 B='two words'\"\n"
    )["test"] == {
        "command": ["pytest {project}/tests"],
        "requires": ["pytest>=8", "hypothesis"],
        "extras": ["socks", "brotli"],
        "groups": ["test"],
        "sources": ["tests", "data"],
        "environment": {"A": "1", "B": "two words"},
    }


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ('["pytest {package}/tests", "python -m p"]', ["pytest {package}/tests", "python -m p"]),
        ('["cd {project}", "pytest tests"]', ["cd {project} && pytest tests"]),
        (
            "'sh {target} ${HOME} {a,b} {pip} {projct}'",
            ["sh #{target} ${HOME} {a,b} pip #{projct}"],
        ),
    ],
)
def test_commands_stay_what_they_are(options: str, command: list[str]) -> None:
    assert one(f"test-command = {options}")["test"]["command"] == command


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ('test-command = "pytest {project}/testing"', ["testing"]),
        (
            'test-command = "pytest -c {project}/pyproject.toml {project}/src/p/tests"',
            ["pyproject.toml", "src/p/tests"],
        ),
    ],
)
def test_files_that_a_test_command_names_are_copied(options: str, more: list[str]) -> None:
    sources = one(options)["test"]["sources"]
    assert sources == ["tests", "test", "conftest.py", "pytest.ini", *more]


def test_pip_install_in_a_command_becomes_requirements() -> None:
    assert one(
        'test-command = "pytest"\n'
        'before-build = "pip install -U cython>=3 && bash {project}/prepare.sh"\n'
        'before-test = "PIP_CONSTRAINT= python -m pip install numpy pytest -e .[test]"\n'
        'test-requires = "-r ./requirements/test.txt -c c.txt pytest {package}/plugin ./w.whl"\n',
        exist=("requirements/test.txt", "c.txt", "plugin", "w.whl"),
    ) == {
        "build": {"before-build": ["bash {project}/prepare.sh"], "requires": ["cython>=3"]},
        "test": {
            "command": ["pytest"],
            "requires": [
                *(
                    "numpy",
                    "pytest",
                    "-e .[test]",
                    "-r requirements/test.txt",
                    "./plugin",
                    "./w.whl",
                ),
            ],
            "constraints": ["-c c.txt"],
        },
    }


def test_packages_that_a_command_installs_become_libraries_and_tools() -> None:
    before = "yum install -y libffi-devel cmake || apk add --upgrade libffi-dev || apt-get install zlib1g-dev"
    assert one(f'before-all = "{before}"')["build"] == {
        "libraries": ["libffi", "zlib"],
        "tools": ["cmake"],
    }
    guarded = "if [ -x /usr/bin/yum ]; then yum install -y libxml2-devel; fi"
    assert one(f'before-build = "{guarded}"')["build"] == {"libraries": ["libxml2"]}


@pytest.mark.parametrize(
    ("written_as", "text"),
    [
        ("-O3 -g0", "-O3 -g0"),
        ("/project/l", "{project}/l"),
        ("$X/${X} x", "1/1 x"),
        ("$(pwd)/d", "{project}/d"),
        ("-j$(nproc)", "-j{jobs}"),
        ("$(echo 'a  b' c)`echo d`", "a  b cd"),
        ("\\\\$ORIGIN", "$ORIGIN"),
    ],
)
def test_environment_is_evaluated_where_its_text_is_known(written_as: str, text: str) -> None:
    options = f'environment = {{ X = "1", A = "{written_as}" }}'
    assert one(options)["build"]["environment"] == {"X": "1", "A": text}


def test_environment_in_one_text_is_split_as_bash_does() -> None:
    options = """environment = 'A=1 B="$A x" C=$(pwd)/d D=\\"\\" CFLAGS="$CFLAGS -O2" E='"""
    assert one(options)["build"]["environment"] == {
        "A": "1",
        "B": "1 x",
        "C": "{project}/d",
        "D": '""',
        "CFLAGS": "-O2",
        "E": "",
    }


def test_tests_see_the_environment_of_builds_but_for_the_compilers_flags() -> None:
    spec = one('test-command = "pytest"\nenvironment = "A=1 CFLAGS=-O2"\nenvironment-pass = ["B"]')
    assert spec["build"] == {"environment": {"A": "1", "CFLAGS": "-O2"}, "pass-environment": ["B"]}
    assert spec["test"] == {
        "command": ["pytest"],
        "environment": {"A": "1"},
        "pass-environment": ["B"],
    }


def test_constraints_of_pip_and_uv_are_constraints_of_ours() -> None:
    options = (
        'environment = "PIP_CONSTRAINT=c.txt UV_CONSTRAINT=./c.txt PIP_BUILD_CONSTRAINT=b.txt"\n'
    )
    spec = one(f'{options}test-command = "pytest"', exist=("c.txt", "b.txt"))
    assert spec["build"] == {"constraints": ["-c c.txt", "-c b.txt"]}
    assert spec["test"] == {"command": ["pytest"], "constraints": ["-c c.txt"]}


@pytest.mark.parametrize(
    ("options", "build"),
    [
        ('build-frontend = "uv"', {"frontend": "uv"}),
        ('build-frontend = "build; args: -C a=b --config-setting=c=d -Ce=f --no-isolation"',
         {"config-settings": {"a": "b", "c": "d", "e": "f"}}),
        ('config-settings = "setup-args=-Da=1 setup-args=-Db=2 builddir=b"',
         {"config-settings": {"setup-args": ["-Da=1", "-Db=2"], "builddir": "b"}}),
        (('repair-wheel-command = "auditwheel repair --exclude libcuda.so.1 --strip '
         '--plat manylinux_2_34_x86_64 -w {dest_dir} {wheel}"'),
         {"repair": {"exclude": ["libcuda.so.1"], "strip": True}, "policy": "manylinux_2_34"}),
        ('repair-wheel-command = "auditwheel repair --plat $AUDITWHEEL_PLAT -w {dest_dir} {wheel}"', None),
        ('repair-wheel-command = "python fix.py {wheel} {dest_dir}"',
         {"repair": {"command": ["python fix.py {wheel} {dest_dir}"]}}),
        # What is installed comes before; the options also hold for mpforge's own repair.
        (('repair-wheel-command = ["pip install foo", '
          '"auditwheel repair --exclude x.so -w {dest_dir} {wheel}", '
          '"uvx twine check {dest_dir}/*.whl", "uvx abi3audit {wheel}"]'),
         {"repair": {"requires": ["foo", "twine"], "exclude": ["x.so"], "command": [
             "auditwheel repair --exclude x.so -w {dest_dir} {wheel} && twine check {dest_dir}/*.whl"]}}),
        ('audit-command = "abi3audit --strict {abi3_wheel}"\naudit-requires = "abi3audit"', None),
        ('audit-command = ["look {wheel}", "look -3 {abi3_wheel}"]\naudit-requires = "look-at"',
         {"repair": {"check": ["look {wheel}", "case {wheel} in *-abi3-*) look -3 {wheel} ;; esac"],
                     "requires": ["look-at"]}}),
        ('manylinux-x86_64-image = "manylinux2014"', {"policy": "manylinux_2_17"}),
        ('manylinux-x86_64-image = "manylinux1"', {"policy": "manylinux_2_17"}),
        ('manylinux-x86_64-image = "quay.io/pypa/manylinux_2_34_x86_64:2025"', {"policy": "manylinux_2_34"}),
    ],
)  # fmt: skip
def test_build_options_are_ours(options: str, build: dict[str, Any] | None) -> None:
    assert one(options).get("build") == build


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ('before-build = "pip install -e {project}/"', "can't be installed before it is built"),
        ('before-test = "pip install --pre numpy"', "`--pre` of pip install is not a requirement"),
        ('before-build = "yum install -y libfoo-devel"', "mpforge has no recipe for libfoo-devel"),
        ('test-requires = "git+https://x/y"', "only requirements, paths and requirements files"),
        ('repair-wheel-command = ""', "every wheel is repaired and verified"),
        ('repair-wheel-command = "echo done"', "it writes no wheel to {dest_dir}"),
        (
            'manylinux-x86_64-image = "ghcr.io/me/image:1"',
            'with strategy = "hybrid" it is [build] image',
        ),
        ('build-frontend = "build; args: --odd"', "the frontend takes no arguments"),
        (
            'container-engine = "docker; create_args: --gpus=all"',
            "mpforge passes no options of yours",
        ),
        ('environment = { A = "$(echo $B)" }', "mpforge runs no command to get a value"),
        (
            'environment = { LIBS = "$(pkg-config --libs x)" }',
            "mpforge runs no command to get a value",
        ),
        ('environment = { P = "$HOME/x" }', "`$HOME` is not a variable of this option"),
        (
            'environment = "PIP_CONSTRAINT=missing.txt"',
            "`missing.txt` is not a file of the project",
        ),
        ('environment = { CC = "clang" }', "CC: the toolchain sets it"),
        ('no-such-option = "x"', "cibuildwheel has no such option"),
    ],
)
def test_what_has_no_equal_is_refused_with_its_reason(option: str, said: str) -> None:
    name = option.split(" ", 1)[0]
    more = 'test-command = "pytest"\n' if name.startswith(("test", "before-test")) else ""
    (refused,) = [line for line in outcomes_of(ONE + more + option) if " refused: " in line]
    assert refused.startswith(f"{name} refused: ")
    assert said in refused
    text = written(table(ONE + more + option)).text
    assert f"# - pyproject.toml:{9 if more else 8} {name}: " in text


@pytest.mark.parametrize(
    "option",
    [
        'dependency-versions = "latest"',
        "build-verbosity = 1",
        'container-engine = "podman"',
        'audit-command = "abi3audit {abi3_wheel}"',
        'environment = "PIP_PREFER_BINARY=1"',
        'build-frontend = "build[uv]"',
        'test-extras = ["x"]',
        'before-build = "yum install -y git"',
        'musllinux-x86_64-image = "musllinux_1_2"',
        'before-all = ""',
        '[tool.cibuildwheel.macos]\nbefore-all = "brew install x"',
        '[[tool.cibuildwheel.overrides]]\nselect = "*-win32"\nbefore-all = "x"',
    ],
)
def test_what_mpforge_needs_not_is_listed(option: str) -> None:
    found = [line for line in outcomes_of(ONE + option) if " translated: " not in line]
    assert found
    assert all(" not needed: " in line for line in found)


def test_text_that_is_quoted_in_comments_stays_in_comments() -> None:
    options = 'before-all = "x\\n[build]"\nenvironment.A = "$\\nb = 1"'
    assert set(spec_of(ONE + options)) == {"schema", "project", "build"}


def test_what_tests_use_of_the_whole_project_is_beside_them() -> None:
    files = ProjectFiles(
        {"pyproject.toml": table('test-command = "pytest {project}/tests"')},
        {"pkg/__init__.py"}.__contains__,
        names=lambda _: [".git", "docs", "notes", "pkg", "src", "tests", "tools", "x.egg-info"],
        scripts=lambda path: (
            ['TOP / "tools" / "docs.py"', "open('../notes/a'), 'pkg', 'src', '.git', 'tests'"]
            if path == "tests"
            else []
        ),
    )
    spec = tomllib.loads(initial_spec(files).text)
    assert spec["test"]["sources"] == [*TEST_SOURCES, "notes", "tools"]


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("pytest.ini", "[pytest]\npythonpath = ./packaging/ src\n"),
        ("pytest.ini", "[pytest]\npythonpath =\n  packaging/backend\n  .\ntestpaths = docs\n"),
        (
            "pyproject.toml",
            '[tool.pytest.ini_options]\npythonpath = [\n  "src",\n  "packaging"\n]\n',
        ),
    ],
)
def test_what_pytest_adds_to_the_python_path_is_beside_the_tests(name: str, config: str) -> None:
    files = ProjectFiles(
        {"pyproject.toml": table('test-command = "pytest {project}/tests"')},
        names=lambda _: ["docs", "packaging", "src", "tests"],
        scripts=lambda path: [config] if path == name else [],
    )
    spec = tomllib.loads(initial_spec(files).text)
    assert spec["test"]["sources"] == [*TEST_SOURCES, "packaging"]


SCRIPTS = {"ci/deps.sh": "cd tools/lib && make install"}


def with_scripts(options: str, project: str = "") -> tuple[InitialSpec, dict[str, Any]]:
    """The spec of a project with scripts, and its options of builds for every wheel."""
    texts = {"pyproject.toml": table(f'archs = "x86_64"\n{options}') + project}
    names = [".git", "ci", "src", "tools"]
    files = ProjectFiles(
        texts,
        SCRIPTS.__contains__,
        names=lambda _: names,
        scripts=lambda path: [SCRIPTS[path]] if path in SCRIPTS else [],
    )
    initial = initial_spec(files)
    return initial, tomllib.loads(initial.text).get("build", {})


def test_a_script_before_all_runs_in_the_image_with_what_it_names_and_the_variables() -> None:
    _, build = with_scripts(
        'before-all = ["yum install -y zlib-devel", "bash {project}/ci/deps.sh"]\n'
        'environment = { PREFIX = "/opt/a b", J = "$(nproc)" }'
    )
    (line,) = build["before-all"]
    assert line.startswith("export CIBUILDWHEEL=1 PREFIX='/opt/a b' && yum install -y zlib-devel")
    assert line.endswith(" && bash {project}/ci/deps.sh")
    assert build["before-all-sources"] == ["ci", "tools"]
    assert (build["strategy"], build["network"], "libraries" in build) == ("hybrid", True, False)


def test_before_all_is_left_out_where_no_image_builds() -> None:
    rust = '[build-system]\nrequires = ["maturin>=1"]\n'
    initial, build = with_scripts('before-all = "ci/deps.sh"', rust)
    assert "strategy" not in build
    assert any("where mpforge builds no Rust" in line for line in outcomes(initial))
    initial, _ = with_scripts('before-all = "ci/deps.sh"\nbuild = "pp311-*"\nenable = "pypy"')
    assert "hybrid" not in initial.text
    assert any("where mpforge builds no PyPy" in line for line in outcomes(initial))
    initial, build = with_scripts('before-all = "yum install -y zlib-devel && ci/deps.sh"', rust)
    assert (build["libraries"], "strategy" in build) == (["zlib"], False)


def test_commands_that_install_rust_are_left_out_and_others_stay() -> None:
    get = "curl https://sh.rustup.rs -sSf | sh -s -- -y"
    _, build = with_scripts(f'before-all = "{get}"')
    assert "before-all" not in build
    _, build = with_scripts(f'before-all = "{get} && . ~/.cargo/env; yum install -y zlib-devel"')
    assert (build["libraries"], "before-all" in build) == (["zlib"], False)
    _, build = with_scripts(f'before-all = "{get} && ci/deps.sh"')
    assert build["before-all"] == ["export CIBUILDWHEEL=1 && ci/deps.sh"]


def test_a_path_that_a_job_makes_or_that_is_outside_of_the_project_is_refused() -> None:
    requires = 'test-requires = "pytest ./made_by_the_job ../elsewhere /tmp/x.whl"'
    initial = written(table(f'{ONE}test-command = "pytest"\n{requires}'))
    assert tomllib.loads(initial.text)["test"]["requires"] == ["pytest"]
    refused = [line for line in outcomes(initial) if "the project has no such file" in line]
    assert len(refused) == 3
