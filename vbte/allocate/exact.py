"""The exact engine: a sequence of linear programs on one solver session, kept warm from stage to stage.

Link flows cover all paths at once; path columns are generated: solve, ask the oracle for cheaper paths under the
new link prices, add them, and stop when there are none (Ford and Fulkerson 1958; Barnhart et al. 1998).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from vbte.allocate.columns import appended, path_keys
from vbte.allocate.decompose import decompose
from vbte.allocate.protected.available import availability_rows
from vbte.allocate.protected.back_up import pairs_for
from vbte.allocate.protected.promise import Asked, Promise, Rows
from vbte.allocate.protected.robust import robust_columns
from vbte.bounds import StageProblem, link_weights, weights_each
from vbte.errors import InfeasibleError, SolverError
from vbte.formulation.constraints import hold_row, matrix_of, scaled_figure
from vbte.formulation.layout import Layout
from vbte.formulation.program import (
    NO_PATHS,
    build_program,
    column_bounds,
    feasibility_costs,
    new_path_columns,
    prices_from_duals,
    row_bounds,
    stage_costs,
)
from vbte.oracle import Cheapest, PathOracle, merged_paths, select_paths
from vbte.plan import Fairness, PathSet, Prices, Reason, Termination
from vbte.policy import StageKind
from vbte.solve import Deadline, Session, Solution, SolverProfile, open_session
from vbte.tolerance import CAPACITY_SLACK_SHARE, PRICING_SLACK
from vbte.topology import BoolArray, FloatArray

#: Called with a line of text whenever there is something to say.
Progress = Callable[[str], None]

#: Rounds of column generation after which the best plan so far is returned as merely feasible.
ROUND_LIMIT = 500


@dataclass(frozen=True, eq=False)
class StageOutcome:
    """What the solver made of one stage; ``value`` and ``primal`` are None when it gave nothing.

    ``mip_bound`` is the solver's own bound over the columns it had, for programs with integers; ``fairness`` the
    levels of a ``max_min`` stage.
    """

    problem: StageProblem
    value: float | None
    prices: Prices | None
    primal: FloatArray | None
    termination: Termination
    mip_bound: float | None = None
    fairness: Fairness | None = None


@dataclass(frozen=True, eq=False)
class Tools:
    """What every part of a run shares; ``released`` (K,) marks the commodities to plan where the others stay put."""

    oracle: PathOracle
    profile: SolverProfile
    deadline: Deadline
    progress: Progress
    released: BoolArray | None = None


@dataclass(eq=False)
class StagedProgram:
    """One program at a solver, going through its stages.

    ``promise`` is what protection adds, None for nothing. ``paths`` are the path columns so far, in column order, and
    ``loads`` the links that each loads while all is up; ``generates`` says whether more may be added.
    ``hold_rows`` maps the index of an earlier certificate to (row, scale of the row).
    """

    tools: Tools
    layout: Layout
    paths: PathSet
    generates: bool
    session: Session = field(init=False)
    promise: Promise | None = field(init=False)
    loads: PathSet = field(init=False)
    first: PathSet = field(init=False)
    hold_rows: dict[int, tuple[int, float]] = field(default_factory=dict)
    columns_generated: int = 0

    def __post_init__(self) -> None:
        asked = (self.layout.problem, self.layout, self.tools.oracle)
        self.promise = robust_columns(*asked) or pairs_for(*asked) or availability_rows(*asked)
        if self.promise is not None:
            self.paths = self.promise.first_columns(self.paths)
        self.first, self.loads = self.paths, self._loading(self.paths)
        program = build_program(self.layout, self.loads, self._worth(self.paths))
        self.session = open_session(program, self.tools.profile, self.tools.deadline)

    def _loading(self, columns: PathSet) -> PathSet:
        return columns if self.promise is None else self.promise.loading(columns)

    def _worth(self, columns: PathSet) -> FloatArray | None:
        return None if self.promise is None else self.promise.worth(columns)

    def require_feasible(self, problem: StageProblem) -> None:
        """Find a start that carries every demand within every limit, or say what clashes.

        Minimises the utilisation above the cap. Raises InfeasibleError with a proof by link prices, SolverError when
        the solver stops before it knows.
        """
        lower, upper = column_bounds(self.layout, problem, len(self.paths))
        column = self.layout.utilization_column
        cap = problem.utilization_cap * self.layout.mean_capacity
        lower[column], upper[column] = (cap, np.inf) if np.isfinite(cap) else (0.0, np.inf)
        upper[self.layout.elastic_column] = np.inf
        self.session.set_column_bounds(lower, upper)
        self.session.set_costs(feasibility_costs(self.layout, problem, len(self.paths)))
        solution = self._kept(self._generate(problem, feasibility=True))
        if solution.primal is None:
            raise SolverError(
                f"{problem.label}: stopped before a feasible plan was found ({solution.termination.limit})"
            )
        excess = solution.primal[column] / cap - 1.0 if np.isfinite(cap) else 0.0
        elastic = solution.primal[self.layout.elastic_column] / self.layout.mean_capacity
        if max(excess, elastic) > CAPACITY_SLACK_SHARE:
            if solution.termination.reason is not Reason.OPTIMAL:
                raise SolverError(f"{problem.label}: stopped before a feasible plan was found")
            raise _infeasible(self.layout, problem, self._folded(solution.row_dual), 1.0 + max(excess, elastic))

    def solve_stage(self, problem: StageProblem) -> StageOutcome:
        """Solve one stage, holding the earlier ones."""
        for index in problem.price_rows():
            if index not in self.hold_rows:
                self._add_hold(problem, index)
        lower, upper = column_bounds(self.layout, problem, len(self.paths))
        self.session.set_column_bounds(lower, upper)
        self._set_row_bounds(problem)
        costs, factor = stage_costs(self.layout, problem, self.loads)
        self.session.set_costs(costs)
        solution = self._kept(self._generate(problem))
        if solution.primal is None:
            return StageOutcome(problem, None, None, None, solution.termination)
        prices = None
        if solution.row_dual is not None:
            prices = self._prices(problem, solution.row_dual, factor)
            if self.promise is not None:
                commodities = self.layout.commodities
                prices = self.promise.sound(prices, weights_each(problem, prices, commodities), commodities)
        value = self.value(problem, solution.primal)
        return StageOutcome(problem, value, prices, solution.primal, solution.termination)

    def _set_row_bounds(self, problem: StageProblem) -> None:
        """Bring capacity and class limits to what a stage leaves free for growth; the holds stay as they are."""
        lower, upper = row_bounds(self.layout, problem)
        program, n = self.session.program, len(lower)
        upper = np.concatenate([upper, program.row_upper[n:]])
        if self._rows is not None:
            self._rows.set_upper(upper)
        self.session.set_row_bounds(np.concatenate([lower, program.row_lower[n:]]), upper)

    def _kept(self, solution: Solution) -> Solution:
        """Return the solution, without its numbers where it was stopped before it keeps what is promised."""
        rows = self._rows
        if rows is None or rows.mended or solution.termination.reason is Reason.OPTIMAL:
            return solution
        return replace(solution, primal=None, row_dual=None) if self._add_broken_rows(solution) else solution

    @property
    def _rows(self) -> Rows | None:
        return None if self.promise is None else self.promise.rows

    def _folded(self, row_dual: FloatArray | None) -> FloatArray | None:
        return row_dual if self._rows is None or row_dual is None else self._rows.folded(row_dual)

    def _generate(self, problem: StageProblem, *, feasibility: bool = False) -> Solution:
        """Solve, adding rows that a solution breaks and path columns that would improve it, until there are none."""
        solution = self.session.solve()
        for round_ in range(ROUND_LIMIT):
            if solution.row_dual is None or solution.termination.reason is not Reason.OPTIMAL:
                return solution
            found = self._improving_paths(problem, solution.row_dual, feasibility=feasibility)
            if len(found):
                self._add_paths(problem, found, feasibility=feasibility)
            rows = self._add_broken_rows(solution)
            if not rows and not len(found):
                return solution
            self.tools.progress(f"{problem.label}: round {round_ + 1}, {rows} new rows, {len(found)} new paths")
            better = self.session.solve()
            if better.primal is None:
                # Stopped by a limit: what the last round found is still a plan.
                return Solution(better.termination, _padded(solution.primal, len(found)), None, solution.objective)
            solution = better
        return Solution(Termination(Reason.FEASIBLE), solution.primal, solution.row_dual, solution.objective)

    def _add_broken_rows(self, solution: Solution) -> int:
        """Add the rows by which a promise is kept that a solution breaks; return how many."""
        if self._rows is None or solution.primal is None:
            return 0
        primal = np.concatenate([solution.primal, np.zeros(self.session.program.n_columns - len(solution.primal))])
        found = self._rows.broken_rows(self.paths, primal, self.session.program)
        if found is None:
            return 0
        self.session.add_rows(*found)
        return found[0].shape[0]

    def _prices(self, problem: StageProblem, row_dual: FloatArray, factor: float) -> Prices:
        if self._rows is None:
            return prices_from_duals(self.layout, problem, row_dual, factor, self.hold_rows)
        whole = self._rows.folded(row_dual)
        prices = prices_from_duals(self.layout, problem, whole, factor, self.hold_rows)
        return self._rows.priced(prices, row_dual, factor)

    def _improving_paths(self, problem: StageProblem, row_dual: FloatArray, *, feasibility: bool) -> PathSet:
        """Return new paths whose column would have a negative reduced cost, at most one per commodity."""
        layout = self.layout
        if not self.generates or not len(layout.path_commodities):
            return NO_PATHS
        factor = 1.0 if feasibility else stage_costs(layout, problem, self.loads)[1]
        prices = self._prices(problem, row_dual, factor)
        commodities = layout.commodities[layout.path_commodities]
        worth = row_dual[layout.path_row[layout.path_commodities]] * factor
        if prices.survival is not None:
            survival = np.bincount(prices.survival.commodity, prices.survival.price, problem.instance.n_commodities)
            worth = worth + survival[commodities]
        slack = PRICING_SLACK * max(1.0, factor) + 1e-9 * np.abs(worth)
        priced = _load_only(problem) if feasibility else problem
        found = self._cheapest(priced, prices, commodities, worth - slack)
        better = commodities[(found.price < worth - slack) & np.isfinite(found.price)]
        chosen = np.isin(found.paths.commodity, better)
        # A solver that rounds its duals calls for paths it already has, and would do so for ever.
        chosen &= ~np.isin(self._keys(found.paths), self._keys(self.paths))
        return select_paths(found.paths, np.flatnonzero(chosen))

    def _keys(self, paths: PathSet) -> NDArray[np.uint64]:
        return path_keys(paths, self.layout.n_links) if self.promise is None else self.promise.keys(paths)

    def _cheapest(
        self, problem: StageProblem, prices: Prices, commodities: NDArray[np.intp], worth: FloatArray
    ) -> Cheapest:
        latency = problem.instance.topology.latency_ms
        tie_break = latency + latency.mean() * 1e-3
        if self.promise is None:
            weights = link_weights(problem, prices, commodities)
            return self.tools.oracle.cheapest(weights, commodities, tie_break=tie_break)
        weights = weights_each(problem, prices, commodities)
        return self.promise.cheapest(Asked(commodities, weights, prices, worth, tie_break))

    def _add_paths(self, problem: StageProblem, found: PathSet, *, feasibility: bool) -> None:
        figures = []
        for index, (row, _) in self.hold_rows.items():
            held = problem.holds.get(index)
            if held is not None and held.kind is not StageKind.ADMITTED:
                figure, scale = scaled_figure(problem, held)
                figures.append((row, figure / scale))
        more = [] if self._rows is None else [self._rows.terms(found)]
        loads = self._loading(found)
        n_rows, worth = self.session.program.n_rows, self._worth(found)
        matrix = new_path_columns(self.layout, loads, figures, n_rows, more, worth)
        costs = np.zeros(len(found))
        if not feasibility:
            costs = stage_costs(self.layout, problem, loads)[0][self.layout.n_columns :]
        self.session.add_columns(costs, np.zeros(len(found)), np.full(len(found), np.inf), matrix)
        self.paths, self.loads = appended(self.paths, found), appended(self.loads, loads)
        self.columns_generated += len(found)

    def _add_hold(self, problem: StageProblem, index: int) -> None:
        held = problem.holds[index]
        terms, lower, upper = hold_row(self.layout, held, self.loads)
        program = self.session.program
        self.hold_rows[index] = (
            program.n_rows,
            1.0 if held.kind is StageKind.ADMITTED else scaled_figure(problem, held)[1],
        )
        self.session.add_rows(matrix_of(terms, 1, program.n_columns), np.array([lower]), np.array([upper]))

    def value(self, problem: StageProblem, primal: FloatArray) -> float:
        """Return a stage's value in true units. Columns of ``primal`` beyond the path columns are not looked at."""
        layout = self.layout
        if problem.kind is StageKind.MAX_UTILIZATION:
            return float(primal[layout.utilization_column] / layout.mean_capacity)
        if problem.kind is StageKind.CONCURRENT:
            return float(primal[layout.scale_column])
        costs, factor = stage_costs(layout, problem, self.loads)
        return abs(float(costs @ primal[: len(costs)])) * factor * layout.unit_gbps

    def admitted_gbps(self, outcome: StageOutcome) -> FloatArray:
        """Return the admitted flow of every commodity of the instance at its peak volume, shape (K,)."""
        assert outcome.primal is not None
        layout, problem, primal = self.layout, outcome.problem, outcome.primal
        n = len(layout.commodities)
        admitted = np.zeros(layout.problem.instance.n_commodities)
        peak = problem.most_gbps[layout.commodities]
        if problem.kind is StageKind.CONCURRENT:
            admitted[layout.commodities] = min(1.0, float(primal[layout.scale_column])) * peak
        else:
            # To a solver a fixed volume far below the mean is as good as nothing.
            least = problem.least_gbps[layout.commodities]
            admitted[layout.commodities] = np.clip(primal[:n] * layout.unit_gbps, least, peak)
        nearly = admitted[layout.commodities] > peak * (1 - 1e-12)
        admitted[layout.commodities[nearly]] = peak[nearly]
        return admitted


def _padded(primal: FloatArray | None, n_new: int) -> FloatArray | None:
    return None if primal is None else np.concatenate([primal, np.zeros(n_new)])


def _load_only(problem: StageProblem) -> StageProblem:
    """Return the problem priced by link loads alone, as the search for a feasible start does."""
    return replace(problem, kind=StageKind.MAX_UTILIZATION, holds={})


def _infeasible(layout: Layout, problem: StageProblem, row_dual: FloatArray | None, factor: float) -> InfeasibleError:
    """Name the links whose prices prove that the demands do not fit, and the relaxation that would help."""
    instance, topology = problem.instance, problem.instance.topology
    clashes = [f"all would fit with limits {factor:.4g} times as large, or with all demands times {1 / factor:.4g}"]
    if row_dual is not None:
        n_rows = layout.n_matrices * layout.n_links * (1 + len(layout.limited_classes))
        price = np.maximum(-row_dual[:n_rows], 0.0).reshape(-1, layout.n_links)
        share = (price * topology.capacity_gbps).sum(axis=0)
        full = [link for link in np.argsort(-share, kind="stable")[:5] if share[link] > 1e-9 * share.sum()]
        clashes += [
            f"limit: link {topology.links[link].id} with {topology.capacity_gbps[link]:g} Gbit/s" for link in full
        ]
    largest = np.argsort(-problem.most_gbps, kind="stable")[:3]
    clashes += [f"demand: {instance.describe(int(k))} with {problem.most_gbps[k]:g} Gbit/s" for k in largest]
    message = f"the demands do not fit: carrying all of them takes {factor:.6g} times the allowed utilisation"
    return InfeasibleError(message, clashes=tuple(clashes))


def path_flows(program: StagedProgram, outcome: StageOutcome) -> tuple[PathSet, FloatArray]:
    """Return all path flows of an outcome in Gbit/s: path columns as they are, link flows decomposed."""
    assert outcome.primal is not None
    layout = program.layout
    flow = outcome.primal[layout.n_columns : layout.n_columns + len(program.paths)] * layout.unit_gbps
    carried = outcome.primal[: len(layout.commodities)]
    if outcome.problem.kind is StageKind.CONCURRENT:
        volume = outcome.problem.most_gbps[layout.commodities] / layout.unit_gbps
        carried = volume * outcome.primal[layout.scale_column]
    # Paths generated after this outcome carry nothing in it.
    parts = [program.paths]
    flows = [np.concatenate([flow, np.zeros(len(program.paths) - len(flow))])]
    for block in layout.link_flows:
        paths, amounts = decompose(layout, block, outcome.primal, carried)
        parts.append(paths)
        flows.append(amounts)
    order = np.argsort(np.concatenate([part.commodity for part in parts]), kind="stable")
    return merged_paths(parts), np.concatenate(flows)[order]
