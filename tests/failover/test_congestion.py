"""What overloaded links drop: no link passes more than it can, none drops while it has room, nobody jumps the queue."""

from __future__ import annotations

import random

import numpy as np
import pytest
from failover_toys import GOLD_BEFORE_BULK, asked
from toys import demands, link, network, of_class

from vbte.failover.congestion import Crossings, pass_share, settled_pass_share
from vbte.instance import Instance
from vbte.topology import FloatArray

N_LINKS = 12


def question(chance: random.Random) -> Instance:
    links = [link("a>b", chance.choice([1.0, 2.0, 4.0]), id=f"l{at}") for at in range(N_LINKS)]
    matrix = demands(("a", "b", 1.0, of_class("gold")), ("a", "b", 1.0, of_class("bulk")))
    return asked(network(*links), matrix, "hop-by-hop", classes=GOLD_BEFORE_BULK)  # type: ignore[no-any-return]


def settled(chance: random.Random, *, sorted_ways: bool) -> tuple[Instance, FloatArray, FloatArray]:
    """Forty ways of up to five links, in two scenarios: what comes to each link, and what it passes on."""
    instance = question(chance)
    ways = [chance.sample(range(N_LINKS), chance.randint(1, 5)) for _ in range(40)]
    ways = [sorted(way) for way in ways] if sorted_ways else ways
    classes = [chance.randrange(2) for _ in ways]
    start = np.cumsum([0, *map(len, ways)])
    column = np.array([of * N_LINKS + at for way, of in zip(ways, classes, strict=True) for at in way])
    crossings = Crossings(start, column, 2 * N_LINKS)
    flow = np.array([[chance.random(), 0.2 * chance.random()] for _ in ways])

    def load_when(share: FloatArray, columns: FloatArray) -> FloatArray:
        return crossings.loads(flow[:, columns], share.reshape(-1, len(columns))).reshape(share.shape)

    whole = load_when(np.ones((2, N_LINKS, 2)), np.arange(2))
    share = settled_pass_share(whole, instance, load_when)
    return instance, load_when(share, np.arange(2)), share


@pytest.mark.parametrize("seed", range(8))
def test_links_are_full_where_they_drop_and_never_too_full(seed: int) -> None:
    # Ways that meet links in one order: nobody waits in a circle, so that the rounds end at the fixed point.
    instance, load, share = settled(random.Random(seed), sorted_ways=True)
    capacity = instance.topology.capacity_gbps[:, None]
    passed = load * share
    assert (passed.sum(axis=0) <= capacity * (1 + 1e-6)).all()
    drops = (share < 1).any(axis=0)
    assert drops.any()
    np.testing.assert_allclose(passed.sum(axis=0)[drops], np.broadcast_to(capacity, drops.shape)[drops], rtol=1e-6)
    # Gold loses nothing where there is room for it, whatever bulk wants.
    fits = load[0] <= capacity
    assert (share[0][fits] == 1.0).all()
    np.testing.assert_allclose(pass_share(load, instance), share, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_where_links_wait_for_each_other_in_a_circle_losses_are_not_understated(seed: int) -> None:
    instance, load, share = settled(random.Random(seed), sorted_ways=False)
    assert ((load * share).sum(axis=0) <= instance.topology.capacity_gbps[:, None] * (1 + 1e-6)).all()
    assert (share <= pass_share(load, instance) + 1e-6).all()


def test_whoever_gets_nothing_has_nothing_left_behind() -> None:
    crossings = Crossings(np.array([0, 2]), np.array([0, 1]), 2)
    share = np.array([[0.0], [1.0]])
    assert crossings.passed(share).tolist() == [[0.0]]
    assert crossings.loads(np.array([[3.0]]), share).tolist() == [[3.0], [0.0]]
