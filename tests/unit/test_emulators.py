"""Emulators: names, models, and what is said where there is none."""

from pathlib import Path

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


def test_an_emulator_that_is_too_old_is_not_used_and_the_version_needed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    new = well_known()["loongarch64"]
    for name in ("qemu-loongarch64", "qemu-riscv64"):
        (tmp_path / name).write_bytes(b"")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(emulators, "_version", lambda _: "7.2.22")
    assert emulators.host_emulator(well_known()["riscv64"]) is not None
    assert emulators.host_emulator(new) is None
    error = emulators.no_emulator(new)
    assert error.why == f"{tmp_path}/qemu-loongarch64 is QEMU 7.2.22"
    assert "QEMU 10 or newer" in (error.hint or "")


@pytest.mark.parametrize(
    ("host", "target", "package"),
    [
        (("debian", "bookworm"), "s390x", ("bookworm", "qemu-user-static")),
        (("debian", "bookworm"), "loongarch64", ("trixie", "qemu-user")),
        (("debian", "trixie"), "loongarch64", ("trixie", "qemu-user")),
        (("ubuntu", "noble"), "loongarch64", ("questing", "qemu-user")),
    ],
)
def test_an_emulator_is_of_a_newer_suite_if_the_host_s_is_too_old(
    host: tuple[str, str], target: str, package: tuple[str, str]
) -> None:
    request = emulators.distro_request(well_known()[target], host)
    assert request is not None
    assert (request.suite, *request.names) == package


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
