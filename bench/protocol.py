"""How every benchmark here measures: contenders take turns in one process, medians, ratio first, JSON kept.

A machine that is busy or throttled slows both contenders alike when they take turns, so the ratio of the medians
holds where the seconds do not. No result names the machine beyond its kind.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
LIBRARIES = ("vbte", "highspy", "numpy", "scipy", "networkx", "PuLP", "topohub", "distributed")
SIGNIFICANT = 4


@dataclass(frozen=True)
class Contender:
    """Something to be timed. ``prepare`` is not timed; what it returns goes into ``work``."""

    name: str
    work: Callable[[Any], Any]
    prepare: Callable[[], Any] = lambda: None


@dataclass(frozen=True)
class Timed:
    """Seconds of every repeat, and what the last one returned."""

    seconds: tuple[float, ...]
    outcome: Any = field(repr=False)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Result:
    """One row: how many times as long as ours the competitor takes, the medians behind it, and sizes.

    ``ours_name`` tells what vbte does in this row where there is more than one thing it could do.
    """

    case: str
    competitor: str
    ours: Timed
    theirs: Timed
    facts: dict[str, Any] = field(default_factory=dict)
    ours_name: str = "vbte"

    @property
    def ratio(self) -> float:
        return self.theirs.median / self.ours.median


@dataclass(frozen=True)
class Benchmark:
    """``subject`` says what is compared, in one sentence."""

    name: str
    subject: str

    def options(self, *, repeats: int = 5) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(description=self.subject)
        parser.add_argument("--quick", action="store_true", help="small cases, two repeats: does it run at all?")
        parser.add_argument("--repeats", type=int, default=repeats, help="repeats of each contender (%(default)s)")
        parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the results (bench/results)")
        return parser

    def parse(self, parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
        options = parser.parse_args(arguments)
        if options.quick:
            options.repeats = min(2, options.repeats)
            if options.out == RESULTS:
                options.out = None
        return options

    def report(
        self,
        results: Iterable[Result],
        options: argparse.Namespace,
        *,
        conclusions: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        """Print each result as it comes, ratio first, and write all down; a quick run only where ``--out`` says.

        ``conclusions`` is asked at the end for sentences about all results together.
        """
        kept = []
        for result in results:
            kept.append(result)
            print(_line(result), flush=True)
        sentences = list(conclusions())
        print("\n".join(sentences), end="\n" * bool(sentences))
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            path = options.out / f"{self.name}.json"
            document = self._document(kept, options) | ({"conclusions": sentences} if sentences else {})
            path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            print(f"written to {path}")

    def _document(self, results: Sequence[Result], options: argparse.Namespace) -> dict[str, Any]:
        return {
            "benchmark": self.name,
            "subject": self.subject,
            "protocol": {"repeats": options.repeats, "figure": "median of repeats, contenders taking turns"},
            "machine": machine(),
            "results": [_record(result) for result in results],
        }


def in_turns(
    contenders: Sequence[Contender], repeats: int, *, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Timed]:
    """Return the timing of each contender. They take turns, and garbage is collected before each.

    ``clock`` is ``time.process_time`` where CPU seconds are meant.
    """
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    outcomes: dict[str, Any] = {}
    for _ in range(repeats):
        for contender in contenders:
            prepared = contender.prepare()
            gc.collect()
            started = clock()
            outcomes[contender.name] = contender.work(prepared)
            seconds[contender.name].append(clock() - started)
    return {name: Timed(tuple(times), outcomes[name]) for name, times in seconds.items()}


def require_equal(what: str, first: float, second: float, share: float = 1e-6) -> None:
    """Stop the benchmark when contenders disagree: a fast wrong answer is no result."""
    if abs(first - second) > share * max(abs(first), abs(second), 1e-12):
        sys.exit(f"{what}: {first!r} against {second!r}")


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, Python, libraries. No name of the machine."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _line(result: Result) -> str:
    seconds = f"{result.ours_name} {result.ours.median:.3g} s, {result.competitor} {result.theirs.median:.3g} s"
    facts = ", ".join(
        f"{name.replace('_', ' ')} {_rounded(value)}" for name, value in result.facts.items() if value is not None
    )
    return f"{result.ratio:8.3g} x  {result.case}: {seconds}{'; ' + facts if facts else ''}"


def _record(result: Result) -> dict[str, Any]:
    return {
        "case": result.case,
        "ratio": _rounded(result.ratio),
        "ours": result.ours_name,
        "competitor": result.competitor,
        "ours_s": _rounded(result.ours.median),
        "competitor_s": _rounded(result.theirs.median),
        "ours_range_s": _range(result.ours),
        "competitor_range_s": _range(result.theirs),
        **{name: _rounded(value) for name, value in result.facts.items() if value is not None},
    }


def _range(timed: Timed) -> list[float]:
    """Return the fastest and the slowest repeat: how noisy the machine was."""
    return [_rounded(min(timed.seconds)), _rounded(max(timed.seconds))]


def _rounded(value: Any) -> Any:
    return float(f"{value:.{SIGNIFICANT}g}") if isinstance(value, float) else value
