"""Random toys for hypothesis: at most six nodes, every rule a class can have."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from toys import Row, demands, link, network

from vbte.demands import DemandMatrix
from vbte.policy import PlanningModel
from vbte.topology import Link, Topology

NODES = "abcdef"
GROUPS = ("red", "blue")
REGIONS = ("north", "south")

capacities = st.sampled_from([1.0, 2.0, 3.0, 5.0, 8.0, 13.0])
latencies = st.sampled_from([1.0, 1.3, 2.1, 3.7, 5.3, 0.0])
volumes = st.sampled_from([0.5, 1.0, 1.7, 2.9, 4.3, 7.1])


def now_and_then(draw: st.DrawFn) -> bool:
    """True once in ten draws or so, never in the simplest example."""
    return draw(st.integers(0, 9)) == 9


@st.composite
def topologies(draw: st.DrawFn, *, most_nodes: int = 5) -> Topology:
    """A ring of cables with random one-way chords; now and then a parallel, empty or drained link or closed node."""
    names = NODES[: draw(st.integers(3, most_nodes))]
    ring = [(a, b) for a, b in zip(names, names[1:] + names[:1], strict=True)]
    ends = st.tuples(st.sampled_from(names), st.sampled_from(names)).filter(lambda pair: pair[0] != pair[1])
    pairs = ring + [pair[::-1] for pair in ring if not now_and_then(draw)] + draw(st.lists(ends, max_size=5))
    facts: dict[str, dict[str, Any]] = {
        name: {
            "transit": not now_and_then(draw),
            "drained": now_and_then(draw),
            "region": draw(st.sampled_from(REGIONS)),
        }
        for name in names
    }
    return network([_link(draw, position, pair) for position, pair in enumerate(pairs)], nodes=facts)


def _link(draw: st.DrawFn, position: int, pair: tuple[str, str]) -> Link:
    groups = st.lists(st.sampled_from(GROUPS), max_size=2, unique=True).map(tuple)
    return link(
        ">".join(pair),
        0.0 if now_and_then(draw) else draw(capacities),
        draw(latencies),
        id=f"l{position}",
        metric=draw(latencies),
        cost_per_gbps=draw(latencies),
        srlgs=draw(groups),
        admin_groups=draw(groups),
        encrypted=not now_and_then(draw),
        drained=now_and_then(draw),
    )


@st.composite
def matrices(draw: st.DrawFn, topology: Topology, classes: list[str], *, most: int = 6) -> DemandMatrix:
    """Demands of random classes and tenants; the same pair may appear more than once, volumes may be 0."""
    names = [node.id for node in topology.nodes]
    rows: list[Row] = []
    for _ in range(draw(st.integers(1, most))):
        source = draw(st.sampled_from(names))
        destination = draw(st.sampled_from([name for name in names if name != source]))
        attributes = {"class": draw(st.sampled_from(classes)), "tenant": draw(st.sampled_from(["", "", "acme"]))}
        rows.append((source, destination, 0.0 if now_and_then(draw) else draw(volumes), attributes))
    return demands(*rows)


@st.composite
def policies(draw: st.DrawFn, topology: Topology) -> dict[str, Any]:
    """Rules of one class, one or two of them at a time: more would leave no path."""
    names = [node.id for node in topology.nodes]
    links = [one.id for one in topology.links]
    groups = sorted({group for one in topology.links for group in one.admin_groups})
    rules: dict[str, st.SearchStrategy[dict[str, Any]]] = {
        "latency_bound_ms": st.sampled_from([9.0, 5.0, 3.4]).map(lambda v: {"latency_bound_ms": v}),
        "hop_bound": st.integers(2, 4).map(lambda v: {"hop_bound": v}),
        "avoid_node": st.sampled_from(names).map(lambda v: {"avoid": {"nodes": [v]}}),
        "avoid_link": st.sampled_from(links).map(lambda v: {"avoid": {"links": [v]}}),
        "avoid_groups": st.sampled_from(GROUPS).map(lambda v: {"avoid": {"admin_groups": [v]}}),
        "avoid_srlgs": st.sampled_from(GROUPS).map(lambda v: {"avoid": {"srlgs": [v]}}),
        "avoid_region": st.sampled_from(REGIONS).map(lambda v: {"avoid": {"regions": [v]}}),
        "require_node": st.sampled_from(names).map(lambda v: {"require": {"nodes": [v]}}),
        "require_link": st.sampled_from(links).map(lambda v: {"require": {"links": [v]}}),
        "encrypted": st.just({"require": {"encrypted": True}}),
        "utilization_limit": st.sampled_from([0.3, 0.5, 0.8]).map(lambda v: {"utilization_limit": v}),
        "weight": st.sampled_from([0.5, 2.0, 7.0]).map(lambda v: {"weight": v}),
    }
    if groups:
        rules["require_group"] = st.sampled_from(groups).map(lambda v: {"require": {"admin_groups": [v]}})
    chosen = draw(st.lists(st.sampled_from(sorted(rules)), max_size=2, unique=True))
    policy: dict[str, Any] = {}
    for rule in chosen:
        policy |= draw(rules[rule])
    return policy


#: Stage sequences that the models allow, partial admission first, then full.
PARTIAL = (
    ("admitted",), ("concurrent",), ("admitted", "latency"), ("admitted", "max_utilization", "latency"),
    ("concurrent", "admitted", "cost"), ("admitted", "cost", "max_utilization"), ("concurrent", "latency"),
)  # fmt: skip
FULL = (("max_utilization",), ("latency",), ("max_utilization", "latency"), ("cost", "latency"), ("latency", "cost"))


@st.composite
def planning_models(draw: st.DrawFn, topology: Topology, *, coupling: str = "joint") -> PlanningModel:
    """Two classes of random policy, priorities and stages."""
    admission = draw(st.sampled_from(["partial", "partial", "all"]))
    capacity = draw(st.sampled_from(["hard", "soft"])) if admission == "all" else "hard"
    kinds = draw(st.sampled_from(PARTIAL if admission == "partial" else FULL))
    figures = st.sampled_from(["latency", "metric", "hops"])
    stages = [{"kind": kind} | ({"figure": draw(figures)} if kind == "latency" else {}) for kind in kinds]
    classes = [
        {"name": "gold", "priority": 1, **draw(policies(topology))},
        {"name": "bulk", "priority": draw(st.sampled_from([1, 2])), **draw(policies(topology))},
    ]
    return PlanningModel.model_validate(
        {
            "name": "toy", "stages": stages, "admission": admission, "capacity": capacity, "coupling": coupling,
            "utilization_limit": draw(st.sampled_from([1.0, 0.9])), "unroutable": "drop", "classes": classes,
        }
    )  # fmt: skip
