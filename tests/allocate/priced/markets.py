"""Questions taken apart for the tests of the price-directed engine's pieces."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_questions import matrices, planning_models, topologies
from toys import HIGHS, plan

from vbte.allocate.exact import Tools
from vbte.allocate.priced.market import Group, Market, build_groups
from vbte.bounds import StageEntry, StageProblem, stage_problem, stage_sequence
from vbte.demands import DemandMatrix
from vbte.errors import InputWarning
from vbte.instance import build_instance
from vbte.oracle import routable
from vbte.plan import Plan
from vbte.policy import PlanningModel
from vbte.solve import Deadline, SolverProfile
from vbte.topology import Topology

FloatArray = NDArray[np.float64]
Question = tuple[Topology, DemandMatrix, PlanningModel]


def priced(gap: float = 1e-3, **keys: Any) -> SolverProfile:
    """The profile that asks for the price-directed engine."""
    return SolverProfile(name="priced", engine="price-directed", gap=gap, **keys)


def quietly(question: Question, *, solver: SolverProfile = HIGHS) -> Plan:
    """The plan of a random question, whose warnings are not the subject."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        return plan(*question, solver=solver)


@dataclass(frozen=True, eq=False)
class Asked:
    """A question before anything is decided."""

    tools: Tools
    entries: list[StageEntry]
    problem: StageProblem
    groups: tuple[Group, ...]

    @property
    def n_links(self) -> int:
        return len(self.problem.instance.topology.links)


def asked(question: Question) -> Asked:
    topology, demands, model = question
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        oracle, _ = routable(build_instance(topology, [demands], model))
    tools = Tools(oracle, HIGHS, Deadline(), lambda _: None)
    entries = stage_sequence(oracle.instance)
    if not entries:
        # Rules or lost links leave no demand: there is nothing to ask.
        reject()
    loads = np.zeros((1, len(oracle.instance.rules), len(topology.links)))
    problem = stage_problem(oracle.instance, entries[0], (), loads)
    return Asked(tools, entries, problem, build_groups(problem, oracle))


def a_market(of: Asked, seed: int) -> Market:
    """A market of random room, worth and least volumes for a question's commodities; half of the links have no limit.

    Groups with a row of their own get room for it everywhere.
    """
    chance = np.random.default_rng(seed)
    n, n_links = of.problem.instance.n_commodities, of.n_links
    volume = of.problem.most_gbps / of.problem.most_gbps.sum()
    room = np.full((1 + max(group.row for group in of.groups), n_links), np.inf)
    limited = chance.random(n_links) < 0.5
    room[0, limited] = chance.uniform(0.02, 0.5, int(limited.sum()))
    room[1:] = chance.uniform(0.02, 0.5, room[1:].shape)
    return Market(
        of.groups,
        room,
        base=np.zeros(n_links),
        volume=volume,
        worth=chance.uniform(0.5, 2.0, n),
        least=volume * chance.uniform(0.0, 1.0, n) * (chance.random(n) < 0.5),
        forced_worth=6.0,
    )


def random_prices(market: Market, seed: int) -> FloatArray:
    """Prices of 0.05 to 0.6 where there is a limit, 0 elsewhere."""
    chance = np.random.default_rng(seed)
    return np.where(market.priced, chance.uniform(0.05, 0.6, market.room.shape), 0.0)


@st.composite
def questions(draw: st.DrawFn, *, coupling: str = "joint", stages: Any = None, splits: bool = False) -> Question:
    """Random questions that the engine takes: no rule speaks of whole paths. Policies avoid, limit and weigh."""
    topology = draw(topologies(most_nodes=6))
    document = draw(planning_models(topology, coupling=coupling)).model_dump(by_alias=True)
    for one in document["classes"]:
        one |= {"latency_bound_ms": None, "hop_bound": None}
        one["require"] |= {"nodes": (), "links": ()}
        if splits:
            one["max_paths"] = draw(st.sampled_from([None, 1, 2]))
    if stages is not None:
        chosen = draw(stages)
        document |= chosen
    return topology, draw(matrices(topology, ["gold", "bulk"], most=8)), PlanningModel.model_validate(document)


def with_model(question: Question, **keys: Any) -> Question:
    """The question with some keys of its model replaced."""
    topology, demands, model = question
    return topology, demands, PlanningModel.model_validate(model.model_dump(by_alias=True) | keys)


def without_limits(market: Market) -> Market:
    """The market with no row but that of the links."""
    return replace(market, room=market.room[:1], groups=tuple(replace(group, row=0) for group in market.groups))
