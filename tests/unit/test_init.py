"""A project's first spec: pyproject.toml in, a good multiplatform.toml and honest remarks out."""

import tomllib
from typing import Any

import pytest

from mpforge.errors import WrongInput
from mpforge.migrate.initial_spec import InitialSpec, initial_spec
from mpforge.spec.load import find_problems

AVAILABLE = ("x86_64", "aarch64")
PROJECT = """\
[project]
name = "p"
requires-python = ">=3.9"
"""


def written(pyproject: str | None) -> InitialSpec:
    """The spec, which must be a good one whatever the project says."""
    initial = initial_spec(pyproject, available=AVAILABLE)
    assert find_problems(initial.text, file="multiplatform.toml") == ()
    return initial


def spec_of(options: str, project: str = PROJECT) -> dict[str, Any]:
    return tomllib.loads(written(f"{project}[tool.cibuildwheel]\n{options}\n").text)


def remarks_of(options: str, project: str = PROJECT) -> dict[str, str]:
    found = written(f"{project}[tool.cibuildwheel]\n{options}\n").remarks
    return {remark.key: remark.reason for remark in found}


# --- which Pythons ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requires", "pythons"),
    [
        (">=3.9", ["cp311", "cp312", "cp313", "cp314"]),
        (">=3.12", ["cp312", "cp313", "cp314"]),
        (">=3.11.4,<3.13", ["cp311", "cp312"]),
        ("!=3.12.*,>=3.8", ["cp311", "cp313", "cp314"]),
        ("<=3.11", ["cp311"]),
    ],
)
def test_requires_python_limits_the_pythons(requires: str, pythons: list[str]) -> None:
    initial = written(f'[project]\nname = "p"\nrequires-python = "{requires}"\n')
    assert list(initial.pythons) == pythons


def test_classifiers_narrow_the_pythons() -> None:
    classifiers = [f"Programming Language :: Python :: 3.{n}" for n in (9, 11, 12)]
    initial = written(f"{PROJECT}classifiers = {classifiers}\n")
    assert initial.pythons == ("cp311", "cp312")
    assert "and the classifiers" in initial.text


def test_classifiers_without_minor_versions_narrow_nothing() -> None:
    initial = written(f'{PROJECT}classifiers = ["Programming Language :: Python :: 3"]\n')
    assert initial.pythons == ("cp311", "cp312", "cp313", "cp314")


def test_unknown_requires_python_is_a_remark() -> None:
    initial = written('[project]\nname = "p"\ndynamic = ["requires-python"]\n')
    assert [remark.key for remark in initial.remarks] == ["requires-python"]


@pytest.mark.parametrize(
    "pyproject", [None, '[project]\nname = "p"\ndynamic = ["requires-python"]\n']
)
def test_an_sdist_s_pkg_info_limits_the_pythons_where_pyproject_does_not(
    pyproject: str | None,
) -> None:
    initial = initial_spec(pyproject, available=AVAILABLE, pkg_info=">=3.12")
    assert initial.pythons == ("cp312", "cp313", "cp314")
    assert initial.remarks == ()
    assert "PKG-INFO's Requires-Python" in initial.text
    assert initial_spec(PROJECT, available=AVAILABLE, pkg_info=">=3.12").pythons[0] == "cp311"


def test_a_project_with_setup_py_alone_gets_a_spec() -> None:
    assert written(None).targets == ("x86_64", "aarch64")


def test_a_project_for_older_pythons_only_is_an_error() -> None:
    with pytest.raises(WrongInput, match=r"leaves no Python to build for"):
        initial_spec('[project]\nrequires-python = "<3.11"\n', available=AVAILABLE)


@pytest.mark.parametrize("text", ["[project", "a = 1\na = 2\n"])
def test_a_pyproject_that_is_no_toml_is_an_error(text: str) -> None:
    with pytest.raises(WrongInput, match=r"pyproject\.toml:\d:\d+: toml-invalid"):
        initial_spec(text, available=AVAILABLE)


def test_a_bad_requires_python_is_an_error() -> None:
    with pytest.raises(WrongInput, match="not a version specifier"):
        initial_spec('[project]\nrequires-python = "three"\n', available=AVAILABLE)


# --- build, skip, archs -----------------------------------------------------------------------


def test_build_and_skip_globs_choose_pythons() -> None:
    spec = spec_of('build = "cp311-* cp31{2,3}-*"\nskip = ["cp312-*", "pp*", "*-musllinux_*"]')
    assert spec["project"]["python"] == ["cp311", "cp313"]


def test_build_globs_count_more_than_classifiers() -> None:
    project = f'{PROJECT}classifiers = ["Programming Language :: Python :: 3.11"]\n'
    assert spec_of('build = "cp313-*"', project)["project"]["python"] == ["cp313"]


def test_a_skipped_architecture_is_no_target() -> None:
    spec = spec_of('skip = ["*-manylinux_aarch64"]')
    assert spec["project"]["targets"] == ["x86_64"]


def test_a_skipped_pair_becomes_a_skip_of_ours() -> None:
    spec = spec_of('build = ["cp311-*", "cp313-*"]\nskip = "cp313-manylinux_aarch64"')
    assert spec["project"]["skip"] == ["aarch64-cp313"]


def test_globs_that_select_only_older_pythons_give_the_oldest_of_ours() -> None:
    initial = written(f'{PROJECT}[tool.cibuildwheel]\nbuild = "cp39-*"\n')
    assert initial.pythons == ("cp311",)
    assert "build, skip" in {remark.key for remark in initial.remarks}


def test_archs_are_targets() -> None:
    assert spec_of('archs = ["aarch64"]')["project"]["targets"] == ["aarch64"]
    assert spec_of('archs = "auto"')["project"]["targets"] == ["x86_64", "aarch64"]
    assert spec_of('archs = "auto auto32"')["project"]["targets"] == ["x86_64", "aarch64"]


def test_archs_of_the_linux_table_win() -> None:
    options = 'archs = ["universal2"]\n[tool.cibuildwheel.linux]\narchs = ["x86_64"]'
    assert spec_of(options)["project"]["targets"] == ["x86_64"]


def test_archs_that_are_not_built_yet_are_remarks() -> None:
    options = 'archs = ["x86_64", "ppc64le", "s390x"]'
    assert spec_of(options)["project"]["targets"] == ["x86_64"]
    assert "archs: ppc64le, s390x" in remarks_of(options)


def test_a_project_for_other_archs_alone_names_them() -> None:
    assert spec_of('archs = ["s390x"]')["project"]["targets"] == ["s390x"]


# --- one option each --------------------------------------------------------------------------


def test_test_options_are_ours_under_other_names() -> None:
    spec = spec_of(
        'test-command = "pytest {project}/tests"\n'
        'test-requires = ["pytest>=8", "hypothesis"]\n'
        'test-extras = "socks,brotli"\n'
        'test-groups = ["test"]\n'
        'test-sources = ["tests", "data"]\n'
        "test-environment = \"A=1 B='two words'\"\n"
    )
    assert spec["test"] == {
        "command": ["pytest {project}/tests"],
        "requires": ["pytest>=8", "hypothesis"],
        "extras": ["socks", "brotli"],
        "groups": ["test"],
        "sources": ["tests", "data"],
        "environment": {"A": "1", "B": "two words"},
    }


def test_a_list_of_commands_stays_a_list() -> None:
    spec = spec_of('test-command = ["pytest {package}/tests", "python -m p"]')
    assert spec["test"]["command"] == ["pytest {package}/tests", "python -m p"]


def test_commands_that_depend_on_cd_stay_in_one_shell() -> None:
    spec = spec_of('test-command = ["cd {project}", "pytest tests"]')
    assert spec["test"]["command"] == ["cd {project} && pytest tests"]


def test_what_is_no_placeholder_there_is_none_here() -> None:
    spec = spec_of("test-command = 'sh {project}/t.sh {target} ${HOME} {a,b} {pip} {projct}'")
    command = "sh {project}/t.sh #{target} ${HOME} {a,b} pip #{projct}"
    assert spec["test"]["command"] == [command]


def test_a_folder_of_tests_that_a_command_names_is_copied() -> None:
    spec = spec_of('test-command = "pytest {project}/testing"')
    assert spec["test"]["sources"] == ["tests", "test", "conftest.py", "pytest.ini", "testing"]


def test_files_that_builds_need_too_become_test_sources() -> None:
    options = 'test-command = "pytest -c {project}/pyproject.toml {project}/src/p/tests"'
    assert spec_of(options)["test"]["sources"][-2:] == ["pyproject.toml", "src/p/tests"]
    assert spec_of('test-sources = [".", "tests/"]')["test"]["sources"] == ["**", "tests"]


def test_pip_install_in_a_command_becomes_requirements() -> None:
    spec = spec_of(
        'before-build = "pip install -U cython>=3 && bash {project}/prepare.sh"\n'
        'before-test = "PIP_CONSTRAINT= python -m pip install numpy pytest -e .[test]"\n'
        'test-requires = "-r ./requirements/test.txt -c c.txt pytest {package}/plugin ./w.whl"\n'
    )
    assert spec["build"] == {
        "before-build": ["bash {project}/prepare.sh"],
        "requires": ["cython>=3"],
    }
    assert spec["test"] == {
        "requires": [
            "numpy",
            "pytest",
            "-e .[test]",
            "-r requirements/test.txt",
            "./plugin",
            "./w.whl",
        ],
        "constraints": ["-c c.txt"],
    }


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ('before-build = "pip install -e {project}/"', "before-build"),
        ('before-test = "pip install --pre numpy"', "before-test"),
        ('before-build = "yum install -y zlib-devel"', "before-build"),
        ('before-all = "apt-get install -y libssl-dev"', "before-all"),
        ('test-requires = "git+https://x/y"', "test-requires"),
        ('repair-wheel-command = ""', "repair-wheel-command"),
        ('repair-wheel-command = "python fix.py {wheel} {dest_dir}"', "repair-wheel-command"),
        ('manylinux-x86_64-image = "ghcr.io/me/image:1"', "manylinux-x86_64-image"),
        ('build-frontend = { name = "pip", args = ["--no-build-isolation"] }', "build-frontend"),
        ('build-frontend = "build; args: --no-isolation"', "build-frontend"),
        ('environment = { LIBS = "$(pkg-config --libs x)" }', "environment.LIBS"),
        ('environment = "PIP_PREFER_BINARY=1"', "environment.PIP_PREFER_BINARY"),
        ('environment = { CC = "clang" }', "build.environment.CC"),
        ('test-environment = { PATH = "/x" }', "test.environment.PATH"),
        ('dependency-versions = "latest"', "dependency-versions"),
        ("build-verbosity = 1", "build-verbosity"),
        ('container-engine = "podman"', "container-engine"),
        ('enable = ["pypy"]', "PyPy"),
        ('build = "cp311-* pp311-*"', "PyPy"),
        ('enable = "cpython-freethreading"', "free-threaded Pythons"),
        ("free-threaded-support = true", "free-threaded Pythons"),
        ('build = ["cp313-*", "cp313t-*"]', "free-threaded Pythons"),
        ('no-such-option = "x"', "no-such-option"),
    ],
)
def test_what_has_no_equal_is_a_remark(option: str, key: str) -> None:
    assert remarks_of(option)[key]
    assert f"# - {key}: " in written(f"{PROJECT}[tool.cibuildwheel]\n{option}\n").text


def test_environment_keeps_what_is_literal() -> None:
    spec = spec_of('environment = { CFLAGS = "-O3 -g0", PATH = "$PATH:/opt", LIB = "/project/l" }')
    assert spec["build"]["environment"] == {"CFLAGS": "-O3 -g0", "LIB": "{project}/l"}


def test_passed_variables_and_the_frontend_are_translated() -> None:
    spec = spec_of('environment-pass = "A B"\nbuild-frontend = "uv"')
    assert spec["build"] == {"pass-environment": ["A", "B"], "frontend": "uv"}


def test_config_settings_may_repeat_a_name() -> None:
    spec = spec_of('config-settings = "setup-args=-Da=1 setup-args=-Db=2 builddir=b"')
    assert spec["build"]["config-settings"] == {
        "setup-args": ["-Da=1", "-Db=2"],
        "builddir": "b",
    }


def test_the_options_of_auditwheel_are_ours() -> None:
    command = "auditwheel repair --exclude libcuda.so.1 --plat manylinux_2_28_x86_64 -w {dest_dir} {wheel}"
    spec = spec_of(f'[tool.cibuildwheel.linux]\nrepair-wheel-command = "{command}"')
    assert spec["build"] == {
        "repair": {"exclude": ["libcuda.so.1"]},
        "policy": "manylinux_2_28",
    }


def test_one_image_for_all_is_one_policy() -> None:
    spec = spec_of(
        'manylinux-x86_64-image = "manylinux_2_28"\n'
        'manylinux-aarch64-image = "quay.io/pypa/manylinux_2_28_aarch64:2025.01.01-1"\n'
        'manylinux-i686-image = "manylinux2014"\n'
    )
    assert spec["build"]["policy"] == "manylinux_2_28"
    assert "targets" not in spec


def test_an_image_for_one_target_is_that_targets_policy() -> None:
    spec = spec_of('manylinux-aarch64-image = "manylinux2014"')
    assert spec["targets"] == {"aarch64": {"build": {"policy": "manylinux_2_17"}}}


def test_images_older_than_ours_become_our_oldest_policy() -> None:
    options = 'manylinux-x86_64-image = "manylinux1"\nmanylinux-aarch64-image = "manylinux2010"'
    assert spec_of(options)["build"]["policy"] == "manylinux_2_17"


# --- overrides --------------------------------------------------------------------------------


def override(options: str) -> list[dict[str, Any]]:
    found = spec_of(f'build = ["cp311-*", "cp313-*"]\n{options}').get("overrides", [])
    assert isinstance(found, list)
    return found


def test_an_override_selects_in_our_words() -> None:
    options = '[[tool.cibuildwheel.overrides]]\nselect = "cp313-*"\ntest-requires = ["x"]'
    assert override(options) == [{"select": "*-cp313", "test": {"requires": ["x"]}}]


def test_an_override_for_an_architecture_selects_the_target() -> None:
    options = '[[tool.cibuildwheel.overrides]]\nselect = "*_aarch64"\nbefore-build = "make x"'
    assert override(options) == [{"select": "aarch64-*", "build": {"before-build": ["make x"]}}]


def test_an_override_for_a_pair_selects_the_pair() -> None:
    options = (
        '[[tool.cibuildwheel.overrides]]\nselect = "cp313-*_{i686,aarch64}"\nenvironment.A = "1"'
    )
    assert override(options)[0]["select"] == "aarch64-cp313"


def test_an_override_for_other_platforms_is_a_remark() -> None:
    options = '[[tool.cibuildwheel.overrides]]\nselect = "*-musllinux*"\nbefore-all = "apk add x"'
    assert override(options) == []
    assert "overrides[0]" in remarks_of(options)


def test_an_override_that_says_nothing_here_leaves_no_table() -> None:
    options = '[[tool.cibuildwheel.overrides]]\nselect = "cp313-*"\nbefore-all = "x"'
    assert override(options) == []
    assert "overrides[0].before-all" in remarks_of(options)


@pytest.mark.parametrize(
    ("how", "expected"), [("append", ["a", "b"]), ("prepend", ["b", "a"]), ("none", ["b"])]
)
def test_an_override_inherits_what_it_says(how: str, expected: list[str]) -> None:
    options = (
        'test-requires = "a"\n[[tool.cibuildwheel.overrides]]\nselect = "cp313-*"\n'
        f'inherit.test-requires = "{how}"\ntest-requires = "b"'
    )
    assert override(options)[0]["test"]["requires"] == expected


def test_skipped_tests_are_an_override_with_its_reason() -> None:
    options = f'{PROJECT}[tool.cibuildwheel]\ntest-skip = "*-*linux_aarch64 *_arm64"\n'
    text = written(options).text
    assert tomllib.loads(text)["overrides"] == [
        {"select": "aarch64-*", "test": {"strategy": "skip"}}
    ]
    assert "# cibuildwheel's test-skip, *-*linux_aarch64 *_arm64;" in text


def test_tests_skipped_elsewhere_leave_no_trace() -> None:
    assert "overrides" not in spec_of('test-skip = "*-macosx_arm64 *-win32"')


# --- whole tables, as projects have them ------------------------------------------------------

SMALL_C_EXTENSION = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "markup"
requires-python = ">=3.9"
[tool.cibuildwheel]
enable = ["cpython-freethreading"]
skip = "pp*"
test-requires = ["pytest"]
test-command = "pytest -q {project}/tests"
"""

NUMERIC = """\
[build-system]
requires = ["meson-python>=0.18.0", "Cython>=3.0.6"]
build-backend = "mesonpy"
[project]
name = "numeric"
requires-python = ">=3.11"
classifiers = [
  "Programming Language :: Python :: 3.11",
  "Programming Language :: Python :: 3.12",
  "Programming Language :: Python :: 3.13",
  "Programming Language :: Python :: 3.14",
]
[tool.cibuildwheel]
build-frontend = "build"
skip = ["*_i686", "*_ppc64le", "*_s390x", "*_universal2"]
before-build = "bash {project}/tools/wheels/before_build.sh {project}"
before-test = "pip install -r {project}/requirements/test_requirements.txt"
test-command = "bash {project}/tools/wheels/test_command.sh {project}"
enable = ["cpython-freethreading", "pypy", "cpython-prerelease"]
[tool.cibuildwheel.config-settings]
setup-args = ["-Duse-ilp64=true", "-Dallow-noblas=false"]
build-dir = "build"
[tool.cibuildwheel.linux]
manylinux-x86_64-image = "manylinux_2_28"
manylinux-aarch64-image = "manylinux_2_28"
musllinux-x86_64-image = "musllinux_1_2"
[tool.cibuildwheel.linux.environment]
PKG_CONFIG_PATH = "/project/.openblas"
LD_LIBRARY_PATH = "/usr/local/lib"
[tool.cibuildwheel.macos.environment]
PKG_CONFIG_PATH = "{project}/.openblas"
[tool.cibuildwheel.windows]
config-settings = "setup-args=--vsenv setup-args=-Dallow-noblas=false build-dir=build"
repair-wheel-command = "bash -el ./tools/wheels/repair_windows.sh {wheel} {dest_dir}"
[[tool.cibuildwheel.overrides]]
select = ["*-win32"]
config-settings = "setup-args=--vsenv"
[[tool.cibuildwheel.overrides]]
select = "cp31{2,3,4}*"
inherit.environment = "append"
environment.NPY_FAST = "1"
"""

LIMITED_API = """\
[project]
name = "crypto"
requires-python = ">=3.8"
[tool.cibuildwheel]
build = ["cp38-*", "pp310-*"]
archs = ["auto64"]
build-verbosity = 1
before-all = "yum install -y openssl-devel"
test-requires = "pytest cffi>=1.12"
test-extras = ["test"]
test-command = [
  "pytest {package}/tests -x",
  "python -c 'import crypto; print(crypto.__version__)'",
]
[tool.cibuildwheel.macos]
environment = "ARCHFLAGS='-arch arm64' MACOSX_DEPLOYMENT_TARGET=11.0"
[tool.cibuildwheel.linux]
environment = { RUSTFLAGS = "-C target-cpu=generic", PATH = "$HOME/.cargo/bin:$PATH" }
environment-pass = ["SETUPTOOLS_SCM_PRETEND_VERSION"]
"""

XML = """\
[tool.cibuildwheel]
build-verbosity = 1
environment = { STATIC_DEPS = "true", LIBXML2_VERSION = "2.14.6", CFLAGS = "-O2 -g1 -pipe" }
skip = ["pp*-musllinux*", "cp38-manylinux_armv7l"]
test-requires = ["pytest"]
before-build = [
  "pip install cython>=3.1",
  "rm -fr build/temp*",
]
[tool.cibuildwheel.linux]
archs = ["x86_64", "aarch64", "i686", "ppc64le", "s390x", "armv7l"]
repair-wheel-command = "auditwheel repair --strip --exclude libblkid.so.1 -w {dest_dir} {wheel}"
[tool.cibuildwheel.linux.environment]
CFLAGS = "-O3 -g1 -pipe -fPIC"
LDFLAGS = "-pipe -fPIC"
NM = "gcc-nm"
[[tool.cibuildwheel.overrides]]
select = "*linux_i686"
inherit.environment = "append"
environment.CFLAGS = "-march=pentium4"
[[tool.cibuildwheel.overrides]]
select = "*linux_aarch64"
inherit.environment = "append"
environment.CFLAGS = "-march=armv8-a"
"""


def test_a_small_c_extension_is_translated_whole() -> None:
    initial = written(SMALL_C_EXTENSION)
    assert tomllib.loads(initial.text) == {
        "schema": 1,
        "project": {
            "python": ["cp311", "cp312", "cp313", "cp314"],
            "targets": ["x86_64", "aarch64"],
        },
        "test": {"requires": ["pytest"], "command": ["pytest -q {project}/tests"]},
    }
    assert [r.key for r in initial.remarks] == ["free-threaded Pythons", "musllinux wheels"]
    assert initial.translated == ("skip", "test-requires", "test-command")


def test_a_numeric_project_keeps_its_settings_and_scripts() -> None:
    initial = written(NUMERIC)
    spec = tomllib.loads(initial.text)
    assert spec["build"] == {
        "policy": "manylinux_2_28",
        "before-build": ["bash {project}/tools/wheels/before_build.sh {project}"],
        "config-settings": {
            "setup-args": ["-Duse-ilp64=true", "-Dallow-noblas=false"],
            "build-dir": "build",
        },
        "environment": {
            "PKG_CONFIG_PATH": "{project}/.openblas",
            "LD_LIBRARY_PATH": "/usr/local/lib",
        },
    }
    assert spec["overrides"] == [
        {
            "select": ["*-cp312", "*-cp313", "*-cp314"],
            "build": {"environment": {"NPY_FAST": "1"}},
        }
    ]
    assert spec["test"]["sources"][-1] == "tools/wheels/test_command.sh"
    assert {r.key for r in initial.remarks} == {
        "overrides[0]",
        "PyPy",
        "free-threaded Pythons",
        "musllinux wheels",
        "macos, windows",
    }


def test_a_limited_api_project_is_built_by_the_oldest_python_there_is() -> None:
    initial = written(LIMITED_API)
    spec = tomllib.loads(initial.text)
    assert spec["project"]["python"] == ["cp311"]
    assert spec["build"] == {
        "environment": {"RUSTFLAGS": "-C target-cpu=generic"},
        "pass-environment": ["SETUPTOOLS_SCM_PRETEND_VERSION"],
    }
    assert spec["test"]["extras"] == ["test"]
    assert len(spec["test"]["command"]) == 2
    keys = {r.key for r in initial.remarks}
    assert {"build, skip", "before-all", "environment.PATH", "macos", "PyPy"} <= keys


def test_a_project_with_many_archs_and_flags_keeps_those_that_are_built() -> None:
    initial = written(XML)
    spec = tomllib.loads(initial.text)
    assert spec["project"]["targets"] == ["x86_64", "aarch64"]
    assert spec["build"]["requires"] == ["cython>=3.1"]
    assert spec["build"]["before-build"] == ["rm -fr build/temp*"]
    assert spec["build"]["repair"] == {"strip": True, "exclude": ["libblkid.so.1"]}
    assert spec["build"]["environment"] == {
        "CFLAGS": "-O3 -g1 -pipe -fPIC",
        "LDFLAGS": "-pipe -fPIC",
    }
    assert spec["overrides"] == [
        {"select": "aarch64-*", "build": {"environment": {"CFLAGS": "-march=armv8-a"}}}
    ]
    keys = {r.key for r in initial.remarks}
    assert {"archs: i686, ppc64le, s390x, armv7l", "overrides[0]", "build.environment.NM"} <= keys
    assert "requires-python" in keys


def test_a_project_without_cibuildwheel_gets_a_spec_without_remarks() -> None:
    initial = written(PROJECT)
    assert initial.remarks == ()
    assert initial.translated == ()
    assert '# command = ["{python} -m pytest {posargs}"]' in initial.text


@pytest.mark.parametrize(
    "table",
    [
        "cibuildwheel = 1",
        "cibuildwheel = { linux = 3, overrides = 4 }",
        "cibuildwheel = { skip = [[1]], test-command = 2, environment = [3], test-requires = {} }",
    ],
)
def test_a_table_of_another_shape_is_no_traceback(table: str) -> None:
    assert written(f"{PROJECT}[tool]\n{table}\n").targets == ("x86_64", "aarch64")


def test_text_that_is_quoted_in_comments_stays_in_comments() -> None:
    options = 'before-all = "x"\ntest-skip = "cp311-*\\n[build]"\nenvironment.A = "$\\nb = 1"'
    spec = spec_of(options)
    assert set(spec) == {"schema", "project", "overrides"}
