"""What devices can hold, by their profiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vbte.policy import DeviceProfile, PlanningModel
from vbte.quantise import Weights
from vbte.topology import Node, Topology


@dataclass(frozen=True, eq=False)
class DeviceLimits:
    """What each device can hold, shape (n_nodes,) each."""

    max_weight: Weights
    max_group_members: Weights
    max_segments: Weights


def profile_of(node: Node, model: PlanningModel) -> DeviceProfile:
    """Return what a node can hold: its device profile where the model has it, else ``model.tables``."""
    return model.device_profiles.get(node.device_profile or "", model.tables)


def device_limits(topology: Topology, model: PlanningModel) -> DeviceLimits:
    """Return the limits of every node."""
    profiles = [profile_of(node, model) for node in topology.nodes]

    def column(name: str) -> Weights:
        return np.array([getattr(profile, name) for profile in profiles], dtype=np.int64)

    return DeviceLimits(column("max_weight"), column("max_group_members"), column("max_segments"))
