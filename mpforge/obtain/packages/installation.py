"""Install exactly the packages of a pin, by uv.

Every file is checked by its hash. No sdist is built here: the wheels of packages that are built, and
those of paths, are given as files. This module knows nothing of the lock file, nor of an environment's
use.
"""

import contextlib
import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from mpforge.errors import HashMismatch, MpforgeError, PinGone, WheelRejected
from mpforge.obtain.packages import wheel_choice
from mpforge.obtain.packages.interpreter_answers import interpreter_for
from mpforge.obtain.packages.package_index import Index
from mpforge.obtain.packages.uv import explanation, failure, unexpected, unreachable, uv
from mpforge.obtain.pythons import virtual_environments
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest, Package
from mpforge.platforms import Platform, python_words, well_known
from mpforge.processes import Captured

_NO_WHEELS: Mapping[str, Path] = {}
Wheels = Mapping[str, Path]
"""The wheels of packages that don't come from an index, by the packages' names."""


def install_venv(
    pin: EnvironmentPin, *, python: Path, dest: Path, index: Index, wheels: Wheels = _NO_WHEELS
) -> None:
    """Create a relocatable environment of ``python`` at ``dest`` with exactly the pinned packages.

    Their modules are compiled. Raises ``PinGone``, ``HashMismatch``, ``IndexUnreachable``.
    """
    virtual_environments.make_skeleton(python, dest)
    where = ["--python", str(dest.absolute() / "bin" / "python")]
    _install(pin, where, site=virtual_environments.site_packages(dest), index=index, wheels=wheels)
    virtual_environments.compile_tree(python, dest, below=virtual_environments.site_packages(dest))


def install_target(
    pin: EnvironmentPin,
    *,
    dest: Path,
    index: Index,
    host_python: Path | None = None,
    wheels: Wheels = _NO_WHEELS,
) -> None:
    """Install the pinned packages in the plain directory ``dest``, for the pin's own Python and platform.

    ``host_python``, of the same minor version, compiles them, unless only compilers read them (purposes
    ``library`` and ``target``); without one they are not compiled.
    Scripts land in ``dest/bin`` and start the ``python`` that is put beside them. Raises as
    ``install_venv`` does.
    """
    dest.mkdir(parents=True, exist_ok=True)
    with _foreign(pin.request, host_python) as where:
        where += ["--target", str(dest.absolute())]
        _install(pin, where, site=dest, index=index, wheels=wheels)
    compiled = pin.request.purpose not in {"library", "target"}
    _finish(dest, dest, host_python, compiled=compiled)


def install_prefix(
    pin: EnvironmentPin,
    *,
    dest: Path,
    index: Index,
    host_python: Path | None = None,
    wheels: Wheels = _NO_WHEELS,
) -> None:
    """Install the pinned packages below ``dest`` as in an environment of their Python, with data files.

    They go to ``lib/pythonX.Y/site-packages``, ``bin``, ``share`` and other directories that a wheel names;
    ``dest`` has no interpreter. The rest is as for ``install_target``.
    """
    site = _site(dest, pin.request.python)
    with _foreign(pin.request, host_python) as where:
        where += ["--prefix", str(dest.absolute())]
        _install(pin, where, site=site, index=index, wheels=wheels)
    _finish(dest, site, host_python)


def install_wheel(
    wheel: Path,
    dest: Path,
    *,
    python: str,
    platform: str,
    host_python: Path | None = None,
    native: bool = False,
) -> None:
    """Install the built ``wheel``, without its requirements, below ``dest`` as ``install_prefix`` does.

    ``python`` and ``platform`` are words (``cp311``, ``aarch64``). ``native``: for ``host_python`` on this
    host, with its C library; else for a system that satisfies the wheel's tags. Raises
    ``WheelRejected`` for a wheel that does not fit.
    """
    arguments = ["pip", "install", "-q", "--no-deps", "--no-index", "--no-cache", "--offline"]
    arguments += ["--link-mode", "copy", "--prefix", str(dest.absolute())]
    target = well_known()[platform]
    system = None if native else (target, wheel_choice.policy_of(wheel.name, target))
    site = _site(dest, python)
    with _seen_by_uv(python, system, host_python) as where:
        answer = uv([*arguments, *where, str(wheel.absolute())])
    if answer.returncode != 0:
        here = " on this host" if native else ""
        raise WheelRejected(
            f"{wheel.name} can't be installed for {platform}, {python}{here}",
            why=explanation(answer),
        )
    _finish(dest, site, host_python)


def _foreign(
    request: EnvironmentRequest, host_python: Path | None
) -> AbstractContextManager[list[str]]:
    """Yield arguments that let uv install for a request's Python and platform."""
    system = well_known()[request.target], request.policy
    return _seen_by_uv(request.python, system, host_python)


@contextlib.contextmanager
def _seen_by_uv(
    python: str, system: tuple[Platform, str] | None, host_python: Path | None
) -> Iterator[list[str]]:
    """Yield arguments that let uv install for a Python on a system; None: on this host."""
    version = wheel_choice.python_version(python)
    with interpreter_for(python, system, host_python) as interpreter:
        yield ["--python", str(interpreter), "--python-version", version]


def _site(prefix: Path, python: str) -> Path:
    """Return the directory of packages below a prefix; make it if it is missing."""
    site = prefix.absolute() / "lib" / python_words.parse(python).program / "site-packages"
    site.mkdir(parents=True, exist_ok=True)
    return site


def _finish(dest: Path, site: Path, host_python: Path | None, *, compiled: bool = True) -> None:
    (dest / ".lock").unlink(missing_ok=True)
    virtual_environments.make_scripts_relocatable(dest.absolute(), site.absolute())
    if host_python is not None and compiled:
        virtual_environments.compile_tree(host_python, dest, below=site)


def _install(
    pin: EnvironmentPin, where: Sequence[str], *, site: Path, index: Index, wheels: Wheels
) -> None:
    """Install from hash-checked files; a damaged copy in uv's cache is skipped."""
    if not pin.packages:
        return
    arguments = ["pip", "install", "-q", "--no-deps", "--require-hashes", "--link-mode", "copy"]
    arguments += ["--only-binary", ":all:", *where]
    with tempfile.TemporaryDirectory(prefix="mpforge-install-") as name:
        file = Path(name) / "requirements.txt"
        lines = [_pinned_line(package, wheels) for package in pin.packages]
        file.write_text("".join(lines), "utf-8")
        arguments += ["--requirements", str(file)]
        answer = uv(arguments, index=index)
        if answer.returncode == 0 and virtual_environments.damaged(site):
            answer = uv([*arguments, "--reinstall", "--no-cache"], index=index)
    if answer.returncode != 0:
        raise _not_installed(answer, pin, index)
    _drop_cache_marks(site)


def _drop_cache_marks(site: Path) -> None:
    """Remove uv's notes about a wheel from a directory: they contain times."""
    for mark in site.glob("*.dist-info/uv_cache.json"):
        mark.unlink()
        record = mark.with_name("RECORD")
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if f"{mark.parent.name}/{mark.name}" not in line]
        record.write_text("".join(kept), encoding="utf-8")


def _pinned_line(package: Package, wheels: Wheels) -> str:
    hashes = " ".join(f"--hash={value}" for value in package.hashes)
    if package.name in wheels:
        wheel = wheels[package.name].absolute()
        if package.is_built:  # its own hash is its source's
            hashes = f"--hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"
        return f"{package.name} @ {wheel.as_uri()} {hashes}\n"
    return f"{package.name}=={package.version} {hashes}\n"


def _not_installed(answer: Captured, pin: EnvironmentPin, index: Index) -> MpforgeError:
    kind = failure(answer)
    if kind == "unreachable":
        return unreachable(answer, index)
    named = [p for p in pin.packages if re.search(_mention(p), answer.stderr)]
    words = ", ".join(f"{p.name} {p.version}" for p in named) or "a pinned package"
    update = f"mpforge lock --update {named[0].name if named else ''}".rstrip()
    if kind == "hash":
        return HashMismatch(
            f"{words}: the index sent a different file from the one that the lock pins",
            why=explanation(answer),
            hint=f"run `{update}` if you trust the new file",
        )
    if kind in {"gone", "unsolved"}:
        return PinGone(
            f"{words}: pinned, but the index has no such file for {wheel_choice.for_words(pin.request)}",
            why=explanation(answer),
            hint=update,
        )
    return unexpected(answer, f"install the {pin.request.purpose} environment")


def _mention(package: Package) -> str:
    """Return a pinned package's name in uv's messages."""
    return rf"(?<![\w.-]){re.escape(package.name)}==|(?<![\w.-]){re.escape(package.name)} was not"
