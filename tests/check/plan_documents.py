"""Plans as JSON documents, to be spoilt in one place and proven again."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from toys import cable, demands, model, network, of_class, plan

from vbte.plan import Plan
from vbte.proof import CheckReport, check_plan
from vbte.read.plan_file import read_plan
from vbte.write.plan_file import plan_bytes

Document = dict[str, Any]
Change = Callable[[Document], object]

STAGES = [{"kind": "admitted"}, {"kind": "max_utilization", "tolerance": 0.05}, {"kind": "latency"}]
CLASSES = [
    {"name": "gold", "latency_bound_ms": 20, "avoid": {"nodes": ["e"]}},
    {"name": "bulk", "priority": 2, "utilization_limit": 0.5, "match": [{"source_prefix": ["10.0.0.0/8"]}]},
]


def toy_plan() -> Plan:
    """Two classes over the diamond and a detour over e: limits bind, and every stage has prices."""
    topology = network(
        cable("a-b", 10, 2.0, srlgs=("bridge",)), cable("b-d", 10, 2.0, admin_groups=("leased",)),
        cable("a-c", 30, 5.0), cable("c-d", 30, 5.0), cable("a-e", 7, 1.0), cable("e-d", 7, 1.0),
        nodes={"a": {"region": "west", "prefixes": ("10.1.0.0/24",)}},
    )  # fmt: skip
    asked = demands(
        ("a", "d", 60, of_class("gold", tenant="acme")), ("d", "a", 9, of_class("gold")),
        ("b", "d", 5, of_class("bulk")), ("a", "b", 1, {"source_prefix": "10.1.0.0/24"}),
    )  # fmt: skip
    return plan(topology, asked, model(STAGES, classes=CLASSES, unroutable="drop"))


def document_of(found: Plan) -> Document:
    document: Document = orjson.loads(plan_bytes(found))
    return document


def proven_again(document: Document, folder: Path, change: Change = lambda _: None) -> CheckReport:
    """Write the document with one change and prove it from the file."""
    spoilt = copy.deepcopy(document)
    change(spoilt)
    (folder / "plan.json").write_bytes(orjson.dumps(spoilt))
    return check_plan(read_plan(folder))


def put(*place: str | int, to: Any) -> Change:
    """A change that puts a value at a place: ``put("paths", "flow_gbps", 0, to=1.0)``."""

    def change(document: Document) -> None:
        inner: Any = document
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = to(inner[place[-1]]) if callable(to) else to

    return change
