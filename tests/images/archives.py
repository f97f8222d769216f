"""An image as a file for ``docker load``: made once on a machine for each content of its recipe.

The format is ``docker save``'s (a configuration, one layer, a manifest of both). The same packages
give the same bytes. Knows nothing of runtimes.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from filelock import FileLock

from tests.images.recipes import LABEL, Recipe
from tests.images.trees import make_tree

_EPOCH = 1_700_000_000
_CREATED = "2023-11-14T22:13:20Z"
_MAKERS = ("archives.py", "trees.py")
"""The modules whose text decides what an image is, beside its recipe."""


def digest_of(recipe: Recipe) -> str:
    """What an image is known by: its recipe and the modules that make it, not the packages' versions."""
    hashed = hashlib.sha256(repr(recipe).encode())
    for name in _MAKERS:
        hashed.update(Path(__file__).with_name(name).read_bytes())
    return hashed.hexdigest()[:16]


def provide_archive(recipe: Recipe, *, cache: Path) -> Path:
    """The image's archive below ``cache``, which is made there if it is not there yet.

    Downloads are kept in ``cache/distribution``, as mpforge itself does. Archives of former recipes of
    this name are removed. Raises what ``make_tree`` raises.
    """
    folder = cache / "images"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{recipe.name}-{digest_of(recipe)}.tar"
    with FileLock(folder / f"{recipe.name}.lock"):
        if not archive.exists():
            for former in folder.glob(f"{recipe.name}-*.tar"):
                former.unlink()
            with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as name:
                made = _make(recipe, Path(name), state=cache / "distribution")
                os.replace(made, archive)
    return archive


def _make(recipe: Recipe, work: Path, *, state: Path) -> Path:
    root, layer, archive = work / "root", work / "layer.tar", work / "image.tar"
    root.mkdir()
    make_tree(recipe, root, state=state)
    _pack(root, layer)
    shutil.rmtree(root)
    with layer.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    configuration = _configuration(recipe, digest)
    name = f"{hashlib.sha256(configuration).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [recipe.tag], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        _add(tar, name, configuration)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        tar.add(layer, "layer.tar", filter=_nobody_s)
    layer.unlink()
    return archive


def _pack(root: Path, layer: Path) -> None:
    """The tree as a layer: all of it root's, at one time, in one order."""
    owner = ("--owner=0", "--group=0", "--numeric-owner")
    order = ("--sort=name", f"--mtime=@{_EPOCH}", "--format=gnu")
    subprocess.run(["tar", "-C", root, *owner, *order, "-cf", layer, "."], check=True)


def _configuration(recipe: Recipe, layer: str) -> bytes:
    """The image's configuration (OCI image specification, "Image Configuration")."""
    variant = {"variant": recipe.variant} if recipe.variant else {}
    text = {
        "architecture": recipe.architecture,
        **variant,
        "os": "linux",
        "created": _CREATED,
        "config": {
            "Cmd": ["/bin/sh"],
            "Env": [f"{name}={value}" for name, value in recipe.environment.items()],
            "Labels": {LABEL: digest_of(recipe)},
            "WorkingDir": "/work",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        "history": [{"created": _CREATED, "created_by": f"tests/images {recipe.name}"}],
    }
    return json.dumps(text, sort_keys=True).encode()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(data), _EPOCH
    tar.addfile(member, io.BytesIO(data))


def _nobody_s(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = _EPOCH
    return member
