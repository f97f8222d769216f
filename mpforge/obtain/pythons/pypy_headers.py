"""Describe PyPy to build hooks: a host CPython of the same version runs them, with PyPy's headers.

The headers are those of a distribution's packages; they are the same for all machines of a version. Build
requirements are then CPython's wheels for this host, as for other targets; ``toolchains.target_view`` tells
the hooks that they run on PyPy.
"""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

from mpforge.errors import NoHostPython
from mpforge.obtain.distro import apt
from mpforge.obtain.pythons import target_libraries
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.obtain.session_tools import SessionTools
from mpforge.plan.pins import DistroRequest
from mpforge.platforms import Platform, debian_suites, python_words
from mpforge.store.tool_store import ToolTree

# pypy_decl.h is in the program's package.
_PACKAGES = ("pypy3", "pypy3-dev", "pypy3-lib")


def request(python: str, host: Platform, release: tuple[str, str] | None) -> DistroRequest:
    """Return the packages with a PyPy's headers. Raises ``NoHostPython`` if no distribution has them."""
    suites = [suite.name for suite in debian_suites.suites() if python in suite.pythons]
    if not suites or release is None or release[0] != "debian" or host.debian_arch is None:
        why = "they come from Debian's packages; this needs a Debian with apt that has them"
        raise NoHostPython(f"no headers of {python} for this host", why=why)
    return DistroRequest("debian", suites[0], host.debian_arch, _PACKAGES)


def builder(
    python: str, host: HostPython, platform: Platform, tools: SessionTools, *, fetch: bool
) -> HostPython:
    """Return a host CPython as the interpreter that builds for a PyPy.

    ``platform`` is this machine's. Without ``fetch`` headers that are not in the store are left out; its
    identity is the same. Raises ``NoHostPython``, and the errors of pinning and fetching.
    """
    wanted = request(python, platform, tools.release or apt.host_distribution())
    pin = tools.pins.distribution(wanted)
    digest = apt.digest_of(pin, "headers")
    program = python_words.parse(python).program
    name = f"headers-{python}"

    def make(tree: Path) -> None:
        apt.fetch(pin, state=tools.cache / "distribution", dest=tree / "packages")
        (tree / "packages" / "usr" / "include" / program).rename(tree / program)
        shutil.rmtree(tree / "packages")

    if fetch:
        version = target_libraries.version_of(pin, "pypy3-dev")
        store = tools.store.telling(lambda: tools.working(f"the headers of {python}"))
        found: ToolTree | None = store.obtain(name=name, version=version, digest=digest, make=make)
    else:
        found = tools.store.find(name, digest)
    parts = (*(part for part in host.parts if part[0] != "headers"), ("headers", digest))
    return replace(
        host,
        python=python,
        parts=parts,
        digest=hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
        includes=() if found is None else (found.path / program,),
    )
