"""Draft a project's first spec from its own files: ``initial_spec``.

The project's ``pyproject.toml``, ``setup.cfg`` and ``setup.py``, cibuildwheel's options and the files of CI
services come in as texts; a valid spec and an account of every option come out. Reads and writes no files.
"""

from dataclasses import dataclass
from typing import Any

from mpforge.compiler.pythons import allows
from mpforge.errors import SourceMissing, WrongInput
from mpforge.formats.pyproject import NAME as PYPROJECT
from mpforge.formats.pyproject import read_pyproject
from mpforge.formats.requirements import specifier
from mpforge.formats.toml import read_toml
from mpforge.migrate.account import Account
from mpforge.migrate.ci.services import read_ci_files
from mpforge.migrate.cibuildwheel.options import Table, read_table
from mpforge.migrate.draft import Draft, Remark, comment, to_toml, validated
from mpforge.migrate.factor import factored, selecting
from mpforge.migrate.files import ProjectFiles
from mpforge.migrate.outcomes import explain_rest
from mpforge.migrate.project_pythons import RequiresPython, requires_python
from mpforge.migrate.run import Found, Run
from mpforge.migrate.wheels import Wheels, collect
from mpforge.platforms import python_words

_HEAD = """\
What is shipped, for which Pythons and targets. `mpforge check` finds mistakes in it, `mpforge plan`
shows what would run, `nox -l` the sessions. Every key: docs/configuration.md."""
_NO_COMMAND = """\
Without a test command, every extension module of a wheel is imported. With pytest it would be:
[test]
requires = ["pytest"]
command = ["{python} -m pytest {posargs}"]"""


@dataclass(frozen=True)
class InitialSpec:
    """A spec to write, its wheels compared with cibuildwheel's, and the account of every option.

    ``problems`` are places and texts about files or calls that could not be read. ``package`` is the
    package's directory with a slash at its end; empty if it is the project's.
    """

    text: str
    package: str
    wheels: Wheels
    account: Account
    remarks: tuple[Remark, ...]
    problems: tuple[tuple[str, str], ...]
    runs: tuple[Run, ...]
    requires_python: RequiresPython | None

    @property
    def pythons(self) -> tuple[str, ...]:
        """Return the Pythons that the spec builds for."""
        found = {python for _, python in self.wheels.leaves}
        return tuple(word for word in python_words.known() if word in found)

    @property
    def targets(self) -> tuple[str, ...]:
        """Return the spec's targets."""
        return tuple(self.wheels.matrix)


def initial_spec(files: ProjectFiles) -> InitialSpec:
    """Return a project's first spec.

    Raises ``SourceMissing`` without a Python package, ``WrongInput`` for a pyproject.toml that is not TOML or
    a Requires-Python that is no specifier, and if no wheel is left.
    """
    found = read_ci_files(files)
    runs = tuple(found.runs) or (Run(),)
    package = _package(runs, files, found)
    if not _has_package(files, package):
        raise SourceMissing(
            "the project has no pyproject.toml or setup.py here, nor in a package-dir of its CI files",
            hint="run it in the project's directory; for a project that is not Python, see [build] "
            "kind in docs/configuration.md",
        )
    pyproject = read_pyproject(files.text(f"{package}{PYPROJECT}"))
    account = Account()
    tables = _tables(runs, package, files, found)
    for table in tables.values():
        account.expect(table.settings())
    account.expect(found.settings)
    required = requires_python(
        pyproject,
        setup_cfg=files.text(f"{package}setup.cfg"),
        setup_py=files.text(f"{package}setup.py"),
        pkg_info=files.pkg_info,
    )
    _check(required)
    wheels = collect(
        runs,
        tables,
        requires_python=required.text if required else None,
        files=files.within(package),
        account=account,
    )
    uses = bool(account.found or found.runs)
    if not uses:
        wheels.leaves = {pair: {} for pair in wheels.leaves}
    if not wheels.leaves:
        raise _no_wheel(required, wheels)
    if wheels.instead is not None:
        text = f"no wheel that cibuildwheel builds can be built here; the spec has {wheels.instead} instead"
        found.problems.append(("", text))
    draft = _draft(wheels, required, package)
    remarks = validated(draft)
    explain_rest(account, found)
    return InitialSpec(
        text=_text(draft, account, remarks),
        package=package,
        wheels=wheels,
        account=account,
        remarks=remarks,
        problems=tuple(dict.fromkeys(found.problems)),  # jobs of a matrix have the same ones
        runs=tuple(found.runs),
        requires_python=required,
    )


def _check(required: RequiresPython | None) -> None:
    if required is not None:
        try:
            specifier(required.text)
        except ValueError:
            raise WrongInput(
                f"{required.source} = {required.text!r} is not a version specifier",
                hint='such as ">=3.11"',
            ) from None


def _no_wheel(required: RequiresPython | None, wheels: Wheels) -> WrongInput:
    if wheels.left_out:
        reasons = sorted(set(wheels.left_out.values()))
        return WrongInput(
            "mpforge builds none of the wheels that cibuildwheel builds here",
            why="\n".join(reasons),
        )
    if required is not None and not wheels.all:
        return WrongInput(
            f"{required.source} = {required.text!r} and cibuildwheel's build and skip leave no wheel",
            hint=f"mpforge builds for {python_words.known()[0]} and later",
        )
    return WrongInput(
        "cibuildwheel's options select no wheel for Linux", hint="check its build, skip and archs"
    )


# --- the project's directory and its tables ---------------------------------------------------


def _package(runs: tuple[Run, ...], files: ProjectFiles, found: Found) -> str:
    """Return the directory of the package with a slash, empty for the project's own."""
    given = [run.text("package-dir").removeprefix("./").strip("/") for run in runs]
    known = [path for path in given if path in ("", ".") or _has_package(files, f"{path}/")]
    chosen = max(set(known), key=known.count) if known else ""
    for run, path in zip(runs, given, strict=True):
        if path not in ("", ".", chosen):
            text = f"package-dir {path} is not read: " + (
                f"the spec is for {chosen or 'the project'}"
                if path in known
                else f"the project has no pyproject.toml in {path}"
            )
            found.problems.append((run.where, text))
    return "" if chosen in ("", ".") else f"{chosen}/"


def _has_package(files: ProjectFiles, folder: str) -> bool:
    return any(files.exists(f"{folder}{name}") for name in (PYPROJECT, "setup.py"))


def _tables(
    runs: tuple[Run, ...], package: str, files: ProjectFiles, found: Found
) -> dict[str, Table]:
    """Return the options by the name of their file as the runs give it; empty is pyproject.toml."""
    tables: dict[str, Table] = {}
    for name in dict.fromkeys(["", *(run.text("config-file") for run in runs)]):
        path = name.replace("{package}/", package).removeprefix("./") or f"{package}{PYPROJECT}"
        text = files.text(path)
        if name and text is None:
            found.problems.append(
                ("", f"config-file {name} does not exist: the options of {PYPROJECT} are used")
            )
            tables[name] = tables[""]
            continue
        tables[name] = read_cibuildwheel_table(text, path)
    return tables


def read_cibuildwheel_table(text: str | None, file: str) -> Table:
    """Return ``[tool.cibuildwheel]`` of a file. Raises ``TomlInvalid``, ``WrongInput`` if it is no table."""
    document: Any = read_toml(text or "", file)
    for name in ("tool", "cibuildwheel"):
        document = document.get(name, {})
        if not isinstance(document, dict):
            raise WrongInput(
                f"`{name}` in {file} is not a table", hint="[tool.cibuildwheel] is one"
            )
    if not document:
        return Table()
    from mpforge.formats.toml_places import key_places

    lines = {path: place[0] for path, place in key_places(text or "").items()}
    return read_table(document, file=file, lines=lines, prefix=("tool", "cibuildwheel"))


# --- the spec ---------------------------------------------------------------------------------


def _draft(wheels: Wheels, required: RequiresPython | None, package: str) -> Draft:
    draft = Draft()
    draft.document["schema"] = 1
    matrix = wheels.matrix
    every = [p for p in python_words.known() if any(p in found for found in matrix.values())]
    project = draft.table("project")
    if package:
        project["source"] = package.rstrip("/")
    project["python"], stands_for = _pythons(every, required, named=wheels.named)
    if required is not None:
        draft.comments["project", "python"] = f"{required.source} is {required.text}"
    project["targets"] = list(matrix)
    left = [(t, p) for t, found in matrix.items() for p in stands_for if p not in found]
    if left:
        project["skip"] = selecting(left, dict.fromkeys(matrix, stands_for))
    base, overrides = factored(wheels.leaves)
    draft.document.update(base)
    if overrides:
        draft.document["overrides"] = overrides
    return draft


def _pythons(
    every: list[str], required: RequiresPython | None, *, named: bool
) -> tuple[str | list[str], list[str]]:
    """Return the Pythons for the spec, and what they stand for.

    That is ``auto`` if the options name none, and if it adds at most free-threaded ones, which are skipped.
    """
    allowed = [
        word for word in python_words.automatic() if required is None or allows(required.text, word)
    ]
    added = set(allowed) - set(every)
    if named or not all(word.endswith("t") for word in added):
        return every, every
    others = [word for word in every if word not in allowed]
    stands_for = [word for word in python_words.known() if word in {*allowed, *others}]
    return [python_words.AUTO, *others] if others else python_words.AUTO, stands_for


def _text(draft: Draft, account: Account, remarks: tuple[Remark, ...]) -> str:
    texts = [comment(_HEAD), to_toml(draft)]
    if "command" not in draft.document.get("test", {}) and not draft.document.get("overrides"):
        texts.append(comment(_NO_COMMAND))
    refused = [
        f"{entry.setting.place} {entry.setting.name}: {' '.join(entry.text.split())}"
        for entry in account.entries()
        if entry.outcome == "refused"
    ]
    notes = [*refused, *(f"{r.key}: {' '.join(r.reason.split())}" for r in remarks)]
    if notes:
        texts.append(comment("\n".join(["Not translated:", *(f"- {note}" for note in notes)])))
    return "\n".join([texts[0], *(f"{text.rstrip()}\n" for text in texts[1:])])
