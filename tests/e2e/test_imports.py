"""The program that imports an installed wheel where no test command is given."""

import sys
import sysconfig
import zipfile
from pathlib import Path

from mpforge.kinds.test_run import import_script
from mpforge.processes import Captured, capture

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


def _imported(tmp_path: Path, **files: str | bytes) -> Captured:
    """Run the program for a wheel of these files, installed; what stands for an extension is Python."""
    tmp_path.mkdir(exist_ok=True)
    wheel, site = tmp_path / "p-1-py3-none-any.whl", tmp_path / "site"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    script = tmp_path / "import_all.py"
    script.write_text(import_script(wheel, site), encoding="utf-8")
    return capture([sys.executable, str(script)], environment={"PYTHONPATH": str(site)})


def test_without_extension_modules_only_public_packages_are_imported(tmp_path: Path) -> None:
    private = "raise ModuleNotFoundError('No module named _p')"
    done = _imported(tmp_path, **{"p/__init__.py": "", "_p/__init__.py": private})
    assert done.returncode == 0, done.stderr
    assert "imported p" in done.stdout
    assert "imported _p" not in done.stdout


def test_an_extension_of_a_tests_package_is_loaded_alone_where_the_package_wants_test_requirements(
    tmp_path: Path,
) -> None:
    files = {
        "p/__init__.py": "",
        "p/tests/__init__.py": "import not_installed",
        f"p/tests/_ext{SUFFIX}": "no shared object, PyInit__ext",
    }
    done = _imported(tmp_path, **files)
    assert done.returncode != 0
    assert f"_ext{SUFFIX}" in done.stderr  # it came to loading the file itself


def test_a_package_that_wants_what_is_not_installed_fails(tmp_path: Path) -> None:
    files = {
        "p/__init__.py": "import not_installed",
        f"p/_ext{SUFFIX}": "no shared object, PyInit__ext",
    }
    done = _imported(tmp_path, **files)
    assert done.returncode != 0
    assert done.stderr.rstrip().endswith("No module named 'not_installed'")
    assert "p._ext wants not_installed, which neither the wheel nor [test] requires" in done.stderr


def _a_library() -> bytes:
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    return next(Path(line.split()[-1]) for line in mapped if "/libc.so" in line).read_bytes()


def test_an_extension_that_wants_a_part_of_python_which_is_missing_is_loaded(
    tmp_path: Path,
) -> None:
    lacks = "raise ModuleNotFoundError('No module named tkinter', name='tkinter.ttk')"
    done = _imported(
        tmp_path / "good",
        **{"p/__init__.py": lacks.encode(), "p/_tk.abi3.so": _a_library() + b"PyInit__tk"},
    )
    assert done.returncode == 0, done.stderr
    assert "loaded p._tk, but did not import it: it wants tkinter.ttk" in done.stdout
    bad = _imported(tmp_path / "bad", **{"p/__init__.py": lacks, "p/_tk.abi3.so": "PyInit__tk"})
    assert bad.returncode != 0


def test_a_library_that_is_only_named_as_an_extension_module_is_loaded_and_not_imported(
    tmp_path: Path,
) -> None:
    files = {"p/__init__.py": b"", "p/_lib.abi3.so": _a_library()}
    done = _imported(tmp_path, **files)
    assert done.returncode == 0, done.stderr
    assert "loaded p/_lib.abi3.so which is no module" in done.stdout


def test_a_library_that_can_not_be_loaded_fails(tmp_path: Path) -> None:
    done = _imported(tmp_path, **{"p/__init__.py": "", "p/_lib.abi3.so": "no shared object"})
    assert done.returncode != 0
    assert "_lib.abi3.so" in done.stderr


def test_a_session_that_has_nothing_to_do_loads_no_heavy_library() -> None:
    heavy = ("docker", "pydantic", "rich", "uv", "elftools", "packaging")
    code = "import sys, mpforge.engine.session; print(*sys.modules)"
    loaded = capture([sys.executable, "-c", code]).stdout.split()
    assert "mpforge.engine.session" in loaded
    assert [name for name in heavy if name in loaded] == []


def test_what_answers_from_the_memo_loads_nothing_that_looks() -> None:
    code = "import sys, mpforge.reports.front, mpforge.engine.load_index; print(*sys.modules)"
    loaded = capture([sys.executable, "-c", code]).stdout.split()
    assert "mpforge.engine.memo" in loaded
    heavy = (
        "pydantic",
        "tomli",
        "ctypes",
        "packaging",
        "mpforge.plan.steps",
        "mpforge.plan.events",
    )
    rooms = ("compiler", "spec", "kinds", "obtain", "toolchains", "sources", "lock", "places")
    looking = (*heavy, *(f"mpforge.{room}" for room in rooms))
    assert [name for name in looking if name in loaded] == []
