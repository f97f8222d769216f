"""A small tool for the tool store, and ways to damage it."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mpforge.store import tool_store
from mpforge.store.files import hash_file
from mpforge.store.tool_store import ToolStore, ToolTree

DIGEST = "ab" * 32


class Maker:
    """Makes a small tool, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, directory: Path) -> None:
        self.times += 1
        (directory / "bin").mkdir()
        (directory / "bin" / "tool").write_text("#!/bin/sh\necho right\n", encoding="utf-8")
        (directory / "bin" / "tool").chmod(0o755)
        (directory / "lib" / "package").mkdir(parents=True)
        (directory / "lib" / "package" / "module.py").write_text("x = 1\n", encoding="utf-8")
        (directory / "lib" / "package.link").symlink_to("package")
        (directory / "empty").mkdir()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture
def obtain(tmp_path: Path, said: list[str], make: Maker) -> Callable[[], ToolTree]:
    """Ask for the tool as a new process does, which has looked at nothing yet."""

    def asked() -> ToolTree:
        tool_store.forget()
        store = ToolStore(
            tmp_path / "tools", warn=said.append, fallback=lambda: tmp_path / "private"
        )
        return store.obtain(name="tool", version="1.0", digest=DIGEST, make=make)

    return asked


def edit(path: Path) -> None:
    """Another byte, and the same size and modification time."""
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def relink(path: Path) -> None:
    """Another target of the same length."""
    target = os.readlink(path)
    path.unlink()
    path.symlink_to(target[::-1])


def before(home: Path) -> dict[str, Any]:
    """Give a tool the record and the manifest that mpforge wrote before tools were trees of its store."""
    tree = home / "tree"
    entries: dict[str, list[object]] = {}
    for path in sorted(tree.rglob("*")):
        if path.is_symlink():
            entry: list[object] = ["symlink", os.readlink(path)]
        elif path.is_dir():
            entry = ["directory"]
        else:
            node = hash_file(path)
            entry = ["file", node.size, node.executable, node.digest]
        entries[str(path.relative_to(tree))] = entry
    text = json.dumps({"schema": 1, "entries": entries}, sort_keys=True).encode()
    (home / "manifest.json").write_bytes(text)
    (home / "manifest.jsonl").unlink()
    record: dict[str, Any] = json.loads((home / "tool.json").read_bytes())
    record |= {"schema": 2, "tree": hashlib.sha256(text).hexdigest()}
    (home / "tool.json").write_text(json.dumps(record), encoding="utf-8")
    return record
