"""Path flows brought to the room there is: never beyond it, never beyond what is wanted, never less than before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import FloatArray
from toys import diamond

import vbte.allocate.priced.fill as fill_module
from vbte.allocate.priced.fill import Crossings, crossings, fill, fit
from vbte.plan import PathSet

NAMES = [one.id for one in diamond().links]


def some_paths(*paths: str) -> PathSet:
    """Paths of commodity 0, 1, ... by the names of their links: ``some_paths("a>b b>d")``."""
    links = [[NAMES.index(name) for name in path.split()] for path in paths]
    return PathSet(
        np.cumsum([0, *map(len, links)]).astype(np.int64),
        np.array([one for path in links for one in path], dtype=np.int32),
        np.arange(len(paths), dtype=np.int32),
    )


def crossed(*paths: str, row: list[int] | None = None) -> Crossings:
    rows = np.array(row or [0] * len(paths), dtype=np.intp)
    return crossings(some_paths(*paths), rows, 1 + int(rows.max(initial=0)), len(NAMES))


def room(**limits: float) -> FloatArray:
    """Room by link, ``ab=10`` for a>b; none stated is no limit."""
    return np.array([limits.get(name.replace(">", ""), np.inf) for name in NAMES])


def test_a_path_gets_the_least_share_of_any_link_on_it() -> None:
    """20 ask for the 10 of a>b and for the 5 of b>d: a quarter."""
    assert fit(crossed("a>b b>d"), np.array([20.0]), room(ab=10.0, bd=5.0)) == pytest.approx([5.0])


def test_all_who_ask_for_a_link_get_the_same_share_of_it() -> None:
    """30 ask for 10: a third each; the second path has no other limit."""
    found = fit(crossed("a>b b>d", "a>b"), np.array([20.0, 10.0]), room(ab=10.0))
    assert found == pytest.approx([20 / 3, 10 / 3])


def test_what_a_first_round_leaves_is_filled_up_in_the_next() -> None:
    """The first path is held to 2 by b>d, so that the second gets the 8 that are left of a>b."""
    cross = crossed("a>b b>d", "a>b")
    first = fit(cross, np.array([10.0, 10.0]), room(ab=10.0, bd=2.0))
    assert first == pytest.approx([2.0, 5.0])
    filled = fill(cross, first, np.array([10.0, 10.0]), room(ab=10.0, bd=2.0), 0.0)
    # The first goes on asking for its part of a>b, so that the second gets its 8 bit by bit.
    assert filled == pytest.approx([2.0, 8.0], rel=0.05)


def test_nobody_gets_more_than_it_wants_however_much_room_there_is() -> None:
    cross = crossed("a>b b>d", "a>c c>d")
    assert fill(cross, np.zeros(2), np.array([3.0, 4.0]), room(ab=10.0), 0.0) == pytest.approx([3.0, 4.0])


def test_a_link_without_room_carries_nothing() -> None:
    assert fit(crossed("a>b b>d", "a>c c>d"), np.array([3.0, 4.0]), room(bd=0.0)).tolist() == [0.0, 4.0]


def test_a_link_that_is_overfull_already_carries_nothing_more() -> None:
    """Background may exceed a link's capacity, and leave it with less than no room."""
    assert fit(crossed("a>b b>d"), np.array([3.0]), room(bd=-1.0)).tolist() == [0.0]
    assert fill(crossed("a>b b>d"), np.zeros(1), np.array([3.0]), room(bd=-1.0), 0.0).tolist() == [0.0]


def test_a_class_with_a_row_of_its_own_keeps_to_both() -> None:
    """The first path's class may put 2 on a>b, all together 10; the second path has the other 8 to itself."""
    cross = crossed("a>b b>d", "a>b b>d", row=[1, 0])
    rooms = np.concatenate([room(ab=10.0), room(ab=2.0)])
    assert fill(cross, fit(cross, np.array([9.0, 9.0]), rooms), np.array([9.0, 9.0]), rooms, 0.0) == pytest.approx(
        [2.0, 8.0], rel=0.05
    )


def test_no_paths_are_no_trouble() -> None:
    cross = crossed()
    assert fit(cross, np.empty(0), room(ab=1.0)).tolist() == []
    assert fill(cross, np.empty(0), np.empty(0), room(ab=1.0), 0.0).tolist() == []


ways = st.lists(st.sampled_from(["a>b b>d", "a>c c>d", "a>b", "b>d", "c>d", "d>b b>a a>c"]), min_size=1, max_size=8)
volumes = st.lists(st.sampled_from([0.0, 1e-9, 0.1, 1.0, 7.0, 1e6]), min_size=8, max_size=8)
rooms = st.lists(st.sampled_from([0.0, 1e-3, 1.0, 5.0, 1e7, np.inf]), min_size=24, max_size=24)
own_rows = st.lists(st.integers(0, 2), min_size=8, max_size=8)


@settings(max_examples=150)
@given(ways, volumes, volumes, rooms, own_rows)
def test_room_and_wishes_are_kept_and_nothing_shrinks(
    paths: list[str], start: list[float], wanted: list[float], limits: list[float], row: list[int]
) -> None:
    n = len(paths)
    rows = np.array(row[:n], dtype=np.intp)
    cross = crossings(some_paths(*paths), rows, 3, len(NAMES))
    limit = np.array(limits)
    asks = np.array(start[:n])
    fitted = fit(cross, asks, limit)
    assert (fitted <= asks).all()
    assert (fitted >= 0).all()
    assert (by_hand(paths, rows, fitted) <= limit * (1 + 1e-9)).all()
    wishes = np.maximum(np.array(wanted[:n]), fitted)
    filled = fill(cross, fitted, wishes, limit, 0.0)
    assert (filled >= fitted).all()
    assert (filled <= wishes * (1 + 1e-12)).all()
    assert (by_hand(paths, rows, filled) <= limit * (1 + 1e-9)).all()


def by_hand(paths: list[str], rows: np.ndarray, flow: FloatArray) -> FloatArray:
    """Loads of all three rows in plain Python."""
    load = np.zeros(3 * len(NAMES))
    for path, row, amount in zip(paths, rows.tolist(), flow.tolist(), strict=True):
        for name in path.split():
            load[NAMES.index(name)] += amount
            if row:
                load[row * len(NAMES) + NAMES.index(name)] += amount
    return load


@settings(max_examples=40)
@given(ways, volumes, own_rows, st.lists(st.integers(0, 7), min_size=1, max_size=8, unique=True))
def test_loads_of_some_of_the_paths_are_those_of_the_others_at_nothing(
    paths: list[str], flow: list[float], row: list[int], chosen: list[int]
) -> None:
    some = np.array(sorted(i for i in chosen if i < len(paths)), dtype=np.intp)
    rows, amount = np.array(row[: len(paths)], dtype=np.intp), np.array(flow[: len(paths)])
    cross = crossings(some_paths(*paths), rows, 3, len(NAMES))
    only = np.where(np.isin(np.arange(len(paths)), some), amount, 0.0)
    assert cross.select(some).load(amount[some]) == pytest.approx(by_hand(paths, rows, only))


def test_blocks_of_crossings_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path a block, one for all; what is selected from them in another order, too. Path 2 has no link."""
    paths = ("a>b b>d", "a>c c>d", "", "a>b", "c>d", "a>b b>d")
    flow, limits = np.array([4.0, 3.0, 9.0, 2.0, 8.0, 1.0]), room(ab=5.0, cd=6.0, bd=2.0)
    chosen = np.array([5, 0, 3])
    found = []
    for at_once in (1, 1000):
        monkeypatch.setattr(fill_module, "CROSSINGS_AT_ONCE", at_once)
        cross = crossed(*paths)
        some = cross.select(chosen)
        found.append((cross.load(flow), fit(cross, flow, limits), some.load(flow[chosen]), some.slot, some.start))
    for one, other in zip(*found, strict=True):
        assert one == pytest.approx(other)
    load, fitted, of_some, *_ = found[0]
    assert load[NAMES.index("a>b")] == pytest.approx(7.0)
    assert fitted == pytest.approx([4 * 2 / 5, 3 * 6 / 11, 9.0, 2 * 5 / 7, 8 * 6 / 11, 1 * 2 / 5])
    assert of_some[NAMES.index("b>d")] == pytest.approx(5.0)
