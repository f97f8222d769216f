"""An sdist whose version and files come from git: what setuptools_scm sees of the checkout."""

import subprocess
import tarfile
from pathlib import Path

from tests.e2e.conftest import SPEC
from tests.e2e.workspace import NOXFILE, Cache, Workspace

PYPROJECT = """
    [build-system]
    requires = ["setuptools>=70", "setuptools_scm>=8"]
    build-backend = "setuptools.build_meta"

    [project]
    name = "linked"
    dynamic = ["version"]
    license-files = ["LICENSE"]

    [tool.setuptools_scm]
    root = ".."
"""


def _git(root: Path, *words: str) -> None:
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *who, *words], cwd=root, check=True)


def test_an_sdist_of_a_shallow_clone_has_what_links_lead_to_and_its_version_is_doubted(
    empty_cache: Cache, place: Path
) -> None:
    top = Workspace(place / "original", empty_cache)
    for path, text in {
        "python/pyproject.toml": PYPROJECT,
        "python/multiplatform.toml": SPEC,
        "python/noxfile.py": NOXFILE,
        "LICENSE": "licence\n",
        "csrc/lib.c": "int lib;\n",
        ".gitignore": ".mpforge\ndist\n*.lock\n*.o\n",
    }.items():
        top.write(path, text)
    for name, target in {"csrc": "../csrc", "LICENSE": "../LICENSE", "away": "/etc/hosts"}.items():
        (top.root / "python" / name).symlink_to(target)
    top.commit()
    _git(top.root, "tag", "v1.0")
    _git(top.root, "commit", "-q", "--allow-empty", "-m", "after it")
    _git(place, "clone", "-q", "--depth", "1", f"file://{top.root}", "shallow")
    (place / "shallow" / "csrc" / "lib.o").touch()
    project = Workspace(place / "shallow" / "python", empty_cache)
    run = project.mpforge("run", "sdist")
    assert run.code == 0, str(run)
    away, version = run.warnings
    assert away.startswith("away is a symlink to /etc/hosts, which is outside of the repository")
    assert "this checkout is a shallow clone, and setuptools-scm counts" in version
    (sdist,) = project.dist.glob("linked-0.1.dev1+*.tar.gz")
    with tarfile.open(sdist) as tar:
        held = {member.name.partition("/")[2]: member for member in tar}
        licence = tar.extractfile(held["LICENSE"])
        assert licence is not None
        assert licence.read() == b"licence\n"
    assert held["csrc/lib.c"].isreg()
    assert not {"csrc/lib.o", "away"} & set(held)

    _git(project.root, "fetch", "-q", "--unshallow", "--tags")
    run = project.mpforge("run", "sdist")
    assert [words.partition(" is ")[0] for words in run.warnings] == ["away"]
    assert list(project.dist.glob("linked-1.1.dev1+*.tar.gz"))
    for words in (("check",), ("plan", "sdist")):
        assert "away is a symlink to /etc/hosts" in project.mpforge(*words).output
