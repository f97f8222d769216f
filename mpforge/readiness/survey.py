"""Survey a project's requirements for all targets and Pythons: which packages have wheels."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mpforge.errors import Unresolvable
from mpforge.obtain.packages.index_pages import Account, Offer, offers
from mpforge.obtain.packages.package_index import Index, uv_arguments
from mpforge.obtain.packages.wheel_choice import tag_ranks
from mpforge.plan.pins import EnvironmentRequest
from mpforge.readiness.offered import Answer, judge
from mpforge.readiness.resolution import Resolved, resolve
from mpforge.readiness.sdist_look import Look, look
from mpforge.store.protocols import BlobStore


@dataclass(frozen=True)
class Cell:
    """A package for one target and Python."""

    package: Resolved
    answer: Answer


@dataclass
class Column:
    """All packages for one target and Python; ``trouble`` says why they could not be resolved."""

    target: str
    python: str
    policy: str
    cells: dict[str, Cell] = field(default_factory=dict)
    trouble: str = ""

    @property
    def blocked(self) -> list[str]:
        """The packages that an installer would have to compile, or does not find."""
        return [name for name, cell in self.cells.items() if cell.answer.blocks]


@dataclass(frozen=True)
class Survey:
    """The columns, and what the source distributions of blocking packages look like, by name and version."""

    columns: tuple[Column, ...]
    looks: Mapping[tuple[str, str], Look]


def survey(
    requests: Iterable[EnvironmentRequest],
    index: Index,
    store: BlobStore,
    *,
    files: Sequence[Path] = (),
    tell: Callable[[str], None] = lambda _words: None,
) -> Survey:
    """Return the survey of these environments. Raises ``IndexUnreachable``, ``WrongInput``."""
    columns = []
    known: dict[Resolved, tuple[Offer, ...]] = {}
    accounts = _Accounts(index)
    for request in requests:
        column = Column(request.target, request.python, request.policy)
        columns.append(column)
        tell(f"{column.target}, {column.python} …")
        try:
            packages, missing = resolve(request, index, files)
        except Unresolvable as error:
            column.trouble = (error.why or error.what).splitlines()[0]
            continue
        _ask(packages, known, accounts)
        ranks = tag_ranks(request)
        for package in packages:
            if package.index:
                answer = judge(known[_page(package)], package.version, ranks)
                column.cells[package.name] = Cell(package, answer)
        for name, why in missing.items():
            column.cells[name] = Cell(Resolved(name, "", ""), Answer("nothing", why=why))
    return Survey(tuple(columns), _looks(columns, accounts, store, tell))


def _page(package: Resolved) -> Resolved:
    """Return the key of a package's page at its index, the same for all versions."""
    return Resolved(package.name, "", package.index)


def _ask(
    packages: Iterable[Resolved], known: dict[Resolved, tuple[Offer, ...]], accounts: "_Accounts"
) -> None:
    """Ask the indexes for the pages of packages that are not known yet."""
    new = {page for p in packages if p.index and (page := _page(p)) not in known}
    ordered = sorted(new, key=lambda page: page.name)
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda p: offers(p.index, p.name, accounts.of(p.index)), ordered)
        known |= dict(zip(ordered, found, strict=True))


def _looks(
    columns: Iterable[Column],
    accounts: "_Accounts",
    store: BlobStore,
    tell: Callable[[str], None],
) -> dict[tuple[str, str], Look]:
    """Inspect the sdist of each blocking package; those of pure Python no longer block."""
    found: dict[tuple[str, str], Look] = {}
    for column in columns:
        for name, cell in column.cells.items():
            answer, package = cell.answer, cell.package
            if not answer.blocks or answer.sdist is None:
                continue
            key = (name, package.version)
            if key not in found:
                tell(f"looking at {answer.sdist.filename} …")
                found[key] = look(answer.sdist, accounts.of(package.index), store)
            if found[key].pure_by:
                column.cells[name] = Cell(package, replace(answer, compiled=False))
    return found


class _Accounts:
    """The credentials that uv would use for an index: the spec's, or those in a configured address."""

    def __init__(self, index: Index) -> None:
        _, variables = uv_arguments(index)
        texts = [value for name, value in {**os.environ, **variables}.items() if "INDEX" in name]
        self._of: dict[str, Account] = {}
        for word in " ".join(texts).replace("=http", " http").split():
            try:
                parts = urlsplit(word)
                if parts.scheme in {"http", "https"} and parts.username:
                    account = Account(unquote(parts.username), unquote(parts.password or ""))
                    self._of[parts.netloc.rpartition("@")[2]] = account
            except ValueError:
                continue
        named = index.url or next(iter(index.extra), None)
        names = [
            os.environ.get(name or "", "") for name in (index.username_env, index.password_env)
        ]
        if named and any(names):
            self._of[urlsplit(named).netloc.rpartition("@")[2]] = Account(*names)

    def of(self, address: str) -> Account | None:
        """Return the account for an index's address."""
        return self._of.get(urlsplit(address).netloc.rpartition("@")[2])
