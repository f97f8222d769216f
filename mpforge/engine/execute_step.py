"""Execute one step and write its part of the session's log: output, cost, and reason of failure.

Knows nothing of keys and hits: the caller stores the result.
"""

import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mpforge.errors import MpforgeError, RuntimeFull, ToolAltered
from mpforge.kinds.task import Given, Task, since
from mpforge.places import secret_redaction
from mpforge.places.isolation import FACT
from mpforge.plan.steps import Step
from mpforge.processes import children_cpu
from mpforge.store.files import make_way, unwritable
from mpforge.toolchains.ready import COMPILER_NOTES

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision
    from mpforge.places.step import StepDirectory


@dataclass(frozen=True)
class Executed:
    """Outcome of an execution: result, part of the log, cost, and files read that are not in its key."""

    facts: dict[str, str]
    log: bytes
    seconds: float
    cpu_seconds: float
    observed: Mapping[str, str]


class FaultOfStore(Exception):
    """A step failed with ``error`` because of the file system that the store is on."""

    def __init__(self, words: str, error: OSError | MpforgeError) -> None:
        super().__init__(words)
        self.words = words
        self.error = error


@dataclass
class LoggedExecution:
    """Executes the steps of a session; its ``log`` is overwritten when the first one starts.

    ``keeps``: directories of failed steps are kept.
    """

    log: Path
    provision: "Provision"
    keeps: bool
    _begun: bool = False

    def run(
        self, step: Step, key: str, given: Given, directory: "StepDirectory", *, is_main: bool
    ) -> Executed:
        """Execute a step. Raises the step's errors, ``ToolAltered``, or ``FaultOfStore`` in place of an
        error.

        ``is_main``: `mpforge shell` enters this step.
        """
        start, cpu = time.monotonic(), children_cpu()
        make_way(self.log)
        if not self._begun:
            self.log.write_bytes(b"")
            self._begun = True
        with self.log.open("ab") as log:
            begin = log.tell()
            log.write(f"== {step.id}: {step.title} ({key[:12]})\n".encode())
            log.flush()
            task = Task(step, given, directory, log, keeps=self.keeps)
            try:
                facts = self._called(task, is_main=is_main)
            except (OSError, MpforgeError) as error:
                self.provision.toolbox.store.altered()  # altered tools are not used again
                said = since(self.log, begin) if step.place.sees_host else b""  # another disk
                words = fault_of_store(error, directory.root, said)
                if words is not None:
                    raise FaultOfStore(words, error) from None
                raise
        if facts.get(FACT) in ("network", "none"):  # else tools are read-only for its programs
            self._refuse_altered_tools(step)
        seconds, used = time.monotonic() - start, children_cpu() - cpu
        return Executed(facts, since(self.log, begin), seconds, used, task.observed.reads)

    def _called(self, task: Task, *, is_main: bool) -> dict[str, str]:
        """Execute a step, with the values of its secrets redacted in its log and its errors."""
        from mpforge.kinds import execution

        secrets, begin = secret_redaction.values(task.step.variables.secrets), task.log.tell()
        try:
            return execution.execute(task, self.provision)
        except MpforgeError as error:
            error.enterable &= is_main
            if secrets:
                raise error.told(lambda text: _without(text, secrets)) from None
            raise
        finally:
            _append_notes(task.directory.root / COMPILER_NOTES, task.log)
            secret_redaction.strike_out(task.log, begin, secrets)

    def _refuse_altered_tools(self, step: Step) -> None:
        """Raise ``ToolAltered`` if the step changed its tools: nothing of it may be stored."""
        if not step.command.is_main:
            return
        problem = self.provision.toolbox.store.altered()
        if problem is not None:
            raise ToolAltered(
                f"{step.title} changed a tool of the store while it ran: {problem}",
                hint="fix the build, which must not write to its tools; mpforge makes the tool "
                "again when it is needed",
            )


def fault_of_store(error: OSError | MpforgeError, directory: Path, log: bytes) -> str | None:
    """Return why a step could not write to its directory, or None if it failed for another reason.

    A disk that was full may have room again once the program has ended; so the C library's message is also
    looked for in this ``log``.
    """
    if isinstance(error, RuntimeFull):
        return None
    full = os.strerror(errno.ENOSPC)
    if isinstance(error, OSError) and (
        error.errno in (errno.ENOSPC, errno.EDQUOT)
        or full in str(error)  # shutil.Error has no errno
    ):
        return error.strerror or full
    if isinstance(error, MpforgeError) and (full in (error.why or "") or full.encode() in log):
        return full
    return unwritable(directory) if directory.exists() else "a step's directory was removed"


def _without(text: str, secrets: Mapping[str, str]) -> str:
    data = text.encode("utf-8", "surrogateescape")
    return secret_redaction.struck_out(data, secrets).decode("utf-8", "surrogateescape")


def _append_notes(notes: Path, log: BinaryIO) -> None:
    """Append to the log what the compiler wrappers dropped, changed or refused, without repeats."""
    from mpforge.places.step import NOTE
    from mpforge.toolchains.compiler_wrappers import read_notes

    told = ((n.kind, n.flag, "" if n.kind == "refused" else n.instead) for n in read_notes(notes))
    log.writelines(f"{NOTE}{' '.join(words).rstrip()}\n".encode() for words in dict.fromkeys(told))
