"""The path program handed whole to HiGHS: one column a path, one row a link, one row a demand.

The most volume: maximise the sum of flow, load of each link <= capacity, flow of each demand <= volume. Least MLU:
minimise u, load of each link <= u capacity, flow of each demand = volume. Two ways to the same solver: scipy's
``linprog`` with its interior-point method (on 197 nodes its simplex was not done in four times the time), and HiGHS
itself with the crossover to a vertex left out, which linprog doesn't offer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, csc_array

from competitors.four_paths import CHOICES, PathChoice
from competitors.question import FloatArray, Objective, Question, Watch
from competitors.repair import fitted

#: Feasibility and optimality, relative to the mean volume: a hundredth of what the check forgives.
TOLERANCE = 1e-8


@dataclass(frozen=True)
class Program:
    """Minimise cost over columns >= 0: rows below ``upper``, of which the last ``n_equal`` are equalities."""

    cost: FloatArray
    matrix: csc_array[np.float64]
    upper: FloatArray
    n_equal: int


Solve = Callable[[Program, float], FloatArray | None]


def program(question: Question, choice: PathChoice, capacity: FloatArray) -> Program:
    """Return the program over the paths of ``choice``; volumes count in mean volumes."""
    unit = question.volume.mean()
    n_paths, mlu = len(choice.demand), question.objective is Objective.MLU
    owner = np.repeat(np.arange(n_paths), np.diff(choice.start))
    present, demand_row = np.unique(choice.demand, return_inverse=True)
    rows = [choice.links, question.n_links + demand_row]
    columns = [owner, np.arange(n_paths)]
    figures = [np.ones(len(owner)), np.ones(n_paths)]
    if mlu:
        rows.append(np.arange(question.n_links))
        columns.append(np.full(question.n_links, n_paths))
        figures.append(-capacity / unit)
    shape = (question.n_links + len(present), n_paths + mlu)
    entries = (np.concatenate(figures), (np.concatenate(rows), np.concatenate(columns)))
    cost = np.append(np.zeros(n_paths), question.n_links) if mlu else np.full(n_paths, -1.0)
    below = np.zeros(question.n_links) if mlu else capacity / unit
    upper = np.concatenate([below, question.volume[present] / unit])
    return Program(cost, coo_array(entries, shape=shape).tocsc(), upper, len(present) if mlu else 0)


def by_linprog(linear: Program, seconds: float) -> FloatArray | None:
    """Return the columns that scipy's linprog finds, None where it has nothing to show."""
    rows, n_below = linear.matrix.tocsr(), len(linear.upper) - linear.n_equal
    options = {
        "time_limit": max(seconds, 0.0),
        "primal_feasibility_tolerance": TOLERANCE,
        "dual_feasibility_tolerance": TOLERANCE,
        "ipm_optimality_tolerance": TOLERANCE,
    }
    equal = (rows[n_below:], linear.upper[n_below:]) if linear.n_equal else (None, None)
    found = linprog(linear.cost, rows[:n_below], linear.upper[:n_below], *equal, method="highs-ipm", options=options)
    return None if found.x is None else np.asarray(found.x)


def by_highs(linear: Program, seconds: float) -> FloatArray | None:
    """Return the columns of HiGHS's interior point, without a crossover; None where it has nothing to show."""
    solver = highspy.Highs()
    for name, value in {
        "output_flag": False,
        "solver": "ipm",
        "run_crossover": "off",
        "threads": 1,
        "time_limit": max(seconds, 0.0),
        "ipm_optimality_tolerance": TOLERANCE,
    }.items():
        solver.setOptionValue(name, value)
    solver.passModel(_highs_model(linear))
    solver.run()
    solution = solver.getSolution()
    return np.array(solution.col_value) if solution.value_valid else None


def _highs_model(linear: Program) -> Any:
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = linear.matrix.shape
    model.col_cost_ = linear.cost
    model.col_lower_ = np.zeros(model.num_col_)
    model.col_upper_ = np.full(model.num_col_, np.inf)
    n_below = len(linear.upper) - linear.n_equal
    model.row_lower_ = np.concatenate([np.full(n_below, -np.inf), linear.upper[n_below:]])
    model.row_upper_ = linear.upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = linear.matrix.indptr
    model.a_matrix_.index_ = linear.matrix.indices
    model.a_matrix_.value_ = linear.matrix.data
    return model


def whole(question: Question, watch: Watch, *, solve: Solve, paths: str = "trees") -> None:
    """Choose paths, solve the whole program, show the flows."""
    choice = CHOICES[paths](question)
    watch.notes |= {"paths": len(choice.demand), "paths_s": round(watch.seconds, 4)}
    watch.keep(watch)
    columns = solve(program(question, choice, question.capacity), watch.left)
    if columns is None:
        watch.fault = "the solver had nothing to show"
        return
    flow = columns[: len(choice.demand)] * question.volume.mean()
    watch.show(fitted(question, choice.with_flow(flow)))
