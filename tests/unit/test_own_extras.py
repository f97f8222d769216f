"""What `check` says of extras and groups that a spec names."""

from mpforge.compiler.project_checks import findings
from mpforge.compiler.project_name import declared_name
from mpforge.plan.facts import ProjectFacts
from mpforge.plan.requirements import OwnPackage
from mpforge.spec.load import load_spec

SPEC = """\
schema = 1
[project]
python = ["cp311"]
targets = ["x86_64"]
[build]
requires = ["P_q>=1"]
[test]
extras = ["My.Extra", "fasd"]
groups = ["unit_test", "docs"]
[targets.x86_64.test]
requires = ["p.q[nothing-like-it]", "p"]
"""
GROUPS = (("Unit-Tests", ()), ("Docs", ()))


def _told(own: OwnPackage | None) -> list[tuple[str, tuple[str | int, ...], str | None]]:
    spec = load_spec(SPEC, file="multiplatform.toml")
    facts = ProjectFacts("tree", "b", False, (), own=own, groups=GROUPS)
    return [(f.code, f.path, f.nearest) for f in findings(spec, facts)]


def test_each_unknown_name_is_told_at_its_place_with_the_nearest_that_there_is() -> None:
    unknown_group = ("unknown-group", ("test", "groups", 0), "Unit-Tests")
    cycle = ("cycle", ("build", "requires", 0), None)
    assert _told(OwnPackage("p-q", (), ("fast", "my-extra"))) == [
        unknown_group,
        ("unknown-extra", ("test", "extras", 1), "fast"),
        cycle,
        ("unknown-extra", ("targets", "x86_64", "test", "requires", 0), None),
    ]
    # Which extras there are is told by a build only; nothing is known of the project.
    assert _told(OwnPackage("p-q", ())) == [unknown_group, cycle]
    assert _told(None) == [unknown_group]


def test_a_project_s_name_is_read_where_files_say_it() -> None:
    poetry = {"tool": {"poetry": {"name": "a"}}}
    assert declared_name(poetry, None, None) == "a"
    assert declared_name({}, "[metadata]\nname = b\n", None) == "b"
    assert declared_name({}, "[metadata\n", "import setuptools as s\ns.setup(name='c')") == "c"
    assert declared_name({}, None, "setup(name=NAME)\nprint(name='d')") is None
    assert declared_name({}, None, "setup(") is None
