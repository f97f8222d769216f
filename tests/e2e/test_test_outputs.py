"""``[test] outputs``: the files that tests write, kept of a pass, given back on a hit, kept of a failure."""

import os

import pytest

from tests.e2e.workspace import NOXFILE, Workspace

pytestmark = [pytest.mark.gcc]

HERE = os.uname().machine
BUILD, TEST = f"build-{HERE}", f"test-{HERE}"
SPEC = f"""
    schema = 1

    [project]
    targets = ["{HERE}"]

    [build]
    kind = "commands"
    toolchain = "gcc"
    commands = ["echo made > out.txt"]
    outputs = ["out.txt"]

    [test]
    command = ["sh tests/run.sh"]
    outputs = ["junit.xml", "coverage/**"]
"""
WRITES = "echo report > junit.xml; mkdir -p coverage/html; echo page > coverage/html/index.html"


def kept(workspace: Workspace) -> dict[str, str]:
    """The files of ``.mpforge/outputs`` and their texts."""
    root = workspace.root / ".mpforge" / "outputs"
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_text().strip() for path in files}


def test_what_tests_write_is_kept_of_a_pass_a_hit_and_a_failure(quick: Workspace) -> None:
    quick.write("noxfile.py", NOXFILE)
    quick.write("multiplatform.toml", SPEC)
    quick.write("tests/run.sh", WRITES)
    run = quick.nox(TEST)
    assert run.code == 0, str(run)
    whole = {f"{TEST}/junit.xml": "report", f"{TEST}/coverage/html/index.html": "page"}
    assert kept(quick) == whole
    assert f"wrote .mpforge/outputs/{TEST}/" in run.output

    (quick.root / ".mpforge/outputs" / TEST / "junit.xml").write_text("stale")
    run = quick.nox(TEST)
    assert TEST in run.cached, str(run)
    assert kept(quick) == whole

    quick.write("tests/run.sh", "echo failures > junit.xml; exit 1")
    run = quick.nox(TEST)
    assert "tests-failed" in run.reason(TEST)
    assert kept(quick) == {f"{TEST}/junit.xml": "failures"}
    assert "warning: [test] outputs: nothing matches coverage/**" in run.output

    quick.write("tests/run.sh", "echo report > junit.xml")
    run = quick.nox(TEST)
    assert "output-missing" in run.reason(TEST), str(run)
    assert "passed, but no file matches 'coverage/**'" in run.output
