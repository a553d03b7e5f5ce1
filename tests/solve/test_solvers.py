"""The one door to solvers: every backend against hand sums, scipy and its own duals, and what limits make of it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pulp
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csc_array

from vbte.errors import SolverError
from vbte.plan import Limit, Reason, Termination
from vbte.solve import Deadline, LinearProgram, Session, Solution, SolverProfile, open_session, solve
from vbte.topology import FloatArray

HIGHS = SolverProfile(name="highs")
IPM = SolverProfile(name="ipm", algorithm="ipm")
CBC = SolverProfile(name="cbc", backend="pulp", solver="CBC")
PULP_HIGHS = SolverProfile(name="pulp-highs", backend="pulp", solver="HiGHS")

ALL = pytest.mark.parametrize("profile", [HIGHS, IPM, CBC, PULP_HIGHS], ids=lambda profile: profile.name)
OF_INTEGERS = pytest.mark.parametrize("profile", [HIGHS, CBC, PULP_HIGHS], ids=lambda profile: profile.name)

Numbers = Sequence[float]


def floats(numbers: Any) -> FloatArray:
    return np.array(numbers, dtype=np.float64)


def program(
    cost: Numbers,
    columns: Sequence[tuple[float, float]],
    rows: Sequence[tuple[Numbers, float, float]],
    integer: Any = None,
) -> LinearProgram:
    """Columns are (lower, upper), rows (coefficients, lower, upper)."""
    matrix = csc_array(floats([row[0] for row in rows]).reshape(len(rows), len(cost)))
    return LinearProgram(
        floats(cost), floats([c[0] for c in columns]), floats([c[1] for c in columns]), matrix,
        floats([row[1] for row in rows]), floats([row[2] for row in rows]),
        None if integer is None else np.array(integer, dtype=np.bool_),
    )  # fmt: skip


def proven(question: LinearProgram, dual: FloatArray) -> float:
    """What the duals prove by weak duality: each row and each column at the bound that costs least."""
    reduced = question.cost - question.matrix.T @ dual
    reduced[np.abs(reduced) < 1e-7] = 0.0
    total = 0.0
    for price, low, high in [
        *zip(dual, question.row_lower, question.row_upper, strict=True),
        *zip(reduced, question.lower, question.upper, strict=True),
    ]:
        total += price * low if price > 0 else price * high if price < 0 else 0.0
    return float(total)


def keeps(question: LinearProgram, primal: FloatArray) -> bool:
    activity = question.matrix @ primal
    within = [
        primal >= question.lower - 1e-6, primal <= question.upper + 1e-6,
        activity >= question.row_lower - 1e-6, activity <= question.row_upper + 1e-6,
    ]  # fmt: skip
    return all(bool(part.all()) for part in within)


def is_proven_optimal(question: LinearProgram, answer: Solution) -> bool:
    assert answer.termination == Termination(Reason.OPTIMAL)
    assert answer.primal is not None
    assert answer.row_dual is not None
    assert keeps(question, answer.primal)
    assert answer.objective == pytest.approx(float(question.cost @ answer.primal), abs=1e-6)
    assert answer.bound == answer.objective
    return bool(proven(question, answer.row_dual) == pytest.approx(answer.objective, abs=1e-5))


def nothing(answer: Solution) -> bool:
    return answer.primal is None and answer.row_dual is None and answer.objective is None


#: x + y >= 3 with x at most 2: the cheap x first, then one y.
BUY = program([1, 2], [(0, 2), (0, np.inf)], [([1, 1], 3, np.inf)])


def market_split(*, with_slack: bool) -> LinearProgram:
    """Halve five rows of forty numbers at once: out of reach in seconds; easy to start with slack, hopeless without."""
    numbers = np.random.default_rng(0).integers(1, 100, (5, 40)).astype(np.float64)
    half = np.floor(numbers.sum(axis=1) / 2)
    if with_slack:
        numbers = np.hstack([numbers, np.eye(5), -np.eye(5)])
    n_slack = numbers.shape[1] - 40
    return LinearProgram(
        np.r_[np.zeros(40), np.ones(n_slack)], np.zeros(40 + n_slack), np.r_[np.ones(40), np.full(n_slack, 1e4)],
        csc_array(numbers), half, half, np.r_[np.ones(40, dtype=np.bool_), np.zeros(n_slack, dtype=np.bool_)],
    )  # fmt: skip


@ALL
def test_a_small_program_has_the_answer_found_by_hand(profile):
    answer = solve(BUY, profile)
    assert answer.primal == pytest.approx([2, 1])
    assert answer.objective == pytest.approx(4)
    # One more unit to buy is one more y.
    assert answer.row_dual == pytest.approx([2])
    assert is_proven_optimal(BUY, answer)


@ALL
@pytest.mark.parametrize(
    ("row", "cost", "sign"),
    [
        (([1.0], 3.0, np.inf), [1.0], 1),
        (([1.0], -np.inf, 3.0), [-1.0], -1),
        (([1.0], 2.0, 3.0), [1.0], 1),
        (([1.0], 2.0, 3.0), [-1.0], -1),
        (([1.0], 3.0, 3.0), [1.0], 1),
        (([1.0], 3.0, 3.0), [-1.0], -1),
        (([1.0], -np.inf, 30.0), [1.0], 0),
        (([1.0], -np.inf, np.inf), [1.0], 0),
    ],
)
def test_duals_are_positive_on_binding_floors_negative_on_ceilings_and_zero_elsewhere(profile, row, cost, sign):
    question = program(cost, [(0, 9)], [row])
    answer = solve(question, profile)
    assert answer.row_dual == pytest.approx([sign])
    assert is_proven_optimal(question, answer)


@ALL
def test_rows_without_terms_and_columns_without_rows_are_answered(profile):
    question = program([0, 0, 1], [(-5, -2), (1, 4), (1, 3)], [([0, 0, 0], -1, 2), ([0, 0, 1], 1, 2)])
    answer = solve(question, profile)
    assert answer.objective == pytest.approx(1)
    assert keeps(question, answer.primal)


@ALL
@pytest.mark.parametrize(
    "question",
    [
        program([1], [(0, 1)], [([1], 2, 3)]),
        program([1, 1], [(0, 9), (0, 9)], [([1, 1], 4, np.inf), ([1, 1], -np.inf, 3)]),
        program([0], [(0, 1)], [([0], 1, 2)]),
    ],
    ids=["column-against-row", "row-against-row", "empty-row"],
)
def test_what_cannot_be_is_infeasible_and_has_no_figures(profile, question):
    answer = solve(question, profile)
    assert answer.termination == Termination(Reason.INFEASIBLE)
    assert nothing(answer)


@ALL
@pytest.mark.parametrize(
    "question",
    [
        program([-1], [(0, np.inf)], [([1], 1, np.inf)]),
        program([-1, 0], [(0, np.inf), (0, np.inf)], [([1, -1], -np.inf, 1)]),
    ],
    ids=["one-column", "along-a-ray"],
)
def test_what_has_no_end_is_unbounded_and_has_no_figures(profile, question):
    answer = solve(question, profile)
    assert answer.termination == Termination(Reason.UNBOUNDED)
    assert nothing(answer)


@OF_INTEGERS
def test_an_integer_program_has_no_duals_and_stops_short_of_the_relaxation(profile):
    # 2x + 2y <= 5 leaves room for two and a half; whole ones make two.
    question = program([-1, -1], [(0, 3), (0, 3)], [([2, 2], -np.inf, 5)], integer=[True, True])
    answer = solve(question, profile)
    assert answer.termination == Termination(Reason.OPTIMAL)
    assert answer.objective == pytest.approx(-2)
    assert answer.row_dual is None


@OF_INTEGERS
def test_an_integer_program_can_be_infeasible_though_its_relaxation_is_not(profile):
    answer = solve(program([1], [(0, 3)], [([2], 1, 1)], integer=[True]), profile)
    assert answer.termination == Termination(Reason.INFEASIBLE)
    assert nothing(answer)


def test_an_integer_program_without_end_is_unbounded_and_not_merely_one_of_two_things():
    # HiGHS's presolve can't tell unbounded from infeasible here.
    answer = solve(program([-1], [(0, np.inf)], [([1], 0, np.inf)], integer=[True]), HIGHS)
    assert answer.termination == Termination(Reason.UNBOUNDED)
    assert nothing(answer)


def test_highs_bounds_an_integer_program_from_below():
    answer = solve(program([-1, -1], [(0, 3), (0, 3)], [([2, 2], -np.inf, 5)], integer=[True, True]), HIGHS)
    assert answer.bound == pytest.approx(answer.objective)


small = st.integers(-4, 4).map(float)


@st.composite
def feasible_programs(draw: st.DrawFn, *, integer: bool = False) -> LinearProgram:
    """Boxed programs with a known point: one-sided rows, two-sided rows and equations."""
    n_columns, n_rows = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    lower = floats(draw(st.lists(st.integers(-3, 2), min_size=n_columns, max_size=n_columns)))
    upper = lower + floats(draw(st.lists(st.integers(0, 5), min_size=n_columns, max_size=n_columns)))
    share = floats(draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=n_columns, max_size=n_columns)))
    point = np.floor(lower + share * (upper - lower))
    row = st.tuples(st.lists(small, min_size=n_columns, max_size=n_columns), st.sampled_from("<>=r"), st.integers(0, 3))
    rows = []
    for coefficients, kind, room in draw(st.lists(row, min_size=n_rows, max_size=n_rows)):
        there = float(np.dot(coefficients, point))
        low = {"<": -np.inf, ">": there - room, "=": there, "r": there - 1}[kind]
        high = {"<": there + room, ">": np.inf, "=": there, "r": there + room}[kind]
        rows.append((coefficients, low, high))
    whole = draw(st.lists(st.booleans(), min_size=n_columns, max_size=n_columns)) if integer else None
    cost = draw(st.lists(small, min_size=n_columns, max_size=n_columns))
    return program(cost, list(zip(lower, upper, strict=True)), rows, whole)


def by_linprog(question: LinearProgram) -> float:
    dense = question.matrix.toarray()
    floor, ceiling = np.isfinite(question.row_lower), np.isfinite(question.row_upper)
    answer = linprog(
        question.cost,
        A_ub=np.vstack([dense[ceiling], -dense[floor]]),
        b_ub=np.r_[question.row_upper[ceiling], -question.row_lower[floor]],
        bounds=np.c_[question.lower, question.upper],
    )
    assert answer.status == 0
    return float(answer.fun)


def by_milp(question: LinearProgram) -> float:
    rows = LinearConstraint(question.matrix.toarray(), question.row_lower, question.row_upper)
    box = Bounds(question.lower, question.upper)
    answer = milp(question.cost, constraints=rows, bounds=box, integrality=question.integer.astype(int))
    assert answer.status == 0
    return float(answer.fun)


@settings(max_examples=150)
@given(feasible_programs())
def test_highs_agrees_with_linprog_and_its_duals_prove_it(question):
    answer = solve(question, HIGHS)
    assert is_proven_optimal(question, answer)
    assert answer.objective == pytest.approx(by_linprog(question), abs=1e-6)


@pytest.mark.parametrize("profile", [CBC, PULP_HIGHS], ids=lambda profile: profile.name)
@settings(max_examples=25)
@given(question=feasible_programs())
def test_solvers_behind_pulp_agree_with_highs_and_their_duals_prove_it_when_given(profile, question):
    answer = solve(question, profile)
    assert answer.termination == Termination(Reason.OPTIMAL)
    assert keeps(question, answer.primal)
    assert answer.objective == pytest.approx(solve(question, HIGHS).objective, abs=1e-6)
    # CBC's presolve may lose duals; then there are none rather than wrong ones.
    if answer.row_dual is not None:
        assert is_proven_optimal(question, answer)


@settings(max_examples=60)
@given(feasible_programs(integer=True))
def test_highs_agrees_with_milp(question):
    answer = solve(question, HIGHS)
    assert keeps(question, answer.primal)
    whole = answer.primal[question.integer]
    assert whole == pytest.approx(np.round(whole), abs=1e-6)
    assert answer.objective == pytest.approx(by_milp(question), abs=1e-6)


@settings(max_examples=15)
@given(feasible_programs(integer=True))
def test_highs_behind_pulp_agrees_with_milp(question):
    answer = solve(question, PULP_HIGHS)
    assert keeps(question, answer.primal)
    assert answer.objective == pytest.approx(by_milp(question), abs=1e-6)


@settings(max_examples=12)
@given(feasible_programs(integer=True))
def test_cbc_agrees_with_milp_or_says_that_it_crashed(question):
    try:
        answer = solve(question, CBC)
    except SolverError:
        # Development builds of CBC stop at an assertion in probing on the odd program. Hypothesis fails the test when
        # that is the rule and not the exception.
        reject()
    assert keeps(question, answer.primal)
    assert answer.objective == pytest.approx(by_milp(question), abs=1e-6)


Change = Callable[[Session], None]

CHANGES: dict[str, Change] = {
    "costs": lambda session: session.set_costs(floats([5, 2])),
    "column bounds": lambda session: session.set_column_bounds(floats([0, 0.5]), floats([1, 9])),
    "the same column bounds": lambda session: session.set_column_bounds(session.program.lower, session.program.upper),
    "row bounds": lambda session: session.set_row_bounds(floats([7]), floats([8])),
    "a cheap column": lambda session: session.add_columns(
        floats([0.5]), floats([0]), floats([1]), csc_array(floats([[1.0]]))
    ),
    "a column in no row": lambda session: session.add_columns(
        floats([-1]), floats([0]), floats([4]), csc_array((1, 1), dtype=np.float64)
    ),
    "a row": lambda session: session.add_rows(csc_array(floats([[1.0, -1.0]])), floats([-np.inf]), floats([0])),
    "two rows and a column": lambda session: (
        session.add_rows(csc_array(floats([[0.0, 1.0], [2.0, 0.0]])), floats([2, -np.inf]), floats([np.inf, 3])),
        session.add_columns(floats([0.1]), floats([0]), floats([9]), csc_array(floats([[1.0], [0.0], [-1.0]]))),
    ),
}


@ALL
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_session_answers_as_a_fresh_one(profile, change):
    session = open_session(BUY, profile)
    session.solve()
    change(session)
    again = session.solve()
    fresh = solve(session.program, HIGHS)
    assert again.objective == pytest.approx(fresh.objective)
    assert is_proven_optimal(session.program, again)


def test_changes_by_hand_move_the_answer_as_they_should():
    session = open_session(BUY, HIGHS)
    assert session.solve().objective == pytest.approx(4)
    session.set_row_bounds(floats([5]), floats([np.inf]))
    assert session.solve().objective == pytest.approx(8)
    session.set_column_bounds(floats([0, 0]), floats([4, np.inf]))
    assert session.solve().objective == pytest.approx(6)
    session.add_columns(floats([0.5]), floats([0]), floats([2]), csc_array(floats([[1.0]])))
    assert session.solve().primal == pytest.approx([3, 0, 2])
    session.add_rows(csc_array(floats([[1.0, 0.0, 1.0]])), floats([-np.inf]), floats([4]))
    assert session.solve().objective == pytest.approx(5)
    session.set_costs(floats([1, 9, 9]))
    assert session.solve().primal == pytest.approx([4, 1, 0])


@settings(max_examples=60)
@given(st.data())
def test_a_session_equals_a_fresh_solve_after_any_change_of_costs_and_bounds(data):
    question = data.draw(feasible_programs())
    session = open_session(question, HIGHS)
    session.solve()
    cost = st.lists(small, min_size=question.n_columns, max_size=question.n_columns)
    for _ in range(3):
        session.set_costs(floats(data.draw(cost)))
        room = data.draw(st.integers(-1, 2))
        session.set_row_bounds(question.row_lower - room, np.maximum(question.row_upper, question.row_lower - room))
        again, fresh = session.solve(), solve(session.program, HIGHS)
        assert again.termination == fresh.termination
        if fresh.objective is not None:
            assert again.objective == pytest.approx(fresh.objective, abs=1e-6)


def test_a_session_recovers_from_an_infeasible_program():
    session = open_session(BUY, HIGHS)
    session.set_column_bounds(floats([0, 0]), floats([1, 1]))
    assert session.solve().termination.reason is Reason.INFEASIBLE
    session.set_column_bounds(floats([0, 0]), floats([1, 2]))
    assert session.solve().objective == pytest.approx(5)


@OF_INTEGERS
def test_a_start_is_accepted_and_does_not_change_the_answer(profile):
    question = program([-1, -1], [(0, 3), (0, 3)], [([2, 2], -np.inf, 5)], integer=[True, True])
    assert solve(question, profile, start=floats([1, 0])).objective == pytest.approx(-2)


def test_a_start_is_in_hand_when_time_runs_out():
    # Nobody finds this point by searching for half a second; given, it is there.
    hidden = np.random.default_rng(1).integers(0, 2, 40).astype(np.float64)
    hopeless = market_split(with_slack=False)
    sums = hopeless.matrix @ hidden
    question = replace(hopeless, cost=np.arange(40.0), row_lower=sums, row_upper=sums)
    assert nothing(solve(question, HIGHS, Deadline(0.5)))
    answer = solve(question, HIGHS, Deadline(0.5), start=hidden)
    assert answer.termination == Termination(Reason.FEASIBLE, Limit.TIME)
    assert answer.primal == pytest.approx(hidden)


@OF_INTEGERS
def test_out_of_time_with_a_point_in_hand_is_feasible_and_never_optimal(profile):
    question = market_split(with_slack=True)
    answer = solve(question, profile, Deadline(1.0))
    assert answer.termination == Termination(Reason.FEASIBLE, Limit.TIME)
    assert keeps(question, answer.primal)
    assert answer.objective == pytest.approx(float(question.cost @ answer.primal))
    assert answer.bound is None or answer.bound <= answer.objective


@OF_INTEGERS
def test_out_of_time_with_nothing_in_hand_has_no_figures(profile):
    answer = solve(market_split(with_slack=False), profile, Deadline(0.5))
    assert answer.termination == Termination(Reason.ERROR, Limit.TIME)
    assert nothing(answer)


@ALL
def test_a_deadline_already_over_asks_no_solver(profile):
    answer = solve(BUY, profile, Deadline(0.0))
    assert answer.termination == Termination(Reason.ERROR, Limit.TIME)
    assert nothing(answer)


@ALL
def test_a_deadline_called_off_is_an_interrupt(profile):
    answer = solve(BUY, profile, Deadline(60.0, interrupted=True))
    assert answer.termination == Termination(Reason.ERROR, Limit.INTERRUPT)
    assert nothing(answer)


def test_the_profiles_time_limit_makes_the_deadline():
    hurried = SolverProfile(name="hurried", time_limit_s=0.3)
    answer = solve(market_split(with_slack=True), hurried)
    assert answer.termination == Termination(Reason.FEASIBLE, Limit.TIME)


def test_a_deadline_counts_down_to_nothing_and_not_below():
    assert Deadline().remaining_s == np.inf
    assert 0 < Deadline(60.0).remaining_s <= 60
    assert Deadline(1.0, started=-1e9).remaining_s == 0
    assert Deadline(None, interrupted=True).remaining_s == 0


@pytest.mark.parametrize(("integer", "already_spent_s"), [(None, 1000.0), ([True, True], 0.0)])
def test_highs_gets_the_time_that_is_left_on_the_clock_it_reads(monkeypatch, integer, already_spent_s):
    # HiGHS's clock runs on over the linear programs of one object and starts anew for each integer one.
    session = open_session(replace(BUY, integer=None if integer is None else np.array(integer)), HIGHS, Deadline(60.0))
    monkeypatch.setattr(session._highs, "getRunTime", lambda: 1000.0)
    assert session.solve().objective == pytest.approx(4)
    _, limit_s = session._highs.getOptionValue("time_limit")
    assert already_spent_s < limit_s <= already_spent_s + 60


def corner(n: int) -> LinearProgram:
    """Maximise the sum of n columns under n(n - 1)/2 rows x_i + x_j <= 1: zero is a point, the best is n/2."""
    pairs = [(i, j) for i in range(n) for j in range(i)]
    rows = [([1.0 if k in pair else 0.0 for k in range(n)], -np.inf, 1.0) for pair in pairs]
    return program([-1.0] * n, [(0, 1)] * n, rows)


def test_out_of_iterations_with_a_point_in_hand_is_feasible_and_never_optimal():
    primal_simplex = SolverProfile(name="short", iteration_limit=2, options={"presolve": "off", "simplex_strategy": 4})
    answer = solve(corner(8), primal_simplex)
    assert answer.termination == Termination(Reason.FEASIBLE, Limit.ITERATIONS)
    assert keeps(corner(8), answer.primal)
    assert answer.bound is None
    assert answer.objective > -4


def test_out_of_iterations_with_nothing_in_hand_has_no_figures():
    question = program([1, 1, 1], [(0, 9)] * 3, [([1, 1, 0], 3, 9), ([0, 1, 1], 3, 9), ([1, 0, 1], 3, 9)])
    answer = solve(question, SolverProfile(name="short", iteration_limit=0, options={"presolve": "off"}))
    assert answer.termination == Termination(Reason.ERROR, Limit.ITERATIONS)
    assert answer.primal is None
    assert answer.objective is None


def test_out_of_nodes_is_out_of_iterations():
    answer = solve(market_split(with_slack=True), SolverProfile(name="short", iteration_limit=2))
    assert answer.termination == Termination(Reason.FEASIBLE, Limit.ITERATIONS)
    assert answer.bound <= answer.objective


def test_the_iteration_limit_is_per_call_and_not_spent_by_earlier_ones():
    session = open_session(BUY, SolverProfile(name="short", iteration_limit=3, options={"presolve": "off"}))
    for floor in (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0):
        session.set_row_bounds(floats([floor]), floats([np.inf]))
        assert session.solve().termination == Termination(Reason.OPTIMAL)


@pytest.mark.parametrize(
    ("sol_status", "stats"),
    [
        (2, 1),
        (0, SimpleNamespace(status=-4, has_solution=True)),
    ],
    ids=["status codes", "statistics"],
)
def test_what_pulp_calls_optimal_at_a_time_limit_is_only_feasible(monkeypatch, sol_status, stats):
    truly = pulp.LpProblem.solve

    def stopped(problem: Any, solver: Any) -> Any:
        truly(problem, solver)
        problem.sol_status = sol_status
        return stats

    monkeypatch.setattr(pulp.LpProblem, "solve", stopped)
    answer = solve(BUY, CBC, Deadline(60.0))
    assert answer.termination == Termination(Reason.FEASIBLE, Limit.TIME)
    assert answer.objective == pytest.approx(4)
    assert answer.bound is None


@pytest.mark.parametrize(
    ("sol_status", "stats"),
    [(0, 1), (0, 0), (0, -3), (0, SimpleNamespace(status=-4, has_solution=False))],
)
def test_a_pulp_solver_without_a_solution_has_no_figures(monkeypatch, sol_status, stats):
    def stopped(problem: Any, solver: Any) -> Any:
        problem.sol_status = sol_status
        return stats

    monkeypatch.setattr(pulp.LpProblem, "solve", stopped)
    answer = solve(BUY, CBC, Deadline(60.0))
    assert answer.termination == Termination(Reason.ERROR, Limit.TIME)
    assert nothing(answer)


def test_a_pulp_solver_that_crashes_is_a_solver_error(monkeypatch):
    def crash(problem: Any, solver: Any) -> Any:
        raise pulp.PulpSolverError("segmentation fault")

    monkeypatch.setattr(pulp.LpProblem, "solve", crash)
    with pytest.raises(SolverError, match="CBC: segmentation fault"):
        solve(BUY, CBC)


@pytest.mark.parametrize("lost", [[0.0], [7.0], [-2.0]])
def test_duals_that_prove_nothing_are_withheld(monkeypatch, lost):
    truly = pulp.LpProblem.solve

    def wrong(problem: Any, solver: Any) -> Any:
        stats = truly(problem, solver)
        listed = problem.constraints() if callable(problem.constraints) else problem.constraints.values()
        for constraint, pi in zip(listed, lost, strict=True):
            constraint.pi = pi
        return stats

    monkeypatch.setattr(pulp.LpProblem, "solve", wrong)
    answer = solve(BUY, PULP_HIGHS)
    assert answer.objective == pytest.approx(4)
    assert answer.row_dual is None


def press_ctrl_c_after(seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


def test_ctrl_c_stops_highs_with_the_best_point_so_far():
    deadline = Deadline(120.0)
    timer = press_ctrl_c_after(0.4)
    answer = solve(market_split(with_slack=True), HIGHS, deadline)
    timer.join()
    assert answer.termination == Termination(Reason.FEASIBLE, Limit.INTERRUPT)
    assert keeps(market_split(with_slack=True), answer.primal)
    assert deadline.interrupted
    assert solve(BUY, HIGHS, deadline).termination == Termination(Reason.ERROR, Limit.INTERRUPT)


def test_work_called_off_elsewhere_stops_highs_too():
    deadline = Deadline(120.0)
    timer = threading.Timer(0.3, setattr, (deadline, "interrupted", True))
    timer.start()
    answer = solve(market_split(with_slack=False), HIGHS, deadline)
    timer.join()
    assert answer.termination == Termination(Reason.ERROR, Limit.INTERRUPT)
    assert nothing(answer)


def test_a_solver_that_pulp_does_not_have_is_named_with_those_it_has():
    with pytest.raises(SolverError, match=r"'odd'.*can't run 'NO_SUCH_CMD' here; it can run .*HiGHS"):
        solve(BUY, SolverProfile(name="odd", backend="pulp", solver="NO_SUCH_CMD"))


@pytest.mark.parametrize(
    "profile",
    [
        SolverProfile(name="odd", options={"no_such_option": 1}),
        SolverProfile(name="odd", options={"presolve": "sometimes"}),
        SolverProfile(name="odd", backend="pulp", solver="CBC", options={"no_such_option": 1}),
    ],
)
def test_an_option_the_solver_does_not_know_is_a_solver_error(profile):
    with pytest.raises(SolverError, match=r"presolve|no_such_option"):
        solve(BUY, profile)


BROKEN: dict[str, Callable[[], LinearProgram]] = {
    "NaN cost": lambda: program([np.nan], [(0, 1)], [([1], 0, 1)]),
    "endless cost": lambda: program([np.inf], [(0, 1)], [([1], 0, 1)]),
    "NaN coefficient": lambda: program([1], [(0, 1)], [([np.nan], 0, 1)]),
    "NaN column bound": lambda: program([1], [(0, np.nan)], [([1], 0, 1)]),
    "NaN row bound": lambda: program([1], [(0, 1)], [([1], np.nan, 1)]),
    "short cost": lambda: program([1, 1], [(0, 1)], [([1, 1], 0, 1)]),
    "short rows": lambda: LinearProgram(
        floats([1]), floats([0]), floats([1]), csc_array(floats([[1], [1]])), floats([0]), floats([1, 1])
    ),
}


@pytest.mark.parametrize("build", BROKEN.values(), ids=BROKEN)
def test_arrays_that_highs_would_misread_in_silence_are_refused(build):
    with pytest.raises(ValueError, match=r"differ in length|not finite|not a number"):
        build()


BROKEN_CHANGES: dict[str, Change] = {
    "NaN cost": lambda session: session.set_costs(floats([np.nan, 1])),
    "short cost": lambda session: session.set_costs(floats([1])),
    "NaN column bound": lambda session: session.set_column_bounds(floats([np.nan, 0]), floats([1, 1])),
    "long column bounds": lambda session: session.set_column_bounds(np.zeros(3), np.ones(3)),
    "NaN row bound": lambda session: session.set_row_bounds(floats([0]), floats([np.nan])),
    "NaN in a new column": lambda session: session.add_columns(
        floats([1]), floats([0]), floats([1]), csc_array(floats([[np.nan]]))
    ),
    "short new column": lambda session: session.add_columns(
        floats([1]), floats([0]), floats([]), csc_array(floats([[1.0]]))
    ),
    "NaN in a new row": lambda session: session.add_rows(csc_array(floats([[np.nan, 1]])), floats([0]), floats([1])),
}


@pytest.mark.parametrize("change", BROKEN_CHANGES.values(), ids=BROKEN_CHANGES)
def test_a_broken_change_is_refused_and_leaves_the_session_as_it_was(change):
    session = open_session(BUY, HIGHS)
    with pytest.raises(ValueError):
        change(session)
    assert session.program is BUY
    assert session.solve().objective == pytest.approx(4)


def test_the_same_program_gives_the_same_bytes_twice():
    first, second = solve(corner(7), HIGHS), solve(corner(7), HIGHS)
    assert first.primal.tobytes() == second.primal.tobytes()
    assert first.row_dual.tobytes() == second.row_dual.tobytes()
