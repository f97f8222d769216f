"""The CPU probe: how its facts are judged, and that it reads this machine."""

import os
import sys

import pytest

from mpforge.places import cpu_probe

A53 = {"machine": "aarch64", "midr": 0x410FD034}
MAX = {"machine": "aarch64", "midr": 0x000F0510}
UNKNOWN = {"machine": "aarch64", "midr": 0x6100_0220}
QEMU64 = {"machine": "x86_64", "brand": "QEMU Virtual CPU version 2.5+"}


@pytest.mark.parametrize(
    ("model", "facts", "fits"),
    [
        ("cortex-a53", A53, True),
        ("cortex-a53", MAX, False),
        ("cortex-a72", A53, False),
        ("max", MAX, True),
        ("apple-m9", A53, False),
        ("apple-m9", UNKNOWN, True),
        ("qemu64", QEMU64, True),
        ("Haswell", QEMU64, False),
        ("Opteron_G9", QEMU64, False),
        ("Haswell-noTSX", {"brand": "Intel Core Processor (Haswell, no TSX)"}, True),
        ("Haswell-noTSX", QEMU64, False),
        ("qemu64-v1", QEMU64, True),
        ("qemu32", QEMU64, True),
        ("pentium3", QEMU64, False),
        ("pentium3", {"brand": ""}, True),
        ("EPYC-v2", {"brand": "AMD EPYC Processor (with IBPB)"}, True),
        ("EPYC-Rome", {"brand": "AMD EPYC-Rome Processor"}, True),
        ("EPYC-Rome", {"brand": "AMD EPYC Processor"}, False),
        ("rv64", {"machine": "riscv64"}, True),
    ],
)
def test_another_cpu_model_than_the_planned_one_is_found_out(
    model: str, facts: dict[str, object], fits: bool
) -> None:
    assert cpu_probe.model_matches(model, facts) is fits


def test_the_cpu_that_answered_is_named_for_people() -> None:
    assert cpu_probe.describe(A53) == "cortex-a53"
    assert cpu_probe.describe(UNKNOWN) == "MIDR 0x61000220"
    assert cpu_probe.describe({"machine": "riscv64"}) == "unknown"


def test_the_probe_reads_the_machine_that_it_runs_on() -> None:
    facts = cpu_probe.probe()
    assert facts["machine"] == os.uname().machine
    assert facts["endianness"] == sys.byteorder
    if facts["machine"] == "x86_64":
        assert facts["brand"]
    if facts["machine"] == "aarch64":
        assert facts["midr"]


def test_a_probe_that_printed_something_else_is_an_error() -> None:
    assert (
        cpu_probe.parse('warning\n{"bare": {"machine": "x"}, "machine": "x"}\n')["machine"] == "x"
    )
    for text in ("", "{}", '{"machine": "x"}', '{"machine": "x", "bare": {}}', "[1]"):
        with pytest.raises(ValueError, match="did not answer"):
            cpu_probe.parse(text)
