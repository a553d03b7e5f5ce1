"""What failures do, as plain values (schema ``vbte.whatif/1``) and as tables for a terminal, worst scenario first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vbte.failover import Disagreement, HotLink, Replan, SharedRisk, WhatIf
from vbte.policy import StageKind
from vbte.report.terminal import empty_table, shown_name
from vbte.report.text import percent, plural, printable
from vbte.topology import FloatArray
from vbte.units import format_gbps

#: Links and shared risks shown on a terminal; the JSON has all that are known.
_SHOWN = 5

#: A loss below this is not shown as a row of its own.
_ROW_GBPS = 1e-9


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
        "links": [_link(link) for link in answer.hot_links],
        "shared_risks": [_risk(risk) for risk in answer.shared_risks],
        "walk": {
            "scenarios": walked,
            "disagreements": [{"scenario": d.scenario, "what": d.what, "gbps": d.gbps} for d in disagreements],
        },
    }


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


def what_if_view(document: Mapping[str, Any], most: int) -> RenderableType:
    """Return a document of ``what_if_document`` for a terminal, its ``most`` worst scenarios."""
    results = document["results"][:most]
    parts: list[RenderableType] = [*_head(document), _results_table(results, document)]
    hidden = len(document["results"]) - len(results)
    if hidden:
        parts.append(Text(f"and {plural(hidden, 'scenario')} that lose no more; --top or --json show them"))
    if results and results[0]["replan"] is not None:
        parts += [Text(), _stages_table(results)]
    if document["links"]:
        parts += [Text(), _links_table(document["links"][:_SHOWN])]
    return Group(*parts, *_tail(document, results))


def _head(document: Mapping[str, Any]) -> Iterator[Text]:
    scenarios = document["scenarios"]
    text = f"{plural(scenarios['count'], 'scenario')} ({printable(scenarios['from'])})"
    covered = scenarios["covered_probability"]
    yield Text(text + (f", which hold {covered:.9g} of the probability" if covered is not None else ""), style="bold")
    matrix = document["matrix"]
    if matrix["of"] > 1:
        named = f" ({printable(matrix['name'])})" if matrix["name"] else ""
        yield Text(f"demand matrix {matrix['number']} of {matrix['of']}{named}; --matrix N looks at another")
    short = [row for row in document["nothing_down"] if row["lost_gbps"] + row["congested_gbps"] > _ROW_GBPS]
    for row in short:
        lost = format_gbps(row["lost_gbps"] + row["congested_gbps"])
        yield Text(f"with nothing down {printable(row['class'])} loses {lost} already", style="yellow")


def _results_table(results: Sequence[Mapping[str, Any]], document: Mapping[str, Any]) -> Table:
    replanned = any(result["replan"] is not None for result in results)
    likely = any(result["probability"] is not None for result in results)
    table = empty_table(
        "scenario", *([">probability"] if likely else []), "class", ">admitted", ">black-holed", ">congested",
        ">latency", ">busiest link",
        *((">re-plan delivers", ">busiest link") if replanned else ()),
    )  # fmt: skip
    admitted = {row["class"]: row["admitted_gbps"] for row in document["classes"]}
    for result in results:
        rows = enumerate(result["local_repair"]["classes"])
        hit: list[tuple[int | None, Any]] = [
            (at, row) for at, row in rows if row["lost_gbps"] + row["congested_gbps"] > _ROW_GBPS
        ]
        for number, (at, row) in enumerate(hit or [(None, None)]):
            first = number == 0
            figures = ("-", "", "", "", "") if row is None else _class_cells(row, admitted[row["class"]])
            table.add_row(
                shown_name(result["scenario"]) if first else "",
                *([_probability(result) if first else ""] if likely else []),
                *figures,
                percent(result["local_repair"]["max_utilization"]) if first else "",
                *(_replan_cells(result["replan"], at, first) if replanned else ()),
            )
    return table


def _probability(result: Mapping[str, Any]) -> str:
    return "-" if result["probability"] is None else f"{result['probability']:.3g}"


def _class_cells(row: Mapping[str, Any], admitted_gbps: float) -> tuple[str, ...]:
    latency = "-" if row["latency_ms"] is None else f"{row['latency_ms']:.3g} ms"
    figures = (admitted_gbps, row["lost_gbps"], row["congested_gbps"])
    return printable(row["class"]), *(format_gbps(figure) for figure in figures), latency


def _replan_cells(replan: Mapping[str, Any], at: int | None, first: bool) -> tuple[str, str]:
    if replan["fault"]:
        return ("no plan", "") if first else ("", "")
    chosen = replan["classes"] if at is None else [replan["classes"][at]]
    delivered = format_gbps(sum(row["delivered_gbps"] for row in chosen))
    return delivered, percent(replan["max_utilization"]) if first else ""


def _stages_table(results: Sequence[Mapping[str, Any]]) -> Table:
    table = empty_table("scenario", "stage", ">after local repair", ">after re-plan", ">no plan can beat")
    for result in results:
        shown = [stage for stage in result["replan"]["stages"] if stage["after_local_repair"] is not None]
        for number, stage in enumerate(shown):
            show = percent if stage["unit"] == "share" else format_gbps
            figures = (stage["after_local_repair"], stage["after_replan"], stage["bound"])
            cells = ["-" if figure is None else show(figure) for figure in figures]
            table.add_row(shown_name(result["scenario"]) if not number else "", stage["stage"], *cells)
    return table


def _links_table(links: Sequence[Mapping[str, Any]]) -> Table:
    table = empty_table("link", ">at worst", ">nothing down", "in scenario", "because of")
    for link in links:
        culprits = (f"{c['demand']} +{format_gbps(c['gbps'] - c['gbps_nothing_down'])}" for c in link["culprits"])
        table.add_row(
            shown_name(link["link"]),
            percent(link["utilization"]),
            percent(link["utilization_nothing_down"]),
            shown_name(link["scenario"]),
            shown_name(", ".join(culprits)),
        )
    return table


def _tail(document: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    for result in results:
        if result["stranded_gbps"] > _ROW_GBPS:
            bridges = printable(", ".join(result["bridges"]))
            verb = "is a bridge" if len(result["bridges"]) == 1 else "cut the network"
            yield Text(f"{bridges} {verb}: {format_gbps(result['stranded_gbps'])} asked for that nobody could carry")
        yield from _replan_notes(result)
    for risk in document["shared_risks"][:_SHOWN]:
        ways = printable(" | ".join(risk["ways"]))
        who = f"{risk['shared_by']} of {risk['owner']}" if risk["shared_by"] == "paths" else f"links {risk['owner']}"
        text = f"{printable(who)} ({ways}) all share {risk['kind']} {printable(risk['name'])}"
        yield Text(f"false diversity: {text}, {format_gbps(risk['gbps'])}", style="yellow")
    walk = document["walk"]
    for one in walk["disagreements"]:
        text = f"{one['scenario']}: the walk of the files differs at {one['what']} by {format_gbps(one['gbps'])}"
        yield Text(printable(text), style="red")
    if walk["scenarios"] and not walk["disagreements"]:
        yield Text(f"the worst {plural(walk['scenarios'], 'scenario')} walked on the files: they agree")


def _replan_notes(result: Mapping[str, Any]) -> Iterator[Text]:
    """Say why there is no re-plan, and what no path that a class may use can carry though its ends are still joined."""
    replan, name = result["replan"], result["scenario"]
    if replan is None:
        return
    if replan["fault"]:
        yield Text(printable(f"{name}: no re-plan: {replan['fault']}"), style="yellow")
        return
    for row, before in zip(replan["classes"], result["local_repair"]["classes"], strict=True):
        barred_gbps = row["unroutable_gbps"] - before["stranded_gbps"]
        if barred_gbps > _ROW_GBPS:
            text = f"{name}: {format_gbps(barred_gbps)} of {row['class']} asked for that no path of its policy carries"
            yield Text(printable(text))
