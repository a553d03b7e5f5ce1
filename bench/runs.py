"""Runs on file: every contender's run is kept as it ends, so that a benchmark cut short goes on where it was.

A run counts as the same when its settings are: question, patience, versions of libraries and, for vbte, its sources.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protocol import machine

import vbte

Record = dict[str, Any]


class Runs:
    """Runs of one benchmark, one small JSON file each, in a folder that is made when the first one ends.

    ``folder`` None keeps nothing. ``fresh`` measures again what is there.
    """

    def __init__(self, folder: Path | None, *, fresh: bool = False) -> None:
        self.folder, self.fresh = folder, fresh
        self._machine = machine()

    def once(
        self, name: str, settings: Record, work: Callable[[], Record], suits: Callable[[Record], bool] = lambda _: True
    ) -> Record:
        """Return the run on file if its settings are the same and it ``suits``; else do the work and keep it."""
        settings = json.loads(json.dumps({**settings, "machine": self._machine}))
        path = None if self.folder is None else self.folder / f"{name.replace('/', '-').replace(' ', '-')}.json"
        if path is not None and path.is_file() and not self.fresh:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["settings"] == settings and suits(found["run"]):
                return dict(found["run"])
        run = work()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"settings": settings, "run": run}, indent=1) + "\n"
            beside = path.with_suffix(".part")
            beside.write_text(text, encoding="utf-8")
            beside.replace(path)
        return run


def sources_of_vbte() -> str:
    """Return a digest of vbte's own code: another code, another run."""
    digest = hashlib.sha256()
    folder = Path(vbte.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def content(path: str) -> str:
    """Return a digest of a file, or the text itself if it names none: a network by name or by what is in its file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] if Path(path).is_file() else path
