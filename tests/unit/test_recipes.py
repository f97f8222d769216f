"""Recipes: libraries that mpforge knows how to build."""

import runpy
from pathlib import Path

import pytest

from mpforge.cli.main import main
from mpforge.compiler.compile import compile_plan
from mpforge.diagnostics.step_failure import Ended, diagnosed
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import Lock
from mpforge.plan.steps import BuildLibrary, CopyFiles, FetchSource, OutputOf
from mpforge.spec.load import find_problems, load_spec
from mpforge.spec.recipes import providing, recipes

HOST = HostFacts(platform="x86_64", system="Linux x86_64")
PROJECT = ProjectFacts("tree", "setuptools.build_meta", False, ("setuptools",))


def _spec(libraries: str, rest: str = "") -> str:
    project = '[project]\npython = ["cp311"]\ntargets = ["aarch64"]'
    return f"schema = 1\n{project}\n[build]\nlibraries = {libraries}\n{rest}"


def _problems(text: str) -> list[tuple[str, str | None]]:
    return [(p.code, p.nearest) for p in find_problems(text, file="m.toml")]


def _library(text: str, name: str) -> BuildLibrary:
    plan = compile_plan(load_spec(text, file="m.toml"), HOST, PROJECT, Lock())
    command = plan.step(f"library-{name}-aarch64").command
    assert isinstance(command, BuildLibrary)
    return command


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_is_a_good_table_of_the_spec_and_says_what_it_is(name: str) -> None:
    recipe = recipes()[name]
    assert _problems(_spec(f'["{name}"]')) == []
    assert all((recipe.what, recipe.version, recipe.licence, recipe.provides))
    source = recipe.library.source
    assert source is not None
    assert all(url.startswith(("https://", "debian:pool/")) for url in source.url)
    assert recipe.version in source.url[0]
    lines = "\n".join(
        f"{key} = {value!r}" for key, value in {"recipe": name, "options": ["--x"]}.items()
    )
    assert _problems(_spec(f'["my_{name}"]', f"[libraries.my_{name}]\n{lines}")) == []


def test_a_build_names_a_recipe_without_a_table_and_is_given_all_that_it_needs() -> None:
    xslt = _library(_spec('["libxslt"]'), "libxslt")
    assert [name for name, _ in xslt.libraries] == ["zlib", "libxml2"]


def test_a_table_of_the_spec_replaces_a_recipe_also_for_those_that_need_it() -> None:
    own = '[libraries.zlib]\nkind = "make"\nsource = { path = "vendor/zlib" }'
    text = _spec('["libxml2"]', own)
    assert dict(_library(text, "libxml2").libraries) == {"zlib": OutputOf("library-zlib-aarch64")}
    plan = compile_plan(load_spec(text, file="m.toml"), HOST, PROJECT, Lock())
    assert plan.step("source-zlib").command == CopyFiles("vendor/zlib")


def test_a_table_with_a_recipe_adds_to_it() -> None:
    more = '[libraries.xml]\nrecipe = "libxml2"\noptions = ["--without-http"]\nneeds = ["xz"]'
    xml = _library(_spec('["xml"]', more), "xml")
    words = " ".join(map(str, xml.commands))
    assert "--without-python" in words
    assert "--without-http" in words
    assert [name for name, _ in xml.libraries] == ["zlib", "xz"]
    plan = compile_plan(load_spec(_spec('["xml"]', more), file="m.toml"), HOST, PROJECT, Lock())
    assert isinstance(plan.step("source-xml").command, FetchSource)


def test_a_recipe_is_of_the_version_that_is_expected_or_has_another_source() -> None:
    def table(rest: str) -> str:
        return _spec('["libxml2"]', f'[libraries.libxml2]\nrecipe = "libxml2"\n{rest}')

    known = recipes()["libxml2"].version
    assert _problems(table(f'version = "{known}"')) == []
    assert _problems(table('version = "2.14.6"')) == [("bad-value", known)]
    own = f'version = "2.14.6"\nsource = {{ url = "https://a.example/x.tar.xz", sha256 = "{"0" * 64}" }}'
    assert _problems(table(own)) == []
    plan = compile_plan(load_spec(table(own), file="m.toml"), HOST, PROJECT, Lock())
    fetch = plan.step("source-libxml2").command
    assert isinstance(fetch, FetchSource)
    assert fetch.urls == ("https://a.example/x.tar.xz",)
    assert "--without-python" in " ".join(map(str, _library(table(own), "libxml2").commands))


def test_a_library_is_built_in_a_directory_of_its_source() -> None:
    own = '[libraries.x]\nrecipe = "zlib"\ndirectory = "{}"'
    text = _spec('["x"]', own.format("build/cmake"))
    assert _library(text, "x").directory == "build/cmake"
    assert _problems(_spec('["x"]', own.format("../x"))) == [("bad-value", None)]


def test_an_unknown_name_is_answered_with_the_nearest_recipe() -> None:
    assert _problems(_spec('["libxlst"]')) == [("unknown-library", "libxslt")]
    wrong = '[libraries.x]\nrecipe = "zlb"'
    assert _problems(_spec('["x"]', wrong)) == [("unknown-library", "zlib")]


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("yaml.h", "libyaml"),
        ("libxml/HTMLparser.h", "libxml2"),
        ("libxslt/security.h", "libxslt"),
        ("xslt-config", "libxslt"),
        ("libffi", "libffi"),
        ("z", "zlib"),
        ("bz2", "bzip2"),
        ("vendor.h", None),
        ("yaml/other.txt", None),
    ],
)
def test_what_a_build_asks_for_has_a_recipe(name: str, recipe: str | None) -> None:
    found = providing(name)
    assert (found.name if found else None) == recipe


def test_a_build_that_lacks_a_library_is_told_the_line_to_add(tmp_path: Path) -> None:
    ended = Ended("the wheel", "build", tmp_path, "exit status 1", True, lambda _: True)
    error = diagnosed(ended, ["a.c:1:10: fatal error: 'yaml.h' file not found"])
    assert error.code == "library-missing"
    assert 'libraries = ["libyaml"] in [build]' in (error.hint or "")
    error = diagnosed(ended, ["a.c:1:10: fatal error: 'vendor.h' file not found"])
    assert "[libraries]" in (error.hint or "")
    numpy = (
        'meson.build:1:1: ERROR: Dependency "numpy" not found (tried pkg-config and config-tool)'
    )
    error = diagnosed(ended, [numpy])
    assert error.code == "library-missing"
    assert 'target-requires = ["numpy"] in [build]' in (error.hint or "")
    (tmp_path / "libraries/libyaml").mkdir(parents=True)
    error = diagnosed(ended, ["a.c:1:10: fatal error: 'yaml.h' file not found"])
    assert "the build gets libyaml, but does not look for it there" in (error.hint or "")
    assert "{prefix:libyaml}" in (error.hint or "")


def test_a_library_s_build_is_told_the_keys_of_its_own_table(tmp_path: Path) -> None:
    plan = compile_plan(load_spec(_spec('["libpng"]'), file="m.toml"), HOST, PROJECT, Lock())
    table = plan.step("library-libpng-aarch64").table
    ended = Ended("libpng", table, tmp_path, "exit status 1", True, lambda _: False)
    for line, remedy in {
        "a.c:1:10: fatal error: 'bzlib.h' file not found": 'needs = ["bzip2"] in [libraries.libpng]',
        "./x.sh: 1: tclsh: not found": 'tools = ["tclsh"] to [libraries.libpng]',
        "curl: (6) Could not resolve host: a.example": "`options` in [libraries.libpng]",
    }.items():
        assert remedy in (diagnosed(ended, [line]).hint or "")


def test_the_command_lists_and_shows_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["library", "list"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == set(recipes())
    assert main(["library", "show", "libffi"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("[libffi]\n")
    assert "--disable-exec-static-tramp" in shown
    assert "[libyaml]" not in shown
    assert main(["library", "show", "libfi"]) == 2
    assert "did you mean libffi?" in capsys.readouterr().err


def test_the_variables_of_a_library_are_given_to_the_builds_that_use_it() -> None:
    def environment(rest: str = "", step: str = "wheel-aarch64-cp311") -> dict[str, str]:
        text = _spec(
            '["b"]', f'{rest}\n[libraries.a]\nrecipe = "zlib"\nexports = {{ A = "{{prefix}}/x" }}'
        )
        text += '\n[libraries.b]\nrecipe = "libpng"\nneeds = ["a"]\nexports = { B = "1" }'
        plan = compile_plan(load_spec(text, file="m.toml"), HOST, PROJECT, Lock())
        return {name: "".join(map(str, value)) for name, value in plan.step(step).variables.values}

    assert environment() == {"A": "{prefix:a}/x", "B": "1"}
    assert environment('environment = { B = "2" }')["B"] == "2"
    assert environment(step="library-b-aarch64") == {"A": "{prefix:a}/x"}
    assert environment(step="library-a-aarch64") == {}
    assert environment('environment = { C = "3" }', step="sdist") == {"C": "3"}


def test_the_sources_of_recipes_are_looked_for_at_every_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPFORGE_DISTRO_MIRROR", tmp_path.as_uri())
    assert main(["library", "check", "zlib"]) == 1
    assert "zlib 1.2.13: unreachable: debian:pool/" in capsys.readouterr().out
    archive = tmp_path / "pool/main/z/zlib/zlib_1.2.13.dfsg.orig.tar.bz2"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"other")
    assert main(["library", "check", "zlib"]) == 1
    assert "differs: debian:pool/" in capsys.readouterr().out
    assert main(["library", "check", "zlb"]) == 2
    assert "did you mean zlib?" in capsys.readouterr().err


def test_the_page_of_the_recipes_tells_what_was_built() -> None:
    built = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "_recipes.py"))
    rows, old = built["load_rows"](), built["PAGE"].read_text(encoding="utf-8")
    assert built["page"](recipes(), rows, old) == old
    assert {row.name for row in rows} == set(recipes())  # a new one is built before it is shipped
