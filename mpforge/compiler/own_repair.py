"""Compile the steps that run the user's own commands on a wheel: ``[build.repair] command`` and ``check``."""

from collections.abc import Sequence
from dataclasses import dataclass

from mpforge.compiler import libraries
from mpforge.compiler.decide import Decision
from mpforge.compiler.typed_commands import OF_A_TARGET, commands, variables, without
from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.steps import InstallPackages, Libraries, OutputOf, ProjectFiles, RunOnWheel, Step
from mpforge.platforms import python_words

Lines = str | Sequence[str | Sequence[str]]


@dataclass(frozen=True)
class OwnSteps:
    """The steps before the repair of a wheel and after it; ``changed``: what ``command`` makes."""

    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    changed: OutputOf | None = None


def own_steps(
    decision: Decision, policy: str, python: str, needed: Libraries, targets: OutputOf | None
) -> OwnSteps:
    """Return the steps of a wheel's ``command`` and ``check``; ``targets`` has packages of the target."""
    build, stem, compilation = decision.build, decision.stem, decision.compilation
    repair, project = build.repair, compilation.project
    if not repair.command and not repair.check:
        return OwnSteps()
    word = python_words.parse(python).builder
    wanted = tuple(sorted(project.requirements(repair.requires)))
    constraints = project.constraints(build.constraints, repair.requires)
    request = EnvironmentRequest("build", word, compilation.host_platform, wanted, constraints)
    title = f"requirements of [build.repair] ({stem})"
    install = Step(f"repair-environment-{stem}", title, InstallPackages(request))
    identities = dict(libraries.identities(decision, needed))
    shared = tuple(pair for pair in needed if identities[pair[0]].shared)

    given = without(variables(build), OF_A_TARGET)

    def step(name: str, title: str, wheel: str, lines: Lines, *, replaces: bool) -> Step:
        run = RunOnWheel(
            wheel=OutputOf(wheel),
            source=ProjectFiles(),
            exclude=tuple(compilation.spec.sdist.exclude),
            commands=commands(lines),
            replaces=replaces,
            target=decision.platform.name,
            policy=policy,
            python=word,
            environment=OutputOf(install.id),
            target_environment=targets if replaces else None,
            libraries=shared if replaces else (),
        )
        return Step(f"{name}-{stem}", f"{title} of {stem}", run, given, build.timeout)

    before = step("own-repair", "own repair", f"wheel-{stem}", repair.command, replaces=True)
    after = step("own-check", "own check", f"repair-{stem}", repair.check, replaces=False)
    return OwnSteps(
        before=(install, before) if repair.command else (install,),
        after=(after,) if repair.check else (),
        changed=OutputOf(before.id) if repair.command else None,
    )
