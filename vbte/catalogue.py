"""The data that ships with vbte: planning models, solver profiles and datasets, found by name.

In a checkout they lie beside the package (``models/``, ``solvers/``, ``datasets/``), in an installed wheel inside it
(``vbte/catalogues/``). Names are looked up in the list of what is there and never joined to a path, so that no name,
whatever it contains, leads outside the catalogue.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vbte.errors import InputError
from vbte.policy import PlanningModel
from vbte.read import read_model

_FILE_SUFFIXES = (".yaml", ".yml", ".json")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Dataset:
    """A bundled example network.

    ``topology`` and ``demands`` are files that ``vbte.read`` understands, ``model`` is the planning model made for
    this network, None where any model of the catalogue will do. ``summary`` is the first sentence of its README.
    """

    name: str
    path: Path
    topology: Path
    demands: Path
    model: Path | None
    summary: str


def models() -> dict[str, Path]:
    """Return the bundled planning models, name -> file, sorted by name."""
    return _yaml_files("models")


def solvers() -> dict[str, Path]:
    """Return the bundled solver profiles, name -> file, sorted by name."""
    return _yaml_files("solvers")


def datasets() -> dict[str, Dataset]:
    """Return the bundled datasets, sorted by name."""
    folders = sorted(path for path in catalogue_folder("datasets").iterdir() if path.is_dir())
    found = (_dataset_in(folder) for folder in folders)
    return {dataset.name: dataset for dataset in found if dataset is not None}


def dataset(name: str) -> Dataset:
    """Return one bundled dataset. Raises InputError, with the names there are, for an unknown one."""
    known = datasets()
    if name not in known:
        raise _unknown("dataset", name, known)
    return known[name]


def model_path(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file of a bundled model or, for anything that is not a bundled name, the user's own file.

    A bundled name wins over a file of the same name; write ``./NAME`` for the file.
    Raises InputError when there is neither.
    """
    return _named_or_file("model", name_or_path, models())


def solver_path(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file of a bundled solver profile or the user's own file, as ``model_path`` does for models."""
    return _named_or_file("solver profile", name_or_path, solvers())


def load_model(source: str | os.PathLike[str] | Mapping[str, Any] | PlanningModel) -> PlanningModel:
    """Return a planning model from a bundled name, a file, a mapping, or as it is.

    ``extends:`` names a bundled model and nothing else: a model file from a stranger can't pull in other files.
    Raises InputError, naming file and place, for unknown names and for models that are wrong.
    """
    if isinstance(source, PlanningModel):
        return source
    if not isinstance(source, Mapping):
        source = model_path(source)
    return read_model(source, base=_base_model)


def catalogue_folder(kind: str, *, package: Path | None = None) -> Path:
    """Return the folder of one catalogue: ``models``, ``solvers`` or ``datasets``.

    ``package`` is the folder of the Python package, this one unless stated.
    Raises InputError when the installation lacks the folder.
    """
    package = package or Path(__file__).resolve().parent
    bundled, beside = package / "catalogues" / kind, package.parent / kind
    if bundled.is_dir():
        return bundled
    # Beside an installed package lie other people's packages: a folder there counts only in a checkout.
    if beside.is_dir() and (package.parent / "pyproject.toml").is_file():
        return beside
    raise InputError(f"the catalogue {kind!r} is missing", place=str(package), remedy="install vbte again")


def _yaml_files(kind: str) -> dict[str, Path]:
    return {path.stem: path for path in sorted(catalogue_folder(kind).glob("*.yaml"))}


def _dataset_in(folder: Path) -> Dataset | None:
    """Return the dataset in a folder, None when it holds no topology or no demands."""
    topology, demands = _only(folder, "topology"), _only(folder, "demands")
    if topology is None or demands is None:
        return None
    readme = folder / "README.md"
    summary = _first_sentence(readme.read_text(encoding="utf-8")) if readme.is_file() else ""
    return Dataset(folder.name, folder, topology, demands, _only(folder, "model"), summary)


def _only(folder: Path, stem: str) -> Path | None:
    return next(iter(sorted(folder.glob(f"{stem}.*"))), None)


def _first_sentence(text: str) -> str:
    """Return the first sentence of the first paragraph that is not a heading, on one line."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    first = next((paragraph for paragraph in paragraphs if paragraph and not paragraph.startswith("#")), "")
    return _SENTENCE_END.split(first, maxsplit=1)[0]


def _base_model(name: str) -> Path:
    """Resolve ``extends:``."""
    known = models()
    if name not in known:
        raise _unknown("model", name, known)
    return known[name]


def _named_or_file(noun: str, name_or_path: str | os.PathLike[str], known: Mapping[str, Path]) -> Path:
    if isinstance(name_or_path, str) and name_or_path in known:
        return known[name_or_path]
    path = Path(name_or_path)
    if _is_file(path):
        return path
    if isinstance(name_or_path, str) and not _looks_like_path(name_or_path):
        raise _unknown(noun, name_or_path, known)
    raise InputError("no such file", place=_shown(str(path)), remedy=f"give a file, or one of {', '.join(known)}")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long for the file system, or with a NUL in it
        return False


def _looks_like_path(text: str) -> bool:
    return text.lower().endswith(_FILE_SUFFIXES) or "/" in text or os.sep in text


def _unknown(noun: str, name: str, known: Iterable[str]) -> InputError:
    near = difflib.get_close_matches(name[:_LONGEST_SHOWN], known, n=1)
    suggestion = f"did you mean {near[0]!r}? " if near else ""
    return InputError(f"no {noun} called {_shown(name)!r}", remedy=f"{suggestion}there are {', '.join(known)}")


def _shown(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
