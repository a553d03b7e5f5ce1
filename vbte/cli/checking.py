"""``vbte check``: prove plan directories again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from rich.text import Text

from vbte.cli.console import output
from vbte.cli.directory import plan_directories
from vbte.proof import CheckReport, check
from vbte.report.terminal import empty_table
from vbte.report.text import gap_text, plural, printable


def run_check(directory: Path, *, as_json: bool) -> bool:
    """Check a plan, or every plan of a series; print what was found. Returns whether all is well.

    Raises InputError when a plan file can't be read.
    """
    plans = plan_directories(directory)
    reports = {plan: check(plan) for plan in plans}
    if as_json:
        documents = [_document(str(plan.relative_to(directory)), report) for plan, report in reports.items()]
        single = len(plans) == 1 and plans[0] == directory
        content = documents[0] if single else {"schema": "vbte.checks/1", "plans": documents}
        output().file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
    else:
        for plan, report in reports.items():
            _show(plan, report)
    return all(report.ok for report in reports.values())


def _document(plan: str, report: CheckReport) -> dict[str, Any]:
    return {
        "schema": "vbte.check/1",
        "plan": plan,
        "ok": report.ok,
        "findings": [asdict(finding) for finding in report.findings],
        "certificates": [asdict(stage) for stage in report.certificates],
    }


def _show(plan: Path, report: CheckReport) -> None:
    console = output()
    table = empty_table("stage", ">value", ">no plan can beat", ">gap")
    for stage in report.certificates:
        bound = "-" if stage.bound is None else f"{stage.bound:.6g}"
        table.add_row(printable(stage.stage), f"{stage.value:.6g}", bound, gap_text(stage.gap))
    console.print(table)
    for finding in report.findings:
        console.print(Text(printable(f"{finding.place}: {finding.fault}"), style="red"), soft_wrap=True)
    verdict = "proven again, nothing found" if report.ok else plural(len(report.findings), "finding")
    console.print(Text(f"{printable(str(plan))}: {verdict}", style="bold"), soft_wrap=True)
