"""What failures do, as plain values (schema ``vbte.whatif/1``), worst scenario first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from vbte.failover import ClassAvailability, Disagreement, HotLink, Replan, SharedRisk, WhatIf, WhatIfEach
from vbte.policy import StageKind
from vbte.topology import FloatArray


def what_if_document(answer: WhatIf, walked: int, disagreements: Sequence[Disagreement]) -> dict[str, Any]:
    """Return everything that is known about a plan's scenarios as plain values; ``walked`` of them were confirmed."""
    instance, repair = answer.plan.instance, answer.repair
    offered = np.bincount(
        instance.class_index, weights=instance.volume_gbps[answer.matrix], minlength=len(instance.rules)
    )
    up = repair.nothing_down
    return {
        "schema": "vbte.whatif/1",
        "network": instance.topology.name,
        "matrix": {
            "name": instance.demands[answer.matrix].name,
            "number": answer.matrix + 1,
            "of": instance.n_matrices,
        },
        "scenarios": {
            "from": answer.scenarios.origin,
            "count": len(answer.scenarios),
            "covered_probability": answer.scenarios.covered_probability,
        },
        "classes": [
            {
                "class": rules.policy.name,
                "priority": rules.policy.priority,
                "offered_gbps": float(offered[position]),
                "admitted_gbps": float(repair.admitted_gbps[position]),
            }
            for position, rules in enumerate(instance.rules)
        ],
        "nothing_down": _classes(answer, [getattr(up, name)[:, 0] for name in _FIGURES]),
        "results": [_result(answer, position) for position in answer.worst_first.tolist()],
        "availability": [_availability(answer, one) for one in answer.availability],
        "links": [_link(link) for link in answer.hot_links],
        "shared_risks": [_risk(risk) for risk in answer.shared_risks],
        "walk": {
            "scenarios": walked,
            "disagreements": [{"scenario": d.scenario, "what": d.what, "gbps": d.gbps} for d in disagreements],
        },
    }


def worst_of(answer: WhatIfEach, documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one document for all of a plan's matrices: every scenario in its worst one, and ``matrices`` whole."""
    first, results = documents[0], [{row["scenario"]: row for row in one["results"]} for one in documents]
    names = [scenario.name for scenario in answer.answers[0].scenarios.scenarios]
    links = [{**link, "matrix": document["matrix"]} for document in documents for link in document["links"]]
    highest = sorted(links, key=lambda link: -(np.inf if link["utilization"] is None else link["utilization"]))
    at_worst = {link["link"]: link for link in reversed(highest)}
    return {
        "schema": first["schema"],
        "network": first["network"],
        "matrix": {"name": "", "number": None, "of": len(documents)},
        "scenarios": first["scenarios"],
        "results": [
            {**results[worst][names[at]], "matrix": documents[worst]["matrix"], "classes": documents[worst]["classes"]}
            for at, worst in ((at, int(answer.worst_matrix[at])) for at in answer.worst_first.tolist())
        ],
        "availability": _worst_availability(documents),
        "links": [link for link in highest if at_worst[link["link"]] is link],
        "shared_risks": first["shared_risks"],
        "walk": {
            "scenarios": sum(document["walk"]["scenarios"] for document in documents),
            "disagreements": [one for document in documents for one in document["walk"]["disagreements"]],
        },
        "matrices": list(documents),
    }


def _worst_availability(documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each class's row from the matrix in which its worst commodity loses most."""
    rows = [{**row, "matrix": one["matrix"]} for one in documents for row in one["availability"]]
    names = dict.fromkeys(row["class"] for row in rows)
    return [max((row for row in rows if row["class"] == name), key=lambda row: row["loss"]["worst"]) for name in names]


_FIGURES = ("lost_gbps", "congested_gbps", "delivered_gbps", "latency_ms", "max_latency_ms")


def _classes(answer: WhatIf, columns: Sequence[FloatArray]) -> list[dict[str, Any]]:
    rules = answer.plan.instance.rules
    return [
        {
            "class": one.policy.name,
            **{name: _number(column[at]) for name, column in zip(_FIGURES, columns, strict=True)},
        }
        for at, one in enumerate(rules)
    ]


def _number(figure: float) -> float | None:
    return float(figure) if np.isfinite(figure) else None


def _result(answer: WhatIf, position: int) -> dict[str, Any]:
    scenario, repair, cuts = answer.scenarios.scenarios[position], answer.repair, answer.cuts
    links = answer.plan.instance.topology.links
    columns = [getattr(repair, name)[:, position] for name in _FIGURES]
    stranded = cuts.stranded_gbps[:, position]
    busiest = repair.max_utilization[position] if len(links) else 0.0
    return {
        "scenario": scenario.name,
        "probability": scenario.probability,
        "down": [{"kind": str(kind), "name": name} for kind, name in scenario.parts()],
        "bridges": list(cuts.bridges[position]),
        "stranded_gbps": float(stranded.sum()),
        "local_repair": {
            "max_utilization": _number(busiest),
            "busiest_link": links[int(repair.busiest_link[position])].id if busiest > 0 else None,
            "classes": [
                {**row, "stranded_gbps": float(lost)}
                for row, lost in zip(_classes(answer, columns), stranded, strict=True)
            ],
        },
        "replan": _replan(answer, position, answer.replans[position]) if answer.replans else None,
    }


def _availability(answer: WhatIf, one: ClassAvailability) -> dict[str, Any]:
    instance = answer.plan.instance
    worst = int(np.argmax(one.loss))
    return {
        "class": instance.rules[one.class_index].policy.name,
        "target": one.target,
        "commodities": len(one.commodities),
        "loss": {"worst": float(one.loss.max()), "mean": float(one.loss.mean())},
        "worst_commodity": instance.describe(int(one.commodities[worst])),
        "undiminished": {"worst": float(one.undiminished.min()), "mean": float(one.undiminished.mean())},
        "all_at_once": {"loss": one.worst_loss, "mean_loss_beyond": one.worst_tail},
    }


def _replan(answer: WhatIf, position: int, found: Replan) -> dict[str, Any]:
    rules, ended = answer.plan.instance.rules, found.termination
    return {
        "fault": found.fault or None,
        "termination": None if ended is None else {"reason": str(ended.reason), "limit": str(ended.limit)},
        "max_utilization": _number(found.max_utilization),
        "groups": None if found.groups is None else asdict(found.groups),
        "classes": [
            {
                "class": one.policy.name,
                "congested_gbps": _number(found.congested_gbps[at]),
                "delivered_gbps": _number(found.delivered_gbps[at]),
                "unroutable_gbps": _number(found.unroutable_gbps[at]),
                "latency_ms": _number(found.latency_ms[at]),
            }
            for at, one in enumerate(rules)
        ],
        "stages": [
            {
                "stage": stage.stage,
                "unit": _UNITS.get(stage.kind, ""),
                "after_local_repair": answer.repaired_stage(position, at),
                "after_replan": _number(stage.value),
                "bound": stage.bound,
            }
            for at, stage in enumerate(found.stages)
        ],
    }


_UNITS = {StageKind.ADMITTED: "Gbit/s", StageKind.MAX_UTILIZATION: "share"}


def _link(link: HotLink) -> dict[str, Any]:
    return {
        "link": link.link,
        "scenario": link.scenario,
        "utilization": _number(link.utilization),
        "utilization_nothing_down": _number(link.before_utilization),
        "culprits": [
            {"demand": one.demand, "gbps": one.gbps, "gbps_nothing_down": one.before_gbps} for one in link.culprits
        ],
    }


def _risk(risk: SharedRisk) -> dict[str, Any]:
    return {
        "shared_by": str(risk.shared),
        "kind": str(risk.kind),
        "name": risk.name,
        "owner": risk.owner,
        "ways": list(risk.ways),
        "gbps": risk.gbps,
    }
