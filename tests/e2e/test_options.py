"""Options that say what is built and how, by a real build: skip, own Pythons, overrides, constraints."""

import re

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Workspace

pytestmark = [pytest.mark.cross, pytest.mark.network]

OTHER = "aarch64" if NATIVE == "x86_64" else "x86_64"
SPEC = f'''
    schema = 1
    [project]
    python = ["cp311", "cp313"]
    targets = ["{OTHER}", "{NATIVE}"]
    skip = ["{NATIVE}-cp313"]
    [build]
    constraints = ["setuptools<80"]
    before-build = ["""{{python}} -c "import sys; open('{{project}}/by', 'w').write(sys.version)" """]
    [build.repair]
    requires = ["packaging"]
    command = "python repair.py {{wheel}} {{dest_dir}}"
    check = "python -c 'import sys, packaging; print(sys.argv[1:])' {{wheel}} {{arch}}"
    [test]
    command = "exit 1"
    [targets.{OTHER}]
    python = ["cp311"]
    [[overrides]]
    select = "*-cp311"
    build = {{ environment = {{ CFLAGS = "-DANSWER=1" }} }}
    [[overrides]]
    select = "{NATIVE}-*"
    build = {{ environment = {{ CFLAGS = "-DANSWER=43" }} }}
    [overrides.test]
    before = "{{python}} -c 'import tiny; print(tiny.__name__)' > made"
    command = ["cat made", "{{python}} -c 'from tiny._tiny import answer; print(answer())'"]
'''


REPAIR = """\
import subprocess, sys, packaging
subprocess.run(["auditwheel", "repair", "-w", sys.argv[2], sys.argv[1]], check=True)
"""


def test_skip_own_pythons_overrides_constraints_and_own_commands_hold_in_a_build(
    unbuilt: Workspace,
) -> None:
    unbuilt.write("multiplatform.toml", SPEC)
    unbuilt.write("repair.py", REPAIR)
    unbuilt.edit("tiny/_tiny.c", "FromLong(42)", "FromLong(ANSWER)")
    # Every hook of the backend needs what before-build writes, the first one and the sdist's too.
    script = unbuilt.read("setup.py")
    unbuilt.write("setup.py", f"import sys\nassert open('by').read() == sys.version\n{script}")
    listed = set(re.findall(r"build-\S+-cp\d+", unbuilt.nox("--list").output))
    assert listed == {f"build-{OTHER}-cp311", f"build-{NATIVE}-cp311"}
    run = unbuilt.nox(f"test-{NATIVE}")
    assert run.code == 0, str(run)
    log = unbuilt.log(f"test-{NATIVE}-cp311")
    assert "\n43\n" in log
    assert "\ntiny\n" in log
    log = unbuilt.log(f"build-{NATIVE}-cp311")
    assert "manylinux" in log[log.index("== own-repair-") : log.index(f"== repair-{NATIVE}-")]
    assert re.search(r"/tiny-\S+manylinux\S+\.whl', '" + NATIVE, log[log.index("== own-check-") :])
    lock = unbuilt.read("multiplatform.lock")
    entries = re.findall(
        r'constraints = \["setuptools<80"\]\npackages = \[\n(.*?)\n\]', lock, re.DOTALL
    )
    (entry,) = (entry for entry in entries if '"setuptools"' in entry)
    version = re.search(r'name = "setuptools", version = "(\d+)', entry)
    assert version is not None
    assert int(version[1]) < 80
