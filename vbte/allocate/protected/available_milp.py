"""The choice of states as a MILP over the paths at hand.

States that hit the same paths of a commodity leave it the same, and count as one; where one choice is common to all
commodities, those that hit the same paths of all. With ``kept[k,g]`` of 0 or 1 for such a group g of probability p[g]:

    s[k,g] >= promised[k] - most[k] (1 - kept[k,g]),    sum of p[g] (1 - kept[k,g]) over g <= spare[k]
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array, csc_array, csr_array

from vbte.allocate.exact import StagedProgram, StageOutcome
from vbte.allocate.integer import in_true_units
from vbte.allocate.protected.available import AvailabilityRows, left_out_of
from vbte.formulation.constraints import Terms, joined, matrix_of
from vbte.plan import Reason, Termination
from vbte.policy import StageKind
from vbte.protection.availability import Availability, Indices
from vbte.protection.survival import at_pairs
from vbte.solve import Backend, LinearProgram, SolverProfile, solve
from vbte.topology import BoolArray, FloatArray

#: Choices beyond which no MILP is tried, and nodes after which one is stopped: no clock, so that bytes stay the same.
MOST_CHOICES = 20_000
MOST_NODES = 200


@dataclass(frozen=True, eq=False)
class _Groups:
    """Groups of states of one class: ``owner`` (G,) and ``probability`` (G,); the states are (``group``, ``state``).

    ``lives`` are (``row_group``, path, commodity) of the rows: a group has a row for each commodity that it hits.
    ``left_out`` (G,) tells which were left out in the choice to start from.
    """

    member: Availability
    owner: Indices
    probability: FloatArray
    group: Indices
    state: Indices
    row_group: Indices
    row_commodity: Indices

    @property
    def states_of(self) -> csr_array:
        """The states of each group, (G, S) of 0 and 1."""
        shape = (len(self.owner), len(self.member.probability))
        return csr_array(coo_array((np.ones(len(self.group)), (self.group, self.state)), shape))


def choose_states(
    program: StagedProgram,
    rows: AvailabilityRows,
    relaxed: StageOutcome,
    start: StageOutcome | None,
    left_out: csr_array | None,
) -> tuple[csr_array | None, Termination, float | None]:
    """Return the states that a MILP leaves out, (K, S), how it ended, and its bound on the stage's value.

    ``start`` and ``left_out`` are the best choice so far. None, and merely feasible, where there are too many choices.
    """
    grouped = [_groups(member, program) for member in rows.members]
    n_choices = sum(len(groups.owner) for groups in grouped)
    if not 0 < n_choices <= MOST_CHOICES:
        return None, Termination(Reason.FEASIBLE), None
    program.tools.progress(f"{relaxed.problem.label}: integer program with {n_choices} choices")
    milp, first_point = _program(program, rows, relaxed, grouped), None
    if start is not None and start.primal is not None and left_out is not None:
        padded = np.zeros(program.session.program.n_columns)
        padded[: len(start.primal)] = start.primal
        kept = [_kept_now(groups, left_out) for groups in grouped]
        first_point = np.concatenate([padded, *kept])
    solution = solve(milp, _stopped(program.tools.profile), program.tools.deadline, start=first_point)
    bound = None
    if solution.bound is not None and np.isfinite(solution.bound):
        bound = in_true_units(program, relaxed.problem, solution.bound)
    if solution.primal is None:
        return None, Termination(Reason.FEASIBLE, solution.termination.limit), bound
    kept_now = solution.primal[program.session.program.n_columns :] > 0.5
    return _left_out(grouped, kept_now), solution.termination, bound


def _stopped(profile: SolverProfile) -> SolverProfile:
    if profile.backend is not Backend.HIGHS or "mip_max_nodes" in profile.options or profile.iteration_limit:
        return profile
    return profile.model_copy(update={"options": {**profile.options, "mip_max_nodes": MOST_NODES}})


def _groups(member: Availability, program: StagedProgram) -> _Groups:
    """Return the groups of states that hit some path. Those that can't be left out have to be kept all the same."""
    paths = program.paths
    hits = member.survival.path_hits(paths)
    mine = np.flatnonzero(member.survival.is_mine[paths.commodity])
    listed = coo_array(hits[mine])
    path, state = mine[listed.coords[0]], listed.coords[1].astype(np.int64)
    commodity = paths.commodity[path].astype(np.int64)
    open_ = ~at_pairs(member.given_up, commodity, state)
    path, state, commodity = path[open_], state[open_], commodity[open_]
    owner = np.zeros(len(commodity), dtype=np.int64) if member.is_common else commodity
    n_states = len(member.probability)
    # States of one owner that hit the same paths have, but for one chance in 2**64, the same sum of random numbers.
    mark = np.random.default_rng(0).integers(0, 2**64, size=len(paths), dtype=np.uint64)
    pair, at = np.unique(owner * n_states + state, return_inverse=True)
    key = np.zeros(len(pair), dtype=np.uint64)
    np.add.at(key, at, mark[path])
    key += (pair // n_states).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    probability = np.bincount(group, member.probability[pair % n_states], len(first)).astype(np.float64)
    rows = np.unique(group[at] * program.layout.problem.instance.n_commodities + commodity)
    n_commodities = program.layout.problem.instance.n_commodities
    return _Groups(
        member, pair[first] // n_states, probability, group, pair % n_states,
        rows // n_commodities, rows % n_commodities,
    )  # fmt: skip


def _program(
    program: StagedProgram, rows: AvailabilityRows, relaxed: StageOutcome, grouped: list[_Groups]
) -> LinearProgram:
    base, layout, paths = program.session.program, program.layout, program.paths
    n_choices = sum(len(groups.owner) for groups in grouped)
    upper = np.concatenate([_fits(groups) for groups in grouped])
    wide = base.with_columns(
        np.zeros(n_choices), (~upper).astype(np.float64), np.ones(n_choices),
        csc_array((base.n_rows, n_choices), dtype=np.float64),
    )  # fmt: skip
    most = _most(rows, relaxed)
    column = base.n_columns
    for groups in grouped:
        n_rows = len(groups.row_group)
        at = np.arange(n_rows)
        owner = groups.row_commodity
        # One state of the group stands for all: they hit the same paths.
        first_state = np.zeros(len(groups.owner), dtype=np.int64)
        first_state[groups.group[::-1]] = groups.state[::-1]
        scale = np.full(n_rows, layout.scale_column)
        terms = [
            rows.living(groups.member, at, owner, first_state[groups.row_group], paths),
            Terms(at, layout.local[owner], -np.ones(n_rows)),
            Terms(at, scale, -rows.volume[owner]),
            Terms(at, column + groups.row_group, -most[owner]),
        ]
        wide = wide.with_rows(matrix_of(joined(terms), n_rows, wide.n_columns), -most[owner], np.full(n_rows, np.inf))
        owners, at = np.unique(groups.owner, return_inverse=True)
        total = np.bincount(at, groups.probability, len(owners))
        spare = groups.member.spare[_spare_at(groups, owners)]
        # In shares of the spare probability, so that the solver's tolerance is one too; it may not use it up.
        choice = Terms(at, column + np.arange(len(groups.owner)), groups.probability / spare[at])
        wide = wide.with_rows(
            matrix_of(choice, len(owners), wide.n_columns), total / spare - 1.0 + 1e-8, np.full(len(owners), np.inf)
        )
        column += len(groups.owner)
    integer = np.zeros(wide.n_columns, dtype=np.bool_)
    integer[base.n_columns :] = True
    return replace(wide, integer=integer)


def _spare_at(groups: _Groups, owners: Indices) -> Indices:
    """Return a commodity whose spare probability counts for each owner."""
    if not groups.member.is_common:
        return owners
    return np.full(len(owners), np.flatnonzero(groups.member.survival.is_mine)[0])


def _fits(groups: _Groups) -> BoolArray:
    """Return which groups may be left out at all: together their states may be too likely."""
    return np.asarray(groups.probability <= groups.member.spare[_spare_at(groups, groups.owner)])


def _most(rows: AvailabilityRows, relaxed: StageOutcome) -> FloatArray:
    """Return the most that can be promised to each commodity, in the program's unit, (K,)."""
    if relaxed.problem.kind is not StageKind.CONCURRENT or relaxed.value is None:
        return rows.volume
    return rows.volume * relaxed.value * (1 + 1e-6)


def _kept_now(groups: _Groups, left_out: csr_array) -> FloatArray:
    """Return 1 for each group whose states are not all left out, else 0."""
    owner = _spare_at(groups, groups.owner) if groups.member.is_common else groups.owner
    out = at_pairs(left_out, owner[groups.group], groups.state)
    n_out = np.bincount(groups.group, out.astype(np.float64), len(groups.owner))
    return (n_out < np.bincount(groups.group, minlength=len(groups.owner))).astype(np.float64)


def _left_out(grouped: list[_Groups], kept: BoolArray) -> csr_array:
    """Return the states that a MILP's groups leave out, (K, S) of 0 and 1."""
    parts, first = [], 0
    for groups in grouped:
        n_groups = len(groups.owner)
        out = ~kept[first : first + n_groups]
        first += n_groups
        gone = out[groups.group]
        commodity, state = groups.owner[groups.group[gone]], groups.state[gone]
        if groups.member.is_common:
            mine = np.flatnonzero(groups.member.survival.is_mine)
            commodity, state = np.repeat(mine, len(state)), np.tile(state, len(mine))
        parts.append(left_out_of(groups.member, commodity, state))
    return csr_array(sum(parts[1:], parts[0]))
