"""Answers questions about a target's word size and byte order, where the machine that builds has others.

The interpreter that runs a hook needs the truth: its library checks ctypes against struct, numpy describes
its arrays by sys.byteorder. So the answer depends on the file that asks:

- the standard library is told the truth;
- installed packages (build backends, numpy) are told the target's word size and the true byte order;
- the project's own scripts are told both of the target.

What can't be answered, because bytes or structures are laid out here, is noted for the end of the session.
"""

import importlib.util
import os
import re
import struct
import sys
import types

import _mpforge_target as target

_TRUE_SIZE = sys.maxsize.bit_length() + 1
_TRUE_ORDER = sys.byteorder
_OTHER_SIZE = _TRUE_SIZE != target.BITS
_OTHER_ORDER = _TRUE_ORDER != target.ENDIAN
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_PACKAGES = f"{os.sep}site-packages{os.sep}"
_WORDS = frozenset("lLnNP")
_SIZES = {**dict.fromkeys("cbB?xsp", 1), **dict.fromkeys("hHe", 2), **dict.fromkeys("iIf", 4)}
_SIZES |= {**dict.fromkeys("qQd", 8), **dict.fromkeys(_WORDS, target.BITS // 8)}
_ITEM = re.compile(r"(\d*)([a-zA-Z?])")
_true_calcsize, _true_pack, _TrueStruct = struct.calcsize, struct.pack, struct.Struct
_true_hash = sys.hash_info


def _asker(depth=2):
    """Return the file and the line of the code that asks, and who it is: library, package or project."""
    frame = sys._getframe(depth)  # noqa: SLF001 (there is no public way)
    file = frame.f_code.co_filename
    if file.startswith("<frozen"):
        return file, 0, "library"
    if file.startswith("<"):  # exec, as setuptools runs setup.py
        file = frame.f_globals.get("__file__") or file
    if _PACKAGES in file:
        return file, frame.f_lineno, "package"
    return file, frame.f_lineno, "library" if file.startswith(_LIBRARY) else "project"


def _note(asker, what):
    """Note that the project's own script did something here whose result the target can't use."""
    log = os.environ.get("MPFORGE_WRAPPER_LOG")
    file, line, who = asker
    if log and who == "project":
        with open(log, "a", encoding="utf-8") as notes:
            notes.write(f"layout\t{what}\t{os.path.basename(file)}:{line}\t\n")


class _Sys(types.ModuleType):
    """The module ``sys`` as it answers Python code; C code reads its dictionary, which is true."""

    @property
    def maxsize(self):
        bits = _TRUE_SIZE if _asker()[2] == "library" else target.BITS
        return 2 ** (bits - 1) - 1

    @property
    def byteorder(self):
        return target.ENDIAN if _asker()[2] == "project" else _TRUE_ORDER

    @property
    def hash_info(self):
        if not _OTHER_SIZE or _asker()[2] != "project":
            return _true_hash
        names = ("inf", "nan", "imag", "algorithm", "hash_bits", "seed_bits", "cutoff")
        known = {name: getattr(_true_hash, name) for name in names}
        modulus = 2 ** (61 if target.BITS == 64 else 31) - 1
        return types.SimpleNamespace(width=target.BITS, modulus=modulus, **known)


def _text(format):  # noqa: A002 (struct's own name)
    return format.decode("latin-1") if isinstance(format, bytes) else format


def _is_native(format):  # noqa: A002
    """Whether a format has this machine's sizes and alignments."""
    return isinstance(format, (str, bytes)) and _text(format)[:1] not in ("=", "<", ">", "!")


def _differs(format):  # noqa: A002
    """Whether bytes of a format differ on the target."""
    if not isinstance(format, (str, bytes)) or _text(format)[:1] in ("<", ">", "!"):
        return False
    codes = {code for _, code in _ITEM.findall(_text(format))}
    words = _OTHER_SIZE and _is_native(format) and codes & _WORDS
    return bool(words or (_OTHER_ORDER and any(_SIZES.get(code, 1) > 1 for code in codes)))


def _calcsize(format, /):  # noqa: A002
    """The size of a format on the target, with its alignments (struct's documentation)."""
    true = _true_calcsize(format)
    if not _OTHER_SIZE or not _is_native(format) or _asker()[2] == "library":
        return true
    size = 0
    for count, code in _ITEM.findall(_text(format)):
        one = _SIZES[code]
        step = min(one, target.ALIGN_OF_8) if one == 8 else one
        size = -(-size // step) * step + one * int(count or 1)
    return size


def _pack(format, /, *values):  # noqa: A002
    if _differs(format):
        _note(_asker(), f"struct.pack({_text(format)!r})")
    return _true_pack(format, *values)


class _Struct(_TrueStruct):
    __doc__ = _TrueStruct.__doc__

    def __init__(self, format):  # noqa: A002
        super().__init__(format)
        if _differs(format):
            _note(_asker(), f"struct.Struct({_text(format)!r})")


_Struct.__name__ = _Struct.__qualname__ = "Struct"


def _describe_ctypes(ctypes):
    """Let the project's scripts ask ctypes for sizes; what it lays out itself can't be the target's."""
    true = ctypes.sizeof
    pointers = (ctypes._Pointer, ctypes._CFuncPtr)  # noqa: SLF001 (there is no public way)

    def sizeof(of, /):
        asker = _asker()
        if asker[2] != "project":
            return true(of)
        kind = of if isinstance(of, type) else type(of)
        code = getattr(kind, "_type_", None)
        if issubclass(kind, pointers) or (isinstance(code, str) and code in "OPzZ"):
            return target.BITS // 8
        if code == "g":
            return target.LONG_DOUBLE
        # c_long and c_longlong are one class where both have 8 bytes.
        if code in ("l", "L") or issubclass(kind, (ctypes.Structure, ctypes.Union, ctypes.Array)):
            _note(asker, f"ctypes.sizeof({kind.__name__})")
        return true(of)

    ctypes.sizeof = sizeof


class _WhenImported:
    """A finder that describes the target to ctypes when it is imported: few hooks do."""

    def find_spec(self, name, path=None, target=None):
        if name != "ctypes":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            _describe_ctypes(module)

        spec.loader.exec_module = exec_module
        return spec


def describe():
    """Answer for the target from now on."""
    sys.__class__ = _Sys
    struct.calcsize, struct.pack, struct.Struct = _calcsize, _pack, _Struct
    if _OTHER_SIZE:
        sys.meta_path.insert(0, _WhenImported())
