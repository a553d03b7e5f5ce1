"""The smoothed dual: its slope is the room left, and it stands above the true dual."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import Asked, FloatArray, Question, a_market, asked, questions, random_prices
from toys import demands, diamond, model

from vbte.allocate.priced.descent import Descent, descend, traffic
from vbte.allocate.priced.market import Market
from vbte.allocate.priced.routing import AllPaths


def all_paths(market: Market) -> list[AllPaths]:
    return [AllPaths(group) for group in market.groups]


def true_dual(of: Asked, market: Market, prices: FloatArray) -> float:
    """Room at its price, and what each commodity saves above its cheapest path, by the oracle of the proofs."""
    instance = of.problem.instance
    total = float(market.room[market.priced] @ prices[market.priced])
    for group in market.groups:
        weights = np.tile(market.weight(group, prices), (len(instance.rules), 1))
        distance = of.tools.oracle.prices(weights, group.commodities)
        least, volume = market.least[group.commodities], market.volume[group.commodities]
        total += float((volume - least) @ np.maximum(0.0, market.worth[group.commodities] - distance))
        total += float(least @ np.maximum(0.0, market.forced_worth - distance))
    return total


@settings(max_examples=30)
@given(questions(), st.integers(0, 999), st.sampled_from([0.1, 0.25]))
def test_the_slope_of_the_smoothed_dual_is_the_room_that_the_traffic_leaves(
    question: Question, seed: int, temperature: float
) -> None:
    """With groups of their own links, class limits and least volumes among them; by central differences."""
    of = asked(question)
    market = a_market(of, seed)
    prices, step = random_prices(market, seed), Descent(temperature, 0.0, 1, 0.5 * temperature)
    found = traffic(market, all_paths(market), prices, step)
    width = 0.04 * temperature
    for row, position in np.argwhere(market.priced).tolist():
        nudge = np.zeros_like(prices)
        nudge[row, position] = width
        up, down = (traffic(market, all_paths(market), prices + s * nudge, step).value for s in (1, -1))
        left = market.room[row, position] - found.load[row, position]
        assert (up - down) / (2 * width) == pytest.approx(left, abs=1e-3)


@settings(max_examples=40)
@given(questions(), st.integers(0, 999), st.sampled_from([1e-3, 0.02, 0.1, 0.3]))
def test_smoothing_only_ever_raises_the_dual(question: Question, seed: int, temperature: float) -> None:
    of = asked(question)
    market = a_market(of, seed)
    prices = random_prices(market, seed)
    smooth = traffic(market, all_paths(market), prices, Descent(temperature, 0.0, 1, 1e-6)).value
    assert smooth >= true_dual(of, market, prices) - 1e-4


@settings(max_examples=30)
@given(questions(), st.integers(0, 999))
def test_when_cold_the_smoothed_dual_is_the_true_one(question: Question, seed: int) -> None:
    of = asked(question)
    market = a_market(of, seed)
    prices = random_prices(market, seed)
    smooth = traffic(market, all_paths(market), prices, Descent.at(5e-4, 0.0, 1)).value
    assert smooth == pytest.approx(true_dual(of, market, prices), abs=0.02)


def diamond_market(room: float, worth: float = 1.0) -> Market:
    """All volume from a to d; the links of the way over b have ``room`` each, as a share of the volume."""
    of = asked((diamond(), demands(("a", "d", 20)), model()))
    names = [link.id for link in diamond().links]
    limits = np.full((1, 8), np.inf)
    limits[0, [names.index("a>b"), names.index("b>d")]] = room
    # The way over c costs 0.4 whatever the traffic.
    base = np.array([0.2 if "c" in name else 0.0 for name in names])
    return Market(
        of.groups, limits, base, volume=np.ones(1), worth=np.full(1, worth), least=np.zeros(1), forced_worth=9.0
    )


def test_prices_of_a_full_way_come_to_what_the_other_way_costs() -> None:
    """A quarter fits over b; it is worth 0.4 more than the way over c, so that its two links cost 0.4 together."""
    market = diamond_market(0.25)
    prices = descend(market, all_paths(market), np.full((1, 8), 0.1), Descent.at(5e-3, 1e-5, 300), lambda _: False)
    assert float(prices[0, market.priced[0]].sum()) == pytest.approx(0.4, abs=0.03)
    found = traffic(market, all_paths(market), prices, Descent.at(5e-3, 1e-5, 300))
    assert found.load[0, market.priced[0]] == pytest.approx([0.25, 0.25], abs=0.01)
    assert found.misfit(market, prices) < 0.01


def test_whoever_pays_more_than_it_is_worth_stays_away() -> None:
    """At a price of 3 a link over b, and 0.4 over c, what is worth 0.2 is not sent; what is worth 1 goes over c."""
    prices = np.where(diamond_market(0.25).priced, 3.0, 0.0)
    for worth, sent in ((0.2, 0.0), (1.0, 1.0)):
        market = diamond_market(0.25, worth)
        found = traffic(market, all_paths(market), prices, Descent.at(5e-3, 0.0, 1))
        assert found.flows[0].tolist() == pytest.approx([sent], abs=1e-3)
        assert found.load[0, market.priced[0]] == pytest.approx([0.0, 0.0], abs=1e-3)


def test_the_misfit_counts_overload_in_full_and_idle_room_at_its_price() -> None:
    market = diamond_market(0.25)
    free = traffic(market, all_paths(market), np.zeros((1, 8)), Descent.at(5e-3, 0.0, 1))
    # For nothing all of it goes over b: 0.75 too much on either link.
    assert free.misfit(market, np.zeros((1, 8))) == pytest.approx(1.5, abs=1e-3)
    dear = np.where(market.priced, 3.0, 0.0)
    shunned = traffic(market, all_paths(market), dear, Descent.at(5e-3, 0.0, 1))
    assert shunned.misfit(market, dear) == pytest.approx(2 * 0.25 * 3.0, abs=1e-3)


def test_a_descent_of_no_steps_leaves_prices_alone_and_one_that_is_stopped_ends() -> None:
    market, prices = diamond_market(0.25), np.full((1, 8), 0.1)
    assert descend(market, all_paths(market), prices, Descent.at(0.01, 0.0, 0), lambda _: False) is prices
    told: list[float] = []
    descend(market, all_paths(market), prices, Descent.at(0.01, 1e-5, 50), lambda misfit: not told.append(misfit))
    assert len(told) == 1


def test_what_is_worth_far_more_than_any_price_leaves_small_steps_visible() -> None:
    """Everything is carried, worth 1e4, and pays about 1: a step of 1e-6 moves the dual by the room that is left."""
    market = diamond_market(0.25, worth=1e4)
    step = Descent(0.01, 0.0, 1, 0.02)
    prices = np.where(market.priced, 0.6, 0.0)
    found = traffic(market, all_paths(market), prices, step)
    row, position = np.argwhere(market.priced)[0]
    nudge = np.zeros_like(prices)
    nudge[row, position] = 1e-3
    up, down = (traffic(market, all_paths(market), prices + s * nudge, step).value for s in (1, -1))
    assert (up - down) / 2e-3 == pytest.approx(market.room[row, position] - found.load[row, position], abs=1e-3)
