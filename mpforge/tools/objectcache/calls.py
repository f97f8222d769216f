"""Which of a compiler's calls may be answered, and what such a call is known by."""

from __future__ import annotations

import os

from .files import digest, read
from .places import NotReusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .places import Place

MAGIC = "mpforge object 1"
"""What the first line of an object is, and a part of every key."""

SOURCES = (".c", ".cc", ".cp", ".cpp", ".cxx", ".c++", ".C")
_FOLDERS = ("-I", "-isystem", "-iquote", "-idirafter")
_PATHS = (*_FOLDERS, "-o", "-MF", "-MT", "-MQ", "-include", "-imacros")
_VALUED = ("-D", "-U", "-x", "-target")
_MAPS = ("-ffile-prefix-map=", "-fdebug-prefix-map=", "-fmacro-prefix-map=")
# What changes the object alone. Other options may read or write further files: then nothing is reused.
_PLAIN = """
-c -w -ansi -pedantic -pedantic-errors -pthread -pipe -nostdinc -nostdinc++ -s -shared -MD -MMD -MP
-g -g0 -g1 -g2 -g3 -ggdb -gline-tables-only -Wa,--noexecstack -fpic -fPIC -fpie -fPIE -fopenmp
-fopenmp-simd cc c++
""".split()
_BEGINNINGS = tuple(
    """
-D -U -L -l -O -std= -stdlib= -gdwarf -Wp,-D -Wl, -falign -fassociative-math
-fasynchronous-unwind -fbuiltin -fcf-protection -fchar8_t -fcolor-diagnostics -fcommon -fconcepts
-fconstexpr -fcoroutines -fcx- -fdata-sections -fdelete-null -fdiagnostics-color -fdiagnostics-show
-ferror-limit= -fexceptions -fexcess-precision= -ffast-math -ffat-lto-objects -ffinite -ffp-contract=
-ffp-model= -ffreestanding -ffunction-sections -fgnu -fhonor -fhosted -fident -finline -fjump-tables
-flto -fmath-errno -fmax-errors= -fmerge -fmessage- -fms-extensions -fno- -fnon-call-exceptions
-fomit-frame-pointer -fpack-struct -fpermissive -fplt -freciprocal-math -frounding-math -frtti
-fsanitize= -fsemantic-interposition -fshort -fsigned -fsized-deallocation -fslp-vectorize
-fstack-clash -fstack-protector -fstrict -ftemplate- -ftls-model= -ftrapping-math -ftrapv -ftree-slp
-ftree-vectorize -ftrivial-auto-var-init -funroll -funsafe-math -funsigned -funwind-tables
-fuse-cxa-atexit -fuse-ld= -fvectorize -fvisibility -fwrapv -fzero-
""".split()
)
# They change what is read unseen, or are the compiler's own way to call itself.
_FORBIDDEN = """
CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH CCC_OVERRIDE_OPTIONS COMPILER_PATH GCC_EXEC_PREFIX
DEPENDENCIES_OUTPUT SUNPRO_DEPENDENCIES CC_PRINT_HEADERS
""".split()
# They tell of the caller: no compiler reads them.
_IGNORED = "_ PWD OLDPWD SHLVL MAKEFLAGS MFLAGS MAKELEVEL MAKE_TERMOUT MAKE_TERMERR".split()


class Call:
    """A call that compiles one file. ``folders`` are searched for headers; no dataclass: see above."""

    def __init__(self) -> None:
        self.source = ""
        self.output = ""
        self.folders: list[str] = []
        self.is_zig = False
        self.tells_headers = False
        self.depfile = ""
        self.said: list[str] = []

    def finish(self) -> None:
        """Check that it is whole. Raises ``NotReusable``."""
        if not self.source or "-c" not in self.said:
            raise NotReusable("it compiles no single file")
        if "-MMD" in self.said and not self.is_zig:
            raise NotReusable("gcc's -MMD does not list the system's headers")
        stem = os.path.splitext(os.path.basename(self.source))[0]
        self.output = self.output or f"{stem}.o"
        if self.tells_headers and not self.depfile:
            self.depfile = f"{os.path.splitext(self.output)[0]}.d"


def parse(words: list[str], place: Place) -> Call:
    """What a compiler's arguments say. Raises ``NotReusable``."""
    call = Call()
    rest = iter(words)
    for word in rest:
        if word in _PATHS:
            value = next(rest, "")
            _take_path(call, word, value)
            call.said += [word, place.hide(value)]
        elif word in _VALUED:
            call.said += [word, value := next(rest, "")]
            if word == "-x" and value not in ("c", "c++"):
                raise NotReusable(f"-x {value} is no plain language")
        elif word.startswith("-I") and word != "-I-":
            call.folders.append(word[2:])
            call.said.append(f"-I{place.hide(word[2:])}")
        elif word.startswith(_MAPS):
            option, _, pair = word.partition("=")
            old, _, new = pair.rpartition("=")
            call.said.append(f"{option}={place.hide(old)}={new}")
        elif word.endswith(SOURCES) and not word.startswith("-") and not call.source:
            call.source = word
            call.said.append(place.hide(word))
        else:
            _take_plain(call, word)
    call.finish()
    return call


def _take_path(call: Call, option: str, value: str) -> None:
    if option in _FOLDERS:
        call.folders.append(value)
    elif option == "-o":
        call.output = value
    elif option == "-MF":
        call.depfile = value


def _take_plain(call: Call, word: str) -> None:
    if not word.startswith("-") and word not in _PLAIN:
        raise NotReusable("it has other inputs than one file")
    if not _is_plain(word):
        raise NotReusable(f"{word.partition('=')[0]} may do more than change the object")
    call.tells_headers |= word in ("-MD", "-MMD")
    call.is_zig |= word in ("cc", "c++")
    call.said.append(word)


def _is_plain(word: str) -> bool:
    if word in _PLAIN or word.startswith(_BEGINNINGS):
        return True
    if word.startswith("-W"):
        return not word.startswith(("-Wa,", "-Wp,"))
    other = word.startswith(("-mllvm", "-mmlir", "-module")) or word.endswith("native")
    return word.startswith("-m") and not other


def key_of(call: Call, place: Place) -> str:
    """What a call is known by: all but the headers that it reads. Raises ``OSError``."""
    if any(name in os.environ for name in _FORBIDDEN):
        raise NotReusable("a variable names further directories")
    variables = [
        f"{name}={value}"
        for name, value in sorted(os.environ.items())
        if name not in _IGNORED and not name.startswith("MPFORGE_OBJECTS")
    ]
    told = place.hidden("\0".join(variables).encode("utf-8", "surrogateescape"))
    words = "\0".join([MAGIC, place.hide(place.current), *call.said])
    source = digest(read(call.source))
    return digest(b"\1".join([words.encode("utf-8", "surrogateescape"), told, source.encode()]))
