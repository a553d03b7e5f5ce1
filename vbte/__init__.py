"""vbte plans traffic for virtual backbones: proven path allocations and the routing tables that carry them.

>>> import vbte
>>> network = vbte.dataset("abilene")
>>> topology = vbte.read_topology(network.topology)
>>> plan = vbte.optimize(topology, vbte.read_demands(network.demands, topology), model="min-mlu")
>>> round(plan.max_utilization, 6)
0.724938
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vbte.api import Job, optimize, optimize_each, optimize_many
    from vbte.catalogue import dataset, datasets, load_model
    from vbte.demands import DemandMatrix
    from vbte.errors import (
        GuardrailError,
        InfeasibleError,
        InputError,
        InputWarning,
        LockedError,
        LostWorkError,
        SolverError,
        UsageError,
        VbteError,
    )
    from vbte.failover import Draining, Window, drain, read_windows, what_if, what_if_each
    from vbte.paths.igp import igp_loads
    from vbte.plan import Plan
    from vbte.policy import PlanningModel, TrafficClass
    from vbte.proof import check, check_plan
    from vbte.read import read_demand_series, read_demands, read_topology
    from vbte.read.plan_file import read_plan
    from vbte.solve import Deadline, SolverProfile
    from vbte.tables import build_tables, walk
    from vbte.topology import Link, Node, RiskGroup, Topology

#: Public name -> module that defines it. Loaded on first use: a caller that only reads files loads no solver.
_HOME = {
    "Deadline": "vbte.solve",
    "DemandMatrix": "vbte.demands",
    "Draining": "vbte.failover",
    "GuardrailError": "vbte.errors",
    "InfeasibleError": "vbte.errors",
    "InputError": "vbte.errors",
    "InputWarning": "vbte.errors",
    "Job": "vbte.api",
    "Link": "vbte.topology",
    "LockedError": "vbte.errors",
    "LostWorkError": "vbte.errors",
    "Node": "vbte.topology",
    "Plan": "vbte.plan",
    "PlanningModel": "vbte.policy",
    "RiskGroup": "vbte.topology",
    "SolverError": "vbte.errors",
    "SolverProfile": "vbte.solve",
    "Topology": "vbte.topology",
    "TrafficClass": "vbte.policy",
    "UsageError": "vbte.errors",
    "VbteError": "vbte.errors",
    "Window": "vbte.failover",
    "build_tables": "vbte.tables",
    "check": "vbte.proof",
    "check_plan": "vbte.proof",
    "dataset": "vbte.catalogue",
    "datasets": "vbte.catalogue",
    "drain": "vbte.failover",
    "igp_loads": "vbte.paths.igp",
    "load_model": "vbte.catalogue",
    "optimize": "vbte.api",
    "optimize_each": "vbte.api",
    "optimize_many": "vbte.api",
    "read_demand_series": "vbte.read",
    "read_demands": "vbte.read",
    "read_plan": "vbte.read.plan_file",
    "read_topology": "vbte.read",
    "read_windows": "vbte.failover",
    "walk": "vbte.tables",
    "what_if": "vbte.failover",
    "what_if_each": "vbte.failover",
}

__version__ = "0.1.0"
__all__ = [
    "Deadline",
    "DemandMatrix",
    "Draining",
    "GuardrailError",
    "InfeasibleError",
    "InputError",
    "InputWarning",
    "Job",
    "Link",
    "LockedError",
    "LostWorkError",
    "Node",
    "Plan",
    "PlanningModel",
    "RiskGroup",
    "SolverError",
    "SolverProfile",
    "Topology",
    "TrafficClass",
    "UsageError",
    "VbteError",
    "Window",
    "build_tables",
    "check",
    "check_plan",
    "dataset",
    "datasets",
    "drain",
    "igp_loads",
    "load_model",
    "optimize",
    "optimize_each",
    "optimize_many",
    "read_demand_series",
    "read_demands",
    "read_plan",
    "read_topology",
    "read_windows",
    "walk",
    "what_if",
    "what_if_each",
]


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *_HOME})


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'vbte' has no attribute {name!r}")
    found = getattr(import_module(_HOME[name]), name)
    globals()[name] = found
    return found
