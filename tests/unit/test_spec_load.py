"""A spec's text becomes a Spec, or every one of its problems with its place."""

from collections.abc import Mapping

import pytest

from mpforge.errors import ExitCode, Problem, SpecInvalid
from mpforge.spec.load import find_problems, load_spec

FILE = "multiplatform.toml"

SMALLEST = """\
schema = 1
[project]
python = ["cp311", "cp313"]
targets = ["aarch64", "x86_64"]
"""

EVERYTHING = """\
schema = 1
[project]
source = "."
python = ["cp311", "cp313", "cp313t", "pp311"]
targets = ["aarch64", "x86_64", "aarch64_musl"]
skip = ["*_musl-pp*"]
[sdist]
enable = true
exclude = []
[index]
url = "https://index.example/simple"
extra = []
credentials = { username = "ENV_NAME", password = "ENV_NAME" }
[build]
strategy = "auto"
toolchain = "auto"
image = "auto"
policy = "auto"
kind = "wheel"
commands = []
outputs = []
pure = false
frontend = "build"
isolation = true
requires = []
constraints = []
target-requires = ["numpy>=2"]
tools = ["cmake>=3.28", "ninja", "nasm"]
before-all = []
before-build = ["make -C {project} ${X}", ["{python}", "-c", "pass"]]
environment = { CFLAGS = "-O2 -I{prefix:libxml2}/include" }
pass-environment = []
secrets = []
network = false
config-settings = { "setup-args" = ["-Da=b"], x = "y" }
libraries = ["libxml2"]
repair = { strip = false, exclude = [], args = [] }
timeout = "2h"
[test]
strategy = "auto"
command = "import"
sources = ["tests", "test", "conftest.py", "pytest.ini"]
requires = []
extras = []
groups = []
before = []
environment = {}
pass-environment = []
secrets = []
network = false
cpus = ["cortex-a53", "neoverse-n1", "max"]
cache = true
timeout = "30m"
[targets.gateway]
platform = "linux/arm/v7"
python = ["cp311"]
dist = "gateway"
build = { strategy = "hybrid" }
test = {}
[[overrides]]
select = "*-cp313t"
build = { isolation = false }
[toolchains.dockcross]
kind = "container"
image = "dockcross/manylinux2014-aarch64"
[toolchains.vendor]
kind = "gcc"
prefix = "arm-gw-linux-gnueabihf-"
path = "/opt/gw/bin"
sysroot = "/opt/gw/sysroot"
environment = { CC = "own-cc" }
[libraries.libxml2]
source = { url = "https://example/libxml2.tar.xz", sha256 = "SHA" }
kind = "cmake"
options = []
commands = []
patches = []
needs = ["zlib"]
shared = false
environment = {}
[libraries.zlib]
recipe = "zlib"
[release]
index = "https://index.example/legacy"
""".replace("SHA", "0" * 64)


def _found(text: str) -> list[tuple[str, str, str | None]]:
    return [(p.code, p.key, p.nearest) for p in find_problems(text, file=FILE)]


def _only(text: str) -> Problem:
    (problem,) = find_problems(text, file=FILE)
    return problem


def test_the_smallest_spec_is_good_and_everything_else_has_a_default() -> None:
    spec = load_spec(SMALLEST, file=FILE)
    assert spec.project.targets == ("aarch64", "x86_64")
    assert spec.test.command == "import"
    assert (spec.build.timeout, spec.test.timeout) == (7200, 1800)
    assert find_problems(SMALLEST, file=FILE) == ()


def test_the_whole_vocabulary_is_good() -> None:
    assert find_problems(EVERYTHING, file=FILE) == ()


def test_a_spec_with_six_mistakes_has_six_problems_each_with_its_place() -> None:
    text = """\
schema = 1
[project]
python = ["cp311", "3.13"]
archs = ["arm64"]
[build]
strategy = "crss"
timeout = "2 hours"
environment = { CC = "gcc" }
[test]
command = "pytest {projct}/tests"
"""
    with pytest.raises(SpecInvalid) as raised:
        load_spec(text, file=FILE)
    assert raised.value.exit_code is ExitCode.WRONG_INPUT
    assert raised.value.what == "6 problems in multiplatform.toml"
    assert [(str(p.place), p.code, p.key, p.nearest) for p in raised.value.problems] == [
        (f"{FILE}:3:20", "unknown-python", "project.python[1]", "cp313"),
        (f"{FILE}:4:1", "unknown-key", "project.archs", "project.targets"),
        (f"{FILE}:6:1", "bad-value", "build.strategy", "cross"),
        (f"{FILE}:7:1", "bad-value", "build.timeout", None),
        (f"{FILE}:8:17", "reserved-variable", "build.environment.CC", None),
        (f"{FILE}:10:1", "unknown-placeholder", "test.command", "{project}"),
    ]
    assert "[toolchains]" in raised.value.problems[4].message


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("[project]\na = 1\n[project]\n", "[project]", 3),
        ('[a."x y"]\n[a."x y"]\n', '[a."x y"]', 2),
        ("[a.b]\n[a]\nb.c = 1\n", "[a.b]", 3),
        ("schema = 1\nschema = 2\n", "schema", 2),
        ("x = {a = 1, a = 2}\n", "a", 1),
    ],
)
def test_what_is_defined_twice_is_named_as_it_is_written(text: str, what: str, line: int) -> None:
    problem = _only(text)
    assert problem.message == f"this is not TOML: {what} is defined twice"
    assert problem.place.line == line


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("schema = 1\n[project\n", "multiplatform.toml:2:9"),
        ("schema = 1\nx = [1,", "multiplatform.toml:2:5"),
        ('schema = 1\n[project]\nx = "\n', "multiplatform.toml:3:6"),
    ],
)
def test_a_syntax_error_is_the_only_problem(text: str, place: str) -> None:
    problem = _only(text)
    assert problem.code == "toml-syntax"
    assert str(problem.place) == place
    with pytest.raises(SpecInvalid):
        load_spec(text, file=FILE)


def test_a_problem_in_toml_1_1_has_its_place() -> None:
    text = SMALLEST + '[test]\nenvironment = {\n  A = "x",\n  B = "y",\n}\ncomand = "x"\n'
    places = [str(problem.place) for problem in find_problems(text, file=FILE)]
    assert places[-1] == "multiplatform.toml:10:1"


@pytest.mark.parametrize(
    ("table", "key", "nearest"),
    [
        ("project", "archs", "project.targets"),
        ("project", "python-version", "project.python"),
        ("project", "python_versions", "project.python"),
        ("project", "sorce", "project.source"),
        ("build", "test-command", "test.command"),
        ("build", "test_command", "test.command"),
        ("build", "skip", "project.skip"),
        ("build", "archs", "project.targets"),
        ("build", "before_all", "build.before-all"),
        ("build", "Before-Build", "build.before-build"),
        ("build", "manylinux-aarch64-image", "build.image"),
        ("build", "repair-wheel-command", "build.repair"),
        ("build", "config_settings", "build.config-settings"),
        ("build", "groups", "test.groups"),
        ("test", "test-requires", "test.requires"),
        ("test", "deps", "test.requires"),
        ("test", "commands", "test.command"),
        ("test", "comand", "test.command"),
        ("sdist", "excludes", "sdist.exclude"),
        ("index", "extra-index-url", "index.extra"),
    ],
)
def test_a_foreign_or_misspelt_key_gets_the_name_it_has_here(
    table: str, key: str, nearest: str
) -> None:
    head = SMALLEST if table == "project" else f"{SMALLEST}[{table}]\n"
    assert ("unknown-key", f"{table}.{key}", nearest) in _found(f'{head}{key} = "x"\n')


def test_a_key_that_nothing_here_stands_for_says_what_there_is_instead() -> None:
    problem = _only(SMALLEST + "[build]\nbuild-verbosity = 3\n")
    assert (problem.code, problem.nearest) == ("unknown-key", None)
    assert "mpforge log" in problem.message


def test_a_spec_for_a_newer_mpforge_says_so() -> None:
    problem = _only(SMALLEST.replace("schema = 1", "schema = 2"))
    assert str(problem.place) == f"{FILE}:1:1"
    assert "newer mpforge" in problem.message
    assert "update mpforge" in problem.message


def test_a_key_near_to_nothing_lists_what_the_table_has() -> None:
    assert "it has: enable, exclude" in _only(SMALLEST + "[sdist]\nqqq = 1\n").message


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("arm64", "aarch64"),
        ("linux/arm/v7", "armv7l"),
        ("AMD64", "windows_x86_64"),
        ("amd64", "x86_64"),
        ("manylinux_2_28_aarch64", "aarch64"),
        ("musllinux_1_2_x86_64", "x86_64_musl"),
        ("linux_armv7l", "armv7l"),
        ("aarch65", "aarch64"),
        ("vax", None),
    ],
)
def test_a_targets_foreign_name_gets_the_name_it_has_here(word: str, nearest: str | None) -> None:
    text = SMALLEST.replace("x86_64", word)
    assert _found(text) == [("unknown-target", "project.targets[1]", nearest)]


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("3.13", "cp313"),
        ("cp313-*", "cp313"),
        ("python3.11", "cp311"),
        ("pypy3.11", "pp311"),
        ("cp312t", "cp312"),
        ("cp3.11", "cp311"),
        ("py311", "cp311"),
        ("313t", "cp313t"),
        ("cp316", "cp315"),
        ("cp399", "cp315"),
        ("cp38", "cp39"),
        ("cp331", "cp313"),
        ("pypy3.12", "pp311"),
        ("py3", None),
    ],
)
def test_a_python_that_is_none_gets_the_word_for_it(word: str, nearest: str | None) -> None:
    text = SMALLEST.replace('"cp313"', f'"{word}"')
    assert _found(text) == [("unknown-python", "project.python[1]", nearest)]


def test_wrong_types_are_told_in_plain_words() -> None:
    text = SMALLEST + "[build]\npure = 1\ncommands = 3\nrequires = 'x'\n[test]\ncommand = [[1]]\n"
    problems = find_problems(text, file=FILE)
    assert [p.message for p in problems] == [
        "`build.pure`: expected true or false, got the number 1",
        "`build.commands`: expected a list, got the number 3",
        '`build.requires`: expected a list, got "x"',
        (
            "`test.command[0]`: expected a shell line, or a list of a program and its arguments, all "
            "strings, got a list"
        ),
    ]
    assert {p.code for p in problems} == {"wrong-type"}
    assert problems[2].nearest == '["x"]'


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("30m", 1800), ("90s", 90), ("1h30m", 5400)]
)
def test_a_duration_is_read_to_seconds(text: str, seconds: int) -> None:
    spec = load_spec(f'{SMALLEST}[test]\ntimeout = "{text}"\n', file=FILE)
    assert spec.test.timeout == seconds


@pytest.mark.parametrize("value", ['"2"', '""', '"0s"', "90", '"1.5h"', '"30m1h"'])
def test_what_is_no_duration_is_refused(value: str) -> None:
    assert "a duration such as" in _only(f"{SMALLEST}[test]\ntimeout = {value}\n").message


def test_a_single_shell_line_stands_for_a_list_of_it() -> None:
    spec = load_spec(SMALLEST + '[test]\ncommand = "pytest -q"\n', file=FILE)
    assert spec.test.command == ("pytest -q",)


def test_warnings_alone_do_not_hinder_loading() -> None:
    text = SMALLEST.replace("[project]", '[project]\nskip = ["*-cp399"]')
    assert [(p.code, p.warning) for p in find_problems(text, file=FILE)] == [
        ("nothing-matches", True)
    ]
    assert load_spec(text, file=FILE).project.skip == ("*-cp399",)


def test_warnings_are_reported_among_the_problems() -> None:
    text = SMALLEST + '[build]\npure = 1\nenvironment = { X = "$HOME" }\n'
    with pytest.raises(SpecInvalid) as raised:
        load_spec(text, file=FILE)
    assert [p.code for p in raised.value.problems] == ["wrong-type", "shell-variable"]
    assert raised.value.what.startswith("1 problem ")


NO_CONSEQUENCES: Mapping[str, list[str]] = {
    'schema = 1\n[project]\npython = 311\ntargets = ["aarch64"]\n': ["project.python"],
    'schema = 1\n[project]\npython = ["cp311"]\ntargets = [1]\n': ["project.targets[0]"],
    'schema = 1\n[project]\ntargets = ["aarch64"]\n[build]\nkind = "mak"\noutputs = ["x"]\n': [
        "build.kind"
    ],
    SMALLEST + '[toolchains.x]\nimage = "y"\n[build]\ntoolchain = "x"\n': ["toolchains.x.kind"],
    SMALLEST + '[toolchain.x]\nkind = "zig"\n': ["toolchain"],
    SMALLEST + "[[overrides]]\nbuild = { pure = true }\n": ["overrides[0].select"],
    SMALLEST.replace("schema = 1", ""): ["schema"],
}


@pytest.mark.parametrize("text", NO_CONSEQUENCES)
def test_a_mistake_is_reported_without_its_mere_consequences(text: str) -> None:
    assert [p.key for p in find_problems(text, file=FILE)] == NO_CONSEQUENCES[text]


def test_a_missing_schema_version_is_said_with_what_to_write() -> None:
    assert "`schema = 1`" in _only(SMALLEST.replace("schema = 1", "")).message


def test_a_secret_in_the_spec_is_refused_and_not_repeated() -> None:
    text = SMALLEST + '[index]\nurl = "https://me:hunter2@h/simple"\n'
    text += 'credentials = { password = "hunter2!" }\n'
    problems = find_problems(text, file=FILE)
    assert [p.code for p in problems] == ["secret-in-spec", "bad-name"]
    assert "hunter2" not in "".join(map(str, problems))
