"""What a commodity that is promised a share of the time may count on, and what such a promise costs at least.

A path keeps what is reserved on it (a static split, as in TEAVAR, Bogle et al., SIGCOMM 2019, and Flexile, Jiang et
al., CoNEXT 2022). In state q commodity k keeps ``s[k,q]``, the sum over its paths that live; a volume is promised at
the availability ``target`` where states of that probability keep it. ``models/README.md`` has the formulas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from vbte.errors import InputError
from vbte.oracle import PathOracle, Positions, merged_paths, select_paths
from vbte.plan import PathSet, SurvivalPrices
from vbte.policy import AvailabilityProtection, Protection
from vbte.protection.survival import Survival, at_pairs, parts_of, proven_prices
from vbte.scenarios import likely_states, stated_components
from vbte.tolerance import PROBABILITY_SLACK
from vbte.topology import FloatArray

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Availability:
    """The likely states of one class, S of them, and how much of the time may be lost."""

    survival: Survival

    @property
    def oracle(self) -> PathOracle:
        """Answers for the class's paths."""
        return self.survival.oracle

    @property
    def protection(self) -> AvailabilityProtection:
        """The class's protection."""
        protection = self.oracle.instance.rules[self.survival.class_index].policy.protection
        assert isinstance(protection, AvailabilityProtection)
        return protection

    @property
    def is_common(self) -> bool:
        """True where one set of states has to do for all commodities of the class."""
        return self.protection.per == "scenario"

    @cached_property
    def probability(self) -> FloatArray:
        """Share of time of each state, (S,)."""
        return np.array([scenario.probability or 0.0 for scenario in self.survival.scenarios.scenarios])

    @cached_property
    def is_met_once(self) -> NDArray[np.bool_]:
        """Which states a path can meet once at most, (S,)."""
        share = self.survival.hit_share
        least = np.ones(share.shape[0])
        np.minimum.at(least, np.repeat(np.arange(share.shape[0]), np.diff(share.indptr)), share.data)
        return np.asarray(least >= 1.0)

    @property
    def covered(self) -> float:
        """Share of time of all states together; the rest counts as lost."""
        return float(self.survival.scenarios.covered_probability or 0.0)

    @cached_property
    def _searched(self) -> tuple[csr_array, PathSet]:
        return _lasting_paths(self.survival)

    @property
    def severed(self) -> csr_array:
        """Which states leave no admissible path to a commodity of the class, (K, S) of 0 and 1."""
        return self._searched[0]

    @property
    def lasting_paths(self) -> PathSet:
        """Paths of the class's commodities of which one lives in every state that leaves any."""
        return self._searched[1]

    @cached_property
    def given_up(self) -> csr_array:
        """Which states a commodity's set can't have, (K, S): those that sever it, or anyone where one set is common."""
        if not self.is_common:
            return self.severed
        anyone = np.flatnonzero(np.bincount(self.severed.indices, minlength=self.severed.shape[1]))
        mine = np.flatnonzero(self.survival.is_mine)
        place = np.repeat(mine, len(anyone)), np.tile(anyone, len(mine))
        return csr_array(coo_array((np.ones(len(place[0])), place), self.severed.shape))

    @cached_property
    def spare(self) -> FloatArray:
        """Probability that each commodity's set may leave out beside what it has to give up, (K,)."""
        lost = np.asarray(self.given_up @ self.probability)
        return self.covered - self.protection.target - lost + PROBABILITY_SLACK

    def kept_gbps(self, paths: PathSet, reserved_gbps: FloatArray) -> tuple[Indices, Indices, FloatArray, FloatArray]:
        """Return what states take from commodities of the class, and what each has while all paths live.

        Commodity, state and kept volume where some path is hit and the state is not given up, and totals (K,).
        """
        n_commodities = self.oracle.instance.n_commodities
        total = np.bincount(paths.commodity, weights=reserved_gbps, minlength=n_commodities).astype(np.float64)
        mine = self.survival.is_mine[paths.commodity]
        at = np.flatnonzero(mine)
        owner = csr_array((np.ones(len(at)), (paths.commodity[at], at)), shape=(n_commodities, len(paths)))
        hits = self.survival.path_hits(paths)
        lost = coo_array(owner @ csr_array(hits.multiply(reserved_gbps[:, None])))
        commodity, state = (axis.astype(np.int64) for axis in lost.coords)
        open_ = ~at_pairs(self.given_up, commodity, state)
        commodity, state = commodity[open_], state[open_]
        return commodity, state, np.maximum(total[commodity] - lost.data[open_], 0.0), total


def is_available(protection: Protection | None) -> bool:
    """True when a class is promised to lose little for a share of the time."""
    return isinstance(protection, AvailabilityProtection)


@lru_cache(maxsize=2)
def availabilities(oracle: PathOracle) -> dict[int, Availability]:
    """Return the states of the classes that are promised an availability, by class."""
    return {
        c: Availability(Survival(oracle, c))
        for c, rules in enumerate(oracle.instance.rules)
        if is_available(rules.policy.protection)
    }


def reject_unreachable(availability: Availability) -> None:
    """Raise InputError where no choice of states reaches the target for some commodity, naming the best it can have."""
    _reject_uncovered(availability)
    instance, mine = availability.oracle.instance, np.flatnonzero(availability.survival.is_mine)
    short = mine[availability.spare[mine] < 0]
    if not len(short):
        return
    worst = int(short[np.argmin(availability.spare[short])])
    # What is promised is rounded down.
    best = math.floor((availability.spare[worst] - PROBABILITY_SLACK + availability.protection.target) * 1e9) / 1e9
    lost = availability.given_up[[worst]].indices
    first = availability.survival.scenarios.scenarios[int(lost.min())]
    who = instance.describe(worst)
    if availability.is_common:
        cut = np.flatnonzero(availability.severed[:, [int(lost.min())]].toarray()[:, 0])
        who = f"{instance.describe(int(cut[0]))} and all commodities of its class at once"
    bridge = "a bridge" if len(list(first.parts())) == 1 else "a cut"
    others = f" (and {len(short) - 1} more such commodities)" if len(short) > 1 and not availability.is_common else ""
    raise InputError(
        f"{who}: availability {availability.protection.target:.9g} can't be reached: {best:.9g} at most{others}; "
        f"no path is left when {parts_of(first)} is down, which is {bridge}",
        place=_place(availability), remedy=f"ask for {best:.9g} or less, or add a link beside it",
    )  # fmt: skip


def _reject_uncovered(availability: Availability) -> None:
    """Raise InputError where the states that the cut-off leaves are less likely than the target; say what would do."""
    target, cutoff = availability.protection.target, availability.protection.cutoff
    if availability.covered >= target - PROBABILITY_SLACK:
        return
    topology = availability.oracle.instance.topology
    components, would = stated_components(topology), cutoff
    remedy = "ask for less"
    while would > 1e-300:
        would /= 10.0
        try:
            covered = likely_states(topology, components, would).covered_probability or 0.0
        except InputError:
            remedy = f"ask for {math.floor(availability.covered * 1e9) / 1e9:.9g} or less: more states are too many"
            break
        if covered >= target - PROBABILITY_SLACK:
            remedy = f"say `cutoff: {would:.0e}`, whose states hold {covered:.9g}"
            break
    raise InputError(
        f"states likelier than the cutoff {cutoff:g} hold only {availability.covered:.9g} of the time, less than the "
        f"target {target:.9g}", place=_place(availability), remedy=remedy,
    )  # fmt: skip


def _place(availability: Availability) -> str:
    instance = availability.oracle.instance
    name = instance.rules[availability.survival.class_index].policy.name
    return f"model {instance.model.name!r}: class {name!r}: protection"


def _lasting_paths(survival: Survival) -> tuple[csr_array, PathSet]:
    """Return which states sever which commodities, and paths of which one lives in every other state.

    Likely states come first: paths that outlive them serve most of the others too, and are not asked for again.
    """
    instance = survival.oracle.instance
    latency = instance.topology.latency_ms + 1e-3 * max(float(instance.topology.latency_ms.mean()), 1.0)
    mine = np.flatnonzero(survival.is_mine)
    weight = np.tile(latency, (len(instance.rules), 1))
    pool = survival.oracle.cheapest_by_class(weight, mine).paths
    far = float(latency.sum()) + 1.0
    cut: dict[tuple[tuple[object, str], ...], Positions] = {}
    rows: list[Positions] = []
    for position, scenario in enumerate(survival.scenarios.scenarios):
        failed = survival.scenarios.failed_links(slice(position, position + 1))[:, 0]
        lives = np.zeros(instance.n_commodities, dtype=np.bool_)
        lives[pool.commodity[~pool.visiting(failed)]] = True
        parts = tuple(scenario.parts())
        known = [cut[parts[:at] + parts[at + 1 :]] for at in range(len(parts)) if parts[:at] + parts[at + 1 :] in cut]
        severed = np.unique(np.concatenate([mine[:0], *known]))
        asked = np.setdiff1d(mine[~lives[mine]], severed)
        if len(asked):
            found = survival.oracle.cheapest_by_class(weight + far * failed, asked)
            severed = np.union1d(severed, asked[found.price >= far])
            kept = np.flatnonzero(~found.paths.visiting(failed))
            pool = merged_paths([pool, select_paths(found.paths, kept)]) if len(kept) else pool
        cut[parts] = severed
        rows.append(severed)
    column = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    row = np.concatenate([mine[:0], *rows])
    shape = (instance.n_commodities, len(rows))
    return csr_array(coo_array((np.ones(len(row)), (row, column)), shape)), pool


def percentile_gbps(availability: Availability, paths: PathSet, reserved_gbps: FloatArray) -> FloatArray:
    """Return the most that each commodity of the class keeps for a share ``target`` of the time, (K,), else 0.

    Each by its own states, whatever the class's protection says of them.
    """
    commodity, state, kept, total = availability.kept_gbps(paths, reserved_gbps)
    order = np.lexsort((state, kept, commodity))
    commodity, state, kept = commodity[order], state[order], kept[order]
    lost = grouped_sums(commodity, availability.probability[state])
    level = np.where(availability.survival.is_mine & (availability.spare >= 0), total, 0.0)
    # The first state, the emptiest before it, that there is no room left to lose.
    beyond = np.flatnonzero(lost > availability.spare[commodity])[::-1]
    level[commodity[beyond]] = np.where(level[commodity[beyond]] > 0, kept[beyond], 0.0)
    return level


def grouped_sums(group: Indices, value: FloatArray) -> FloatArray:
    """Return running sums within groups; ``group`` is sorted."""
    if not len(group):
        return np.empty(0)
    running = np.cumsum(value)
    first = np.flatnonzero(np.append(True, np.diff(group) != 0))
    before = np.concatenate([[0.0], running])[first]
    return np.asarray(running - np.repeat(before, np.diff(np.append(first, len(group)))))


def common_gbps(
    availability: Availability, paths: PathSet, reserved_gbps: FloatArray, promised_gbps: FloatArray
) -> FloatArray:
    """Return the least that each commodity of the class keeps in states of probability ``target``, (K,), else 0.

    The states are the same for all: those left out leave the worst commodity the least of what is promised (K,) to it.
    """
    commodity, state, kept, total = availability.kept_gbps(paths, reserved_gbps)
    mine = availability.survival.is_mine & (promised_gbps > 0)
    level = np.where(mine, total, 0.0)
    if not mine.any():
        return level
    wanted = mine[commodity]
    commodity, state, kept = commodity[wanted], state[wanted], kept[wanted]
    share = np.full(len(availability.probability), float((total[mine] / promised_gbps[mine]).min()))
    np.minimum.at(share, state, kept / promised_gbps[commodity])
    first = np.flatnonzero(mine)[:1]
    lost = np.zeros(len(share), dtype=np.bool_)
    lost[availability.given_up[first].indices] = True
    order = np.flatnonzero(~lost)[np.argsort(share[~lost], kind="stable")]
    within = np.cumsum(availability.probability[order]) <= availability.spare[first]
    lost[order[within]] = True
    held = ~lost[state]
    np.minimum.at(level, commodity[held], kept[held])
    return level if availability.spare[first][0] >= 0 and not lost.all() else np.zeros_like(level)


def available_unit_prices(
    availability: Availability, weight: FloatArray, prices: SurvivalPrices, commodities: Positions
) -> tuple[FloatArray, FloatArray, csr_array]:
    """Return what a unit promised to each commodity pays at least, and what a common set of states may spare them.

    ``weight`` (len(commodities), n_links) prices the links. First, (len(commodities),): each by its own states. A
    price ``z`` per state proves what surviving all of them costs, less the most that leaving out states of the spare
    probability takes from it. Second and third, for a set that is common to all: the price before anything is left
    out, (len(commodities),), and what each state takes from it, (len(commodities), S).
    """
    kept = _kept(availability, prices)
    first, (alone, common, worth) = _priced(availability, weight, kept, commodities)
    lacking = first < 1.0
    if not lacking.any():
        return alone, common, worth
    # Paths are asked less than the price of a state that they can meet twice. Without such states less is worth
    # surviving, and no path is short of it.
    single = availability.is_met_once[kept.scenario] | ~np.isin(kept.commodity, commodities[lacking])
    fewer = SurvivalPrices(kept.commodity[single], kept.scenario[single], kept.price[single])
    _, (other_alone, other_common, other_worth) = _priced(availability, weight, fewer, commodities)
    better = other_common > common
    picked = csr_array(worth.multiply(~better[:, None])) + csr_array(other_worth.multiply(better[:, None]))
    return np.maximum(alone, other_alone), np.where(better, other_common, common), csr_array(picked)


def _priced(
    availability: Availability, weight: FloatArray, kept: SurvivalPrices, commodities: Positions
) -> tuple[FloatArray, tuple[FloatArray, FloatArray, csr_array]]:
    """Return the scale at which prices prove something, (len(commodities),), and ``available_unit_prices``."""
    survival = availability.survival
    plain, proven, scale = proven_prices(availability.oracle, survival.link_prices, weight, kept, commodities)
    place = np.full(availability.oracle.instance.n_commodities, -1)
    place[commodities] = np.arange(len(commodities))
    asked = place[kept.commodity] >= 0
    at, state = place[kept.commodity[asked]], kept.scenario[asked]
    shape = (len(commodities), len(availability.probability))
    by_state = csr_array(coo_array((kept.price[asked] * scale[at], (at, state)), shape))
    spared = most_spared(by_state, availability.probability, availability.spare[commodities])
    alone = np.maximum(plain, np.where(np.isfinite(proven), proven - spared, np.inf))
    uses = proven > plain
    return scale, (alone, np.where(uses, proven, plain), csr_array(by_state.multiply(uses[:, None])))


def _kept(availability: Availability, prices: SurvivalPrices) -> SurvivalPrices:
    """Return the prices above 0 of states that a commodity's set may have; a file may say anything."""
    n_commodities, n_states = availability.severed.shape
    known = (prices.commodity < n_commodities) & (prices.scenario < n_states) & (prices.price > 0)
    commodity, state, price = prices.commodity[known], prices.scenario[known], prices.price[known]
    kept = availability.survival.is_mine[commodity] & ~at_pairs(availability.given_up, commodity, state)
    return SurvivalPrices(commodity[kept], state[kept], price[kept])


def most_spared(worth: csr_array, probability: FloatArray, spare: FloatArray) -> FloatArray:
    """Return the most worth that states of a spare probability have together, (n,), or a little more.

    ``worth`` (n, S) by row and state, ``probability`` (S,), ``spare`` (n,). A knapsack filled by worth per probability,
    the last state in part; states that do not fit alone are left out (Martello and Toth, Knapsack Problems, 1990).
    """
    listed = coo_array(worth)
    row, state = (axis.astype(np.int64) for axis in listed.coords)
    fits = (probability[state] <= spare[row]) & (listed.data > 0)
    row, state, value = row[fits], state[fits], listed.data[fits]
    size = np.maximum(probability[state], 1e-300)
    order = np.lexsort((state, -value / size, row))
    row, value, size = row[order], value[order], size[order]
    part = np.clip((spare[row] - (grouped_sums(row, size) - size)) / size, 0.0, 1.0)
    return np.bincount(row, weights=value * part, minlength=worth.shape[0]).astype(np.float64)
