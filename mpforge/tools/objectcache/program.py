"""Answering a compiler's call, by an object that is kept or by the compiler."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NoReturn

_MAGIC = "mpforge object 1"
_MARKED = {"@": b"\0@\0", "%": b"\0%\0"}
"""The marks of a place (``Place``) in what a compiler wrote."""
_CHANCE = set("abcdefghijklmnopqrstuvwxyz0123456789_")

_SOURCES = (".c", ".cc", ".cp", ".cpp", ".cxx", ".c++", ".C")
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
# What reads files or times that no list of headers tells of.
_UNTOLD = rb'\.incbin\b|(?:"|\\[nt])\s*\.include\b|__TIMESTAMP__|#\s*embed\b|__has_embed'
_SUSPECT = (b".inc", b"__TIMESTAMP__", b"embed")
_DIRECTIVE = rb'#[^\n<"]*[<"][^\n]*'
_QUESTION = rb"[^\n]*__has_include[^\n]*"
_NAMES = rb'[<"]([^<>"\n]{1,200})[>"]'
_DEPTH = 4
"""As many folders as a toolchain's own headers are asked for with."""


class NotReusable(Exception):
    """Why a call is the compiler's alone."""


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


class Place:
    """Where a call is made: the step's directory, and a directory below it that has a random name.

    Both have other names next time, so what is kept has marks for them. Each is known as it was given and
    as it really is. Nothing below ``fixed`` changes.
    """

    def __init__(self, step: str, fixed: str, current: str) -> None:
        steps = dict.fromkeys((step, os.path.realpath(step)))
        chance = next(
            (_chance(current[len(s) :]) for s in steps if current.startswith(f"{s}/")), ""
        )
        marks = [(f"{s}{chance}", "%") for s in steps] if chance else []
        self.marks = [*marks, *((s, "@") for s in steps)]
        self.names = [*steps, os.path.basename(chance)] if chance else [*steps]
        self.current = current
        self.fixed = f"{fixed}/"

    def hide(self, path: str) -> str:
        """A path as it is kept. Raises ``NotReusable`` for one that would be read as another."""
        for prefix, mark in self.marks:
            if path == prefix or path.startswith(f"{prefix}/"):
                return f"{mark}{path[len(prefix) :]}"
        if path.startswith(("@", "%")) or "\n" in path:
            raise NotReusable("a path has a strange name")
        return path

    def show(self, path: str) -> str:
        """What ``hide`` was given."""
        prefix = next((prefix for prefix, mark in self.marks if path.startswith(mark)), None)
        return path if prefix is None else f"{prefix}{path[1:]}"

    def is_fixed(self, path: str) -> bool:
        """Whether a file never changes."""
        return path.startswith(self.fixed)

    def hidden(self, data: bytes) -> bytes:
        """Bytes that a compiler wrote for people or for make, as they are kept."""
        for prefix, mark in self.marks:
            data = data.replace(os.fsencode(prefix), _MARKED[mark])
        return data

    def shown(self, data: bytes) -> bytes:
        """What ``hidden`` was given."""
        for mark, marked in _MARKED.items():
            data = data.replace(marked, os.fsencode(self.show(mark)))
        return data

    def is_named_in(self, data: bytes) -> bool:
        """Whether an object tells where it was made."""
        return any(os.fsencode(name) in data for name in self.names)


def _chance(path: str) -> str:
    """The beginning of a path up to a directory that Python's tempfile named; empty without one."""
    parts = path.split("/")
    for number, part in enumerate(parts):
        for prefix in ("tmp", ".mesonpy-"):
            rest = part[len(prefix) :]
            if part.startswith(prefix) and len(rest) == 8 and _CHANCE.issuperset(rest):
                return "/".join(parts[: number + 1])
    return ""


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
        elif word.endswith(_SOURCES) and not word.startswith("-") and not call.source:
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


def digest(data: bytes) -> str:
    """The sha256 of bytes; the interpreter's own is quicker to load than the one of hashlib."""
    for name in ("_sha2", "_sha256", "hashlib"):
        try:
            return str(__import__(name).sha256(data).hexdigest())
        except ImportError:
            continue
    raise NotReusable("this interpreter has no sha256")


def digest_of(lines: Iterable[str]) -> str:
    """The sha256 of texts."""
    return digest("\n".join(lines).encode("utf-8", "surrogateescape"))


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
    words = "\0".join([_MAGIC, place.hide(place.current), *call.said])
    source = digest(_read(call.source))
    return digest(b"\1".join([words.encode("utf-8", "surrogateescape"), told, source.encode()]))


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read() or b""


# --- what a compiler would find -------------------------------------------------------------------


def found(folders: Iterable[str], names: Iterable[str]) -> list[str]:
    """Which of ``names``, as headers are asked for, are files in the folders; ``/`` ends each one's."""
    below: dict[str, set[str]] = {}
    for name in names:
        folder, _, base = name.rpartition("/")
        below.setdefault(folder, set()).add(base)
    said = []
    for folder in folders:
        for inner, bases in sorted(below.items()):
            place = os.path.join(folder, inner)
            try:
                there = bases.intersection(os.listdir(place))
            except OSError:
                continue
            files = (base for base in sorted(there) if os.path.isfile(os.path.join(place, base)))
            said += [f"{inner}/{base}" for base in files]
        said.append("/")
    return said


def searched(call: Call, headers: Iterable[str], place: Place) -> list[str]:
    """The directories that are searched for headers, less those in which nothing changes."""
    beside = (os.path.dirname(path) or "." for path in (call.source, *headers))
    every = dict.fromkeys([".", *call.folders, *beside])
    return [path for path in every if not place.is_fixed(f"{path}/")]


def names_in(headers: list[str], folders: list[str], place: Place) -> set[str]:
    """What these files ask for, or might; more does no harm. Raises ``NotReusable``, ``OSError``."""
    names: set[str] = set()
    for path in headers:
        text = _read(path)
        if not place.is_fixed(path):
            names.update(_asked(text, _DIRECTIVE))
        elif b"__has_include" in text:
            names.update(_asked(text, _QUESTION))
        base = os.path.basename(path)
        names |= {base, f"{base}.gch", f"{base}.pch"}
        # By a macro a header is asked for as it lies below one of the folders.
        below = (f"{folder.rstrip('/')}/" for folder in folders)
        names.update(path.removeprefix(f) for f in below if path.startswith(f))
        if place.is_fixed(path):  # and what it was asked for as is the end of its path
            parts = path.split("/")
            names.update("/".join(parts[-depth:]) for depth in range(2, 2 + _DEPTH))
    return {name for name in names if "\n" not in name and not name.startswith("/")}


def _asked(text: bytes, lines: bytes) -> Iterator[str]:
    """The names in all that may be a line for the preprocessor. Raises ``NotReusable``."""
    import re

    if b"\\" in text:
        text = text.replace(b"\\\n", b"").replace(b"\\\r\n", b"")
    if any(word in text for word in _SUSPECT) and re.search(_UNTOLD, text):
        raise NotReusable("its text reads what is not told")
    text = text.replace(b"%:", b"#")
    for line in re.findall(lines, text):
        yield from map(os.fsdecode, re.findall(_NAMES, line))


def headers_told(call: Call, depfile: str) -> list[str]:
    """The files that a call has read. Raises ``NotReusable`` where they are not told, ``OSError``."""
    try:
        text = os.fsdecode(_read(depfile)).replace("\\\r\n", " ").replace("\\\n", " ")
    except FileNotFoundError:  # zig had that object, and asked clang nothing
        raise NotReusable("its headers are not told") from None
    if call.is_zig:
        told = text.splitlines()
    else:
        told = text.partition("\n")[0].partition(": ")[2].split()
        if call.source not in told:
            raise NotReusable("its headers are not told")
    if any("\\" in path or "$" in path for path in told):
        raise NotReusable("its headers have strange names")
    return list(dict.fromkeys([call.source, *told]))


# --- objects that are kept ------------------------------------------------------------------------


def reuse(path: str, call: Call, place: Place) -> bool:
    """Write what a kept object's call gave, if it would give that again. Raises ``OSError``."""
    try:
        data = _read(path)
    except FileNotFoundError:
        return False
    try:
        head, _, body = data.partition(b"\n\n")
        magic, looked, *lines = os.fsdecode(head).split("\n")
        parts = {kind: [line[2:] for line in lines if line[0] == kind] for kind in "dfns"}
        sizes = [int(size) for size in parts["s"]]
        if magic != _MAGIC or len(sizes) != 3 or sum(sizes) != len(body):
            return False
    except (ValueError, IndexError):
        return False
    if not all(_is_same(line, place) for line in parts["d"]):
        return False
    if digest_of(found(map(place.show, parts["f"]), parts["n"])) != looked:
        return False
    told, noted = body[: sizes[0]], body[sizes[0] : sizes[0] + sizes[1]]
    if call.tells_headers:
        _write(call.depfile, place.shown(noted))
    _write(call.output, body[sizes[0] + sizes[1] :])
    sys.stderr.buffer.write(place.shown(told))
    return True


def _is_same(line: str, place: Place) -> bool:
    known, _, path = line.partition(" ")
    try:
        return digest(_read(place.show(path))) == known
    except OSError:
        return False


def _write(path: str, data: bytes) -> None:
    """Write a file anew, as a compiler does."""
    if os.path.isfile(path) and not os.path.islink(path):
        os.unlink(path)
    with open(path, "wb") as file:
        file.write(data)


def keep(
    path: str, call: Call, place: Place, *, told: bytes, headers_file: str, begun: int
) -> None:
    """Keep what a call has given. Raises ``NotReusable``, ``OSError``."""
    headers = headers_told(call, headers_file)
    folders = searched(call, headers, place)
    names = names_in(headers, call.folders, place)
    # What is young may have changed after it was read.
    if any(os.stat(header).st_ctime_ns >= begun for header in headers):
        raise NotReusable("a header was written meanwhile")
    there = found(folders, names)
    if any(name.endswith((".gch", ".pch")) for name in there):
        raise NotReusable("a precompiled header may have been read")
    made = _read(call.output)
    if place.is_named_in(made):
        raise NotReusable("its object names the step's directory")
    own = (header for header in headers if not place.is_fixed(header))
    kept = [f"d {digest(_read(header))} {place.hide(header)}" for header in own]
    noted = place.hidden(_read(call.depfile)) if call.tells_headers else b""
    told = place.hidden(told)
    lines = [
        *(_MAGIC, digest_of(there), *kept),
        *(f"f {place.hide(folder)}" for folder in folders),
        *(f"n {name}" for name in sorted(names)),
        *(f"s {len(part)}" for part in (told, noted, made)),
    ]
    new = f"{path}.{os.getpid()}"
    _write(new, b"".join([os.fsencode("\n".join(lines)), b"\n\n", told, noted, made]))
    os.rename(new, path)


# --- the program ----------------------------------------------------------------------------------


def tell(what: str, key: str, source: str) -> None:
    """A line for the step's log: ``reused``, ``compiled``, or why neither; the key; the file."""
    line = f"{what}\t{key}\t{source}\n".encode("utf-8", "surrogateescape")
    descriptor = os.open(os.environ["MPFORGE_OBJECTS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line)
    os.close(descriptor)


def compiled(words: list[str], call: Call, place: Place, key: str) -> int:
    """Let the compiler do it, and keep what it gave; its exit status."""
    path = os.path.join(os.environ["MPFORGE_OBJECTS"], key)
    own = f"{path}.{os.getpid()}"
    said, headers = f"{own}.said", f"{own}.headers"
    environment = dict(os.environ)
    if call.is_zig:
        # With -MD zig makes another object than without: its clang lists what it reads as well.
        environment |= {"CC_PRINT_HEADERS": "1", "CC_PRINT_HEADERS_FILE": headers}
    elif call.tells_headers:
        headers = call.depfile
    else:
        words = [*words, "-MD", "-MF", headers]
    try:
        _write(said, b"")
        begun = os.stat(said).st_ctime_ns
        status = _run(words, environment, said)
        told = _read(said)
        sys.stderr.buffer.write(told)
        if status == 0:
            try:
                keep(path, call, place, told=told, headers_file=headers, begun=begun)
                tell("compiled", key, call.source)
            except (NotReusable, OSError) as error:
                tell(f"not kept: {error}", "", call.source)
        return status
    finally:
        for left in (said, f"{own}.headers", own):
            if os.path.exists(left):
                os.unlink(left)


def _run(words: list[str], environment: dict[str, str], said: str) -> int:
    """Run the compiler; what it says for people goes to a file."""
    errors = (os.POSIX_SPAWN_OPEN, 2, said, os.O_WRONLY | os.O_APPEND, 0o600)
    child = os.posix_spawn(words[0], words, environment, file_actions=[errors])
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(words: list[str]) -> int:
    """Answer a compiler's call; the exit status, negative for a signal."""
    fixed = os.environ["MPFORGE_OBJECTS_FIXED"]
    place = Place(os.environ["MPFORGE_STEP_DIR"], fixed, os.getcwd())
    try:
        call = parse(words[1:], place)
        key = key_of(call, place)
        if not reuse(os.path.join(os.environ["MPFORGE_OBJECTS"], key), call, place):
            return compiled(words, call, place, key)
        tell("reused", key, call.source)
    except NotReusable as error:
        source = next((word for word in words if word.endswith(_SOURCES)), "")
        tell(f"not kept: {error}", "", source)
        become(words)
    except OSError:  # whatever it was, the compiler will say it, or do without us
        become(words)
    return 0


def become(words: list[str]) -> NoReturn:
    """Be the compiler from now on."""
    sys.stderr.flush()
    os.execv(words[0], words)  # noqa: S606


def run() -> NoReturn:
    """Answer the call that this process is, and end as it ended."""
    try:
        status = main(sys.argv[1:])
    except KeyboardInterrupt:
        status = -2
    sys.stderr.flush()
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status if status >= 0 else 128 - status)
