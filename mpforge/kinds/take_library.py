"""Take a native library from a wheel of the target: its headers, libraries and descriptions, no modules."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.errors import OutputMissing
from mpforge.kinds.kind import Kind
from mpforge.kinds.task import Given, Task
from mpforge.plan.steps import TakeLibrary
from mpforge.platforms import well_known

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision

_PARTS = ("include", "lib", "lib64", "share")
_MODULES = ("*.py", "*.pyc", "__pycache__")


class TakingLibrary(Kind[TakeLibrary]):
    """Kind of the steps that take native libraries from wheels."""

    def parts(self, command: TakeLibrary, given: Given, provision: "Provision") -> dict[str, str]:
        """Return nothing: the packages' tree identifies it."""
        return {}

    def run(self, task: Task, command: TakeLibrary, provision: "Provision") -> dict[str, str]:
        """Copy the library out of its package and prove that it is for the target.

        Raises ``OutputMissing``, ``WheelRejected``.
        """
        from mpforge.artifacts.binary_format import Promise
        from mpforge.artifacts.installed_prefix import Prefix
        from mpforge.artifacts.proof import prove_files
        from mpforge.kinds.target_packages import relocated

        directory = task.directory.prepare()
        packages, output = directory.root / "packages", directory.output
        provision.store.restore(task.given.trees["packages"], packages)
        root = _root(packages, task.step.title)
        for part in _PARTS:
            if (root / part).is_dir():
                ignored = shutil.ignore_patterns(*_MODULES)
                shutil.copytree(root / part, output / part, symlinks=True, ignore=ignored)
        for path in output.rglob("*.pc"):
            path.write_text(relocated(path.read_text("utf-8", "replace")), "utf-8")
        shared = any(_is_shared(path) for path in output.rglob("*"))
        Prefix(output, (), (), {}, shared).relocate()
        _keep_metadata(packages, output, command.name)
        prove_files(output, Promise(well_known()[command.target], command.policy))
        return {}


def _root(packages: Path, title: str) -> Path:
    """Return the directory that has the headers and libraries. Raises ``OutputMissing``."""
    roots = dict.fromkeys(_roots(packages))
    if len(roots) != 1:
        names = ", ".join(str(root.relative_to(packages)) for root in roots)
        raise OutputMissing(
            f"{title}: its wheel has {f'several prefixes: {names}' if roots else 'no library'}",
            why="mpforge uses the directory with `include` and `lib` in the wheel; there must be only one",
            hint="build the library instead: set `recipe`, or `source` and `kind`, in its table. For headers "
            "of a package that the build also imports, use `target-requires` in [build]",
        )
    return next(iter(roots))


def _roots(packages: Path) -> Iterator[Path]:
    for path in sorted(packages.rglob("*")):
        names = path.relative_to(packages).parts[:-1]
        found = next((number for number, name in enumerate(names) if name in _PARTS), None)
        if found is not None and (path.suffix in {".h", ".hpp", ".a", ".pc"} or _is_shared(path)):
            yield packages.joinpath(*names[:found])


def _is_shared(path: Path) -> bool:
    return path.name.startswith("lib") and ".so" in path.suffixes


def _keep_metadata(packages: Path, output: Path, name: str) -> None:
    """Keep the package's metadata and licences where those of a built library are."""
    from mpforge.artifacts.licenses import folder, license_files
    from mpforge.kinds.wheel_libraries import METADATA

    place = output / folder(name)
    for information in sorted(packages.glob("*.dist-info")):
        for path in (information / METADATA, *license_files(information, ())):
            copy = place / path.relative_to(information)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
