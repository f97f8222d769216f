"""A root of its own: what a program sees of this host in it, and the launcher that makes it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpforge.errors import StepFailed
from mpforge.places.isolation import launcher
from mpforge.places.place import NotStarted
from mpforge.places.root_contents import STEP
from mpforge.places.sandbox import Sandbox, on_host
from mpforge.places.step import StepDirectory

pytestmark = [pytest.mark.offline]
PATH = "/usr/bin:/bin"
SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def step(tmp_path: Path) -> StepDirectory:
    return StepDirectory(tmp_path / "work" / "step").prepare()


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A directory that the step is shown, reached by a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "data").write_text("tool's", encoding="utf-8")
    (tmp_path / "tool").symlink_to(tmp_path / "real")
    return tmp_path / "tool"


@pytest.fixture
def said(step: StepDirectory, tool: Path, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """What a shell script prints in the root of the step."""
    place = on_host(step.root, visible=lambda: [tool])
    assert isinstance(place, Sandbox)
    with (tmp_path / "log").open("w+b", buffering=0) as log:

        def shell(script: str) -> str:
            begin = log.tell()
            argv, variables = ["sh", "-c", script], {"PATH": PATH, "HOME": str(step.root / "home")}
            place.run(argv, environment=variables, cwd=step.output, log=log)
            log.seek(begin)
            return log.read().decode()

        yield shell


def test_a_step_sees_its_directory_its_tools_and_base_programs_and_nothing_else(
    said: Callable[[str], str], step: StepDirectory, tool: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("host's", encoding="utf-8")
    (step.root.parent / "other").mkdir()
    assert said(f"pwd; echo $HOME; cat {tool}/data").split() == [
        "/build/out",
        "/build/home",
        "tool's",
    ]
    there = said("ls -A /").split()
    assert {"build", "usr", "etc", "proc", "dev", "tmp"} <= {*there}
    assert not {"root", "home", "var", "run", "boot"} & {*there}
    assert said("ls -A /sys /sys/devices").split() == [
        "/sys:",
        "devices",
        "/sys/devices:",
        "system",
    ]
    assert said("ls -A /home /root /var/run 2>/dev/null; cat /etc/shadow 2>/dev/null") == ""
    assert said(f"cat {tmp_path}/secret 2>/dev/null || ls {step.root.parent}") == "step\n"


def test_a_step_writes_into_its_own_directory_alone(
    said: Callable[[str], str], step: StepDirectory, tool: Path
) -> None:
    tried = (f"{tool}/data", f"{tool.resolve()}/new", "/usr/new", "/etc/passwd", "/new", "/dev/new")
    script = "".join(f"(echo x > {path}) 2>/dev/null && echo wrote {path}\n" for path in tried)
    assert said(script) == ""
    assert said(f"chmod 600 /dev/null {tool}/data 2>/dev/null || echo refused") == "refused\n"
    own = Path(f"/tmp/mpforge-test-{os.getpid()}")
    assert said(f"echo 1 > {STEP}/out/made; echo 2 >> {step.output}/made; echo x > {own}; ls {own}")
    assert (step.output / "made").read_text(encoding="utf-8") == "1\n2\n"
    assert not own.exists()
    assert (tool / "data").read_text(encoding="utf-8") == "tool's"


@pytest.mark.parametrize("name", ["programs.jsonl", "src"])
def test_a_program_does_not_lead_mpforge_out_of_its_directory(
    said: Callable[[str], str], step: StepDirectory, tmp_path: Path, name: str
) -> None:
    """mpforge reads results there and appends notes: a link or a pipe would lead or hold it elsewhere."""
    with pytest.raises(StepFailed, match=f"/build/{name} a link"):
        said(f"rm -rf {STEP}/{name}; ln -s {tmp_path} {STEP}/{name}")
    (step.root / name).unlink()
    with pytest.raises(StepFailed, match=f"/build/{name} a link, pipe"):
        said(f"mkfifo {STEP}/{name}; chmod 0 {STEP}")


def test_a_program_inherits_its_input_and_outputs_alone(said: Callable[[str], str]) -> None:
    assert said("ls /proc/self/fd").split() == ["0", "1", "2", "3"], "3 is of ls"


def test_a_program_can_t_trace_the_root_s_first_process(said: Callable[[str], str]) -> None:
    """Seized or stopped, it would hold the step until the timeout (ptrace(2): PTRACE_SEIZE)."""
    code = "import ctypes; print(ctypes.CDLL(None).ptrace(0x4206, 1, 0, 0))"
    assert said(f'python3 -c "{code}"') == "-1\n"


def test_programs_have_devices_terminals_and_shared_memory(
    said: Callable[[str], str],
) -> None:
    code = (
        "import multiprocessing, os, pty, tempfile; multiprocessing.Lock(); pty.openpty()\\n"
        "open(os.devnull, 'w').write('x'); os.urandom(1); tempfile.TemporaryFile(dir='/dev/shm')\\n"
        "import pwd, socket; print(pwd.getpwuid(os.getuid()).pw_name, socket.gethostname())"
    )
    assert said(f'printf "{code}" | python3 -') == "mpforge localhost\n"


def test_a_program_of_the_host_that_a_step_is_not_shown_is_named_with_the_remedy(
    step: StepDirectory, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    with (tmp_path / "log").open("wb") as log, pytest.raises(NotStarted) as error:
        on_host(step.root).run([str(program)], environment={}, cwd=step.root, log=log)
    assert "[build] tools" in (error.value.hint or "")


def test_what_can_t_be_shown_is_named(step: StepDirectory, tmp_path: Path) -> None:
    place = on_host(step.root, visible=lambda: [tmp_path / "gone"])
    with (tmp_path / "log").open("wb") as log, pytest.raises(NotStarted) as error:
        place.run(["true"], environment={"PATH": PATH}, cwd=step.root, log=log)
    assert f"{tmp_path}/gone: No such file" in error.value.reason


@pytest.mark.cross
def test_the_launcher_is_what_its_source_makes(tools: Path, tmp_path: Path) -> None:
    """For this machine; tests/unit compares the digests of all, which are written when they are made."""
    variables = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(tools / "zig-of-launcher")}
    argv = [sys.executable, str(SCRIPTS / "build_launcher.py"), str(tmp_path), os.uname().machine]
    subprocess.run(argv, env=variables, check=True)
    assert (tmp_path / launcher().name).read_bytes() == launcher().read_bytes()
