"""``mpforge init``: write the first spec from pyproject.toml; never overwrites a file."""

import argparse
import ast
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mpforge import platforms
from mpforge.artifacts.core_metadata import requires_python
from mpforge.compiler.backends import recognise
from mpforge.errors import ExitCode, SpecInvalid, WrongInput
from mpforge.formats.pyproject import build_system
from mpforge.migrate.files import CI_FILES, PROJECT_FILES, ProjectFiles
from mpforge.migrate.initial_spec import InitialSpec, initial_spec
from mpforge.migrate.report import summary
from mpforge.plan.facts import ProjectFacts
from mpforge.spec.load import find_problems
from mpforge.store.files import write_atomically

_IMPORTS = {
    (None, "mpforge.sessions"): ".register",
    ("mpforge", "sessions"): ".register",
    ("mpforge.sessions", "register"): "",
}
"""What follows the name that an import gives, to call ``register``: by its module and what it imports."""
_PACKAGES = ("", "*/", "*/*/")
"""Where packages are looked for: at the top, and in folders such as ``python/`` and ``lib/py/``."""
_LARGEST = 1_000_000
"""In bytes: a longer file is no configuration."""
NOXFILE_LINES = ("import mpforge.sessions", "mpforge.sessions.register()")

DESCRIPTION = (
    "Write multiplatform.toml from the project's files, cibuildwheel's options and CI services' "
    "files. Show how each option was translated. Overwrites nothing."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "--compare",
        action="store_true",
        help="write nothing; compare the spec with what an installed cibuildwheel prints",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the spec and print a summary of it, with what it leaves out.

    Raises ``WrongInput`` if one exists already, ``SourceMissing`` without a project.
    """
    path = Path(arguments.spec).absolute()
    if os.path.lexists(path) and not arguments.compare:
        raise _there_already(path)
    files = read_files(path.parent)
    initial = initial_spec(files)
    problems = find_problems(initial.text, file=path.name)
    if any(not problem.warning for problem in problems):
        raise SpecInvalid(problems)
    if arguments.compare:
        from mpforge.cli.init_compare import compared

        sys.stdout.writelines(f"{line}\n" for line in compared(initial, path.parent))
        return ExitCode.DONE
    write_new(path, initial.text)
    sys.stdout.write(
        f"{summary(initial, path.name)}\n{_backend(files.text(f'{initial.package}pyproject.toml'))}"
    )
    register = "" if path.name == "multiplatform.toml" else repr(path.name)
    sys.stdout.write(f"{noxfile_advice(path.parent / 'noxfile.py', register)}\n")
    sys.stdout.write(f"then try one wheel: nox -s {_first_session(initial)}\n")
    return ExitCode.DONE


def _first_session(initial: InitialSpec) -> str:
    """Return the session that shows most for least: the tests of one Python that is commonly installed."""
    matrix = initial.wheels.matrix
    likely = [name for name in reversed(platforms.hosts()) if name in matrix]
    target = (likely or list(matrix))[0]
    pythons = matrix[target]
    return f"test-{target}-{next((p for p in ('cp311', 'cp313') if p in pythons), pythons[0])}"


def _there_already(path: Path) -> WrongInput:
    return WrongInput(
        f"{path.name} already exists and was not changed",
        hint="run `mpforge check` to check it, or rename it to start over",
    )


def read_files(folder: Path) -> ProjectFiles:
    """Return the texts of the files that ``init`` reads, also of packages in folders of the project.

    Raises ``WrongInput`` if the project's pyproject.toml can't be read.
    """
    texts: dict[str, str] = {}
    for glob in (*(f"{below}{name}" for below in _PACKAGES for name in PROJECT_FILES), *CI_FILES):
        for path in sorted(folder.glob(glob)):
            with contextlib.suppress(OSError):
                if path.is_file() and path.stat().st_size <= _LARGEST:
                    texts[path.relative_to(folder).as_posix()] = path.read_text("utf-8", "replace")
    if (text := _pyproject(folder)) is not None:
        texts["pyproject.toml"] = text
    return ProjectFiles(
        texts,
        lambda path: (folder / path).exists(),
        pkg_info=_requires_python(folder),
        names=lambda path: os.listdir(folder / path),
        scripts=lambda path: _scripts(folder / path),
    )


def _pyproject(folder: Path) -> str | None:
    """Return the text of the project's own pyproject.toml; None if it has none."""
    try:
        return (folder / "pyproject.toml").read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise WrongInput("pyproject.toml is not UTF-8") from None
    except OSError as error:
        raise WrongInput(f"pyproject.toml can't be read: {error.strerror}") from None


def _scripts(path: Path) -> Iterator[str]:
    """Yield the text of a file, or those of the Python files below a folder."""
    for script in [path] if path.is_file() else path.rglob("*.py"):
        with contextlib.suppress(OSError):
            if script.is_file() and script.stat().st_size <= _LARGEST:
                yield script.read_text("utf-8", "replace")


def _requires_python(folder: Path) -> str | None:
    """Return Requires-Python from the PKG-INFO of an unpacked sdist."""
    text = None
    if not (folder / ".git").exists():
        with contextlib.suppress(OSError):
            text = (folder / "PKG-INFO").read_text("utf-8", "replace")
    return None if text is None else requires_python(text)


def write_new(path: Path, text: str) -> None:
    """Write a new file completely or not at all, and never over an existing one.

    Raises ``WrongInput`` if it exists by now or the directory is not writable.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent)
    except OSError as error:
        raise WrongInput(f"can't write to {path.parent}: {error.strerror}") from None
    with folder:
        written = Path(folder.name, path.name)
        write_atomically(written, text.encode())
        _name_it(written, path)


def _name_it(written: Path, path: Path) -> None:
    try:
        os.link(written, path)
    except FileExistsError:
        raise _there_already(path) from None
    except OSError:
        # A file system without hard links: the race between this check and the rename remains.
        if os.path.lexists(path):
            raise _there_already(path) from None
        os.replace(written, path)


def _backend(pyproject: str | None) -> str:
    """Return a line if the project's build backend is not known to cross-compile, else an empty text."""
    system = build_system(pyproject)
    project = ProjectFacts("tree", system.backend, bool(system.backend_path), system.requires)
    backend = recognise(project)
    if backend.crosses:
        return ""
    return (
        f"note: {backend} is not known to cross-compile in this version: {backend.how}; "
        "each target can be built only on a machine of its kind\n"
    )


def noxfile_advice(noxfile: Path, argument: str) -> str:
    """Return the lines to add to the noxfile, if any; ``argument`` is ``register``'s, as source code."""
    wanted = (NOXFILE_LINES[0], f"mpforge.sessions.register({argument})")
    indented = "\n".join(f"  {line}" for line in wanted)
    try:
        text = noxfile.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = None
    if text is not None and registers(text):
        return "noxfile.py already registers mpforge's sessions; `nox -l` lists them"
    add = "add these two lines to noxfile.py:"
    what = "create noxfile.py with these two lines:" if text is None else add
    return f"{what}\n{indented}"


def registers(noxfile: str) -> bool:
    """Return whether a noxfile imports ``mpforge.sessions`` and calls its ``register``, however spelt."""
    try:
        tree = ast.parse(noxfile)
    except (SyntaxError, ValueError):
        return False
    names = {
        f"{alias.asname or alias.name}{_IMPORTS[imported]}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if (imported := (getattr(node, "module", None), alias.name)) in _IMPORTS
    }
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(ast.unparse(call.func) in names for call in calls)
