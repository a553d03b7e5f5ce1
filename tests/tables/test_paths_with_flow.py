"""Which paths of a plan carry flow, held against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_toys import diamond, matrix_of, model_of, plan_of, topology_of

from vbte import plan as plan_module
from vbte.instance import build_instance
from vbte.plan import Plan
from vbte.tables.build import build_tables
from vbte.tables.files import tables_to_files
from vbte.tables.splits import with_flow

TOPOLOGY = topology_of({"a-b": 1, "b-d": 1, "a-c": 2, "c-d": 2, "b-c": 5})
QUESTION = build_instance(TOPOLOGY, [matrix_of(TOPOLOGY, [("a", "d", 8.0), ("b", "d", 4.0)])], model_of())
WAYS = ("a b d", "a c d", "a b c d", "b d", "b c d")


def plainly(found: Plan) -> list[tuple[int, tuple[int, ...], float]]:
    """Paths in the order of their first place, with their share of what is admitted of their commodity."""
    flow: dict[tuple[int, tuple[int, ...]], float] = {}
    for path, amount in enumerate(found.flow_gbps.tolist()):
        key = int(found.paths.commodity[path]), tuple(found.paths[path].tolist())
        flow[key] = flow.get(key, 0.0) + amount
    total = [sum(amount for (owner, _), amount in flow.items() if owner == commodity) for commodity in range(2)]
    return [(*key, amount / total[key[0]]) for key, amount in flow.items() if amount > 0]


@given(st.lists(st.tuples(st.sampled_from(WAYS), st.sampled_from([0.0, 0.25, 0.5, 1.0])), min_size=1, max_size=9))
def test_paths_with_flow_are_each_listed_once_where_they_first_stood(flows):
    found = plan_of(QUESTION, flows)
    paths, share = with_flow(found)
    expected = plainly(found)
    assert [(int(paths.commodity[at]), tuple(paths[at].tolist())) for at in range(len(paths))] == [
        row[:2] for row in expected
    ]
    assert share.tolist() == pytest.approx([row[2] for row in expected])
    assert np.all(share > 0)


@pytest.mark.parametrize("realisation", ["source-routed", "hop-by-hop"])
@pytest.mark.parametrize("block_links", [1, 3])
def test_tables_are_the_same_however_many_links_are_worked_on_at_once(realisation, block_links, monkeypatch):
    at_once = tables_to_files(build_tables(diamond(realisation)))
    monkeypatch.setattr(plan_module, "BLOCK_LINKS", block_links)
    assert tables_to_files(build_tables(diamond(realisation))) == at_once
