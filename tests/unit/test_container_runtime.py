"""What would make a runtime run a platform, told from what is known of where it stands."""

from dataclasses import replace

import pytest

from mpforge.doctor.container_runtime import RunFact, RuntimeFact, Site, _command, run_fact
from mpforge.places.containers.binfmt import Handler, Handlers
from mpforge.places.containers.runtime_probe import program
from mpforge.platforms import well_known

AARCH64 = well_known()["aarch64"]
APT = "qemu-user-static binfmt-support"
HANDLER = Handler(
    "qemu-aarch64",
    enabled=True,
    interpreter="/usr/bin/qemu-aarch64-static",
    flags="POF",
    offset=0,
    magic=program(AARCH64)[:20],
    mask=b"\xff" * 20,
)
DOCKER = RuntimeFact(
    "Docker", "20.10", "unix:///s", "x86_64", rootless=False, here=True, bridged=True
)
PODMAN = replace(DOCKER, name="Podman")
DEBIAN = Site(DOCKER, packages=APT, handlers=Handlers(True))
FEDORA = Site(PODMAN, handlers=Handlers(True))
PRIVILEGED = "run --privileged --rm docker.io/tonistiigi/binfmt"


def with_handler(site: Site, **changes: object) -> Site:
    return replace(site, handlers=Handlers(True, (replace(HANDLER, **changes),)))  # type: ignore[arg-type]


def test_native_is_said_without_more() -> None:
    assert run_fact(AARCH64, "native", DEBIAN) == RunFact("aarch64", "native")


def test_qemus_version_is_read_from_its_words() -> None:
    told = "qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)"
    assert run_fact(AARCH64, told, DEBIAN) == RunFact("aarch64", "emulated", "7.2.22", told)


def test_an_emulator_without_a_version_is_named_as_it_names_itself() -> None:
    fact = run_fact(AARCH64, "an unknown emulator", DEBIAN)
    assert (fact.how, fact.qemu) == ("emulated", None)


def test_a_qemu_that_is_too_old_runs_nothing_and_a_newer_one_is_named() -> None:
    loongarch = well_known()["loongarch64"]
    fact = run_fact(loongarch, "qemu-loongarch64 version 7.2.22", DEBIAN)
    assert (fact.how, fact.qemu) == ("no", "7.2.22")
    assert fact.why == "qemu-loongarch64 7.2.22 is too old"
    assert f"QEMU 10 or newer: docker {PRIVILEGED} --install loong64" in (fact.remedy or "")
    assert run_fact(loongarch, "qemu-loongarch64 version 10.0.2", DEBIAN).how == "emulated"


def test_a_missing_handler_is_a_package_where_there_is_apt() -> None:
    fact = run_fact(AARCH64, "", DEBIAN)
    assert (fact.how, fact.why) == ("no", "the kernel has no handler for its programs")
    assert fact.remedy == f"apt-get install {APT}"


def test_elsewhere_it_is_a_privileged_container_that_mpforge_does_not_start() -> None:
    fact = run_fact(AARCH64, "", FEDORA)
    assert fact.remedy == (
        f"podman {PRIVILEGED} --install arm64 "
        "(a privileged container, yours to run: mpforge starts none)"
    )
    rootless = run_fact(AARCH64, "", replace(FEDORA, runtime=replace(PODMAN, rootless=True)))
    assert "a privileged container, of root's runtime" in (rootless.remedy or "")


def test_of_a_runtime_elsewhere_this_hosts_packages_and_handlers_say_nothing() -> None:
    site = replace(with_handler(DEBIAN), runtime=replace(DOCKER, here=False))
    fact = run_fact(AARCH64, "", site)
    assert "another machine" in (fact.why or "")
    assert (fact.remedy or "").startswith(f"docker {PRIVILEGED} --install arm64")


def test_podman_elsewhere_is_told_by_its_address() -> None:
    here = RuntimeFact(
        "Podman", "4.3.1", "tcp://h:1", "x86_64", rootless=False, here=True, bridged=True
    )
    assert _command(here) == "podman"
    assert _command(replace(here, here=False)) == "podman --url tcp://h:1"
    assert _command(replace(here, name="Docker", here=False)) == "docker"


def test_a_handler_without_the_flag_f_is_named_with_what_mends_it() -> None:
    fact = run_fact(AARCH64, "", with_handler(DEBIAN, flags="PO"))
    assert fact.why == (
        "the kernel's handler qemu-aarch64 (/usr/bin/qemu-aarch64-static) lacks the flag F: "
        "it works on this host, not in containers"
    )
    assert fact.remedy == f"apt-get install --reinstall {APT}"
    fact = run_fact(AARCH64, "", with_handler(FEDORA, flags="", name="mine"))
    assert (fact.remedy or "").startswith(
        f"podman {PRIVILEGED} --uninstall mine && podman {PRIVILEGED} --install arm64"
    )


def test_a_handler_with_the_flag_f_that_does_not_run_is_doubted() -> None:
    fact = run_fact(AARCH64, "", with_handler(DEBIAN))
    assert "does not work in containers: is its program linked statically?" in (fact.why or "")


@pytest.mark.parametrize(
    ("handlers", "remedy"),
    [
        (Handlers(None), "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && apt-get"),
        (Handlers(False, (HANDLER,)), "echo 1 > /proc/sys/fs/binfmt_misc/status"),
        (
            Handlers(True, (replace(HANDLER, enabled=False),)),
            "echo 1 > /proc/sys/fs/binfmt_misc/qemu-aarch64",
        ),
    ],
)
def test_what_is_turned_off_is_turned_on(handlers: Handlers, remedy: str) -> None:
    fact = run_fact(AARCH64, "", replace(DEBIAN, handlers=handlers))
    assert (fact.remedy or "").startswith(remedy)


def test_another_platforms_handler_does_not_count() -> None:
    s390x = well_known()["s390x"]
    assert "no handler" in (run_fact(s390x, "", with_handler(DEBIAN)).why or "")
