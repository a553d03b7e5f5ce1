"""Shares to weights."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vbte.quantise import ERROR_TOLERANCE_SHARE, quantise


def weights_of(*shares: float, max_weight: int = 64) -> list[int]:
    found, _ = quantise(np.array(shares), np.array([0, len(shares)]), np.array([max_weight]))
    return found.tolist()


@pytest.mark.parametrize(
    ("shares", "weights"),
    [
        ((1.0,), [1]),
        ((0.5, 0.5), [1, 1]),
        ((0.75, 0.25), [3, 1]),
        ((2 / 3, 1 / 3), [2, 1]),
        ((0.1, 0.2, 0.7), [1, 2, 7]),
        ((0.25, 0.25, 0.25, 0.25), [1, 1, 1, 1]),
        ((1 / 3, 1 / 3, 1 / 3), [1, 1, 1]),
    ],
)
def test_simple_fractions_are_met_exactly_with_the_smallest_weights(shares, weights):
    assert weights_of(*shares) == weights


def test_no_weight_is_above_the_devices_limit():
    # 0.9 wants 9 : 1, which a device with weights up to 4 can't hold; 4 : 1 is off by 0.1, and so is 1 : 0.
    found, error = quantise(np.array([0.9, 0.1]), np.array([0, 2]), np.array([4]))
    assert found.max() <= 4
    assert error[0] == pytest.approx(0.1)


def test_a_share_that_rounds_to_nothing_gets_weight_zero():
    assert weights_of(0.999, 0.001, max_weight=8) == [1, 0]


def test_a_device_that_only_knows_equal_weights_gets_equal_weights():
    found, error = quantise(np.array([0.6, 0.4]), np.array([0, 2]), np.array([1]))
    assert found.tolist() == [1, 1]
    assert error[0] == pytest.approx(0.1)


def test_every_device_has_its_own_limit():
    shares, start = np.array([0.9, 0.1, 0.9, 0.1]), np.array([0, 2, 4])
    found, error = quantise(shares, start, np.array([4, 64]))
    assert found[2:].tolist() == [9, 1]
    assert error[1] == pytest.approx(0.0)
    assert error[0] > 0.05


def test_a_smaller_denominator_is_taken_when_it_is_nearly_as_good():
    assert weights_of(0.50004, 0.49996) == [1, 1]


def least_error(shares: list[float], max_weight: int) -> float:
    """All weights there are, tried one by one."""
    best = math.inf
    for weights in itertools.product(range(max_weight + 1), repeat=len(shares)):
        total = sum(weights)
        if total:
            best = min(best, max(abs(w / total - share) for w, share in zip(weights, shares, strict=True)))
    return best


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=4), st.integers(1, 9))
def test_no_other_weights_are_better_than_by_the_tolerance(parts, max_weight):
    shares = [part / sum(parts) for part in parts]
    found, error = quantise(np.array(shares), np.array([0, len(shares)]), np.array([max_weight]))
    assert error[0] == pytest.approx(np.abs(found / found.sum() - shares).max())
    assert error[0] <= least_error(shares, max_weight) + ERROR_TOLERANCE_SHARE + 1e-12
    assert found.max() <= max_weight
    assert math.gcd(*found.tolist()) == 1


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=40))
def test_the_error_is_never_more_than_rounding_to_the_limit_gives(parts):
    shares = np.array(parts) / sum(parts)
    _, error = quantise(shares, np.array([0, len(parts)]), np.array([256]))
    assert error[0] <= 1.0 / 256


def test_groups_do_not_disturb_each_other():
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 6, 200)
    start = np.concatenate([[0], np.cumsum(sizes)])
    shares = np.concatenate([part / part.sum() for part in (rng.random(size) + 0.01 for size in sizes)])
    together, _ = quantise(shares, start, np.full(200, 32))
    alone = [weights_of(*shares[a:b], max_weight=32) for a, b in itertools.pairwise(start.tolist())]
    assert together.tolist() == [weight for group in alone for weight in group]
