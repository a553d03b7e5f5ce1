"""Summaries on the terminal, built from the plain values of ``summary.json`` alone.

Names come from files of others: they are shown as text, never read as markup, and stripped of control characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vbte.report.text import figure, gap_text, percent, plural, printable, termination_text, with_unit
from vbte.units import format_gbps

#: Hot links shown on the terminal; the file has more.
SHOWN_LINKS = 5

_BAR_CELLS = 20
#: Utilisations from which a bar is yellow, red, magenta.
_YELLOW, _RED, _OVERLOAD = 0.6, 0.85, 1.0 + 1e-6


def summary_view(summary: Mapping[str, Any]) -> RenderableType:
    """Return a plan's summary (schema ``vbte.summary/1``) for a terminal."""
    return Group(
        *_head(summary),
        *spaced(
            class_table(summary["classes"]),
            *([matrix_table(summary["matrices"])] if len(summary["matrices"]) > 1 else []),
            link_table(summary["hot_links"][:SHOWN_LINKS], summary["matrices"]),
            certificate_table(summary["certificates"]),
        ),
        *_tail(summary),
    )


def series_view(summary: Mapping[str, Any]) -> RenderableType:
    """Return the summary of a series (schema ``vbte.series/1``) for a terminal."""
    table = empty_table(
        "plan", "matrix", ">demand", ">admitted", ">busiest link", ">gap", "outcome", ">IGP's busiest link"
    )
    for row in summary["plans"]:
        table.add_row(
            row["directory"],
            shown_name(row["matrix"]),
            format_gbps(row["demand_gbps"]),
            format_gbps(row["admitted_gbps"]),
            percent(row["max_utilization"]),
            gap_text(row["max_gap"]),
            row["termination"]["reason"],
            percent(row["baseline_max_utilization"]),
        )
    mean, worst = summary["mean"], summary["worst"]
    return Group(
        network_line(summary),
        table,
        Text(
            f"mean: {format_gbps(mean['admitted_gbps'])} of {format_gbps(mean['demand_gbps'])} admitted, busiest link "
            f"{percent(mean['max_utilization'])}"
        ),
        Text(
            f"worst: {format_gbps(worst['shortfall_gbps'])} not admitted, busiest link "
            f"{percent(worst['max_utilization'])}, gap {gap_text(worst['max_gap'])}"
        ),
        *_stopped(summary),
    )


def baseline_view(summary: Mapping[str, Any]) -> RenderableType:
    """Return the summary of plain IGP routing (schema ``vbte.baseline/1``) for a terminal."""
    matrices = summary["matrices"]
    return Group(
        network_line(summary),
        Text(f"{plural(sum(row['demands'] for row in matrices), 'demand')} with {format_gbps(summary['demand_gbps'])}"),
        baseline_line(summary["baseline"]),
        link_table(summary["hot_links"], matrices),
    )


def class_table(classes: Sequence[Mapping[str, Any]]) -> Table:
    """Return volumes, the largest part of a link that it fills, and latencies of each class, by priority."""
    # Eighty columns hold this.
    table = empty_table("class", ">demand", ">admitted", ">share", ">top link", ">mean ms", ">worst ms", ">paths")
    for row in classes:
        table.add_row(
            shown_name(f"{row['priority']} {row['name']}"),
            format_gbps(row["demand_gbps"]),
            format_gbps(row["admitted_gbps"]),
            _share_admitted(row),
            percent(row["max_utilization"]),
            figure(row["mean_latency_ms"]),
            figure(row["worst_latency_ms"]),
            f"{row['paths']:,}",
        )
    return table


def matrix_table(matrices: Sequence[Mapping[str, Any]]) -> Table:
    """Return the figures of each demand matrix."""
    table = empty_table("matrix", ">demands", ">demand", ">admitted", ">busiest link")
    for row in matrices:
        table.add_row(
            shown_name(row["name"]),
            f"{row['demands']:,}",
            format_gbps(row["demand_gbps"]),
            format_gbps(row["admitted_gbps"]),
            percent(row["max_utilization"]),
        )
    return table


def link_table(links: Sequence[Mapping[str, Any]], matrices: Sequence[Mapping[str, Any]] = ()) -> Table:
    """Return links with their load as a bar; with several matrices also the matrix where it is worst."""
    several = len(matrices) > 1
    table = empty_table("busiest links", ">load", ">capacity", ">utilisation", "", *(["worst in"] if several else []))
    for row in links:
        worst = [shown_name(matrices[row["matrix"]]["name"])] if several else []
        table.add_row(
            shown_name(row["link"]),
            format_gbps(row["load_gbps"]),
            format_gbps(row["capacity_gbps"]),
            percent(row["utilization"]),
            bar(row["utilization"]),
            *worst,
        )
    return table


def certificate_table(certificates: Sequence[Mapping[str, Any]]) -> Table:
    """Return each stage's value, what nobody can beat, and the gap between them."""
    table = empty_table("stage", ">value", ">no plan can beat", ">gap", "outcome")
    for row in certificates:
        ended = [] if row["limit"] == "none" else [f"stopped by {row['limit']}"]
        table.add_row(
            shown_name(row["stage"]),
            with_unit(row["value"], row["unit"]),
            with_unit(row["bound"], row["unit"]),
            gap_text(row["gap"]),
            ", ".join([row["reason"], *ended]),
        )
    return table


def bar(utilization: float) -> Text:
    """Return a bar whose length and colour show a utilisation; it is full at 100 %."""
    cells = min(_BAR_CELLS, max(1, round(utilization * _BAR_CELLS))) if utilization > 0 else 0
    return Text("█" * cells + "·" * (_BAR_CELLS - cells), style=_colour(utilization))


def _colour(utilization: float) -> str:
    for start, colour in ((_OVERLOAD, "bold magenta"), (_RED, "red"), (_YELLOW, "yellow")):
        if utilization >= start:
            return colour
    return "green"


def _head(summary: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield network_line(summary)
    matrices = summary["matrices"]
    count = sum(matrix["demands"] for matrix in matrices)
    several = f" in {len(matrices)} matrices, mean" if len(matrices) > 1 else ""
    yield Text(
        f"{plural(count, 'demand')}{several}: {format_gbps(summary['admitted_gbps'])} of "
        f"{format_gbps(summary['demand_gbps'])} admitted ({_share_admitted(summary)})"
    )
    yield Text(
        f"plan: {termination_text(summary['termination'], summary['max_gap'], summary['engine']['gap'])}; busiest link "
        f"{percent(summary['max_utilization'])}",
        style="bold",
    )


def network_line(summary: Mapping[str, Any]) -> Text:
    """Return name, size and total capacity of the network."""
    network = summary["network"]
    return Text(
        f"{printable(network['name']) or 'network'}: {plural(network['nodes'], 'node')}, "
        f"{plural(network['links'], 'link')} with {format_gbps(network['capacity_gbps'])}"
        + (f"; model {printable(summary['model'])}" if "model" in summary else "")
    )


def _tail(summary: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield baseline_line(summary["baseline"], summary)
    for volume_gbps, text in (
        (summary["unmatched_gbps"], f"matched no class and went to {printable(summary['fallback_class'])}"),
        (summary["unroutable_gbps"], "have no admissible path and were dropped"),
    ):
        if volume_gbps > 0:
            yield Text(f"{format_gbps(volume_gbps)} {text}", style="yellow")
    tables = summary["tables"]
    yield Text(
        f"tables: {tables['realisation']}, {plural(tables['devices'], 'device')}, largest rounding of a split "
        f"{percent(tables['max_quantisation_error'])}, walked: {_walked(tables['walk'])}"
    )
    walked = tables["walk"]
    if walked["overloaded_links"]:
        yield Text(
            f"with what devices can hold {plural(walked['overloaded_links'], 'link')} would go beyond the limit, "
            f"the busiest to {percent(walked['max_utilization'])}",
            style="bold red",
        )
    lost = tables["cannot_realise"]
    if lost["count"]:
        reasons = ", ".join(f"{reason} {count}" for reason, count in lost["reasons"].items())
        yield Text(
            f"devices can't carry {plural(lost['count'], 'rule')} as planned ({reasons}), "
            f"{format_gbps(lost['gbps_at_stake'])} at stake: see cannot_realise in tables/devices",
            style="yellow",
        )
    if summary["engine"]["forms"]:
        yield engine_line(summary["engine"])


def engine_line(engine: Mapping[str, Any]) -> Text:
    """Return which engine found the plan, and in which form it had each class."""
    classes: dict[str, list[str]] = {}
    for name, form in engine["forms"].items():
        classes.setdefault(form, []).append(printable(name))
    alone = len(classes) == 1
    forms = [form if alone else f"{form} for {', '.join(names)}" for form, names in sorted(classes.items())]
    started = ", from the previous plan" if engine["from_previous"] else ""
    return Text(f"engine: {engine['engine']}{started}; {'; '.join(forms)}")


def baseline_line(baseline: Mapping[str, Any], summary: Mapping[str, Any] | None = None) -> Text:
    """Return what plain IGP routing does with the demands and, given a summary, how much better the plan is."""
    text = f"IGP alone: busiest link {percent(baseline['max_utilization'])}"
    if baseline["overloaded_links"]:
        over = plural(baseline["overloaded_links"], "link")
        text += f", {over} overloaded, room for {percent(baseline['common_share'])} of every demand"
    if baseline["unroutable_gbps"] > 0:
        text += f", {format_gbps(baseline['unroutable_gbps'])} without a path"
    if summary is not None and baseline["gain"]:
        text += f"; {_gain_text(baseline['gain'])}"
    return Text(text)


def _gain_text(gain: float) -> str:
    if abs(gain - 1) < 0.005:
        return "the plan's is the same"
    return f"the plan's is {gain:.3g} times less" if gain > 1 else f"the plan's is {1 / gain:.3g} times as much"


def _walked(walk: Mapping[str, Any]) -> str:
    return "agrees with the plan" if walk["agrees"] else "DISAGREES with the plan"


def _stopped(summary: Mapping[str, Any]) -> Iterator[RenderableType]:
    if summary["planned"] < summary["matrices"]:
        yield Text(f"stopped after {summary['planned']} of {summary['matrices']} matrices", style="yellow")


def _share_admitted(row: Mapping[str, Any]) -> str:
    """Return the admitted share; ``100 %`` is only said when nothing is missing."""
    if row["demand_gbps"] <= 0:
        return "-"
    share = row["admitted_gbps"] / row["demand_gbps"]
    return "100 %" if share >= 1 - 1e-9 else f"{min(100 * share, 99.99):.4g} %"


def spaced(*tables: Table) -> Iterator[RenderableType]:
    """Yield tables with an empty line before and after each; tables without rows are left out."""
    filled = [table for table in tables if table.row_count]
    for table in filled:
        yield ""
        yield table
    if filled:
        yield ""


def shown_name(text: str) -> Text:
    """Return a name from an input as one harmless line."""
    return Text(printable(text).replace("\n", "\\n"))


def empty_table(*columns: str) -> Table:
    """Return an empty table; a column whose name starts with ``>`` is aligned to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    return table
