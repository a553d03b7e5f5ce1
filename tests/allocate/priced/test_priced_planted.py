"""Plans of this engine with one thing wrong: the check turns red for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from markets import priced
from test_priced_against_exact import bundled, plain, town_grid
from toys import plan

from vbte.plan import Certificate, PathSet, Plan, Prices, Reason, Termination
from vbte.proof import check_plan


@pytest.fixture(scope="module")
def sound() -> Plan:
    topology, matrix = town_grid(3.0)
    found = plan(topology, plain(matrix), bundled("max-throughput"), solver=priced())
    assert check_plan(found).findings == ()
    assert found.certificates[0].prices is not None
    return found


def with_first(found: Plan, change: Callable[[Certificate], Certificate]) -> Plan:
    return replace(found, certificates=(change(found.certificates[0]), *found.certificates[1:]))


def with_prices(found: Plan, change: Callable[[Prices], Prices]) -> Plan:
    return with_first(found, lambda one: replace(one, prices=change(one.prices)))  # type: ignore[arg-type]


def raised_flow(found: Plan) -> Plan:
    """One path over the fullest link carries a little more: its commodity stays within its demand."""
    full = int(np.argmax(found.utilization[0]))
    owner = np.repeat(np.arange(len(found.paths)), found.paths.hops)
    path = int(owner[np.flatnonzero(found.paths.links == full)[0]])
    flow = found.flow_gbps.copy()
    flow[path] *= 1.05
    return replace(found, flow_gbps=flow)


def swapped_link(found: Plan) -> Plan:
    links = found.paths.links.copy()
    links[0] = (links[0] + 1) % len(found.instance.topology.links)
    return replace(found, paths=PathSet(found.paths.start, links, found.paths.commodity))


PLANTED: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    "prices scaled up": (lambda p: with_prices(p, lambda one: replace(one, capacity=1.1 * one.capacity)), "bound"),
    "prices gone": (lambda p: with_prices(p, lambda one: replace(one, capacity=0.0 * one.capacity)), "bound"),
    "a bound a hundredth lower": (lambda p: with_first(p, lambda one: replace(one, bound=0.99 * one.bound)), "bound"),
    "a bound a hundredth higher": (lambda p: with_first(p, lambda one: replace(one, bound=1.01 * one.bound)), "bound"),
    "a value a hundredth higher": (lambda p: with_first(p, lambda one: replace(one, value=1.01 * one.value)), "claims"),
    "a hold out of reach": (
        lambda p: with_first(p, lambda one: replace(one, held_at=1.01 * one.held_at, reached=1.01 * one.reached)),
        "later stages hold it",
    ),
    "a path flow above the room": (raised_flow, "load it with"),
    "all flows doubled": (lambda p: replace(p, flow_gbps=2.0 * p.flow_gbps), "load it with"),
    "a path with another link": (swapped_link, "does not join its ends"),
    "called optimal": (lambda p: replace(p, termination=Termination(Reason.OPTIMAL)), "says optimal"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_is_found(sound: Plan, name: str) -> None:
    change, fault = PLANTED[name]
    report = check_plan(change(sound))
    assert any(fault in one.fault for one in report.findings), report.findings
