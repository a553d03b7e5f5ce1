"""What the options about inputs mean: files, names of datasets, units and defaults."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from vbte.catalogue import Dataset, datasets, load_model
from vbte.demands import DemandMatrix
from vbte.errors import UsageError
from vbte.policy import PlanningModel, Realisation
from vbte.read import TopologyDefaults, read_demand_series, read_demands, read_topology
from vbte.solve import SolverProfile
from vbte.solve.load import load_solver
from vbte.topology import Topology
from vbte.units import gbps_factor

DEFAULT_MODEL = "class-aware"

_TOPOHUB = "topohub:"
_RATE = re.compile(r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z/]*)\s*\Z")


@dataclass(frozen=True)
class Sources:
    """Options that say what to read and how: names of datasets, files, formats, units of figures that state none."""

    topology: str
    demands: tuple[str, ...] = ()
    topology_format: str | None = None
    demands_format: str | None = None
    capacity_unit: str | None = None
    default_capacity: str | None = None
    volume_unit: str | None = None

    def read_topology(self) -> Topology:
        """Return the topology. Raises InputError naming file and place."""
        known = dataset_named(self.topology)
        source = known.topology if known else self.topology
        capacity = None if self.default_capacity is None else parse_rate(self.default_capacity, self.capacity_unit)
        defaults = TopologyDefaults(capacity_gbps=capacity, capacity_unit=self.capacity_unit)
        return read_topology(source, format=self.topology_format, defaults=defaults)

    def read_demands(self, topology: Topology | None) -> list[DemandMatrix]:
        """Return the demand matrices of all sources in order; a dataset or topohub name as topology brings its own."""
        own = dataset_named(self.topology) is not None or self.topology.startswith(_TOPOHUB)
        sources = self.demands or ((self.topology,) if own else ())
        if not sources:
            raise UsageError("no demands: give --demands FILE, or a dataset's name as --topology")
        matrices = [self._matrices(source, topology) for source in sources]
        named = [
            replace(matrix, name=matrix.name or (stem if len(group) == 1 else f"{stem}-{position + 1}"))
            for source, group in zip(sources, matrices, strict=True)
            for stem in (Path(source).name.split(".")[0],)
            for position, matrix in enumerate(group)
        ]
        return named if len(named) > 1 else [matrix for group in matrices for matrix in group]

    def _matrices(self, source: str, topology: Topology | None) -> list[DemandMatrix]:
        known = dataset_named(source)
        if source.startswith(_TOPOHUB) or self.demands_format == "topohub":
            return [read_demands(source, topology, format=self.demands_format, unit=self.volume_unit)]
        path: str | os.PathLike[str] = known.demands if known else source
        return read_demand_series(path, topology, format=self.demands_format, unit=self.volume_unit)

    def read_model(self, name: str | None, realisation: str | None) -> PlanningModel:
        """Return the named model or file, else the one made for the dataset, else the default; with a realisation."""
        known = dataset_named(self.topology)
        own = known.model if known else None
        model = load_model(name or own or DEFAULT_MODEL)
        if realisation is None:
            return model
        tables = model.tables.model_copy(update={"realisation": Realisation(realisation)})
        return model.model_copy(update={"tables": tables})


def dataset_named(name: str) -> Dataset | None:
    """Return the bundled dataset of that name, None where there is none; write ``./NAME`` for a file of that name."""
    return None if os.sep in name or "." in name else datasets().get(name)


def read_solver(name: str, time_limit_s: float | None, threads: int | None) -> SolverProfile:
    """Return a solver profile with the time limit and the number of threads given on the command line."""
    if time_limit_s is not None and not 0 < time_limit_s < float("inf"):
        raise UsageError(f"--time-limit is {time_limit_s:g}; a number of seconds above 0 is needed")
    given = {"time_limit_s": time_limit_s, "threads": threads}
    return load_solver(name).model_copy(update={key: value for key, value in given.items() if value is not None})


def parse_rate(text: str, unit: str | None = None) -> float:
    """Return ``'40Gbps'`` as Gbit/s; a bare number takes ``unit``. Raises UsageError, InputError for unknown units."""
    match = _RATE.match(text)
    try:
        figure = float(match.group(1)) if match else float("nan")
    except ValueError:
        figure = float("nan")
    if match is None or not figure >= 0:
        raise UsageError(f"--default-capacity is {text!r}; a number with its unit is needed, such as 40Gbps")
    stated = match.group(2) or unit
    if not stated:
        raise UsageError(f"--default-capacity {text} has no unit; write {text}Gbps, or the unit that is meant")
    return figure * gbps_factor(stated, place="--default-capacity")
