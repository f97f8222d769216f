"""Resolving requirements to pinned wheels, and installing exactly those, by uv.

A pin has one wheel's hash for each package, the best one for its Python and platform, so that an
index or a mirror gives the same bytes or none. No sdist is ever built here. This module knows
nothing of the lock's file, nor of who needs an environment.
"""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mpforge.errors import (
    HashMismatch,
    MpforgeError,
    NotAvailableYet,
    PinGone,
    Unresolvable,
    WheelRejected,
)
from mpforge.formats.requirements import requirement
from mpforge.formats.toml import read_toml
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest, Package
from mpforge.plan.requirements import OwnPackage, depends_on_patch
from mpforge.processes import Captured
from mpforge.tools import hostpython, standin
from mpforge.tools.index import Index
from mpforge.tools.uvcall import explanation, failure, unexpected, unreachable, uv
from mpforge.tools.uvpython import library
from mpforge.tools.venvs import (
    compile_tree,
    damaged,
    make_scripts_relocatable,
    make_skeleton,
    site_packages,
)
from mpforge.tools.wheelchoice import (
    best_wheel,
    for_words,
    policy_of,
    python_version,
    size_of,
    uv_platform,
)

_ANSWER_SECONDS = (
    15  # pages are small; files may take longer to begin (a mirror fetches them first)
)
# Not "name==1.2 has no usable wheels": uv says that of single releases on its way to a conflict.
_WHEELLESS = re.compile(
    r"(?:all versions of )?([\w.-]+)(?:[<>=!]+\S+)?"
    r"(?: has no wheels with a matching| have no (?:usable )?wheels)"
)


def resolve(
    request: EnvironmentRequest,
    index: Index,
    *,
    prefer: Sequence[Package] = (),
    own: OwnPackage | None = None,
) -> EnvironmentPin:
    """The packages that answer ``request``, with hashes and, where it can be known, sizes.

    ``prefer`` are versions to keep where they still fit. ``own`` is the project under test: it is not
    looked for, whatever requires it. Raises ``Unresolvable`` where nothing satisfies the requirements,
    ``IndexUnreachable``, ``NotAvailableYet`` for a Python, a platform or a direct reference that can't
    be resolved for yet.
    """
    version, platform = python_version(request.python), uv_platform(request.target, request.policy)
    requirements = [_checked(text, request) for text in request.requirements]
    constraints = [_checked(text, request) for text in request.constraints]
    if not requirements:
        return EnvironmentPin(request, ())
    with tempfile.TemporaryDirectory(prefix="mpforge-resolve-") as name:
        work = Path(name)
        (work / "requirements.txt").write_text("\n".join(requirements), encoding="utf-8")
        (work / "constraints.txt").write_text("\n".join(constraints), encoding="utf-8")
        answer_file = work / "pylock.toml"
        if prefer:
            answer_file.write_text(_previous(prefer), encoding="utf-8")
        arguments = ["pip", "compile", "-q", "--no-header", "--format", "pylock.toml"]
        arguments += ["--only-binary", ":all:", "--python", str(_interpreter(request.python))]
        arguments += ["--python-version", version, "--python-platform", platform]
        arguments += ["--constraints", str(work / "constraints.txt")]
        arguments += ["--output-file", str(answer_file), str(work / "requirements.txt")]
        # A user's cut-off date is a wish about resolving, never about installing a pin.
        wishes = {k: v for k, v in os.environ.items() if k.startswith("UV_EXCLUDE_NEWER")}

        def ask(more: Sequence[str]) -> Captured:
            asked = [*arguments, *more]
            return uv(asked, index=index, extra=wishes, read_seconds=_ANSWER_SECONDS)

        answer = ask(()) if own is None else standin.with_own(own, work, ask)
        if answer.returncode != 0:
            raise _not_resolved(answer, request, index)
        table = read_toml(answer_file.read_bytes(), "uv's answer")
    pin = EnvironmentPin(request, _packages(table, request))
    return pin if own is None else pin.without(own.name)


def _interpreter(word: str) -> Path:
    """What uv resolves with. It takes free-threaded wheels for a free-threaded interpreter alone."""
    return hostpython.find(word).executable if word.endswith("t") else Path(sys.executable)


def install_venv(pin: EnvironmentPin, *, python: Path, dest: Path, index: Index) -> None:
    """A relocatable environment of ``python`` at ``dest`` with exactly the pinned packages.

    Their modules are compiled. Raises ``PinGone``, ``HashMismatch``, ``IndexUnreachable``.
    """
    make_skeleton(python, dest)
    where = ["--python", str(dest.absolute() / "bin" / "python")]
    _install(pin, where, site=site_packages(dest), index=index)
    compile_tree(python, dest, below=site_packages(dest))


def install_target(
    pin: EnvironmentPin, *, dest: Path, index: Index, host_python: Path | None = None
) -> None:
    """The pinned packages in the plain directory ``dest``, for the pin's own Python and platform.

    ``host_python``, of the same minor version, compiles them, unless compilers only look at them (purpose
    ``target``); without one they are not compiled.
    Scripts land in ``dest/bin`` and start the ``python`` that is put beside them. Raises as
    ``install_venv`` does.
    """
    dest.mkdir(parents=True, exist_ok=True)
    request = pin.request
    platform = uv_platform(request.target, request.policy)
    where = ["--target", str(dest.absolute())]
    where += _foreign_arguments(request.python, platform, host_python)
    _install(pin, where, site=dest, index=index)
    _finish(dest, dest, host_python, compiled=request.purpose != "target")


def install_prefix(
    pin: EnvironmentPin, *, dest: Path, index: Index, host_python: Path | None = None
) -> None:
    """The pinned packages below ``dest`` as in an environment of their Python, data files and all.

    They are in ``lib/pythonX.Y/site-packages``, ``bin``, ``share`` and where else a wheel wants its files;
    ``dest`` has no interpreter. The rest is as of ``install_target``.
    """
    request = pin.request
    platform = uv_platform(request.target, request.policy)
    with _prefix(dest, request.python, host_python) as site:
        where = ["--prefix", str(dest.absolute())]
        where += _foreign_arguments(request.python, platform, host_python)
        _install(pin, where, site=site, index=index)
        _finish(dest, site, host_python)


@contextlib.contextmanager
def _prefix(dest: Path, python: str, host_python: Path | None) -> Iterator[Path]:
    """Let uv install below ``dest`` for a Python that this host may lack; its site-packages.

    uv asks the interpreter that it runs with for the directories' names, so these are links meanwhile.
    """
    site = dest.absolute() / "lib" / library(python) / "site-packages"
    site.mkdir(parents=True, exist_ok=True)
    free = "t" if "t" in getattr(sys, "abiflags", "") else ""
    own = f"python{sys.version_info.major}.{sys.version_info.minor}{free}"
    links = [dest / "lib64"]
    if host_python is None:
        links.append(dest / "lib" / own)
    made = [link for link in links if not link.exists()]
    for link in made:
        link.symlink_to("lib" if link.name == "lib64" else library(python))
    try:
        yield site
    finally:
        for link in made:
            link.unlink()


def install_wheel(
    wheel: Path,
    dest: Path,
    *,
    python: str,
    platform: str,
    host_python: Path | None = None,
    native: bool = False,
) -> None:
    """The built ``wheel`` itself, without its requirements, below ``dest`` as ``install_prefix`` does.

    ``python`` and ``platform`` are words (``cp311``, ``aarch64``). ``native``: for ``host_python`` on this
    host, with the C library that it has; else for one that has what the wheel's name says. Raises
    ``WheelRejected`` for a wheel that is not for them.
    """
    arguments = ["pip", "install", "-q", "--no-deps", "--no-index", "--no-cache", "--offline"]
    arguments += ["--link-mode", "copy", "--prefix", str(dest.absolute())]
    if native:
        where = ["--python", str(host_python or sys.executable)]
    else:
        name = uv_platform(platform, policy_of(wheel.name), at_least=True)
        where = _foreign_arguments(python, name, host_python)
    with _prefix(dest, python, host_python) as site:
        answer = uv([*arguments, *where, str(wheel.absolute())])
        if answer.returncode != 0:
            here = " on this host" if native else ""
            raise WheelRejected(
                f"{wheel.name} can't be installed for {platform}, {python}{here}",
                why=explanation(answer),
            )
        _finish(dest, site, host_python)


def fetch_sizes(pin: EnvironmentPin) -> int:
    """The bytes that installing ``pin`` downloads, as far as they are known."""
    return sum(package.size or 0 for package in pin.packages)


def _foreign_arguments(python: str, platform: str, host_python: Path | None) -> list[str]:
    return [
        *("--python", str(host_python or sys.executable)),
        *("--python-version", python_version(python)),
        *("--python-platform", platform),
    ]


def _finish(dest: Path, site: Path, host_python: Path | None, *, compiled: bool = True) -> None:
    (dest / ".lock").unlink(missing_ok=True)
    make_scripts_relocatable(dest.absolute(), site.absolute())
    if host_python is not None and compiled:
        compile_tree(host_python, dest, below=site)


def _install(pin: EnvironmentPin, where: Sequence[str], *, site: Path, index: Index) -> None:
    """Install from hash-checked files; a damaged copy in uv's cache is passed by."""
    if not pin.packages:
        return
    arguments = ["pip", "install", "-q", "--no-deps", "--require-hashes", "--link-mode", "copy"]
    arguments += ["--only-binary", ":all:", *where]
    with tempfile.TemporaryDirectory(prefix="mpforge-install-") as name:
        file = Path(name) / "requirements.txt"
        file.write_text("".join(_pinned_line(package) for package in pin.packages), "utf-8")
        arguments += ["--requirements", str(file)]
        answer = uv(arguments, index=index)
        if answer.returncode == 0 and damaged(site):
            answer = uv([*arguments, "--reinstall", "--no-cache"], index=index)
    if answer.returncode != 0:
        raise _not_installed(answer, pin, index)
    _drop_cache_marks(site)


def _drop_cache_marks(site: Path) -> None:
    """Take out what uv notes about a wheel that came from a directory: it has times in it."""
    for mark in site.glob("*.dist-info/uv_cache.json"):
        mark.unlink()
        record = mark.with_name("RECORD")
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if f"{mark.parent.name}/{mark.name}" not in line]
        record.write_text("".join(kept), encoding="utf-8")


def _pinned_line(package: Package) -> str:
    hashes = " ".join(f"--hash={value}" for value in package.hashes)
    return f"{package.name}=={package.version} {hashes}\n"


def _previous(packages: Sequence[Package]) -> str:
    """A PEP 751 file of versions to keep, as uv reads an earlier answer."""
    head = 'lock-version = "1.0"\ncreated-by = "mpforge"\n'
    return head + "".join(
        f'[[packages]]\nname = "{package.name}"\nversion = "{package.version}"\n'
        for package in packages
    )


def _checked(text: str, request: EnvironmentRequest) -> str:
    """A requirement as uv shall read it. Raises where it isn't PEP 508, or names an address.

    uv answers markers for 3.X.0; what holds for a later patch version only has its marker taken off.
    """
    try:
        wanted = requirement(text)
    except ValueError as error:
        raise Unresolvable(
            f"{text!r} is not a requirement", why=str(error), hint='such as "cython>=3,<4"'
        ) from error
    if wanted.url:
        raise NotAvailableYet(
            f"the requirement {wanted.name} names an address, which can't be pinned yet",
            hint="name a version, and the index that has it in [index]",
        )
    if depends_on_patch(text, target=request.target, python=request.python):
        wanted.marker = None
    return str(wanted)


def _packages(table: Mapping[str, Any], request: EnvironmentRequest) -> tuple[Package, ...]:
    """What uv's PEP 751 answer names, the best wheel of each, sorted by name."""
    chosen = []
    for entry in table.get("packages", []):
        if "archive" in entry:
            continue
        wheel = best_wheel(entry, request)
        chosen.append((str(entry["name"]), str(entry["version"]), wheel))
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(size_of, [wheel for _, _, wheel in chosen]))
    return tuple(
        Package(name, version, (f"sha256:{wheel.sha256}",), size)
        for (name, version, wheel), size in sorted(
            zip(chosen, sizes, strict=True), key=lambda pair: pair[0][0]
        )
    )


def _not_resolved(answer: Captured, request: EnvironmentRequest, index: Index) -> MpforgeError:
    kind = failure(answer)
    if kind in {"unreachable", "gone"}:
        return unreachable(answer, index)
    if kind != "unsolved":
        return unexpected(
            answer, f"resolve the {request.purpose} requirements for {for_words(request)}"
        )
    names = sorted(set(_WHEELLESS.findall(answer.stderr)))
    hint = "relax the requirement; [index] in the spec names another index"
    if names:
        hint = (
            f"no fitting wheel of {', '.join(names)} for {for_words(request)}: allow a version "
            "that has one, or name an index that does in [index]"
        )
    if request.constraints:
        hint = f"{hint}; or relax [build] constraints: {', '.join(request.constraints)}"
    return Unresolvable(
        f"nothing satisfies the {request.purpose} requirements for {for_words(request)}: "
        f"{', '.join(request.requirements)}",
        why=explanation(answer),
        hint=hint,
    )


def _not_installed(answer: Captured, pin: EnvironmentPin, index: Index) -> MpforgeError:
    kind = failure(answer)
    if kind == "unreachable":
        return unreachable(answer, index)
    named = [p for p in pin.packages if re.search(_mention(p), answer.stderr)]
    words = ", ".join(f"{p.name} {p.version}" for p in named) or "a pinned package"
    update = f"mpforge lock --update {named[0].name if named else ''}".rstrip()
    if kind == "hash":
        return HashMismatch(
            f"{words}: the index sent another file than the one that the lock pins",
            why=explanation(answer),
            hint=f"if the new file is to be trusted: {update}",
        )
    if kind in {"gone", "unsolved"}:
        return PinGone(
            f"{words}: pinned, but the index has no such file for {for_words(pin.request)}",
            why=explanation(answer),
            hint=update,
        )
    return unexpected(answer, f"install the {pin.request.purpose} environment")


def _mention(package: Package) -> str:
    """How uv's messages name a pinned package."""
    return rf"(?<![\w.-]){re.escape(package.name)}==|(?<![\w.-]){re.escape(package.name)} was not"
