"""Reading: topologies, demands and planning models in, as frozen facts."""

from vbte.read.defaults import TopologyDefaults
from vbte.read.demand_matrices import read_demand_series, read_demands
from vbte.read.formats import DemandFormat, TopologyFormat
from vbte.read.model import read_model
from vbte.read.topologies import read_topology

__all__ = [
    "DemandFormat",
    "TopologyDefaults",
    "TopologyFormat",
    "read_demand_series",
    "read_demands",
    "read_model",
    "read_topology",
]
