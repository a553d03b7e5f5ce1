"""A plan as JSON: inputs, paths, certificates and prices, complete enough to be proven again from the file alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from vbte.demands import DemandMatrix
from vbte.plan import Certificate, EngineReport, Fairness, FairStep, Plan, Prices, SharingPrices, SurvivalPrices
from vbte.topology import FloatArray, Link, Node, RiskGroup, Topology

SCHEMA = "vbte.plan/1"


def plan_bytes(plan: Plan) -> bytes:
    """Return the plan as JSON text (schema ``vbte.plan/1``): columns of figures, one key order, no clock."""
    instance = plan.instance
    document = {
        "schema": SCHEMA,
        "termination": {"reason": str(plan.termination.reason), "limit": str(plan.termination.limit)},
        "engine": engine_document(plan.engine),
        "model": instance.model.model_dump(mode="json", by_alias=True),
        "topology": topology_document(instance.topology),
        "demand_matrices": [_demand_document(matrix) for matrix in instance.demands],
        "paths": {
            "commodity": plan.paths.commodity,
            "hops": plan.paths.hops,
            "links": plan.paths.links,
            "flow_gbps": plan.flow_gbps,
            **_protection_columns(plan),
        },
        "commodities": {
            "class": instance.class_index,
            "source": instance.source,
            "destination": instance.destination,
            "tenant": instance.tenant_index,
        },
        "certificates": [_certificate_document(certificate) for certificate in plan.certificates],
    }
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def _protection_columns(plan: Plan) -> dict[str, Any]:
    """Return what paths have besides their flow, where the plan says so: plans without it keep their bytes."""
    columns: dict[str, Any] = {}
    if plan.backup_paths is not None:
        columns |= {"backup_hops": plan.backup_paths.hops, "backup_links": plan.backup_paths.links}
    if plan.reserved_gbps is not None:
        columns["reserved_gbps"] = plan.reserved_gbps
    return columns


def engine_document(engine: EngineReport) -> dict[str, Any]:
    """Return an engine report as plain values, forms sorted by class."""
    return {
        "engine": engine.engine,
        "solver": engine.solver,
        "forms": dict(sorted(engine.forms.items())),
        "rows": engine.rows,
        "columns": engine.columns,
        "columns_generated": engine.columns_generated,
        "gap": engine.gap,
        "from_previous": engine.from_previous,
    }


def topology_document(topology: Topology) -> dict[str, Any]:
    """Return a topology as plain values, facts at their defaults left out."""
    return {
        "name": topology.name,
        "nodes": [_record(node, Node) for node in topology.nodes],
        "links": [_record(link, Link) for link in topology.links],
        **({"srlgs": [_record(one, RiskGroup) for one in topology.risk_groups]} if topology.risk_groups else {}),
    }


def _record(item: Node | Link | RiskGroup, kind: type[Node] | type[Link] | type[RiskGroup]) -> dict[str, Any]:
    """Return the fields of a record that differ from their defaults."""
    fields = kind.__dataclass_fields__
    return {name: getattr(item, name) for name, field in fields.items() if getattr(item, name) != field.default}


def _demand_document(matrix: DemandMatrix) -> dict[str, Any]:
    return {
        "name": matrix.name,
        "node_ids": matrix.node_ids,
        "source": matrix.source,
        "destination": matrix.destination,
        "volume_gbps": matrix.volume_gbps,
        "attributes": {
            name: {"codes": column.codes, "values": column.values} for name, column in sorted(matrix.attributes.items())
        },
    }


def _certificate_document(certificate: Certificate) -> dict[str, Any]:
    return {
        "stage": certificate.stage,
        "kind": str(certificate.kind),
        "figure": str(certificate.figure),
        "priority": certificate.priority,
        "value": certificate.value,
        "bound": certificate.bound,
        "reached": certificate.reached,
        "held_at": certificate.held_at,
        "mip_bound": certificate.mip_bound,
        "termination": {
            "reason": str(certificate.termination.reason),
            "limit": str(certificate.termination.limit),
        },
        "prices": None if certificate.prices is None else _prices_document(certificate.prices),
        **({} if certificate.fairness is None else {"fairness": _fairness_document(certificate.fairness)}),
    }


def _fairness_document(fairness: Fairness) -> dict[str, Any]:
    return {
        "factor": fairness.factor,
        "volume_gbps": fairness.volume_gbps,
        "levels": [
            {
                "level": level.level,
                "bound": level.bound,
                "factor": level.factor,
                "commodities": level.commodities.astype(np.int64),
                "prices": _prices_document(level.prices),
            }
            for level in fairness.levels
        ],
        **({"steps": [_step_document(step) for step in fairness.steps]} if fairness.steps else {}),
    }


def _step_document(step: FairStep) -> dict[str, Any]:
    return {"level": step.level, "factor": step.factor, "prices": _prices_document(step.prices)}


def _prices_document(prices: Prices) -> dict[str, Any]:
    return {
        "capacity": _sparse(prices.capacity),
        "class_limit": {str(position): _sparse(array) for position, array in sorted(prices.class_limit.items())},
        "held": {str(index): price for index, price in sorted(prices.held.items())},
        **({} if prices.survival is None else {"survival": _survival_document(prices.survival)}),
        **({} if prices.sharing is None else {"sharing": _sharing_document(prices.sharing)}),
    }


def _survival_document(prices: SurvivalPrices) -> dict[str, Any]:
    return {"commodity": prices.commodity, "scenario": prices.scenario, "price": prices.price}


def _sharing_document(prices: SharingPrices) -> dict[str, Any]:
    return {
        "class": prices.class_index,
        "matrix": prices.matrix,
        "link": prices.link,
        "scenario": prices.scenario,
        "price": prices.price,
    }


def _sparse(array: FloatArray) -> dict[str, Any]:
    """Return the entries that are not 0: most links have no price."""
    matrix, link = np.nonzero(array)
    return {"matrix": matrix.astype(np.int64), "link": link.astype(np.int64), "price": array[matrix, link]}
