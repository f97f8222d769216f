"""What `plan` says of requirements that only some patch versions of Python want."""

from mpforge.compiler.compile import compile_plan
from mpforge.compiler.patch_markers import doubts
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import Lock
from mpforge.plan.requirements import OwnPackage
from mpforge.spec.load import load_spec

SPEC = """\
schema = 1
[project]
python = ["cp311", "cp313"]
targets = ["x86_64", "aarch64"]
[test]
requires = ["pytest", "a ; python_full_version < '3.11.3'", "b ; python_version > '3.8'"]
extras = ["x"]
"""


def test_each_is_told_once_for_a_python() -> None:
    own = OwnPackage(
        "p",
        ("c ; python_full_version >= '3.13.1' and extra == 'x'", "d ; extra == 'y'"),
        ("x", "y"),
    )
    project = ProjectFacts("tree", "setuptools.build_meta", False, (), own=own)
    host = HostFacts("x86_64", "Linux x86_64")
    plan = compile_plan(load_spec(SPEC, file="x"), host, project, Lock())
    assert [line.partition(" require")[0] for line in doubts(plan, own)] == [
        "a ; python_full_version < '3.11.3': only some patch versions of 3.11",
        "c ; python_full_version >= '3.13.1' and extra == 'x': only some patch versions of 3.13",
    ]
