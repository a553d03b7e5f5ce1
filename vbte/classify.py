"""Which class each demand belongs to."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vbte.demands import DemandMatrix
from vbte.errors import InputError
from vbte.policy import MatchRule, PlanningModel
from vbte.topology import IntArray


@dataclass(frozen=True, eq=False)
class Classification:
    """``class_index[k]`` is the position of demand k's class in ``model.classes``.

    ``unmatched_gbps`` is the volume that no rule matched and that went to ``fallback_class``; it is 0 for models
    whose classes state no rules at all, where the fallback is the plain meaning of the model.
    """

    class_index: IntArray
    unmatched_gbps: float
    fallback_class: str


def classify(demands: DemandMatrix, model: PlanningModel) -> Classification:
    """Assign each demand to the class it names (attribute ``class``) or else to the first class with a matching rule.

    Rules are tried once per distinct combination of attributes, not once per demand.
    Raises InputError when a demand names a class the model does not have.
    """
    names = [traffic_class.name for traffic_class in model.classes]
    fallback = names.index(model.fallback_class)
    columns = {name: column for name, column in demands.attributes.items() if column.values}
    if not columns or not len(demands):
        class_index = np.full(len(demands), fallback, dtype=np.int32)
        matched = np.zeros(len(demands), dtype=np.bool_)
    else:
        codes = np.stack([column.codes for column in columns.values()], axis=1)
        combinations, first, inverse = np.unique(codes, axis=0, return_index=True, return_inverse=True)
        found = np.array(
            [
                _class_of(
                    {name: column.values[code] for (name, column), code in zip(columns.items(), row, strict=True)},
                    model,
                    demands.place(int(at)),
                )
                for row, at in zip(combinations, first, strict=True)
            ],
            dtype=np.int32,
        )[inverse.reshape(-1)]
        matched = found >= 0
        class_index = np.where(matched, found, np.int32(fallback)).astype(np.int32)
    has_rules = any(traffic_class.match for traffic_class in model.classes) or len(names) > 1
    unmatched_gbps = float(demands.volume_gbps[~matched].sum()) if has_rules else 0.0
    return Classification(class_index, unmatched_gbps, model.fallback_class)


def _class_of(attributes: Mapping[str, str], model: PlanningModel, place: str) -> int:
    """Return the class position for one combination of attributes, -1 when nothing matches."""
    stated = attributes.get("class", "")
    for position, traffic_class in enumerate(model.classes):
        if stated == traffic_class.name or (
            not stated and any(_matches(rule, attributes) for rule in traffic_class.match)
        ):
            return position
    if stated and len(model.classes) > 1:
        raise InputError(
            f"demand names class {stated!r}",
            place=place,
            remedy=f"model {model.name!r} has {', '.join(c.name for c in model.classes)}",
        )
    return -1


def _matches(rule: MatchRule, attributes: Mapping[str, str]) -> bool:
    """True when every condition of the rule holds for the attributes."""

    def one_of(name: str, wanted: tuple[object, ...]) -> bool:
        return not wanted or attributes.get(name, "") in {str(value) for value in wanted}

    tags = set(filter(None, attributes.get("tags", "").split(";")))
    return (
        one_of("dscp", rule.dscp)
        and one_of("vlan", rule.vlan)
        and one_of("application", rule.application)
        and one_of("tenant", rule.tenant)
        and tags >= set(rule.tags)
        and _inside(attributes.get("source_prefix", ""), rule.source_prefix)
        and _inside(attributes.get("destination_prefix", ""), rule.destination_prefix)
    )


def _inside(prefix: str, wanted: tuple[str, ...]) -> bool:
    """True when ``prefix`` lies inside one of the wanted prefixes, or when none is wanted."""
    if not wanted:
        return True
    if not prefix:
        return False
    try:
        network = ipaddress.ip_network(prefix, strict=False)
    except ValueError:
        raise InputError(f"prefix {prefix!r} is none", place="demands", remedy="write it like 10.1.0.0/16") from None
    for candidate in map(ipaddress.ip_network, wanted):
        if isinstance(network, ipaddress.IPv4Network) and isinstance(candidate, ipaddress.IPv4Network):
            if network.subnet_of(candidate):
                return True
        elif (
            isinstance(network, ipaddress.IPv6Network)
            and isinstance(candidate, ipaddress.IPv6Network)
            and network.subnet_of(candidate)
        ):
            return True
    return False
