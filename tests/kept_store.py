"""A store on disk for tests of what becomes of it: filled without a build, aged without waiting."""

import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import Damaged
from mpforge.store.local import Store
from mpforge.store.results import ActionResult

DAY = 24 * 3600.0


@dataclass
class Kept:
    """A store on disk, written by processes that have ended."""

    root: Path
    folder: Path

    def result(
        self, word: str, *texts: str, days: float = 0.0, packed: bool = False, needs: str = ""
    ) -> str:
        """Store a result with a file for each text, last used so many days ago; its key."""
        made = self.folder / word
        made.mkdir(parents=True)
        for text in texts:
            (made / text).write_text(text, encoding="utf-8")
        store = Store(self.root)
        tree = store.put_directory(made, packed=packed)
        key = hashlib.sha256(word.encode()).hexdigest()
        log = store.put_bytes(f"log of {word}".encode())
        inputs = (needs,) if needs else ()
        store.keep(ActionResult(key=key, tree=tree.digest(), log=log, inputs=inputs))
        self.processes_end()
        self.age(days, self.action(key), *(f for f in self.files() if f.suffix != ".json"))
        return key

    def file(self, text: str, days: float = 0.0) -> Path:
        """Store a file that no result needs."""
        digest = Store(self.root).put_bytes(text.encode())
        self.processes_end()
        path = self.root / "blobs" / digest[:2] / digest
        self.age(days, path)
        return path

    def processes_end(self) -> None:
        shutil.rmtree(self.root / "work")

    def age(self, days: float, *files: Path) -> None:
        """Set when files were last used."""
        moment = time.time() - days * DAY
        for path in files:
            os.utime(path, (moment, moment))

    def action(self, key: str) -> Path:
        return self.root / "actions" / key[:2] / f"{key}.json"

    def files(self) -> set[Path]:
        kinds = (self.root / kind for kind in ("blobs", "packs", "actions"))
        return {path for kind in kinds for path in kind.rglob("*") if path.is_file()}

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.files())

    def whole(self, *keys: str) -> bool:
        """Whether these results are there, with all their files."""
        for key in keys:
            store = Store(self.root)
            try:
                result = store.find(key)
                if result is None:
                    return False
                store.restore(store.tree(result.tree), self.folder / f"out-{time.monotonic_ns()}")
                store.read(result.log)
            except Damaged:
                return False
        return True

    def results(self) -> set[str]:
        return {path.stem for path in (self.root / "actions").rglob("*.json")}
