"""The spec's semantic problems: names, environments, options that contradict one another."""

import pytest

from mpforge.spec.load import find_problems

HEAD = """\
schema = 1
[project]
python = ["cp311", "cp313"]
targets = ["aarch64", "x86_64"]
"""


def found(text: str) -> list[tuple[str, str]]:
    """Each problem's code and key."""
    return [(p.code, p.key) for p in find_problems(text, file="m.toml")]


CASES = {
    "a target that is not well-known needs a platform": (
        HEAD + '[targets.gateway]\ndist = "x"\n',
        [("unknown-target", "targets.gateway")],
    ),
    "all targets have the same base programs": (
        HEAD + '[targets.aarch64]\nbuild.base-programs = "pinned"\n',
        [("misplaced-key", "targets.aarch64.build.base-programs")],
    ),
    "a platform is a well-known target or docker's name": (
        HEAD + '[targets.gateway]\nplatform = "linux/arm/v9"\n',
        [("bad-value", "targets.gateway.platform")],
    ),
    "a well-known target can't be another platform": (
        HEAD + '[targets.armv7l]\nplatform = "linux/386"\n',
        [("bad-value", "targets.armv7l.platform")],
    ),
    "two targets of one platform need a dist": (
        HEAD + '[targets.pi]\nplatform = "linux/arm64"\n',
        [("missing-key", "targets.pi.dist")],
    ),
    "two targets of one platform need different dists": (
        HEAD + '[targets.a]\nplatform = "i686"\ndist = "x"\n'
        '[targets.b]\nplatform = "i686"\ndist = "x"\n',
        [("duplicate", "targets.b.dist")],
    ),
    "a name has no dash": (
        HEAD + '[targets.my-board]\nplatform = "i686"\n',
        [("bad-name", "targets.my-board")],
    ),
    "a name is none of our words": (
        HEAD + '[targets.release]\nplatform = "i686"\n[toolchains.zig]\nkind = "zig"\n',
        [("bad-name", "targets.release"), ("bad-name", "toolchains.zig")],
    ),
    "a name is no word of nox's expressions": (
        HEAD + '[targets.not]\nplatform = "i686"\n',
        [("bad-name", "targets.not")],
    ),
    "a name is no Python": (
        HEAD + '[libraries.cp311]\nrecipe = "xz"\n',
        [("bad-name", "libraries.cp311")],
    ),
    "nothing is listed twice": (
        HEAD.replace("cp313", "cp311").replace("x86_64", "aarch64"),
        [("duplicate", "project.python[1]"), ("duplicate", "project.targets[1]")],
    ),
    "a wheel needs a Python": (
        'schema = 1\n[project]\ntargets = ["aarch64"]\n',
        [("missing-key", "project.python")],
    ),
    "make needs outputs but no Python": (
        'schema = 1\n[project]\ntargets = ["aarch64"]\n[build]\nkind = "make"\n',
        [("missing-key", "build.outputs")],
    ),
    "commands need commands and outputs, wherever the kind was given": (
        HEAD + '[targets.x86_64]\nbuild = { kind = "commands" }\n',
        [
            ("missing-key", "targets.x86_64.build.commands"),
            ("missing-key", "targets.x86_64.build.outputs"),
        ],
    ),
    "outputs of a wheel have no effect": (
        HEAD + '[build]\noutputs = ["x"]\n',
        [("unused-key", "build.outputs")],
    ),
    "an override does not change the kind": (
        HEAD + '[[overrides]]\nselect = "*"\nbuild = { kind = "wheel" }\n',
        [("misplaced-key", "overrides[0].build.kind")],
    ),
    "a toolchain exists": (
        HEAD + '[build]\ntoolchain = "vendor"\n',
        [("unknown-toolchain", "build.toolchain")],
    ),
    "a library exists, in lists and placeholders": (
        HEAD + '[build]\nlibraries = ["vendor"]\nbefore-build = ["ls {prefix:vendor}"]\n',
        [("unknown-library", "build.libraries[0]"), ("unknown-library", "build.before-build[0]")],
    ),
    "libraries don't need themselves": (
        HEAD + '[libraries.a]\nrecipe = "xz"\nneeds = ["b"]\n[libraries.b]\nrecipe = "xz"\n'
        'needs = ["a"]\n',
        [("cycle", "libraries.a.needs")],
    ),
    "a library has a source and a kind": (
        HEAD + "[libraries.a]\n",
        [("missing-key", "libraries.a.source"), ("missing-key", "libraries.a.kind")],
    ),
    "a library's source is pinned": (
        HEAD + '[libraries.a]\nkind = "make"\nsource = { git = "x" }\n',
        [("missing-key", "libraries.a.source.commit")],
    ),
    "a library has one source": (
        HEAD + '[libraries.a]\nkind = "make"\nsource = { git = "x", path = "y" }\n',
        [("bad-value", "libraries.a.source")],
    ),
    "a wheel is taken as it is, by one requirement": (
        HEAD + '[libraries.a]\nwheel = "x=="\nkind = "make"\n[libraries.b]\nwheel = "x==1"\n',
        [("bad-requirement", "libraries.a.wheel"), ("conflict", "libraries.a.kind")],
    ),
    "a library's licence is an SPDX expression, its files are of its source": (
        HEAD + '[libraries.a]\nkind = "make"\nsource = { path = "a" }\n'
        'license = "Apache 2"\nlicense-files = ["../COPYING"]\n',
        [("bad-value", "libraries.a.license"), ("bad-value", "libraries.a.license-files[0]")],
    ),
    "a policy has no architecture": (
        HEAD + '[build]\npolicy = "manylinux_2_28_aarch64"\n',
        [("bad-value", "build.policy")],
    ),
    "a policy is not older than the target's oldest": (
        HEAD.replace("x86_64", "riscv64") + '[build]\npolicy = "manylinux2014"\n',
        [("conflict", "build.policy")],
    ),
    "a policy fits the target's libc": (
        HEAD.replace("x86_64", "x86_64_musl") + '[build]\npolicy = "manylinux_2_28"\n',
        [("conflict", "build.policy")],
    ),
    "musl has the policies that it can be built for": (
        HEAD.replace("x86_64", "x86_64_musl")
        + '[targets.x86_64_musl.build]\npolicy = "musllinux_1_1"\n',
        [("conflict", "targets.x86_64_musl.build.policy")],
    ),
    "before-all needs an image": (
        HEAD + '[build]\nstrategy = "cross"\nbefore-all = "x"\n',
        [("conflict", "build.before-all")],
    ),
    "a cross compiler in an image builds nothing natively": (
        HEAD + '[build]\nstrategy = "native"\ntoolchain = "x"\n'
        '[toolchains.x]\nkind = "container"\nimage = "y"\n',
        [("conflict", "build.strategy")],
    ),
    "a cross compiler in an image runs on the machine that builds": (
        HEAD + '[build]\nstrategy = "hybrid"\ntoolchain = "x"\n'
        '[toolchains.x]\nkind = "container"\nimage = "y"\n',
        [("conflict", "build.strategy")],
    ),
    "a cross compiler in an image has one for before-all, and needs no other": (
        HEAD + '[build]\nstrategy = "cross"\ntoolchain = "x"\nbefore-all = "x"\nimage = "z"\n'
        '[toolchains.x]\nkind = "container"\nimage = "y"\n',
        [("unused-key", "build.image")],
    ),
    "CPU models need an emulator": (
        HEAD + '[test]\nstrategy = "static"\ncpus = ["max"]\n',
        [("conflict", "test.cpus")],
    ),
    "CPU models have session names of their own": (
        HEAD + '[test]\ncpus = ["cortex-a53", "Cortex.A53", "970mp"]\n',
        [("duplicate", "test.cpus[1]"), ("bad-value", "test.cpus[2]")],
    ),
    "only a wheel can be imported": (
        (
            'schema = 1\n[project]\ntargets = ["aarch64"]\n[build]\nkind = "make"\noutputs = ["x"]\n'
            '[test]\ncommand = "import"\n'
        ),
        [("conflict", "test.command")],
    ),
    "compilers are not given by environment": (
        HEAD + '[build]\nenvironment = { CC = "x", CFLAGS = "-O2" }\npass-environment = ["LD"]\n'
        '[test]\nenvironment = { AR = "x" }\n',
        [
            ("reserved-variable", "build.environment.CC"),
            ("reserved-variable", "build.pass-environment[0]"),
            ("reserved-variable", "test.environment.AR"),
        ],
    ),
    "nothing expands a shell variable in a value": (
        HEAD + '[build]\nenvironment = { A = "$B", C = "${D}", E = "$ORIGIN/x" }\n',
        [("shell-variable", "build.environment.A"), ("shell-variable", "build.environment.C")],
    ),
    "a requirement is one": (
        HEAD + '[test]\nrequires = ["pytest", "numpy>>2"]\n',
        [("bad-requirement", "test.requires[1]")],
    ),
    "outputs and test sources are inside the project": (
        HEAD + '[test]\nsources = ["../tests", "/etc"]\n',
        [("bad-value", "test.sources[0]"), ("bad-value", "test.sources[1]")],
    ),
    "globs match something that is not skipped": (
        HEAD.replace("[project]", '[project]\nskip = ["*-cp313", "*-pp*"]')
        + '[[overrides]]\nselect = ["*-cp313", "aarch64-*"]\n',
        [("nothing-matches", "project.skip[1]"), ("nothing-matches", "overrides[0].select[0]")],
    ),
    "a target that ships no wheel is selected by its own name": (
        (
            'schema = 1\n[project]\ntargets = ["aarch64"]\n[build]\nkind = "make"\noutputs = ["x"]\n'
            '[[overrides]]\nselect = "aarch64"\n'
        ),
        [],
    ),
}


@pytest.mark.parametrize("behaviour", CASES)
def test_each_rule_is_reported_at_its_key(behaviour: str) -> None:
    text, expected = CASES[behaviour]
    assert found(text) == expected


def test_a_reserved_variable_names_the_remedy() -> None:
    (problem,) = find_problems(HEAD + '[build.environment]\nCC = "x"\n', file="m.toml")
    assert "[toolchains]" in problem.message
    assert str(problem.place) == "m.toml:6:1"
