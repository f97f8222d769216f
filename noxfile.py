"""The sessions of this checkout: those of multiplatform.toml, and our own chores.

A chore runs in the environment that nox runs in, the one that the README's first command made.
"""

import os
import sys
from pathlib import Path

import nox

import mpforge.sessions

nox.needs_version = ">=2026.8.10"

HERE = Path(__file__).parent

mpforge.sessions.register()


def _program(name: str) -> str:
    """A program of nox's own environment, which need not be activated."""
    return str(Path(sys.executable).with_name(name))


def _install_tools(session: nox.Session, group: str = "dev") -> None:
    """Install a dependency group into nox's environment (by pip, so with pip's configuration)."""
    project = nox.project.load_toml(HERE / "pyproject.toml")
    tools = nox.project.dependency_groups(project, group)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    session.run(*pip, *tools)


@nox.session(python=False, venv_backend="none", default=False)
def tests(session: nox.Session) -> None:
    """Set the machine up and run the tests; what stands after `--` goes to pytest."""
    session.run("bash", "scripts/setup-system.sh")
    _install_tools(session)
    # One more than there are CPUs: tests wait for the network, disks, containers and each other.
    workers = str(len(os.sched_getaffinity(0)) + 1)
    session.run(
        sys.executable, "-m", "pytest", "-n", workers, "--dist", "worksteal", *session.posargs
    )


@nox.session(python=False, venv_backend="none", default=False)
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff; changes nothing."""
    _install_tools(session)
    session.run(_program("ruff"), "check")
    session.run(_program("ruff"), "format", "--check")


@nox.session(python=False, venv_backend="none", default=False)
def types(session: nox.Session) -> None:
    """Check the types of the package, the tests and this file with mypy, strictly."""
    _install_tools(session)
    session.run(_program("mypy"))


@nox.session(python=False, venv_backend="none", default=False)
def layers(session: nox.Session) -> None:
    """Check with import-linter that each layer imports only from layers below it."""
    _install_tools(session)
    session.run(_program("lint-imports"))


@nox.session(python=False, venv_backend="none", default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation's site into site/; a link that leads nowhere is an error."""
    _install_tools(session, "docs")
    session.run(_program("mkdocs"), "build", "--strict", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(python=False, venv_backend="none", default=False)
def schema(session: nox.Session) -> None:
    """Write docs/schema.json anew, for editors; a test compares it with the spec's models."""
    text = session.run(_program("mpforge"), "schema", silent=True)
    (HERE / "docs" / "schema.json").write_text(str(text), encoding="utf-8")


@nox.session(python=False, venv_backend="none", default=False)
def golden(session: nox.Session) -> None:
    """Write the plans and ingredients of tests/golden anew; review the difference before committing it."""
    _install_tools(session)
    session.run(sys.executable, "-m", "pytest", "tests/golden", "--regenerate-golden")


@nox.session(python=False, venv_backend="none", default=False)
def launcher(session: nox.Session) -> None:
    """Build the launcher of steps for each machine, after a change of its source."""
    _install_tools(session)
    session.run(sys.executable, "scripts/build_launcher.py", "mpforge/places/launcher")


@nox.session(python=False, venv_backend="none", default=False)
def bench(session: nox.Session) -> None:
    """Measure the budgets of docs/architecture.md; `-- NAME [ARGUMENTS]` runs another of benchmarks/."""
    programs = {path.stem: path for path in sorted((HERE / "benchmarks").glob("[!_]*.py"))}
    name, *arguments = session.posargs or ("budgets",)
    if name not in programs:
        session.error(f"benchmarks/ has no {name}: {', '.join(programs)}")
    session.run(sys.executable, str(programs[name]), *arguments)
