"""Growth: time to a certified gap of 1 %, from 50 nodes to 3,815, and the exponent of demands behind it.

    python bench/bench_growth.py [--quick] [--patience 60] [--gap 0.01] [--most-nodes 1200] [--objective min-mlu]

Gabriel graphs and intercontinental backbones from topohub, 10 Gbit/s on every link, a demand for every pair, 15 times
what hop-shortest paths carry. The competitor is multiplicative weights, until it has what vbte has. Exponents are
least-squares fits of logarithms with their standard error, over the runs that got there. ``growth.svg`` beside the
results shows all of it. A network on which vbte is not done in time stays in the table, and out of its fit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from bench_scale import Ours, engine_name, options_of, ran, row, settings_of, time_to
from competitors.question import Objective
from growth_plot import Fit, Panel, Series, draw, least_squares
from protocol import Benchmark, Result
from runs import Record, Runs

BENCHMARK = Benchmark("growth", "Time to a certified gap by number of demands, against multiplicative weights.")
FAMILIES = {
    "Gabriel graphs": [f"gabriel/{nodes}/0" for nodes in (50, 75, 100, 150, 200, 300, 400, 500)],
    "backbones": [
        f"backbone/{name}"
        for name in ("africa_nosc", "north_america", "africa", "europe", "americas", "emea", "eurasia", "world")
    ],
}
#: Nodes of topohub's backbones, so that none has to be read only to be left out.
NODES = {"africa_nosc": 136, "north_america": 250, "africa": 403, "europe": 852, "americas": 1138, "emea": 1560,
         "eurasia": 2031, "world": 3815}  # fmt: skip
QUICK = {"Gabriel graphs": ["gabriel/10/0", "gabriel/15/0", "gabriel/20/0"]}
GIVEN = "given"
COLOURS = {"Gabriel graphs": "#2563a8", "backbones": "#c2541a", GIVEN: "#3f7d4e"}
TITLES = {Objective.ADMITTED: "most volume", Objective.MLU: "least MLU"}
COMPETITOR = "weights"


class Growth:
    """Rows as they come, and the points of the plot behind them."""

    def __init__(self, options: argparse.Namespace, runs: Runs) -> None:
        self.options, self.runs = options, runs
        self.ours: dict[tuple[Objective, str], list[tuple[float, float]]] = {}
        self.theirs: dict[tuple[Objective, str], list[tuple[float, float]]] = {}

    def rows(self, objective: Objective, family: str, network: str) -> Iterator[Result]:
        options = self.options
        ours = ran(self.runs, options, settings_of(options, network, objective, "vbte"), 0)
        if not ours.get("series"):
            print(f"{network}, {objective}: vbte has nothing to show: {ours}", file=sys.stderr)
            return
        value, gap = ours["series"][-1][1], ours["notes"]["gap"]
        done = gap is not None and gap <= options.gap
        goal = {"target": value, "least_s": ours["seconds"]}
        patient = argparse.Namespace(**{**vars(options), "patience": options.their_patience or options.patience})
        theirs = ran(self.runs, patient, settings_of(patient, network, objective, COMPETITOR), 0, goal)
        demands = float(ours["demands"])
        if done:
            self.ours.setdefault((objective, family), []).append((demands, ours["seconds"]))
        reached = time_to(theirs, value, objective)
        if done and reached is not None:
            self.theirs.setdefault((objective, family), []).append((demands, reached))
        found = row(Ours((ours,)), COMPETITOR, [theirs], objective, patient.patience)
        yield found if done else _unfinished(found, ours)

    def conclusions(self) -> list[str]:
        """Return the exponents as sentences."""
        return [
            f"{TITLES[objective]}, {family}, {who}: time grows as demands^{fit.exponent:.2f}, standard error "
            f"{fit.error:.2f}, {len(points)} networks"
            for who, found in (("vbte", self.ours), (_their_name(), self.theirs))
            for (objective, family), points in found.items()
            if (fit := least_squares(points)) is not None
        ]

    def plot(self) -> str:
        panels = [Panel(TITLES[objective], tuple(self._series(objective))) for objective in Objective]
        gap, times = self.options.gap * 100, self.options.times
        title = f"Time to a plan within {gap:g} % of the bound, all pairs, {times:g} times what shortest paths carry"
        return draw(title, [panel for panel in panels if panel.series])

    def _series(self, objective: Objective) -> Iterator[Series]:
        for hollow, found, who in ((False, self.ours, "vbte"), (True, self.theirs, _their_name())):
            for (of, family), points in found.items():
                if of is objective:
                    fit: Fit | None = least_squares(points)
                    yield Series(f"{who}, {family}", COLOURS[family], points, fit, hollow=hollow)


def _their_name() -> str:
    return "multiplicative weights"


def _unfinished(found: Result, ours: Record) -> Result:
    name = f"{engine_name(ours)}, not at the gap"
    return Result(found.case, found.competitor, found.ours, found.theirs, found.facts, ours_name=name)


def chosen(options: argparse.Namespace) -> Iterator[tuple[Objective, str, str]]:
    """Yield what is asked, small networks first, those of ``--network`` as a family of their own."""
    only = options.only_networks.split(",") if options.only_networks else None
    for objective in [Objective(options.objective)] if options.objective else Objective:
        for family, networks in {**(QUICK if options.quick else FAMILIES), GIVEN: options.network}.items():
            for network in networks:
                if family == GIVEN or ((only is None or network in only) and _nodes(network) <= options.most_nodes):
                    yield objective, family, network


def _nodes(network: str) -> int:
    name = network.split("/")[1]
    return NODES[name] if name in NODES else int(name)


def main(arguments: Sequence[str] | None = None) -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--most-nodes", type=int, default=1200, help="larger networks are left out (%(default)s)")
        parser.add_argument("--their-patience", type=float, help="seconds that the competitor has (as all)")
        parser.set_defaults(patience=60.0)

    options = options_of(arguments, benchmark=BENCHMARK, more=more)
    runs = Runs(None if options.out is None else options.out / "runs" / BENCHMARK.name, fresh=options.fresh)
    growth = Growth(options, runs)
    found = (result for case in chosen(options) for result in growth.rows(*case))
    BENCHMARK.report(found, options, conclusions=growth.conclusions)
    if options.out is not None and growth.ours:
        path = options.out / "growth.svg"
        path.write_text(growth.plot(), encoding="utf-8")
        print(f"drawn to {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
