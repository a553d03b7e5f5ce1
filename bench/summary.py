"""The table of results in README.md, made from the files in results/.

python bench/summary.py            # prints it
python bench/summary.py --write    # puts it into README.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- results: python bench/summary.py --write -->", "<!-- end of results -->"
ORDER = (
    "whole_command",
    "week",
    "fan_out",
    "reading",
    "building",
    "solving",
    "forms",
    "tables",
    "few_changes",
    "local_repair",
    "chain",
    "scale",
    "growth",
    "replan",
    "classes",
    "fairness",
)
#: Keys of a result that have columns of their own or say nothing to a reader.
SHOWN = ("case", "ratio", "ours", "competitor", "ours_s", "competitor_s", "ours_range_s", "competitor_range_s")


def documents(folder: Path = HERE / "results") -> list[dict[str, Any]]:
    """Return the results on file, in the order of the README."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    return [found[name] for name in ORDER if name in found]


def tables(found: list[dict[str, Any]]) -> str:
    """Return the tables as Markdown: one per benchmark, ratio first."""
    parts = []
    for document in found:
        facts = dict.fromkeys(key for row in document["results"] for key in row if key not in SHOWN)
        rows = [["ratio", "case", "ours, s", "competitor", "its s", *(fact.replace("_", " ") for fact in facts)]]
        rows.append(["---:", "---", "---:", "---", "---:", *("---:" for _ in facts)])
        rows += [_row(row, list(facts)) for row in document["results"]]
        lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        after = "".join(f"\n* {sentence}" for sentence in document.get("conclusions", ()))
        after = f"\n{after}\n" if after else ""
        parts.append(f"### {document['benchmark']}\n\n{document['subject']} {_where(document)}\n\n{lines}\n{after}")
    return "\n".join(parts)


def with_tables(readme: str, text: str) -> str:
    """Return the README with its tables replaced."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def _row(row: dict[str, Any], facts: list[str]) -> list[str]:
    ours = "" if row["ours"] == "vbte" else f" ({row['ours']})"
    figures = [_figure(row.get(fact)) for fact in facts]
    return [
        f"**{_figure(row['ratio'])}**",
        row["case"] + ours,
        _figure(row["ours_s"]),
        row["competitor"],
        _figure(row["competitor_s"]),
        *figures,
    ]


def _where(document: dict[str, Any]) -> str:
    machine = document["machine"]
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items() if name != "vbte")
    return (
        f"Repeats: {document['protocol']['repeats']}. {machine['processor']}, {machine['cores']} cores, "
        f"Python {machine['python']}, {libraries}."
    )


def _figure(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    text = tables(documents())
    if "--write" in sys.argv[1:]:
        readme = HERE / "README.md"
        readme.write_text(with_tables(readme.read_text(encoding="utf-8"), text), encoding="utf-8")
    else:
        print(text)
