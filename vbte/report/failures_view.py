"""What failures do, as tables for a terminal, worst scenario first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vbte.report.terminal import empty_table, shown_name
from vbte.report.text import percent, plural, printable
from vbte.units import format_gbps

#: Links and shared risks shown on a terminal; the JSON has all that are known.
_SHOWN = 5

#: A loss below this is not shown as a row of its own.
_ROW_GBPS = 1e-9


def what_if_view(document: Mapping[str, Any], most: int) -> RenderableType:
    """Return a document of ``what_if_document`` for a terminal, its ``most`` worst scenarios."""
    results = document["results"][:most]
    parts: list[RenderableType] = [*_head(document), _results_table(results, document)]
    hidden = len(document["results"]) - len(results)
    if hidden:
        parts.append(Text(f"and {plural(hidden, 'scenario')} that lose no more; --top or --json show them"))
    if results and results[0]["replan"] is not None:
        parts += [Text(), _stages_table(results)]
    if document["availability"]:
        parts += [Text(), _availability_table(document["availability"])]
    if document["links"]:
        parts += [Text(), _links_table(document["links"][:_SHOWN])]
    return Group(*parts, *_tail(document, results))


def _head(document: Mapping[str, Any]) -> Iterator[Text]:
    scenarios = document["scenarios"]
    text = f"{plural(scenarios['count'], 'scenario')} ({printable(scenarios['from'])})"
    covered = scenarios["covered_probability"]
    yield Text(text + (f", which hold {covered:.9g} of the probability" if covered is not None else ""), style="bold")
    matrix = document["matrix"]
    if matrix["number"] is None:
        yield Text(f"each in the worst of {matrix['of']} demand matrices; --matrix N looks at one")
    elif matrix["of"] > 1:
        yield Text(f"demand matrix {_matrix_name(matrix)} of {matrix['of']}; the others are left out")
    for one in document.get("matrices", (document,)):
        where = f" in matrix {_matrix_name(one['matrix'])}" if "matrices" in document else ""
        for row in one["nothing_down"]:
            gone = row["lost_gbps"] + row["congested_gbps"]
            if gone > _ROW_GBPS:
                text = f"with nothing down {printable(row['class'])} loses {format_gbps(gone)} already{where}"
                yield Text(text, style="yellow")


def _matrix_name(matrix: Mapping[str, Any]) -> str:
    return f"{matrix['number']} ({printable(matrix['name'])})" if matrix["name"] else str(matrix["number"])


def _results_table(results: Sequence[Mapping[str, Any]], document: Mapping[str, Any]) -> Table:
    replanned = any(result["replan"] is not None for result in results)
    likely = any(result["probability"] is not None for result in results)
    several = "matrices" in document
    table = empty_table(
        "scenario",
        *([">probability"] if likely else []),
        *(["matrix"] if several else []),
        *("class", ">admitted", ">black-holed", ">congested", ">latency", ">busiest link"),
        *((">re-plan delivers", ">busiest link") if replanned else ()),
        *((">groups changed",) if _counts_groups(results) else ()),
    )
    for result in results:
        admitted = {row["class"]: row["admitted_gbps"] for row in result.get("classes", document.get("classes", ()))}
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
                *([_matrix_name(result["matrix"]) if first else ""] if several else []),
                *figures,
                percent(result["local_repair"]["max_utilization"]) if first else "",
                *(_replan_cells(result["replan"], at, first) if replanned else ()),
                *((_groups_cell(result["replan"]) if first else "",) if _counts_groups(results) else ()),
            )
    return table


def _counts_groups(results: Sequence[Mapping[str, Any]]) -> bool:
    return any(result["replan"] is not None and result["replan"]["groups"] for result in results)


def _groups_cell(replan: Mapping[str, Any]) -> str:
    groups = replan["groups"]
    return "-" if groups is None else f"{groups['added'] + groups['changed'] + groups['removed']} of {groups['of']}"


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


def _availability_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Losses are shares of what is asked for, at the target and up to it by states of each commodity's own."""
    table = empty_table(
        "class", ">share of time", ">worst commodity loses", ">mean", ">worst is undiminished for", ">mean",
        ">all at once lose", ">beyond that", "worst commodity",
    )  # fmt: skip
    for row in rows:
        loss, whole, together = row["loss"], row["undiminished"], row["all_at_once"]
        table.add_row(
            printable(row["class"]), f"{row['target']:.9g}", percent(loss["worst"]), percent(loss["mean"]),
            f"{whole['worst']:.7f}", f"{whole['mean']:.7f}",
            percent(together["loss"]), percent(together["mean_loss_beyond"]), shown_name(row["worst_commodity"]),
        )  # fmt: skip
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
