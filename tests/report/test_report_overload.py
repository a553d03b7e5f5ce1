"""Tables that devices can't hold as planned are not passed off as the plan."""

from __future__ import annotations

import pytest

import vbte
from vbte.report.outcome import realise


def outcome(max_weight: int):
    """Seven tenths and three tenths over two full links: equal weights would load one of them to 5 / 3."""
    topology = vbte.Topology(
        (vbte.Node("a"), vbte.Node("b")), (vbte.Link("wide", "a", "b", 7.0), vbte.Link("narrow", "a", "b", 3.0))
    )
    demands = vbte.read_demands(
        {"schema": "vbte.demands/1", "demands": [{"source": "a", "destination": "b", "volume_gbps": 10.0}]}
    )
    tables = {"realisation": "hop-by-hop", "max_weight": max_weight}
    return realise(vbte.optimize(topology, demands, model={"extends": "max-throughput", "name": "x", "tables": tables}))


def test_tables_that_overload_a_link_are_not_published():
    with pytest.raises(vbte.GuardrailError, match=r"load link narrow to"):
        outcome(max_weight=1).require_publishable()


def test_tables_that_fit_are_published_and_say_what_they_load():
    fits = outcome(max_weight=16)
    fits.require_publishable()
    assert fits.summary["tables"]["walk"]["max_utilization"] == pytest.approx(1.0)
    assert fits.summary["tables"]["walk"]["overloaded_links"] == 0
