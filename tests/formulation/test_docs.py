"""What the pages about models and solvers link to exists, and they list all there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import pytest

from vbte import catalogue
from vbte.plan import Limit, Reason
from vbte.policy import CandidateKind, PlanningModel, Split, StageKind
from vbte.read.yaml_text import load_yaml
from vbte.solve import Backend
from vbte.solve.load import load_solver

ROOT = Path(__file__).parents[2]
PAGES = ("models/README.md", "solvers/README.md", "bench/README.md", "vbte/allocate/priced/README.md")
LINK = re.compile(r"\[([^]]+)\]\(([^)#\s]+)(?:#[^)]*)?\)")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def links(page: str) -> list[tuple[str, Path]]:
    """Label and target of every link of a page to a file of the project."""
    return [
        (label, (ROOT / page).parent / target)
        for label, target in LINK.findall(text_of(page))
        if not target.startswith("http")
    ]


def defined_in(path: Path) -> set[str]:
    """Functions, classes and ``Class.method`` of a module."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return names


def listed(page: str, name: str) -> str:
    """The line of the page's table that lists a file of its folder."""
    return next(line for line in text_of(page).splitlines() if line.startswith(f"| [{name}]({name}.yaml)"))


def missing_functions(page: str) -> list[str]:
    """Links whose label is code and whose module does not define it."""
    found = [(label.strip("`"), path) for label, path in links(page) if label.startswith("`") and path.suffix == ".py"]
    return [label for label, path in found if not path.is_file() or label not in defined_in(path)]


@pytest.mark.parametrize("page", PAGES)
def test_linked_files_exist(page: str) -> None:
    assert [label for label, path in links(page) if not path.exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_linked_functions_exist(page: str) -> None:
    assert missing_functions(page) == []


def test_a_function_that_does_not_exist_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = "[`no_such_function`](../vbte/bounds.py) and [`lagrangian_bound`](../vbte/bounds.py)"
    monkeypatch.setattr(Path, "read_text", _planted(Path.read_text, planted))
    assert missing_functions("models/README.md") == ["no_such_function"]


def _planted(read_text: Callable[..., str], planted: str) -> Callable[..., str]:
    return lambda self, **options: planted if self.name == "README.md" else read_text(self, **options)


@pytest.mark.parametrize("family", ["conservation", "path_demand", "link_capacity", "class_limits", "hold_row"])
def test_every_family_of_constraints_is_linked(family: str) -> None:
    assert f"`{family}`" in {label for label, _ in links("models/README.md")}


@pytest.mark.parametrize("name", sorted(catalogue.models()))
def test_every_model_has_a_line_with_its_stages_and_its_toy_program(name: str) -> None:
    line = next(
        line for line in text_of("models/README.md").splitlines() if line.startswith(f"| [{name}]({name}.yaml)")
    )
    model = catalogue.load_model(name)
    assert f"| {', '.join(stage.kind for stage in model.stages)} |" in line
    assert f"| {model.admission}, {model.capacity} |" in line
    assert f"({name}.toy.lp)" in line


@pytest.mark.parametrize("enum", [StageKind, Split])
def test_the_mathematics_covers_every_choice(enum: type[StrEnum]) -> None:
    free = {Split.FREE, CandidateKind.ALL}
    assert [choice for choice in enum if choice not in free and f"`{choice}" not in text_of("models/README.md")] == []


def test_the_model_on_the_page_is_a_model() -> None:
    block = re.search(r"```yaml\n(.*?)```", text_of("models/README.md"), flags=re.DOTALL)
    assert block is not None
    model = catalogue.load_model(load_yaml(block.group(1), "models/README.md")[0])
    assert isinstance(model, PlanningModel)
    assert [each.name for each in model.classes] == ["voice", "rest"]


@pytest.mark.parametrize("name", sorted(catalogue.solvers()))
def test_every_solver_profile_has_a_line_with_its_backend(name: str) -> None:
    line = listed("solvers/README.md", name)
    assert f"`{load_solver(name).backend}`" in line


@pytest.mark.parametrize("enum", [Reason, Limit, Backend])
def test_the_solvers_page_names_every_answer(enum: type[StrEnum]) -> None:
    assert [word for word in enum if f"`{word}`" not in text_of("solvers/README.md")] == []
