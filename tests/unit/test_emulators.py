"""Emulators: names, models, and what is said where there is none."""

import pytest

from mpforge.obtain import emulators
from mpforge.platforms import well_known

MODELS = ("cortex-a15", "cortex-a53", "cortex-a57", "cortex-a72", "neoverse-n1", "Haswell", "max")

ARM = "Available CPUs:\n  a64fx\n  cortex-a53\n  max\n"
X86 = "Available CPUs:\nx86 486      (alias)\nx86 qemu64    QEMU\n\nRecognized CPUID flags:\n  fpu sse\n"
OTHERS = "s390 z900   IBM\nPowerPC power8  (alias for power8_v2.0)\n"


@pytest.mark.parametrize(
    ("text", "models"),
    [
        (ARM, ("a64fx", "cortex-a53", "max")),
        (X86, ("486", "qemu64")),
        (OTHERS, ("z900", "power8")),
        ("any;\nrv64;\n", ("any", "rv64")),
    ],
)
def test_cpu_models_are_read_from_each_emulator_s_list(text: str, models: tuple[str, ...]) -> None:
    assert emulators.parse_models(text) == models


def test_tests_run_on_the_oldest_cpu_unless_told_otherwise_and_never_on_max() -> None:
    assert well_known()["aarch64"].baseline_cpu == "cortex-a53"
    assert well_known()["x86_64"].baseline_cpu == "qemu64"
    assert "max" not in {platform.baseline_cpu for platform in well_known().values()}


def test_a_missing_emulator_is_said_with_what_to_install() -> None:
    error = emulators.no_emulator(well_known()["aarch64"])
    assert error.exit_code == 4
    assert error.hint is not None
    assert "qemu-user-static" in error.hint


def test_a_platform_that_qemu_has_no_emulator_for_is_said_to_be_one() -> None:
    error = emulators.no_emulator(well_known()["windows_x86_64"])
    assert error.why is not None
    assert error.hint is not None
    assert "skip" in error.hint


@pytest.mark.parametrize(
    ("wrong", "likest"),
    [("cortex-a54", "cortex-a5"), ("neoverse-n11", "neoverse-n1"), ("haswell", "Haswell")],
)
def test_models_of_a_like_name_are_found_whatever_their_case(wrong: str, likest: str) -> None:
    assert emulators.near_models(wrong, MODELS)[0].startswith(likest)
    assert emulators.near_models("s390", MODELS) == ()
