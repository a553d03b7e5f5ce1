"""What maintenance does, as plain values (schema ``vbte.drain/1``) and for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vbte.failover import Drained, DrainedMatrix, Maintenance, OnTop, Replan, Window
from vbte.report.terminal import empty_table, shown_name
from vbte.report.text import percent, printable
from vbte.topology import FloatArray
from vbte.units import format_gbps

#: A loss below this is not shown.
_SHOWN_GBPS = 1e-9

_DRAINED = ("cables", "nodes", "srlgs", "links", "nodes_off")


def drain_document(answer: Maintenance) -> dict[str, Any]:
    """Return everything that is known about a plan's maintenance as plain values."""
    return {
        "schema": "vbte.drain/1",
        "network": answer.plan.instance.topology.name,
        "windows": [
            {**_window(window), "fits": answer.fits(at), "alone": _drained(answer, answer.alone[at])}
            for at, window in enumerate(answer.windows)
        ],
        "periods": [_drained(answer, period) for period in answer.periods],
        "order": _order(answer),
    }


def _window(window: Window) -> dict[str, Any]:
    return {
        "window": window.name,
        "start": None if window.start is None else window.start.isoformat(),
        "end": None if window.end is None else window.end.isoformat(),
        **{name: list(getattr(window, name)) for name in _DRAINED},
    }


def _drained(answer: Maintenance, drained: Drained) -> dict[str, Any]:
    return {
        "windows": [answer.windows[at].name for at in drained.windows],
        "start": None if drained.start is None else drained.start.isoformat(),
        "end": None if drained.end is None else drained.end.isoformat(),
        "fits": drained.fits,
        "matrices": [_matrix(answer, matrix) for matrix in drained.matrices],
        "on_top": None if drained.on_top is None else _on_top(answer, drained.on_top),
    }


def _matrix(answer: Maintenance, matrix: DrainedMatrix) -> dict[str, Any]:
    during, ended = matrix.during, matrix.during.termination
    return {
        "matrix": matrix.name,
        "fits": matrix.fits,
        "fault": during.fault or None,
        "termination": None if ended is None else {"reason": str(ended.reason), "limit": str(ended.limit)},
        "max_utilization_before": _number(matrix.before.max_utilization),
        "max_utilization": _number(during.max_utilization),
        "classes": [
            {
                "class": rules.policy.name,
                "before_gbps": float(matrix.before_gbps[at]),
                "set_aside_gbps": float(matrix.set_aside_gbps[at]),
                "delivered_gbps": None if during.fault else _number(during.delivered_gbps[at]),
                "lost_gbps": None if during.fault else float(matrix.lost_gbps[at]),
                "congested_gbps": _number(during.congested_gbps[at]),
                "unroutable_gbps": _number(during.unroutable_gbps[at]),
                "latency_ms_before": _number(matrix.before.latency_ms[at]),
                "latency_ms": _number(during.latency_ms[at]),
            }
            for at, rules in enumerate(answer.plan.instance.rules)
        ],
        "stages": _stages(during),
    }


def _stages(found: Replan) -> list[dict[str, Any]]:
    return [{"stage": one.stage, "value": _number(one.value), "bound": one.bound} for one in found.stages]


def _number(figure: float) -> float | None:
    return float(figure) if np.isfinite(figure) else None


def _on_top(answer: Maintenance, on_top: OnTop) -> dict[str, Any]:
    rules = answer.plan.instance.rules
    priority = np.array([one.policy.priority for one in rules], dtype=np.int32)

    def worst(lost_gbps: FloatArray) -> list[dict[str, Any]]:
        most = lost_gbps.max(axis=0, initial=0.0)
        return [
            {
                "scenario": on_top.scenarios.scenarios[at].name,
                "classes": [
                    {"class": one.policy.name, "lost_gbps": _number(most[c, at])} for c, one in enumerate(rules)
                ],
            }
            for at in on_top.worst_first(lost_gbps, priority)
        ]

    return {
        "from": on_top.scenarios.origin,
        "count": len(on_top.scenarios),
        "after_local_repair": worst(on_top.repaired_lost_gbps),
        "after_replan": worst(on_top.replanned_lost_gbps),
    }


def _order(answer: Maintenance) -> dict[str, Any] | None:
    if answer.order is None:
        return None
    return {
        "fewest": answer.order.fewest,
        "rounds": [[answer.windows[at].name for at in jobs] for jobs in answer.order.rounds],
        "impossible": [answer.windows[at].name for at in answer.order.impossible],
        "results": [_drained(answer, one) for one in answer.rounds],
    }


def drain_view(document: Mapping[str, Any]) -> RenderableType:
    """Return a document of ``drain_document`` for a terminal."""
    table = empty_table(
        "windows", "from", "to", "fits", "class", ">before", ">lost", ">latency", ">meanwhile", ">busiest link",
        ">meanwhile",
    )  # fmt: skip
    periods = document["periods"]
    for period in periods:
        _add_rows(table, period)
    parts: list[RenderableType] = [table]
    by_itself = [one["window"] for one in document["windows"] if not one["fits"] and one["alone"]["fits"]]
    parts += [Text(f"{printable(name)} fits by itself, but not with what overlaps it") for name in by_itself]
    for period in periods:
        parts += _notes(period)
    return Group(*parts, *_order_notes(document["order"]))


def _add_rows(table: Table, period: Mapping[str, Any]) -> None:
    head: list[str | Text] = [
        shown_name(", ".join(period["windows"])), _time(period["start"]), _time(period["end"]),
        "yes" if period["fits"] else "no",
    ]  # fmt: skip
    for matrix in period["matrices"]:
        busiest = [percent(matrix["max_utilization_before"]), _shown(matrix["max_utilization"], percent)]
        rows = [row for row in matrix["classes"] if row["before_gbps"] > _SHOWN_GBPS] or matrix["classes"][:1]
        for row in rows:
            lost = row["lost_gbps"]
            lost_text = "no plan" if lost is None else format_gbps(lost if lost > _SHOWN_GBPS else 0.0)
            table.add_row(
                *head, printable(row["class"]), format_gbps(row["before_gbps"]), lost_text,
                _shown(row["latency_ms_before"], _ms), _shown(row["latency_ms"], _ms), *busiest,
            )  # fmt: skip
            head, busiest = [""] * 4, [""] * 2


def _time(stated: str | None) -> str:
    return "-" if stated is None else datetime.fromisoformat(stated).isoformat(" ", "minutes")


def _shown(figure: float | None, show: Any) -> str:
    return "-" if figure is None else str(show(figure))


def _ms(latency_ms: float) -> str:
    return f"{latency_ms:.3g} ms"


def _notes(period: Mapping[str, Any]) -> Iterator[Text]:
    names = printable(", ".join(period["windows"]))
    for matrix in period["matrices"]:
        if matrix["fault"]:
            yield Text(f"{names}: no plan: {printable(matrix['fault'])}", style="yellow")
        aside = sum(row["set_aside_gbps"] for row in matrix["classes"])
        if aside > _SHOWN_GBPS:
            yield Text(f"{names}: {format_gbps(aside)} of nodes that are off are set aside")
    on_top = period["on_top"]
    if on_top is None:
        return
    for when, key in (("the devices' own repair", "after_local_repair"), ("one more re-plan", "after_replan")):
        if on_top[key]:
            worst = on_top[key][0]
            figures = [row["lost_gbps"] for row in worst["classes"]]
            lost = "no plan" if None in figures else f"{format_gbps(sum(figures))} lost"
            yield Text(f"{names}, worst on top after {when}: {printable(worst['scenario'])}, {lost}")


def _order_notes(order: Mapping[str, Any] | None) -> Iterator[Text]:
    if order is None:
        return
    for number, names in enumerate(order["rounds"], start=1):
        yield Text(f"round {number}: {printable(', '.join(names))}", style="bold")
    if order["impossible"]:
        yield Text(f"fits in no round: {printable(', '.join(order['impossible']))}", style="yellow")
    yield Text("no fewer rounds will do" if order["fewest"] else "found by first fit: fewer rounds may do")
