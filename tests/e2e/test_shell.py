"""`mpforge shell`: a person, or a program of theirs, in the place of what a session's main step runs."""

import json
import os
import pty
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mpforge.processes import Captured
from tests.e2e import forkserver
from tests.e2e.conftest import COMMANDS
from tests.e2e.workspace import PROGRAMS, Cache, Gate, Workspace, wait_until_gone

pytestmark = [pytest.mark.cross, pytest.mark.emulation, pytest.mark.network]

BUILD, TEST = "build-aarch64-cp311", "test-aarch64-cp311"
PROMPT = "src$ "  # never "#": a program is no root
HOOK = 'python "$MPFORGE_STEP_DIR/build_wheel.py"'
_PATIENCE = 120.0
_AARCH64 = 183  # EM_AARCH64 of an ELF header
_SHELLS_OWN = {"PWD", "OLDPWD", "SHLVL", "_"}


def shell(
    workspace: Workspace,
    *words: str,
    typed: str = "",
    env: Mapping[str, str | None] | None = None,
) -> Captured:
    """`mpforge shell` where no terminal is; ``typed`` is its standard input."""
    program, environment = str(PROGRAMS / "mpforge"), workspace.environment(env)
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as errors,
    ):
        given.write(typed.encode())
        given.seek(0)
        running = forkserver.fork(
            program,
            ("shell", *words),
            cwd=workspace.root,
            environment=environment,
            stdin=given.fileno(),
            stdout=out.fileno(),
            stderr=errors.fileno(),
        )
        try:
            code = running.wait(_PATIENCE)
        finally:
            running.send_signal(signal.SIGKILL)
        for file in (out, errors):
            file.seek(0)
        return Captured(code, out.read().decode(), errors.read().decode())


@dataclass
class Terminal:
    """A terminal with `mpforge shell` on it."""

    process: int
    descriptor: int
    said: str = ""
    _seen: int = field(default=0)

    def until(self, text: str) -> str:
        """Wait until it says a text, from where the last waiting ended; all that it said till then."""
        end = time.monotonic() + _PATIENCE
        while (found := self.said.find(text, self._seen)) < 0:
            ready, _, _ = select.select([self.descriptor], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"it did not say {text!r}:\n{self.said}"
            self.said += os.read(self.descriptor, 65536).decode("utf-8", "replace")
        began, self._seen = self._seen, found + len(text)
        return self.said[began : self._seen]

    def type(self, text: str) -> None:
        """What a person types."""
        os.write(self.descriptor, text.encode())

    def end(self) -> int:
        """Wait for its end; the exit status."""
        end = time.monotonic() + _PATIENCE
        while True:
            ready, _, _ = select.select([self.descriptor], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"it did not end:\n{self.said}"
            try:
                more = os.read(self.descriptor, 65536)
            except OSError:  # Linux: no process has the other side any more
                break
            self.said += more.decode("utf-8", "replace")
            if not more:
                break
        _, status = os.waitpid(self.process, 0)
        self.process = 0
        return os.waitstatus_to_exitcode(status)


@contextmanager
def terminal(workspace: Workspace, *words: str) -> Iterator[Terminal]:
    """`mpforge shell` on a terminal of its own; it is killed if it still runs when the block ends."""
    argv = [str(PROGRAMS / "mpforge"), "shell", *words]
    environment = workspace.environment({"TERM": "dumb"})
    process, descriptor = pty.fork()
    if process == 0:
        os.chdir(workspace.root)
        os.execve(argv[0], argv, environment)
    there = Terminal(process, descriptor)
    try:
        yield there
    finally:
        if there.process:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        os.close(descriptor)


def paste(there: Terminal, told: str) -> list[str]:
    """Paste what was told before the prompt, line by line; each must end well."""
    _, _, programs = told.partition("commands that would run there:")
    lines = [line.strip() for line in programs.splitlines()[1:-1]]
    assert lines
    for line in lines:
        there.type(f"{line}\necho ended: $?\n")
        there.until("ended: 0")
    return lines


# --- a wheel --------------------------------------------------------------------------------------


def test_the_compiler_is_the_targets_and_nothing_is_stored_or_published(
    unbuilt: Workspace, empty_cache: Cache
) -> None:
    unbuilt.cache.copy_store(empty_cache)  # others of this run's tests store too
    unbuilt.cache = empty_cache
    assert shell(unbuilt, "sdist", "--", "true").returncode == 0
    assert shell(unbuilt, BUILD, "--", "true").returncode == 0
    before = unbuilt.cache.stored(), unbuilt.published()
    lines = 'echo $CC; $CC $CFLAGS -c -x c - -o "$MPFORGE_STEP_DIR/out/f.o" << .\nint f;\n.\n'
    lines += 'od -A n -t u2 -j 18 -N 2 "$MPFORGE_STEP_DIR/out/f.o"; pwd\n'
    done = shell(unbuilt, BUILD, typed=lines, env={"SHELL": "zsh"})
    assert done.returncode == 0, done.stderr
    compiler, machine, place = done.stdout.splitlines()
    assert compiler.endswith("/bin/cc")
    assert machine.split() == [str(_AARCH64)]
    assert not Path(place).parent.exists()
    assert (unbuilt.cache.stored(), unbuilt.published()) == before
    assert unbuilt.cache.leftovers() == []


def test_variables_of_the_host_are_not_seen_and_the_network_neither(workspace: Workspace) -> None:
    workspace.edit("multiplatform.toml", "environment = {}", 'environment = { GIVEN = "a b" }')
    done = shell(workspace, BUILD, "--", "env", env={"OURS": "1", "CC": "mine"})
    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert "OURS" not in names
    assert not names & {"TERM", "PS1"}  # there is no terminal
    assert "GIVEN=a b" in done.stdout.splitlines()
    assert "_PYTHON_SYSCONFIGDATA_NAME=_sysconfigdata__linux_aarch64-linux-gnu" in done.stdout
    log = workspace.log(BUILD)
    connect = "import socket; socket.create_connection(('192.0.2.1', 9))"
    done = shell(workspace, BUILD, "--", "python", "-c", connect)
    assert "Network is unreachable" in done.stderr
    assert workspace.log(BUILD) == log


def test_its_variables_are_those_that_the_hook_of_a_build_sees(unbuilt: Workspace) -> None:
    tell = "import json, os, sys\nif 'bdist_wheel' in sys.argv:\n"
    tell += "    print('SEEN', json.dumps(sorted(os.environ.items())), file=sys.stderr)\n"
    unbuilt.write("setup.py", tell + unbuilt.read("setup.py"))
    ran = unbuilt.mpforge("run", BUILD)
    assert ran.code == 0, str(ran)
    done = shell(unbuilt, "--fresh", BUILD, typed=f"{HOOK}\n")
    assert done.returncode == 0, done.stderr
    seen = [
        dict(json.loads(line.removeprefix("SEEN ")))
        for text in (unbuilt.log(BUILD), done.stderr)
        for line in text.splitlines()
        if line.startswith("SEEN ")
    ]
    built, entered = seen
    assert set(entered) - set(built) <= _SHELLS_OWN
    assert set(built) <= set(entered)
    place = built["MPFORGE_STEP_DIR"], entered["MPFORGE_STEP_DIR"]
    differing = {n for n in built if built[n].replace(*place) != entered[n]}
    assert differing <= _SHELLS_OWN


def test_what_is_told_before_the_prompt_can_be_pasted_and_works(workspace: Workspace) -> None:
    workspace.edit(
        "multiplatform.toml",
        "environment = {}",
        "before-build = ['echo \"int before;\" > made.c', 'echo x$_PYTHON_HOST_PLATFORM > seen']",
    )
    with terminal(workspace, BUILD) as there:
        told = there.until(PROMPT)
        assert "the wheel for aarch64-cp311, without network" in told
        assert "(removed when you leave)" in told
        lines = paste(there, told)
        assert len(lines) == 3
        assert lines[-1] == HOOK
        there.type("cat made.c seen; ls $MPFORGE_STEP_DIR/out; echo so\n")
        there.until("\nso")
        assert "linux_aarch64.whl" in there.said
        assert "int before;" in there.said
        assert "xlinux" not in there.said  # the hook's variables were not there
        there.type("python -c 'import fcntl; fcntl.ioctl(0, 0x5412, b\"x\")'; echo typed: $?\n")
        there.until("Operation not permitted")  # TIOCSTI: it would type for the person
        there.until("typed: 1")
        there.type("sleep 100\n")
        there.until("sleep 100")
        time.sleep(0.5)
        there.type("\x03")
        there.until("src")
        there.type("exit 7\n")
        assert there.end() == 7
    place = Path(told.partition(" (removed when")[0].split()[-1])
    assert place.is_absolute()
    assert not place.exists()


# --- what is kept ---------------------------------------------------------------------------------


def test_what_a_failed_run_kept_is_entered_as_it_is_unless_a_fresh_one_is_asked_for(
    unbuilt: Workspace,
) -> None:
    unbuilt.edit("multiplatform.toml", "environment = {}", 'secrets = ["TOKEN"]')
    unbuilt.edit("tiny/_tiny.c", "return PyLong_FromLong(42);", "return PyLong_FromLong(42)")
    ran = unbuilt.mpforge("run", "--keep", BUILD, env={"TOKEN": "hushed-up"})
    assert ran.code == 1
    assert f"mpforge shell {BUILD}" in ran.output
    (kept,) = unbuilt.cache.root.glob("kept/*/wheel-aarch64-cp311")
    done = shell(unbuilt, BUILD, typed="pwd; ls; echo $TOKEN", env={"TOKEN": "hushed-up"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "/build/src"
    assert "build" in done.stdout.splitlines()  # what the failed build left
    assert done.stdout.splitlines()[-1] == "hushed-up"
    assert "as --keep left it" in done.stderr
    assert all(b"hushed-up" not in p.read_bytes() for p in kept.glob("*") if p.is_file())
    mend = "sed -i 's/(42)$/(42);/' tiny/_tiny.c"
    assert shell(unbuilt, BUILD, typed=f"{HOOK}\n").returncode != 0
    done = shell(unbuilt, BUILD, typed=f"{mend}; {HOOK}\n")
    assert done.returncode == 0, done.stderr
    assert len(list((kept / "out").glob("*.whl"))) == 1
    done = shell(unbuilt, "--fresh", BUILD, typed="pwd; ls\n")
    assert str(kept) not in done.stdout
    assert "build" not in done.stdout.splitlines()
    assert kept.is_dir()


def test_a_new_directory_stays_with_keep_and_is_said(quick: Workspace) -> None:
    done = shell(quick, "--keep", "build", typed="echo made > made.txt\n")
    assert done.returncode == 0, done.stderr
    (kept,) = quick.cache.root.glob("kept/*/*")
    assert f"kept: {kept}" in done.stderr
    done = shell(quick, "build", "--", "cat", "made.txt")
    assert done.stdout == "made\n"
    shutil.rmtree(quick.cache.root / "tools")
    done = shell(quick, "build", "--", "true")
    assert done.returncode == 2
    assert "--fresh" in done.stderr


# --- other sessions -------------------------------------------------------------------------------


def test_the_commands_of_a_build_can_be_pasted(quick: Workspace) -> None:
    with terminal(quick, "build") as there:
        paste(there, there.until(PROMPT))
        there.type("cat out/greeting.txt; exit\n")
        there.until("hello, world")
        assert there.end() == 0
    assert quick.published() == set()
    assert quick.cache.stored() == set()


def test_the_python_of_a_test_is_the_targets_and_its_tests_can_be_pasted(
    workspace: Workspace,
) -> None:
    code = "import os, tiny._tiny as t; print(os.uname().machine, t.answer(), os.listdir())"
    done = shell(workspace, TEST, "--", "python", "-c", code)
    assert done.stdout == "aarch64 42 ['tests']\n"
    with terminal(workspace, TEST) as there:
        paste(there, there.until(PROMPT))
        assert "the child is on aarch64" in there.said
    workspace.edit("multiplatform.toml", "[test]\ncommand", "[test]\n# command")
    with terminal(workspace, TEST) as there:
        paste(there, there.until(PROMPT))
        assert "imported tiny._tiny" in there.said


def test_the_sdist_is_made_by_the_pasted_line(workspace: Workspace) -> None:
    line = 'python "$MPFORGE_STEP_DIR/build_sdist.py"'
    done = shell(workspace, "sdist", typed="")
    assert done.stderr.splitlines()[-1] == line
    done = shell(workspace, "sdist", typed=f"{line}\nls $MPFORGE_STEP_DIR/*.tar.gz\n")
    assert "tiny-1.0.tar.gz" in done.stdout


def test_a_step_that_declares_the_network_has_it(quick: Workspace) -> None:
    ours = os.readlink("/proc/self/ns/net")
    words = ("build", "--", "readlink", "/proc/self/ns/net")
    assert shell(quick, *words).stdout.strip() != ours
    quick.edit("multiplatform.toml", "[build]", "[build]\nnetwork = true")
    assert shell(quick, *words).stdout.strip() == ours


# --- how it ends ----------------------------------------------------------------------------------


def test_the_exit_code_is_that_of_what_ran_or_says_what_is_wrong(quick: Workspace) -> None:
    assert shell(quick, "build", "--", "sh", "-c", "exit 9").returncode == 9
    assert shell(quick, "build", typed="exit 3\n").returncode == 3
    assert shell(quick, "build", "--", "sh", "-c", "kill -TERM $$").returncode == 128 + 15
    done = shell(quick, "build", "--", "no-such-program")
    assert done.returncode == 127
    assert "tool-not-declared" in done.stderr
    assert shell(quick, "biuld").returncode == 2
    assert "did you mean build?" in shell(quick, "biuld").stderr
    assert (
        "has no step to enter" in shell(quick, "deps").stderr + shell(quick, "deps-x86_64").stderr
    )
    quick.write(
        "multiplatform.toml", COMMANDS.replace('targets = ["', 'targets = ["windows_x86_64", "')
    )
    assert shell(quick, "build-windows_x86_64").returncode == 4
    several = shell(quick, "build")
    assert several.returncode == 2
    assert "build-windows_x86_64" in several.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_what_runs_and_leaves_nothing(
    quick: Workspace, gate: Gate, number: signal.Signals
) -> None:
    gate.show(quick)
    words = ("shell", "build", "--", sys_python(), "-c", gate.python)
    with quick.started("mpforge", *words) as running:
        processes = gate.arrivals(1)
        running.signal(number, group=False)
        assert running.end().code == 130
    wait_until_gone(*processes)
    assert quick.cache.leftovers() == []


def sys_python() -> str:
    """This interpreter, by its path: the step has none."""
    return str(PROGRAMS / "python")


def test_a_terminal_that_is_closed_ends_the_shell_and_leaves_nothing(quick: Workspace) -> None:
    with terminal(quick, "build") as there:
        there.until("src")
        os.kill(there.process, signal.SIGTERM)
        assert there.end() == 130
    assert quick.cache.leftovers() == []
