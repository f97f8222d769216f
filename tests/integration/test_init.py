"""`mpforge init` as it is called."""

from pathlib import Path

import pytest

from tests.e2e.workspace import Cache
from tests.integration.checkout import Checkout

PROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "p"
version = "1"
requires-python = ">=3.11"
[tool.cibuildwheel]
test-command = "pytest {project}/tests"
test-requires = "pytest"
before-all = "yum install -y zlib-devel"
"""


@pytest.fixture
def empty(tmp_path: Path) -> Checkout:
    """A directory with nothing in it."""
    (tmp_path / "project").mkdir()
    return Checkout(tmp_path / "project", Cache(tmp_path / "cache"))


@pytest.fixture
def project(empty: Checkout) -> Checkout:
    """A project that cibuildwheel builds so far."""
    empty.write("pyproject.toml", PROJECT)
    return empty


def test_init_writes_a_spec_that_check_finds_good(project: Checkout) -> None:
    done = project.mpforge("init")
    assert done.code == 0, str(done)
    assert "wrote multiplatform.toml: 28 wheels for x86_64, aarch64, x86_64_musl" in done.output
    assert "  x86_64_musl   cp311-cp315 cp314t-cp315t  the same\n" in done.output
    assert "  pyproject.toml:11 before-all -> build.libraries\n" in done.output
    assert "  import mpforge.sessions\n  mpforge.sessions.register()\n" in done.output
    assert "then try one wheel: nox -s test-aarch64-cp311\n" in done.output
    names = sorted(path.name for path in project.root.iterdir())
    assert names == ["multiplatform.toml", "pyproject.toml"]
    assert project.mpforge("check").code == 0


def test_a_second_init_changes_nothing(project: Checkout) -> None:
    project.write("multiplatform.toml", "mine\n")
    done = project.mpforge("init")
    assert done.code == 2
    assert done.output.startswith("wrong-input: multiplatform.toml already exists")
    assert project.read("multiplatform.toml") == "mine\n"


def test_a_link_that_leads_nowhere_is_no_free_place(project: Checkout) -> None:
    (project.root / "multiplatform.toml").symlink_to("elsewhere.toml")
    assert project.mpforge("init").code == 2
    assert not (project.root / "elsewhere.toml").exists()


def test_init_leaves_a_noxfile_as_it_is(project: Checkout) -> None:
    project.write("noxfile.py", "import nox\n")
    assert "add these two lines" in project.mpforge("init").output
    assert project.read("noxfile.py") == "import nox\n"
    (project.root / "multiplatform.toml").unlink()
    project.write("noxfile.py", "import mpforge.sessions\nmpforge.sessions.register()\n")
    assert "already" in project.mpforge("init").output


def test_init_reads_an_unpacked_sdist_s_requires_python(empty: Checkout) -> None:
    empty.write("setup.py", "from setuptools import setup\nsetup()\n")
    metadata = "Metadata-Version: 2.1\nName: p\nVersion: 1\nRequires-Python: >=3.13\n"
    empty.write("PKG-INFO", metadata)
    assert "aarch64_musl  cp313-cp315 cp314t-cp315t  the same" in empty.mpforge("init").output


def test_init_says_which_backend_does_not_cross(project: Checkout) -> None:
    text = PROJECT.replace("setuptools.build_meta", "nobody.knows").replace("setuptools>=77", "m")
    project.write("pyproject.toml", text)
    said = "note: nobody.knows (build-backend = 'nobody.knows') is not known to cross"
    assert said in project.mpforge("init").output


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no pyproject.toml or setup.py"),
        (b"[project\n", "pyproject.toml:1:9: toml-invalid: Expected ']'"),
        (b"name = '\xff'\n", "pyproject.toml is not UTF-8"),
    ],
)
def test_init_without_a_readable_project_writes_nothing(
    empty: Checkout, content: bytes | None, words: str
) -> None:
    if content is not None:
        (empty.root / "pyproject.toml").write_bytes(content)
    done = empty.mpforge("init")
    assert done.code == 2
    assert words in done.output
    assert "Traceback" not in done.output
    assert not (empty.root / "multiplatform.toml").exists()


def test_init_finds_a_package_in_a_folder_that_a_workflow_names(empty: Checkout) -> None:
    empty.write("lib/py/pyproject.toml", PROJECT)
    run = "pip install cibuildwheel==4.2.0\\ncibuildwheel lib/py"
    job = f'{{runs-on: ubuntu-latest, steps: [{{run: "{run}"}}]}}'
    empty.write(".github/workflows/wheels.yml", f"on: push\njobs:\n  wheels: {job}\n")
    done = empty.mpforge("init")
    assert done.code == 0, done.output
    assert 'source = "lib/py"' in (empty.root / "multiplatform.toml").read_text()
