"""From a solver's flows to a plan's: merged, ordered, scaled, held against a plain version."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import cable, demands, diamond, instance, link, model, network

from vbte.allocate.settle import settle
from vbte.oracle import PathOracle
from vbte.plan import PathSet
from vbte.topology import FloatArray

#: A path with its commodity and flow: ``(0, (2, 5), 7.5)``.
Row = tuple[int, tuple[int, ...], float]


def path_set(rows: list[Row]) -> tuple[PathSet, FloatArray]:
    hops = [len(links) for _, links, _ in rows]
    return (
        PathSet(
            np.concatenate([[0], np.cumsum(hops)]).astype(np.int64),
            np.array([one for _, links, _ in rows for one in links], dtype=np.int32),
            np.array([commodity for commodity, _, _ in rows], dtype=np.int32),
        ),
        np.array([flow for _, _, flow in rows]),
    )


def listed(paths: PathSet) -> list[tuple[int, tuple[int, ...]]]:
    return [(int(paths.commodity[at]), tuple(paths[at].tolist())) for at in range(len(paths))]


def plainly_merged(rows: list[Row]) -> list[Row]:
    """Equal paths of a commodity as one, in order of commodity and links."""
    merged: dict[tuple[int, tuple[int, ...]], float] = {}
    for commodity, links, flow in rows:
        merged[commodity, links] = merged.get((commodity, links), 0.0) + flow
    return [(commodity, links, merged[commodity, links]) for commodity, links in sorted(merged)]


#: Six commodities between two nodes, one tenant each: paths are whatever a test says they are.
PAIR = instance(network(cable("a-b", 10)), demands(*[("a", "b", 10.0, {"tenant": name}) for name in "uvwxyz"]), model())
some_links = st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple)
some_rows = st.lists(st.tuples(st.integers(0, 5), some_links, st.sampled_from([0.1, 0.2, 0.3, 1.0, 2.5])), max_size=20)


@given(some_rows)
def test_paths_are_merged_and_ordered_as_one_by_one(rows):
    paths, flow = path_set(rows)
    total = np.bincount(paths.commodity, weights=flow, minlength=6).astype(np.float64)
    settled, amount = settle(PathOracle(PAIR), paths, flow, total)
    expected = plainly_merged(rows)
    assert listed(settled) == [row[:2] for row in expected]
    merged = np.bincount(settled.commodity, weights=[row[2] for row in expected], minlength=6)
    scale = np.divide(total, merged, out=np.ones(6), where=merged > 0)
    assert amount.tolist() == ([row[2] for row in expected] * scale[settled.commodity]).tolist()


def test_a_path_stands_before_those_that_go_on_from_it():
    rows: list[Row] = [(0, (1, 2, 0), 1.0), (0, (1, 2), 1.0), (0, (1,), 1.0), (0, (0, 3), 1.0)]
    settled, _ = settle(PathOracle(PAIR), *path_set(rows), np.array([4.0, 0, 0, 0, 0, 0]))
    assert [links for _, links in listed(settled)] == [(0, 3), (1,), (1, 2), (1, 2, 0)]


def test_parallel_links_make_different_paths():
    rows: list[Row] = [(0, (3,), 1.0), (0, (2,), 2.0), (0, (3,), 4.0)]
    settled, flow = settle(PathOracle(PAIR), *path_set(rows), np.array([7.0, 0, 0, 0, 0, 0]))
    assert listed(settled) == [(0, (2,)), (0, (3,))]
    assert flow.tolist() == [2.0, 5.0]


def test_dust_is_dropped_and_the_rest_scaled_to_what_is_admitted():
    rows: list[Row] = [(0, (0,), 6.0), (0, (1,), 3.0), (0, (2,), 1e-12), (1, (0,), 1e-12)]
    settled, flow = settle(PathOracle(PAIR), *path_set(rows), np.array([10.0, 1e-12, 0, 0, 0, 0]))
    assert listed(settled) == [(0, (0,)), (0, (1,))]
    assert flow == pytest.approx([20 / 3, 10 / 3])


@pytest.mark.parametrize("n_matrices", [1, 2])
def test_a_commodity_whose_flow_was_lost_gets_its_fastest_path(n_matrices):
    asked = demands(("a", "d", 5.0), ("b", "d", 5.0))
    oracle = PathOracle(instance(diamond(), [asked] * n_matrices, model()))
    names = {one.id: at for at, one in enumerate(diamond().links)}
    paths, flow = path_set([(1, (names["b>d"],), 2.0)])
    settled, amount = settle(oracle, paths, flow, np.array([5.0, 4.0]))
    assert listed(settled) == [(0, (names["a>b"], names["b>d"])), (1, (names["b>d"],))]
    assert amount.tolist() == [5.0, 4.0]


def test_nothing_settles_to_nothing():
    island = instance(network(link("a>b", 1)), demands(("a", "b", 1.0)), model())
    settled, flow = settle(PathOracle(island), *path_set([]), np.zeros(1))
    assert (listed(settled), flow.tolist()) == ([], [])
