"""Cheapest admissible paths and their prices, held against one question at a time and against plain loops."""

from __future__ import annotations

import functools
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import cable, demands, diamond, instance, link, model, network

from vbte import plan as plan_module
from vbte.instance import Instance
from vbte.oracle import PathOracle, merged_paths, routable, select_paths
from vbte.plan import PathSet, Plan, Reason, Termination
from vbte.topology import FloatArray, Topology

#: Rules of a class: on links, and on whole paths.
RULES = (
    {}, {"avoid": {"nodes": ["b"]}}, {"avoid": {"links": ["b>d"]}}, {"latency_bound_ms": 6}, {"hop_bound": 2},
    {"require": {"nodes": ["c"]}}, {"require": {"links": ["a>c"]}},
)  # fmt: skip


def meshed() -> Topology:
    """The diamond with a parallel link, a site that is not passed, and a part that nothing reaches."""
    return network(
        diamond().links, link("a>b", 5, 1.0, id="a>b twin"), cable("b-s", 5, 0.5), cable("s-c", 5, 0.5),
        cable("x-y", 5), nodes={"s": {"transit": False}},
    )  # fmt: skip


@st.composite
def questions(draw: st.DrawFn) -> Instance:
    """Demands of two classes between any nodes of the mesh, in one or two matrices."""
    classes = [{"name": name, **draw(st.sampled_from(RULES))} for name in ("gold", "bulk")]
    pairs = st.tuples(st.sampled_from("abcdsxy"), st.sampled_from("abcdsxy")).filter(lambda pair: pair[0] != pair[1])
    rows = st.tuples(pairs, st.sampled_from([1.0, 2.0]), st.sampled_from(["gold", "bulk"]))
    matrices = draw(st.lists(st.lists(rows, min_size=1, max_size=8), min_size=1, max_size=2))
    listed = [demands(*[(*pair, volume, {"class": name}) for pair, volume, name in one]) for one in matrices]
    return instance(meshed(), listed, model(classes=classes, default_class="bulk"))


def drawn_weights(data: st.DataObject, rows: int) -> FloatArray:
    figures = st.sampled_from([0.0, 0.1, 0.3, 1.0, 2.0])
    n_links = len(meshed().links)
    drawn = data.draw(st.lists(figures, min_size=rows * n_links, max_size=rows * n_links))
    return np.array(drawn).reshape(rows, n_links)


@given(questions(), st.data())
def test_prices_without_paths_are_those_with_paths(question, data):
    asked = np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=16, max_size=16))[: question.n_commodities])
    weight = drawn_weights(data, 2 if question.n_matrices == 1 else len(asked))
    oracle = PathOracle(question)
    assert oracle.prices(weight, asked).tolist() == oracle.cheapest(weight, asked).price.tolist()


@given(questions(), st.data())
def test_asking_by_class_is_asking_for_every_commodity_by_itself(question, data):
    weight = drawn_weights(data, 2)
    oracle, every = PathOracle(question), np.arange(question.n_commodities)
    found = oracle.cheapest_by_class(weight, every)
    alone = [oracle.cheapest_by_class(weight, every[k : k + 1]) for k in every]
    assert found.price.tolist() == [float(one.price[0]) for one in alone]
    assert rows_of(found.paths) == [row for one in alone for row in rows_of(one.paths)]


def rows_of(paths: PathSet) -> list[tuple[int, list[int]]]:
    return [(int(paths.commodity[at]), paths[at].tolist()) for at in range(len(paths))]


@pytest.mark.parametrize("n_matrices", [1, 3])
def test_first_paths_are_the_fastest_however_many_matrices_there_are(n_matrices):
    _, first = routable(instance(diamond(), [demands(("a", "d", 1.0), ("d", "c", 1.0))] * n_matrices, model()))
    names = [one.id for one in diamond().links]
    assert [[names[at] for at in links] for _, links in rows_of(first)] == [["a>b", "b>d"], ["d>c"]]


@st.composite
def path_sets(draw: st.DrawFn, *, least: int = 0) -> PathSet:
    rows = draw(st.lists(st.lists(st.integers(0, 5), min_size=least, max_size=6), max_size=9))
    hops = np.array([len(row) for row in rows], dtype=np.int64)
    return PathSet(
        np.concatenate([[0], np.cumsum(hops)]).astype(np.int64),
        np.array([one for row in rows for one in row], dtype=np.int32),
        np.array(draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))), dtype=np.int32),
    )


@pytest.fixture(params=[1, 3, 1 << 18])
def block_links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in blocks of one link, of three, and all at once."""
    monkeypatch.setattr(plan_module, "BLOCK_LINKS", request.param)


@pytest.mark.usefixtures("block_links")
def test_chosen_paths_come_back_whole_in_any_blocks():
    @given(path_sets(), st.data())
    def holds(paths: PathSet, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.integers(0, len(paths) - 1), max_size=9)) if len(paths) else []
        rows = rows_of(paths)
        picked = select_paths(paths, np.array(chosen, dtype=np.intp))
        assert rows_of(picked) == [rows[at] for at in chosen]
        ordered = select_paths(paths, np.array(chosen, dtype=np.intp), by_commodity=True)
        assert rows_of(ordered) == sorted((rows[at] for at in chosen), key=lambda row: row[0])

    holds()


@given(st.lists(path_sets(), max_size=3))
def test_merged_paths_are_all_that_are_not_empty_by_commodity(parts):
    rows = [row for part in parts for row in rows_of(part) if row[1]]
    assert rows_of(merged_paths(parts)) == sorted(rows, key=lambda row: row[0])


@pytest.mark.usefixtures("block_links")
def test_sums_and_visits_are_those_of_a_loop_in_any_blocks():
    @given(path_sets())
    def holds(paths: PathSet) -> None:
        figure = np.array([0.1, 0.2, 0.3, 0.7, 1.1, 1.3])
        rows = [links for _, links in rows_of(paths)]
        assert paths.sums(figure).tolist() == [
            functools.reduce(operator.add, figure[row].tolist(), 0.0) for row in rows
        ]
        mask = figure > 0.6
        assert paths.visiting(mask).tolist() == [bool(mask[links].any()) for links in rows]

    holds()


@pytest.mark.usefixtures("block_links")
def test_link_loads_add_up_in_the_order_of_the_paths_in_any_blocks():
    question = instance(
        network(cable("a-b", 9), cable("b-c", 9), cable("c-a", 9)),
        [demands(("a", "b", 1.0), ("b", "c", 0.5)), demands(("a", "b", 0.7), ("c", "a", 0.3))], model(),
    )  # fmt: skip

    @given(path_sets())
    def holds(drawn: PathSet) -> None:
        paths = PathSet(drawn.start, drawn.links, np.minimum(drawn.commodity, question.n_commodities - 1))
        flow = np.linspace(0.1, 0.9, len(paths))
        found = Plan(question, paths, flow, (), Termination(Reason.FEASIBLE), None)  # type: ignore[arg-type]
        expected = np.zeros((2, 1, 6))
        for matrix in range(2):
            for amount, (_, links) in zip(found.path_flow_gbps(matrix).tolist(), rows_of(paths), strict=True):
                for at in links:
                    expected[matrix, 0, at] += amount
        assert found.class_link_load_gbps.tolist() == expected.tolist()

    holds()
