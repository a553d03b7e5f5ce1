"""Plans of several demand matrices, each for itself: numbered directories and one summary over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SCHEMA = "vbte.series/1"

#: Figures of each plan that the series lists, and compares where they are numbers.
_LISTED = ("demand_gbps", "admitted_gbps", "shortfall_gbps", "max_utilization", "max_gap")


def plan_directory(position: int) -> str:
    """Return the name of a plan's directory within the series: ``'0001'`` for the first."""
    return f"{position + 1:04d}"


def series_files(files: Mapping[str, bytes], position: int) -> dict[str, bytes]:
    """Return the files of one plan, by path relative to the directory of the series."""
    return {f"{plan_directory(position)}/{name}": content for name, content in files.items()}


def series_summary(planned: Mapping[int, Mapping[str, Any]], *, wanted: int) -> dict[str, Any]:
    """Return the summary of a series (schema ``vbte.series/1``): a row a plan, then mean and worst of each figure.

    ``planned`` has the summary of each plan by the position of its matrix, in order; ``wanted`` is the number of
    matrices given. Fewer plans mean that the run was stopped, and with several workers any of them may be missing.
    """
    summaries = list(planned.values())
    return {
        "schema": SCHEMA,
        "network": summaries[0]["network"],
        "model": summaries[0]["model"],
        "matrices": wanted,
        "planned": len(summaries),
        "mean": {name: _mean(summaries, name) for name in _LISTED[:4]},
        "worst": {
            "shortfall_gbps": max(summary["shortfall_gbps"] for summary in summaries),
            "max_utilization": max(summary["max_utilization"] for summary in summaries),
            "max_gap": _worst_gap(summaries),
        },
        "plans": [_row(summary, position) for position, summary in planned.items()],
    }


def _row(summary: Mapping[str, Any], position: int) -> dict[str, Any]:
    baseline = summary["baseline"]
    return {
        "directory": plan_directory(position),
        "matrix": summary["matrices"][0]["name"],
        **{name: summary[name] for name in _LISTED},
        "termination": summary["termination"],
        "baseline_max_utilization": baseline["max_utilization"],
        "gain": baseline["gain"],
    }


def _mean(summaries: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(sum(summary[name] for summary in summaries) / len(summaries))


def _worst_gap(summaries: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the largest gap, None when any plan has none proven."""
    gaps = [summary["max_gap"] for summary in summaries]
    return None if any(gap is None for gap in gaps) else max(gaps)
