"""``mpforge readiness``: which packages a project needs, and which of them keep it from a target."""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mpforge.cli.options import workspace_of, write_json
from mpforge.cli.output_files import write_file
from mpforge.errors import ExitCode, FileTrouble, NothingSelected, SpecNotFound, WrongInput
from mpforge.obtain.packages.package_index import Index
from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.requirements import normal_name
from mpforge.plan.sessions import Plan
from mpforge.plan.wants import Packages
from mpforge.platforms import available, python_words, well_known
from mpforge.readiness.survey import Survey, survey
from mpforge.workspace import cache_directory

DESCRIPTION = (
    "Show for each target and Python whether the index has a wheel of each package that the project and its "
    "tests need, since which version, and which packages have none. Builds nothing."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "--requirements",
        "-r",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a requirements file, instead of the project's requirements; with --target and --python, no "
        "spec is needed",
    )
    parser.add_argument(
        "--target", action="append", default=[], metavar="T", help="a target (default: the spec's)"
    )
    parser.add_argument(
        "--python", action="append", default=[], metavar="P", help="cp313 (default: the spec's)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write an HTML page")


def run(arguments: argparse.Namespace) -> int:
    """Print the survey; packages without a wheel are no error."""
    from mpforge.store.local import opened

    _check(arguments)
    index = Index()
    if arguments.requirements and arguments.target and arguments.python:
        requests = _requests(arguments.target, arguments.python)
    else:
        try:
            requests, index = _of_project(arguments)
        except SpecNotFound as error:
            hint = f"{error.hint}; without a spec: -r FILE --target aarch64 --python cp313"
            raise SpecNotFound(error.what, hint=hint) from None
    store = opened(cache_directory(os.environ) / "store")

    def tell(words: str) -> None:
        sys.stderr.write(f"mpforge > {words}\n")

    found = survey(requests, index, store, files=arguments.requirements, tell=tell)
    _show(found, arguments)
    return ExitCode.DONE


def _check(arguments: argparse.Namespace) -> None:
    """Raise ``WrongInput`` for an unknown target or Python, ``FileTrouble`` for a file that can't be read."""
    for target in arguments.target:
        if target not in well_known():
            raise WrongInput(
                f"there is no target {target}", hint=f"targets: {' '.join(available())}"
            )
    for python in arguments.python:
        try:
            python_words.parse(python)
        except ValueError:
            raise WrongInput(
                f"{python!r} is not a supported Python",
                hint="name one such as cp313, cp313t or pp311",
            ) from None
    for file in arguments.requirements:
        try:
            file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise FileTrouble(f"{file} can't be read", why=str(error)) from None


def _requests(
    targets: Iterable[str], pythons: Sequence[str], requirements: Sequence[str] = ()
) -> list[EnvironmentRequest]:
    return [
        EnvironmentRequest("test", python, target, tuple(sorted(requirements)))
        for target in targets
        for python in pythons
    ]


def _of_project(arguments: argparse.Namespace) -> tuple[list[EnvironmentRequest], Index]:
    """Return the environments of the project's tests, or those of its targets for files of requirements."""
    from mpforge.engine.load_plan import compiled
    from mpforge.engine.project_facts import project_facts

    found = compiled(workspace_of(arguments))
    given = found.plan.index
    index = Index(given.url, given.extra, given.username, given.password)
    facts = project_facts(found.inputs, wheel=False)
    own = facts.own
    tested = _environments(found.plan)
    if not tested:
        raise NothingSelected(
            "the spec has no test sessions, so there is no target and Python to check",
            hint="name both, and requirements: -r FILE --target aarch64 --python cp313",
        )
    wanted = _selected(tested, arguments.target, arguments.python)
    if arguments.requirements:
        return [replace(one, requirements=(), constraints=()) for one in wanted], index
    needs = [text for text in (own.requires if own else ()) if "extra ==" not in text]
    names = {normal_name(own.name)} if own else set()
    return [
        replace(one, requirements=_joined(needs, one.requirements, names), constraints=())
        for one in wanted
    ], index


def _selected(
    tested: Sequence[EnvironmentRequest], targets: Sequence[str], pythons: Sequence[str]
) -> list[EnvironmentRequest]:
    """Return the environments of these targets and Pythons; a new one needs what the nearest one does."""

    def needs(target: str, python: str) -> EnvironmentRequest:
        def distance(one: EnvironmentRequest) -> tuple[bool, bool]:
            return one.python != python, one.target != target

        nearest = min(tested, key=distance)
        known = (nearest.target, nearest.python) == (target, python)
        return nearest if known else replace(nearest, platform=target, python=python)

    if not targets and not pythons:
        return list(tested)
    every = targets or dict.fromkeys(one.target for one in tested)
    words = pythons or dict.fromkeys(one.python for one in tested)
    return [needs(target, python) for target in every for python in words]


def _joined(needs: Iterable[str], tests: Iterable[str], own: set[str]) -> tuple[str, ...]:
    """Return the project's requirements and its tests', without itself."""
    from mpforge.plan.requirements import name_of

    return tuple(sorted({text for text in (*needs, *tests) if name_of(text) not in own}))


def _environments(plan: Plan) -> list[EnvironmentRequest]:
    """Return the test environments of a plan, one for each target and Python."""
    needs = [want.need for want in plan.wants if isinstance(want.need, Packages)]
    requests = [need.request for need in needs if need.request.purpose == "test"]
    return list({(one.target, one.python): one for one in requests}.values())


# --- output ---------------------------------------------------------------------------------------


def _show(found: Survey, arguments: argparse.Namespace) -> None:
    if arguments.html is not None:
        from mpforge.reports.readiness_page import readiness_page

        workspace = None
        with contextlib.suppress(SpecNotFound):
            workspace = workspace_of(arguments)
        write_file(arguments.html, readiness_page(found), workspace)
    if arguments.json:
        write_json(_data(found))
    elif arguments.html is None:
        sys.stdout.writelines(f"{line}\n" for line in _lines(found))


def _data(found: Survey) -> dict[str, Any]:
    looks = {
        key: {
            "verdict": look.verdict,
            "backend": look.backend,
            "pure": bool(look.pure_by),
            "crosses": look.crosses,
            "libraries": list(look.libraries),
            "recipes": list(look.known),
        }
        for key, look in found.looks.items()
    }
    return {
        "environments": [
            {
                "target": column.target,
                "python": column.python,
                "policy": column.policy,
                "trouble": column.trouble or None,
                "blocked_by": column.blocked,
                "packages": [
                    {
                        "name": name,
                        "version": cell.package.version or None,
                        "state": cell.answer.state,
                        "reason": cell.answer.why or None,
                        "blocks": cell.answer.blocks,
                        "wheels_since": cell.answer.since or None,
                        "last_wheel": cell.answer.last or None,
                        "newer_policy": cell.answer.newer or None,
                        "sdist": looks.get((name, cell.package.version)),
                    }
                    for name, cell in column.cells.items()
                ],
            }
            for column in found.columns
        ]
    }


def _lines(found: Survey) -> Iterable[str]:
    for column in found.columns:
        name = f"{column.target}, {column.python} ({column.policy})"
        if column.trouble:
            yield f"{name}: can't be resolved: {column.trouble}"
            continue
        ready = len(column.cells) - len(column.blocked)
        yield f"{name}: {ready} of {len(column.cells)} packages ready"
        for package in column.blocked:
            cell = column.cells[package]
            if cell.answer.why:
                yield f"  {package}: no usable version"
                yield f"    {cell.answer.why}"
                continue
            look = found.looks.get((package, cell.package.version))
            yield f"  {package} {cell.package.version}: no wheel{cell.answer.past}"
            yield f"    {look.verdict if look is not None else 'the index has no sdist of it'}"
    yield from _since(found)


def _since(found: Survey) -> Iterable[str]:
    """Yield since which version there are wheels, for packages that not every target has had for ever."""
    rows = []
    for name in sorted({name for column in found.columns for name in column.cells}):
        told = []
        for column in found.columns:
            cell = column.cells.get(name)
            if cell is not None and cell.answer.state == "wheel":
                told.append(f"{column.target} {column.python}: {cell.answer.since}")
        rows += [f"  {name}: {', '.join(told)}"] if told else []
    if rows:
        yield "the first versions of compiled packages with wheels:"
        yield from rows
