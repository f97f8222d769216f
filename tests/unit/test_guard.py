"""The guard: what is written, and how its evidence is read."""

import ast
from pathlib import Path

from mpforge.kinds import test_guard
from mpforge.kinds.test_guard import Evidence


def test_no_evidence_means_that_no_interpreter_started(tmp_path: Path) -> None:
    assert test_guard.read_evidence(tmp_path / "none") == Evidence(0, (), ())


def test_evidence_counts_processes_and_names_machines_and_foreign_modules(tmp_path: Path) -> None:
    file = tmp_path / "evidence"
    lines = ["1\tstart\taarch64", "2\tstart\tx86_64", "3\tstart\taarch64"]
    lines += ["1\timport\tpkg\t/src/pkg/__init__.py", "2\timport\tpkg\t/src/pkg/__init__.py"]
    file.write_text("\n".join([*lines, "4\tsta"]))
    assert test_guard.read_evidence(file) == Evidence(
        3, ("aarch64", "x86_64"), (("pkg", "/src/pkg/__init__.py"),)
    )


def test_the_guard_is_python_that_carries_its_paths_whatever_is_in_them(tmp_path: Path) -> None:
    evidence = tmp_path / 'a "quoted" \\ {path}'
    test_guard.write_guard(tmp_path, evidence=evidence, modules=("pkg",))
    assert (tmp_path / f"{test_guard.MODULE}.pth").read_text() == f"import {test_guard.MODULE}\n"
    source = (tmp_path / f"{test_guard.MODULE}.py").read_text()
    (baked,) = [node for node in ast.parse(source).body if "EVIDENCE" in ast.unparse(node)][:1]
    assert ast.unparse(baked) == f"EVIDENCE = {str(evidence)!r}"
