"""Rows by which a volume is promised for a share of the time, over static reservations on paths.

With s[k,q] what state q leaves of commodity k's reservations and b[k] = admitted[k] + volume[k] * lambda what it is
promised: states likelier than what may be left out have to be survived, s[k,q] >= b[k], and the others together lose no
more than that allows (``available_cuts``). That is what is left of the choice of states when it may be made in parts.
Rows are added where a solution breaks them. Once states are chosen (``available_sets``), those that are not left out
have to be survived as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from vbte.allocate.forms import candidate_set, distinct_paths
from vbte.allocate.protected.available_cuts import BROKEN_SHARE, Cuts, Shortfall, joint_cuts, single_cuts, stacked
from vbte.allocate.protected.available_kept import promise
from vbte.allocate.protected.promise import Asked, Kept, NewRows, PathRows
from vbte.bounds import StageProblem
from vbte.formulation.constraints import Terms, joined, matrix_of
from vbte.formulation.layout import Layout
from vbte.oracle import Cheapest, PathOracle, merged_paths
from vbte.plan import NO_SURVIVAL_PRICES, PathSet, Prices, SurvivalPrices
from vbte.policy import CandidateKind, CandidatePaths
from vbte.protection.availability import Availability, Indices, availabilities, reject_unreachable
from vbte.protection.survival import at_pairs, cheapest_surviving
from vbte.solve import LinearProgram, Session
from vbte.topology import FloatArray

#: Paths of each commodity to start with, beside those that live in likely states: choices need them to choose from.
_POOL = CandidatePaths(kind=CandidateKind.K_SHORTEST, k=6)

#: Rounds of one optimisation in which rows of states common to all commodities are added.
MOST_COMMON_ROUNDS = 80

#: Paths cheaper by less than this share of what surviving is worth are so by the solver's tolerance.
_LIFTED_SHARE = 1e-6


@dataclass(eq=False)
class AvailabilityRows(PathRows):
    """The rows added so far, entry by entry, and the states left out, where they have been chosen.

    ``row`` is an entry's row of the program. ``left_out`` (K, S) is None while states may be left out in parts.
    ``chosen_row``, ``chosen_commodity`` and ``chosen_state`` are rows that hold only while that state is not left out.
    ``common_rounds`` counts the rounds that looked for a row of states common to all. ``fallback`` is the last choice
    that a stage came out with, where later ones may start.
    """

    layout: Layout
    members: Sequence[Availability]
    row: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    commodity: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    state: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    part: FloatArray = field(default_factory=lambda: np.empty(0))
    survived: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    chosen_row: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    chosen_commodity: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    chosen_state: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    left_out: csr_array | None = None
    fallback: csr_array | None = None
    common_rounds: int = 0

    def promised(self, primal: FloatArray) -> FloatArray:
        """Return what is promised to each commodity of the instance, in the program's unit, shape (K,)."""
        layout = self.layout
        promised = np.zeros(layout.problem.instance.n_commodities)
        scale = primal[layout.scale_column]
        promised[layout.commodities] = primal[: len(layout.commodities)] + self.volume[layout.commodities] * scale
        return promised

    @property
    def volume(self) -> FloatArray:
        """Volume of each commodity in the program's unit, shape (K,)."""
        return np.asarray(self.layout.problem.instance.peak_gbps / self.layout.unit_gbps)

    def reserved(self, paths: PathSet, primal: FloatArray) -> FloatArray:
        """Return what is reserved on each path, in the program's unit, shape (P,); nothing on later ones."""
        known = primal[self.layout.n_columns :][: len(paths)]
        return np.concatenate([known, np.zeros(len(paths) - len(known))])

    def leave_out(self, session: Session, left_out: csr_array | None) -> None:
        """Choose the states that are left out, (K, S); None lets the program do so in parts."""
        self.left_out, self.common_rounds = left_out, 0
        if not len(self.chosen_row):
            return
        lower, upper = session.program.row_lower.copy(), session.program.row_upper
        holds = np.zeros(len(self.chosen_row), dtype=np.bool_)
        if left_out is not None:
            holds = ~at_pairs(left_out, self.chosen_commodity, self.chosen_state)
        lower[self.chosen_row] = np.where(holds, 0.0, -np.inf)
        session.set_row_bounds(lower, upper)

    def first_columns(self, shortest: PathSet) -> PathSet:
        """Return short paths, and paths of which each commodity has one in every state that leaves it any."""
        lasting = [member.lasting_paths for member in self.members]
        pool = candidate_set(self.members[0].oracle, self.layout.commodities, _POOL, complete=False)
        return distinct_paths([shortest, *lasting, pool])

    def broken_rows(self, columns: PathSet, primal: FloatArray, program: LinearProgram) -> NewRows | None:
        """Return the rows that a solution breaks, None where it keeps all."""
        promised, reserved = self.promised(primal), self.reserved(columns, primal)
        concurrent = bool(program.upper[self.layout.scale_column] > 0)
        found: list[Cuts] = []
        for member in self.members:
            found += self._broken(member, columns, promised, reserved, concurrent=concurrent)
        first, terms, floors = program.n_rows, [], []
        for cuts in stacked(found):
            terms.append(self._added(columns, cuts, first, first - program.n_rows))
            floors.append(cuts.floor)
            first += len(cuts.floor)
        if not floors:
            return None
        floor = np.concatenate(floors)
        return matrix_of(joined(terms), len(floor), program.n_columns), floor, np.full(len(floor), np.inf)

    def _broken(
        self,
        member: Availability,
        paths: PathSet,
        promised: FloatArray,
        reserved: FloatArray,
        *,
        concurrent: bool,
    ) -> list[Cuts]:
        commodity, state, kept, _ = member.kept_gbps(paths, reserved)
        short = promised[commodity] - kept
        must = member.probability[state] > member.spare[commodity]
        wide = short > BROKEN_SHARE * self.volume[commodity]
        cuts = [self._single(commodity[must & wide], state[must & wide], member, is_chosen=False)]
        if self.left_out is not None:
            kept_ones = ~must & wide & ~at_pairs(self.left_out, commodity, state)
            cuts.append(self._single(commodity[kept_ones], state[kept_ones], member, is_chosen=True))
        loose = ~must & (short > 0.1 * BROKEN_SHARE * self.volume[commodity])
        if member.is_common:
            # One row a round: the last of them prove next to nothing more, and what is chosen does not rest on them.
            self.common_rounds += 1
            loose &= self.common_rounds <= MOST_COMMON_ROUNDS
        lacking = Shortfall(commodity[loose], state[loose], short[loose], promised, self.volume)
        return cuts + joint_cuts(member, lacking, concurrent=concurrent)

    def _single(self, commodity: Indices, state: Indices, member: Availability, *, is_chosen: bool) -> Cuts:
        """Return rows by which commodities survive one state each, those that are there already left out."""
        width = len(member.probability)
        known = self.chosen_commodity * width + self.chosen_state if is_chosen else self.survived
        code = commodity * width + state
        new = ~np.isin(code, known)
        if not is_chosen:
            self.survived = np.concatenate([self.survived, code[new]])
        return single_cuts(commodity[new], state[new], is_chosen=is_chosen)

    def _added(self, paths: PathSet, cuts: Cuts, first: int, offset: int) -> Terms:
        """Note that rows stand from ``first`` on; return their entries, with rows counted from ``offset``."""
        layout = self.layout
        scale = np.full(len(cuts.at), layout.scale_column)
        at = cuts.at + offset
        terms = [self._path_terms(cuts.row + offset, cuts.commodity, cuts.state, cuts.part, paths, layout.n_columns)]
        if cuts.by_scale:
            terms.append(Terms(at, scale, -cuts.promise))
        else:
            terms.append(Terms(at, layout.local[cuts.owner], -cuts.promise))
            terms.append(Terms(at, scale, -cuts.promise * self.volume[cuts.owner]))
        self.row = np.concatenate([self.row, first + cuts.row])
        self.commodity = np.concatenate([self.commodity, cuts.commodity])
        self.state = np.concatenate([self.state, cuts.state])
        self.part = np.concatenate([self.part, cuts.part])
        if cuts.is_chosen:
            self.chosen_row = np.concatenate([self.chosen_row, first + cuts.row])
            self.chosen_commodity = np.concatenate([self.chosen_commodity, cuts.commodity])
            self.chosen_state = np.concatenate([self.chosen_state, cuts.state])
        return joined(terms)

    def terms(self, paths: PathSet) -> Terms:
        """Return the entries of new path columns (column 0 is the first path) in the rows that are there."""
        return self._path_terms(self.row, self.commodity, self.state, self.part, paths, 0)

    def _path_terms(
        self, row: Indices, commodity: Indices, state: Indices, part: FloatArray, paths: PathSet, first_column: int
    ) -> Terms:
        """Return, for each row and each path of a commodity in it, the parts of the states in which the path lives."""
        class_index = self.layout.problem.instance.class_index
        found = [Terms(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp), np.empty(0))]
        for member in self.members:
            mine = class_index[commodity] == member.survival.class_index
            if mine.any():
                entries = row[mine], commodity[mine], state[mine], part[mine]
                found.append(_lived(member, *entries, paths, first_column))
        return joined(found)

    def living(self, member: Availability, row: Indices, commodity: Indices, state: Indices, paths: PathSet) -> Terms:
        """Return 1 for each path of a row's commodity that its state leaves, in the program's columns."""
        return _lived(member, row, commodity, state, np.ones(len(row)), paths, self.layout.n_columns)

    def cheapest(self, asked: Asked) -> Cheapest:
        """Return the cheapest path of each commodity, the states that take it included in its price."""
        commodities = asked.commodities
        price = np.full(len(commodities), np.inf)
        prices = asked.prices.survival or NO_SURVIVAL_PRICES
        parts: list[PathSet] = []
        for member in self.members:
            mine = np.flatnonzero(member.survival.is_mine[commodities])
            found = cheapest_surviving(
                member.survival, asked.weight[mine], prices, commodities[mine], tie_break=asked.tie_break
            )
            price[mine] = found.price
            parts.append(found.paths)
        return Cheapest(price, merged_paths(parts))

    def sound(self, prices: Prices, weight: FloatArray, commodities: NDArray[np.intp]) -> Prices:
        """Return prices that prove all they say: links cost more by what a solver's rounding left paths too cheap.

        ``weight`` (len(commodities), n_links) is what the commodities pay on links at these prices. Paths that are
        cheaper by more are so because what they are asked is less than what they pay, where states take several cables.
        """
        lift = 0.0
        for member in self.members:
            mine = np.flatnonzero(member.survival.is_mine[commodities])
            dear, total = member.survival.link_prices(prices.survival or NO_SURVIVAL_PRICES, commodities[mine])
            short = total - member.oracle.prices_each(weight[mine] + dear, commodities[mine])
            rounded = (short > 0) & (short < _LIFTED_SHARE * total)
            lift = max(lift, float(short[rounded].max(initial=0.0)))
        return replace(prices, capacity=prices.capacity + lift) if lift > 0 else prices

    def priced(self, prices: Prices, row_dual: FloatArray, factor: float) -> Prices:
        """Return the prices with what surviving each state costs each commodity, in the objective's own unit."""
        price = np.maximum(row_dual[self.row], 0.0) * self.part * factor
        width = 1 + max(len(member.probability) for member in self.members)
        code, at = np.unique(self.commodity * width + self.state, return_inverse=True)
        total = np.bincount(at, weights=price, minlength=len(code)).astype(np.float64)
        code, total = code[total > 0], total[total > 0]
        return replace(prices, survival=SurvivalPrices(code // width, code % width, total))

    def kept(self, oracle: PathOracle, columns: PathSet, flow_gbps: FloatArray, admitted_gbps: FloatArray) -> Kept:
        """Return paths, flows and reservations that keep the promise to the last digit."""
        return promise(oracle, self.members, columns, flow_gbps, admitted_gbps)


def _lived(
    member: Availability,
    row: Indices,
    commodity: Indices,
    state: Indices,
    part: FloatArray,
    paths: PathSet,
    first_column: int,
) -> Terms:
    n_commodities = member.oracle.instance.n_commodities
    pair, at = np.unique(row * n_commodities + commodity, return_inverse=True)
    parts = csr_array(coo_array((part, (at, state)), shape=(len(pair), len(member.probability))))
    owner = pair % n_commodities
    # Paths need not be sorted.
    order = np.argsort(paths.commodity, kind="stable")
    first = np.searchsorted(paths.commodity[order], owner, side="left")
    count = np.searchsorted(paths.commodity[order], owner, side="right") - first
    which = np.repeat(np.arange(len(pair)), count)
    path = order[np.repeat(first, count) + np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)]
    hits = member.survival.path_hits(paths)
    whole: FloatArray = np.asarray(parts.sum(axis=1)).ravel()
    lost = np.asarray(parts[which].multiply(hits[path]).sum(axis=1)).ravel()
    left = whole[which] - lost
    left[left < 1e-12 * whole[which]] = 0.0
    return Terms((pair // n_commodities)[which].astype(np.intp), first_column + path, left)


def availability_rows(problem: StageProblem, layout: Layout, oracle: PathOracle) -> AvailabilityRows | None:
    """Return the rows of the classes planned, none of them yet; None where no availability is promised.

    Raises InputError for a target that no choice of states can reach for some commodity.
    """
    planned = np.unique(problem.instance.class_index[problem.scope]).tolist()
    members = tuple(member for c, member in availabilities(oracle).items() if c in planned)
    for member in members:
        reject_unreachable(member)
    return AvailabilityRows(layout, members) if members else None


def left_out_of(member: Availability, commodity: Indices, state: Indices) -> csr_array:
    """Return pairs of commodities and states as a matrix, (K, S) of 0 and 1."""
    shape = member.severed.shape
    return csr_array(coo_array((np.ones(len(commodity)), (commodity, state)), shape))
