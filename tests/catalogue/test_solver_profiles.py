"""The bundled solver profiles do what their names say."""

from __future__ import annotations

import pytest

import vbte
from vbte import catalogue
from vbte.allocate.run import EXACT_LINK_FLOWS
from vbte.read.yaml_text import load_yaml
from vbte.solve import Backend, Engine
from vbte.solve.load import load_solver


def text_of(name: str) -> str:
    return catalogue.solvers()[name].read_text(encoding="utf-8")


def test_large_plans_by_link_prices_whatever_the_size() -> None:
    network = vbte.dataset("diamond")
    topology = vbte.read_topology(network.topology)
    plan = vbte.optimize(topology, vbte.read_demands(network.demands, topology), model="min-mlu", solver="large")
    assert plan.engine.engine == "price-directed"
    assert plan.engine.gap == load_solver("large").gap == 1e-3
    assert plan.max_gap is not None
    assert plan.max_gap <= 1e-3


@pytest.mark.parametrize("name", sorted(set(catalogue.solvers()) - {"large"}))
def test_all_others_leave_the_engine_to_the_size(name: str) -> None:
    assert load_solver(name).engine is Engine.AUTO


def test_the_default_profile_states_what_it_would_be_without() -> None:
    stated, _ = load_yaml(text_of("highs"), "highs.yaml")
    assert stated["engine"] == Engine.AUTO
    assert stated["gap"] == load_solver({"name": "bare"}).gap
    assert stated["backend"] == Backend.HIGHS


def test_the_page_names_every_engine_and_where_the_line_is() -> None:
    page = (catalogue.catalogue_folder("solvers") / "README.md").read_text(encoding="utf-8")
    assert [engine for engine in Engine if f"`{engine}`" not in page] == []
    assert f"{EXACT_LINK_FLOWS:,} link flows" in page
