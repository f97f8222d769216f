"""Steps in a place without processes: how they end; tests run on the machine that was planned."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from mpforge import errors
from mpforge.errors import (
    ImportedElsewhere,
    StepFailed,
    StepTimeout,
    ToolNotDeclared,
    WrongMachine,
)
from mpforge.kinds import test_run
from mpforge.kinds.build_hooks import Backend
from mpforge.obtain.pythons.target_python import TargetPython
from mpforge.places.place import Place
from mpforge.places.step import Left, StepDirectory, StepRun
from mpforge.plan.places import Machine
from mpforge.plan.steps import ProjectFiles, RunTests, ShippedFiles
from mpforge.plan.texts import Argv
from tests.unit.fake_place import PROMISES, TIMED_OUT, Call, FakePlace, Program

# Facts of a Cortex-A53: its MIDR_EL1, of the ARM Cortex-A53 MPCore Technical Reference Manual.
A53 = {"machine": "aarch64", "midr": 0x410FD034}
A72 = {"machine": "aarch64", "midr": 0x410FD083}
X86 = {"machine": "x86_64", "brand": "an Intel"}


def cat(call: Call) -> int:
    call.log.write(Path(call.argv[1]).read_bytes())
    return 0


def copy(call: Call) -> int:
    Path(call.argv[2]).write_bytes(Path(call.argv[1]).read_bytes())
    return 0


def printenv(call: Call) -> int:
    call.log.write(f"{call.environment[call.argv[1]]}\n".encode())
    return 0


def fail(_call: Call) -> int:
    return 1


SMALL = {"cat": cat, "cp": copy, "printenv": printenv, "false": fail}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[BinaryIO]:
    with (tmp_path / "log").open("wb") as file:
        yield file


@pytest.fixture
def place(tmp_path: Path) -> FakePlace:
    directory = StepDirectory(tmp_path / "step").prepare()
    return FakePlace(directory.root, tmp_path / "disk", dict(SMALL))


@pytest.fixture
def step(place: FakePlace, log: BinaryIO) -> StepRun:
    known = {"python": "python", "arch": "aarch64"}
    variables = {"PATH": "/bin"}
    return StepRun("test-x", StepDirectory(place.root), log, variables, 60.0, known, place)


@pytest.mark.parametrize("promise", PROMISES)
def test_the_fake_keeps_the_promises_of_a_place(
    place: FakePlace, log: BinaryIO, promise: Callable[[Place, Path, BinaryIO], None]
) -> None:
    promise(place, place.root, log)


def test_a_program_that_fails_fails_the_step_with_its_status(step: StepRun) -> None:
    with pytest.raises(StepFailed, match=r"test-x.*exit status 1"):
        step.call(["false"])


def test_a_program_that_does_not_end_in_time_is_a_timeout(step: StepRun, place: FakePlace) -> None:
    place.programs = {"slow": lambda _: TIMED_OUT}
    with pytest.raises(StepTimeout, match="longer than 60 s"):
        step.call(["slow"])


def test_a_program_that_path_lacks_is_one_that_was_not_declared(step: StepRun) -> None:
    with pytest.raises(ToolNotDeclared, match="swig"):
        step.call(["swig"])


def test_a_visitor_enters_the_place_of_the_last_program_and_no_program_is_run(
    step: StepRun, place: FakePlace
) -> None:
    place.programs = {"sh": lambda _: 7}
    visited = replace(step, visitor=lambda there: there.enter([]))
    visited.call(["false"], extra={"ONE": "1"})
    with pytest.raises(Left) as left:
        visited.let_in()
    assert left.value.status == 7
    (entered,) = place.calls
    assert (entered.argv, entered.environment["ONE"]) == (("sh",), "1")


def test_a_backend_that_returns_a_path_is_refused(step: StepRun, place: FakePlace) -> None:
    """PEP 517 wants a name: by a path, a file of the host would be taken for the wheel."""

    def python(call: Call) -> int:
        Path(call.argv[-1], "output.json").write_text('{"return_val": "../x.whl"}', "utf-8")
        return 0

    place.programs = {"python": python}
    with pytest.raises(StepFailed, match=r"build_wheel returned '\.\./x\.whl'"):
        Backend(step, Path("python"), place.root).build("wheel", place.root / "out", ())


# --- tests run where they were planned -------------------------------------------------------------


def told(facts: object, evidence: str = "1\tstart\taarch64\n") -> Program:
    """An interpreter that answers the probe so, and leaves this evidence of processes."""

    def run(call: Call) -> int:
        root = Path(call.cwd).parent
        answer = "" if facts is None else json.dumps(facts)
        (root / "probe.json").write_text(answer, encoding="utf-8")
        (root / "evidence").write_text(evidence, encoding="utf-8")
        return 0

    return run


@pytest.fixture
def tests(step: StepRun, place: FakePlace) -> Callable[..., dict[str, str]]:
    """What runs ``ctest`` as the tests for an aarch64 machine that has an interpreter like this."""
    step.directory.source.mkdir()
    machine = Machine("aarch64", True, "cortex-a53")
    python = TargetPython(
        "cp311", "3.11", Path("/sysroot"), Path("/usr/bin/python3.11"), "0" * 64, "debian"
    )
    scene = test_run.Scene(
        step.directory, machine, None, python, Path("/sysroot"), None, place=place
    )
    command = RunTests(
        shipped=ShippedFiles("test-aarch64-cp311"),
        source=ProjectFiles(),
        sources=(),
        environment=None,
        commands=(Argv((("ctest",),)),),
        machine=machine,
        python="cp311",
    )

    def run(interpreter: Program, ctest: Program = lambda _: 0) -> dict[str, str]:
        place.programs = {"/bin/sh": interpreter, "ctest": ctest}
        place.put()
        return test_run.run(step, scene, command, ())

    return run


def test_the_machine_that_answers_as_planned_is_recorded(tests: Callable[..., Any]) -> None:
    assert tests(told({**A53, "bare": A53})) == {"machine": "aarch64", "cpu": "cortex-a53"}


def test_an_interpreter_that_leaves_no_answer_fails_the_tests(tests: Callable[..., Any]) -> None:
    with pytest.raises(WrongMachine, match="the CPU probe reported nothing"):
        tests(lambda _: 0)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (None, "the CPU probe reported nothing"),
        ({**X86, "bare": X86}, "in the tests' environment, the interpreter reports x86_64"),
        ({**A53, "bare": X86}, "with an empty environment, the interpreter reports x86_64"),
        ({**A72, "bare": A72}, "the CPU model should have been cortex-a53"),
        ({**A53, "bare": A72}, "with an empty environment, the CPU is"),
    ],
    ids=["no-answer", "other-machine", "other-machine-if-bare", "other-cpu", "other-cpu-if-bare"],
)
def test_tests_that_ran_on_another_machine_fail_however_green_they_are(
    tests: Callable[..., Any], facts: object, message: str
) -> None:
    with pytest.raises(WrongMachine) as error:
        tests(told(facts))
    assert message in f"{error.value.what}\n{error.value.why}"


@pytest.mark.parametrize(
    ("evidence", "kind", "message"),
    [
        ("", WrongMachine, "no Python of the tests"),
        ("1\tstart\taarch64\n2\tstart\tx86_64\n", WrongMachine, "ran on x86_64"),
        ("1\tstart\taarch64\n1\timport\tp\t/src/p.py\n", ImportedElsewhere, "p from /src/p.py"),
    ],
    ids=["no-interpreter", "a-native-child", "not-the-wheel"],
)
def test_evidence_of_another_machine_or_package_fails_the_tests(
    tests: Callable[..., Any], evidence: str, kind: type[StepFailed], message: str
) -> None:
    with pytest.raises(kind) as error:
        tests(told({**A53, "bare": A53}, evidence))
    assert message in f"{error.value.what}\n{error.value.why}"


def test_a_test_command_that_fails_is_failed_tests(tests: Callable[..., Any]) -> None:
    with pytest.raises(errors.TestsFailed, match="exit status 1"):
        tests(told({**A53, "bare": A53}), fail)
