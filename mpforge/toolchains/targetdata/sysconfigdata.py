"""A target's build variables: the host interpreter's own, with what differs on the target.

Python imports this by the name in ``_PYTHON_SYSCONFIGDATA_NAME``, from PYTHONPATH, in build hooks
only. Every path is made from this file's own, so the tree may be moved. An interpreter of another
version than the one it is for (a program that a build starts) gets its own variables.
"""

import importlib
import os
import sys
import sysconfig

import _mpforge_target as _target

_view = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_include = os.path.join(_view, "include")


def _tool(variable, name):
    return _target.TOOLS.get(variable) or os.path.join(_view, "bin", name)


def _own_name():
    """What the running interpreter calls its own module, without the variable that named us."""
    named = os.environ.pop("_PYTHON_SYSCONFIGDATA_NAME", None)
    try:
        return sysconfig._get_sysconfigdata_name()  # noqa: SLF001 (there is no public way)
    finally:
        if named is not None:
            os.environ["_PYTHON_SYSCONFIGDATA_NAME"] = named


def _for_target(host):
    """The host's variables in the target's words: names first, then tools, flags, places, sizes."""
    found = {
        name: value.replace(_target.HOST_MULTIARCH, _target.MULTIARCH)
        if isinstance(value, str) and _target.HOST_MULTIARCH
        else value
        for name, value in host.items()
    }
    cc, cxx = _tool("CC", "cc"), _tool("CXX", "c++")
    headers = os.path.join(_include, _target.HEADERS_NAME)
    found.update(
        MULTIARCH=_target.MULTIARCH,
        SOABI=_target.SOABI,
        EXT_SUFFIX=f".{_target.SOABI}.so",
        HOST_GNU_TYPE=_target.GNU_TRIPLE,
        CONFIG_ARGS="",
    )
    found.update(
        CC=cc,
        CXX=cxx,
        LINKCC=cc,
        MAINCC=cc,
        AR=_tool("AR", "ar"),
        ARFLAGS="rcs",
        RANLIB=_tool("RANLIB", "ranlib"),
        LDSHARED=_target.TOOLS.get("LDSHARED") or f"{cc} -shared",
        BLDSHARED=_target.TOOLS.get("LDSHARED") or f"{cc} -shared",
        LDCXXSHARED=_target.TOOLS.get("LDCXXSHARED") or f"{cxx} -shared",
    )
    found.update(dict.fromkeys(_target.FLAG_VARIABLES, _target.CFLAGS), CCSHARED="-fPIC")
    found.update(dict.fromkeys(_target.EMPTY_VARIABLES, ""), SYSLIBS="-lm", Py_ENABLE_SHARED=0)
    found.update(
        INCLUDEDIR=_include,
        INCLUDEPY=headers,
        CONFINCLUDEDIR=_include,
        CONFINCLUDEPY=headers,
        LIBDIR=os.path.join(_view, "lib"),
        LIBPL=os.path.join(_view, "lib"),
        LIBPC=os.path.join(_view, "lib", "pkgconfig"),
    )
    found.update(_target.SIZES)
    return found


def _is_for_us():
    return sys.version_info[:2] == _target.PYTHON and sys.abiflags == _target.ABIFLAGS


if _is_for_us():
    build_time_vars = _for_target(
        importlib.import_module(_target.HOST_SYSCONFIGDATA).build_time_vars
    )
else:
    build_time_vars = importlib.import_module(_own_name()).build_time_vars
