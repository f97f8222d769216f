"""The target view: files that make the build hooks of a CPython build for a target.

On Linux a build needs no Python of the target: a view has the headers of the interpreter that builds, with
an overlay of what the compiler knows, the target's build variables, and answers to the questions of setup
scripts (docs/architecture.md). A view is a relocatable tree of the tool store. Hooks alone may see it:
build requirements are for the interpreter that builds, be it this host's or an image's, and run by it.
This module knows nothing of hooks.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge import processes
from mpforge.errors import ToolUnavailable
from mpforge.obtain.pythons import host_python
from mpforge.obtain.pythons.host_python import HostPython, Interpreter
from mpforge.platforms import GLIBC, MUSL, Platform, policy_version, python_words
from mpforge.store.tool_store import ToolStore
from mpforge.toolchains import compiler_wrappers, machine_files
from mpforge.toolchains.ready import digest
from mpforge.toolchains.templates import template

# CFLAGS of the environment replace setuptools' own, so these are CPython's that matter.
CFLAGS = "-fno-strict-overflow -Wsign-compare -DNDEBUG -O3 -Wall"

_FLAG_VARIABLES = ("CFLAGS", "PY_CFLAGS", "OPT", "PY_CORE_CFLAGS")
_EMPTY_VARIABLES = (
    *("LDFLAGS", "PY_LDFLAGS", "PY_CORE_LDFLAGS", "PY_LDFLAGS_NODIST", "LDFLAGS_NODIST"),
    *("CONFIGURE_CFLAGS", "CONFIGURE_LDFLAGS", "CONFIGURE_CPPFLAGS", "CFLAGS_NODIST"),
    *("CPPFLAGS", "PY_CPPFLAGS", "BASECPPFLAGS", "EXTRA_CFLAGS", "MULTIARCH_CPPFLAGS"),
    *("CONFIGURE_CFLAGS_NODIST", "CONFIGURE_LDFLAGS_NODIST", "PY_CFLAGS_NODIST"),
    *("LIBS", "BLDLIBRARY", "LDLIBRARY", "LIBRARY", "LINKFORSHARED", "RUNSHARED", "LIBPYTHON"),
)
# musl's time_t has 64 bits everywhere, since 1.2.0.
_MUSL_PYCONFIG = "\n#undef SIZEOF_TIME_T\n#define SIZEOF_TIME_T 8\n"
_PROGRAMS = {
    "CC": "cc",
    "CXX": "c++",
    "AR": "ar",
    "RANLIB": "ranlib",
    "STRIP": "strip",
    "LD": "ld",
    "OBJCOPY": "objcopy",
}
_FLAGS = ("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS")


def soabi(host: Interpreter, platform: Platform) -> str:
    """Return the suffix of the target's extension modules: ``cpython-311-aarch64-linux-gnu``."""
    return python_words.parse(host.python).soabi(_multiarch(host, platform))


def _multiarch(host: Interpreter, platform: Platform) -> str:
    return platform.extension_platform(int(host.short_version.split(".")[1]))


@dataclass(frozen=True)
class View:
    """The inputs of a view.

    ``cross``: the target is not the machine that builds. ``host`` is the interpreter of the build hooks,
    None for builds that are no Python's; ``builder`` the machine that builds, where it gets compilers too.
    ``image_headers``: an image's headers and libraries are the target's too. ``tools`` are the variables of
    a place that brings its own compilers, ``CC`` and its like among them; None: the programs are the view's,
    and call zig.
    """

    platform: Platform
    policy: str
    cross: bool
    host: Interpreter | None = None
    builder: Platform | None = None
    image_headers: bool = False
    tools: Mapping[str, str] | None = None


def view_ingredients(view: View) -> tuple[tuple[str, str], ...]:
    """Return everything that determines a view, by name, without paths; its digest is computed from this."""
    programs = digest(json.dumps(_texts(view), sort_keys=True))
    interpreter = () if view.host is None else (("interpreter", view.host.digest),)
    target = compiler_wrappers.zig_target(view.platform, view.policy)
    return (*interpreter, ("target", target), ("programs", programs))


def make_view(dest: Path, view: View) -> None:
    """Fill the directory ``dest``: ``bin/`` unless there are ``tools``, with a Python ``include/``; when
    crossing also ``cmake/``, ``meson/``, ``autoconf/``, and with a Python ``site/``.

    The tree holds no path of itself and may be moved. Natively the headers are the host's with one
    whole pyconfig.h, because the compiler does not see /usr/include. Raises ``OSError``, and
    ``ToolUnavailable`` if the interpreter can't compile what it is shown.
    """
    if view.host is not None:
        _copy_headers(dest / "include" / view.host.headers_name, view.host, cross=view.cross)
    for name, text in _texts(view).items():
        path = dest / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if name.startswith("bin/") else 0o644)
    (dest / "lib" / "pkgconfig").mkdir(parents=True)  # what a target has: nothing yet
    if view.cross and isinstance(view.host, HostPython):
        _compile(view.host, dest / "site")


def view_name(view: View) -> tuple[str, str]:
    """Return a view's name and digest in the tool store."""
    words = ("view", view.platform.name, view.host and view.host.python)
    parts = sorted(dict(view_ingredients(view)).items())
    return "-".join(word for word in words if word), digest(repr(parts))


def provide_view(view: View, store: ToolStore) -> Path:
    """Return the view as a tree of the tool store, created if needed. Raises as ``make_view``."""

    def make(folder: Path) -> None:
        make_view(folder, view)

    name, identity = view_name(view)
    return store.obtain(name=name, version="1", digest=identity, make=make).path


@dataclass(frozen=True)
class Surroundings:
    """The other inputs of a view's compilers, in one step.

    ``zig`` is the program, ``zig_cache`` what ``zig.private_cache`` gave, ``scratch`` a private directory,
    ``step`` the one that becomes ``.`` in what is built, ``log`` a file that the compilers' notes are
    appended to.
    """

    zig: Path
    zig_cache: Path
    scratch: Path
    step: Path
    log: Path


def compiler_environment(tree: Path, view: View, there: Surroundings | None) -> dict[str, str]:
    """Return the variables that name a view's compilers, and those that the programs of its ``bin/`` need.

    PATH is the caller's: ``tree / "bin"`` belongs on it, before the host's programs, so that a plain
    ``cc`` is the target's too. Where the place has compilers of its own (``view.tools``, and nothing is
    ``there``), what it says itself of any of these variables holds.
    """
    environment = {}
    if not view.image_headers:
        environment["PKG_CONFIG_LIBDIR"] = str(tree / "lib" / "pkgconfig")
        environment["PKG_CONFIG_PATH"] = ""
    if view.cross:
        environment["CMAKE_TOOLCHAIN_FILE"] = str(tree / machine_files.CMAKE)
        environment["CONFIG_SITE"] = str(tree / machine_files.CONFIG_SITE)
    if there is None:
        own = view.tools or {}
        kept = (*_PROGRAMS, *_FLAGS, *environment)
        return environment | {name: own[name] for name in kept if name in own}
    programs = tree / "bin"
    environment |= {
        **{variable: str(programs / name) for variable, name in _PROGRAMS.items()},
        "MPFORGE_ZIG": str(there.zig),
        "MPFORGE_STEP_DIR": str(there.step),
        "MPFORGE_WRAPPER_LOG": str(there.log),
        "ZIG_GLOBAL_CACHE_DIR": str(there.zig_cache),
        "ZIG_LOCAL_CACHE_DIR": str(there.scratch / "zig"),
    }
    if view.builder is not None:
        environment |= {
            "CC_FOR_BUILD": str(programs / "build-cc"),
            "CXX_FOR_BUILD": str(programs / "build-c++"),
        }
    return environment


def emulation(tree: Path, *, emulator: Path, sysroot: Path, cpu: str | None) -> dict[str, str]:
    """Return the variables with which a view's ``mpforge-run`` starts the target's programs."""
    environment = {
        "MPFORGE_RUN": str(tree / "bin" / compiler_wrappers.RUN),
        "MPFORGE_EMULATOR": str(emulator),
        "MPFORGE_SYSROOT": str(sysroot),
    }
    return environment if cpu is None else {**environment, "QEMU_CPU": cpu}


def view_environment(tree: Path, view: View, there: Surroundings | None) -> dict[str, str]:
    """Return the variables that a view adds for build hooks; see ``compiler_environment``.

    Set it last: pypa/build empties PYTHONPATH. Append a user's CFLAGS to these, do not replace them.
    """
    compilers, tools = compiler_environment(tree, view, there), view.tools or {}
    flags = [CFLAGS]
    if view.tools is not None and view.host is not None:
        # Before directories in the place's own flags, which are for one Python at most.
        flags.insert(0, f"-I{tree / 'include' / view.host.headers_name}")
    environment = {
        **compilers,
        "LDSHARED": tools.get("LDSHARED") or f"{compilers['CC']} -shared",
        "LDCXXSHARED": tools.get("LDCXXSHARED") or f"{compilers.get('CXX', 'c++')} -shared",
        "CFLAGS": " ".join(filter(None, [*flags, tools.get("CFLAGS")])),
        "CXXFLAGS": " ".join(filter(None, [*flags, tools.get("CXXFLAGS")])),
        "LDFLAGS": tools.get("LDFLAGS", ""),
    }
    if not view.cross or view.host is None:
        return environment
    return {
        **environment,
        "PYTHONPATH": str(tree / "site"),
        "_PYTHON_HOST_PLATFORM": f"linux-{view.platform.machine}",
        "_PYTHON_SYSCONFIGDATA_NAME": _sysconfigdata_name(view.host, view.platform),
        "ARCHFLAGS": "",
    }


# --- headers ----------------------------------------------------------------------------------


def _copy_headers(directory: Path, host: Interpreter, *, cross: bool) -> None:
    """Copy CPython's headers; the last of several pyconfig.h is the real one (Debian's first is a switch)."""
    found = host_python.headers(host.includes)
    for name, source in found.items():
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    if cross:
        (directory / "pyconfig.h").rename(directory / "pyconfig_host.h")  # ours includes it


# --- what Python is told ----------------------------------------------------------------------


def _texts(view: View) -> dict[str, str]:
    """Return the texts of a view by path; headers are copied, not written."""
    platform, policy, host = view.platform, view.policy, view.host
    headers = None if host is None else host.headers_name
    texts = {}
    if view.tools is None:
        programs = compiler_wrappers.programs(
            platform,
            policy,
            cross=view.cross,
            headers_name=headers,
            builder=view.builder,
            image_headers=view.image_headers,
        )
        texts = {f"bin/{program}": text for program, text in programs.items()}
    if view.cross:
        texts |= machine_files.texts(platform, view.tools)
    if view.cross and host is not None:
        texts |= {f"site/{module}": text for module, text in _site(host, view).items()}
        later = _MUSL_PYCONFIG if platform.libc is MUSL else ""
        texts[f"include/{headers}/pyconfig.h"] = template("pyconfig_overlay.h") + later
    return texts


def _sysconfigdata_name(host: Interpreter, platform: Platform) -> str:
    return f"_sysconfigdata_{host.abiflags}_linux_{platform.multiarch}"


def _site(host: Interpreter, view: View) -> dict[str, str]:
    """Return the modules of ``site/`` by file name."""
    platform = view.platform
    facts = target_facts(host, platform, view.policy)
    named = (*_PROGRAMS, "LDSHARED", "LDCXXSHARED")
    facts["TOOLS"] = {n: view.tools[n] for n in named if n in view.tools} if view.tools else {}
    pypy = python_words.parse(host.python).is_pypy
    own = {"_mpforge_pypy.py": template("pypy.py")} if pypy else {}
    lines = ['"""The target, for the modules beside this one. Written by mpforge."""\n']
    lines += [f"{name} = {value!r}" for name, value in facts.items()]
    return own | {
        "_mpforge_target.py": "\n".join(lines) + "\n",
        f"{_sysconfigdata_name(host, platform)}.py": template("sysconfigdata.py"),
        "sitecustomize.py": template("sitecustomize.py") + "\nimport _mpforge_pypy\n" * pypy,
        "_mpforge_layout.py": template("layout.py"),
    }


def target_facts(host: Interpreter, platform: Platform, policy: str) -> dict[str, object]:
    """Return the facts about host and target for the modules of ``site/``: literals only, no paths."""
    major, minor = host.short_version.split(".")
    libc = "glibc" if platform.libc is GLIBC else ""
    version = ".".join(str(part) for part in policy_version(policy)) if libc else ""
    return {
        "PYTHON": (int(major), int(minor)),
        "ABIFLAGS": host.abiflags,
        "HOST_SYSCONFIGDATA": host.sysconfigdata_name,
        "HOST_MULTIARCH": host.multiarch,
        "HEADERS_NAME": host.headers_name,
        "MACHINE": platform.machine,
        "MULTIARCH": _multiarch(host, platform),
        "GNU_TRIPLE": platform.gnu_triple,
        "SOABI": soabi(host, platform),
        "BITS": platform.bits,
        "ENDIAN": platform.endian,
        "ALIGN_OF_8": 4 if platform.x86 and platform.bits == 32 else 8,  # in a struct, of double
        "LONG_DOUBLE": platform.long_double_size,
        "LIBC": (libc, version),
        "CFLAGS": CFLAGS,
        "FLAG_VARIABLES": _FLAG_VARIABLES,
        "EMPTY_VARIABLES": _EMPTY_VARIABLES,
        "SIZES": _sizes(platform),
    }


def _sizes(platform: Platform) -> dict[str, int]:
    """Return the variables that pyconfig_overlay.h takes from the compiler, for scripts that ask Python."""
    word = platform.bits // 8
    words = ("LONG", "VOID_P", "SIZE_T", "UINTPTR_T", "PTHREAD_T")
    big = int(platform.endian == "big")
    return {
        **{f"SIZEOF_{name}": word for name in words},
        "SIZEOF_TIME_T": 8 if platform.libc is MUSL else word,
        "SIZEOF_LONG_DOUBLE": platform.long_double_size,
        "SIZEOF_WCHAR_T": 4,
        "ALIGNOF_LONG": word,
        "ALIGNOF_SIZE_T": word,
        "ALIGNOF_MAX_ALIGN_T": platform.max_align,
        "WORDS_BIGENDIAN": big,
        "DOUBLE_IS_BIG_ENDIAN_IEEE754": big,
        "DOUBLE_IS_LITTLE_ENDIAN_IEEE754": 1 - big,
        "HAVE_GCC_ASM_FOR_X64": int(platform.x86 and platform.bits == 64),
        "HAVE_GCC_ASM_FOR_X87": int(platform.x86),
        "HAVE_GCC_UINT128_T": int(platform.bits == 64),
        "HAVE___UINT128_T": int(platform.bits == 64),
    }


def _compile(host: HostPython, site: Path) -> None:
    """Compile once, here: a hook must not write into the tool store, nor compile at every start."""
    argv = [str(host.executable), "-I", "-S", "-m", "compileall", "-q", "-s", str(site.parent)]
    answer = processes.capture(
        [*argv, "--invalidation-mode", "unchecked-hash", str(site)], environment={"PATH": ""}
    )
    if answer.returncode != 0:
        what = f"{host.executable} can't compile the target view"
        raise ToolUnavailable(what, why=answer.stdout + answer.stderr)
