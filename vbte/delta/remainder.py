"""What is left of a network: the question that a re-plan answers."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import replace

from vbte.errors import InputWarning
from vbte.instance import Instance, build_instance
from vbte.policy import TrafficClass
from vbte.topology import BoolArray


def left_over(instance: Instance, down: BoolArray, drained_nodes: Collection[str] = ()) -> Instance:
    """Return an instance with the links that are ``down`` (n_links,) drained, and nodes too; demands stay as they are.

    Demands that nothing serves any more are to be dropped, not refused, and so are promises that nothing keeps.
    """
    topology = instance.topology
    links = tuple(
        replace(link, drained=link.drained or bool(off)) for link, off in zip(topology.links, down, strict=True)
    )
    nodes = tuple(replace(node, drained=node.drained or node.id in drained_nodes) for node in topology.nodes)
    classes = tuple(_as_far_as_possible(one) for one in instance.model.classes)
    model = instance.model.model_copy(update={"unroutable": "drop", "classes": classes})
    with warnings.catch_warnings():
        # Of names in the model, which was warned of when the plan was made.
        warnings.simplefilter("ignore", InputWarning)
        return build_instance(replace(topology, nodes=nodes, links=links), instance.demands, model)


def _as_far_as_possible(traffic_class: TrafficClass) -> TrafficClass:
    """Return the class with its promise, as far as what is left of the network can keep one."""
    protection = traffic_class.protection
    if protection is None or "where_impossible" not in type(protection).model_fields:
        return traffic_class
    return traffic_class.model_copy(update={"protection": protection.model_copy(update={"where_impossible": "exempt"})})
