"""What the options about inputs mean: files, names of datasets, units and defaults, solvers, earlier plans."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from vbte.catalogue import Dataset, datasets, load_model
from vbte.cli.directory import plan_directories
from vbte.demands import DemandMatrix
from vbte.errors import InputError, InputWarning, UsageError
from vbte.plan import Plan
from vbte.policy import PlanningModel, Realisation
from vbte.read import TopologyDefaults, read_demand_series, read_demands, read_topology
from vbte.read.plan_file import read_plan
from vbte.report.series import plan_directory
from vbte.solve import Engine, SolverProfile
from vbte.solve.load import load_solver
from vbte.tolerance import OPTIMALITY_GAP_SHARE
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


@dataclass(frozen=True)
class SolverChoice:
    """Options that say how plans are found: a solver profile, and what the command line has otherwise than it says."""

    profile: str = "highs"
    engine: str | None = None
    gap: float | None = None
    time_limit_s: float | None = None
    threads: int | None = None

    def read(self) -> SolverProfile:
        """Return the profile with what was given. Raises UsageError for what can't be."""
        if self.time_limit_s is not None and not 0 < self.time_limit_s < float("inf"):
            raise UsageError(f"--time-limit is {self.time_limit_s:g}; a number of seconds above 0 is needed")
        if self.gap is not None and not OPTIMALITY_GAP_SHARE <= self.gap < 1:
            raise UsageError(
                f"--gap is {self.gap:g}; a share of {OPTIMALITY_GAP_SHARE:g} or more and below 1 is needed, "
                "such as 0.001 for 0.1 %"
            )
        given = {
            "engine": None if self.engine is None else Engine(self.engine),
            "gap": self.gap,
            "time_limit_s": self.time_limit_s,
            "threads": self.threads,
        }
        update = {key: value for key, value in given.items() if value is not None}
        profile = load_solver(self.profile).model_copy(update=update)
        if self.gap is not None and profile.engine is Engine.EXACT:
            raise UsageError(
                "--gap says when the price-directed engine stops, and the exact engine goes on to the optimum; "
                "leave it out, or say --engine auto"
            )
        return profile


def previous_plans(directory: Path, n_plans: int, *, each: bool) -> list[Plan | None]:
    """Return the earlier plan that each of so many plans starts from.

    The plan of ``directory`` serves all. Where it is a series, and ``each`` matrix gets a plan of its own, each starts
    from the plan of its number, None where the series has none. Raises InputError when there is no plan to read.
    """
    try:
        with warnings.catch_warnings():
            # Of names in its own model, which was warned of when it was made.
            warnings.simplefilter("ignore", InputWarning)
            return _previous_plans(directory, n_plans, each=each)
    except InputError as error:
        raise error.at(f"--previous {error.place}") from None
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror}", place=f"--previous {directory}") from None


def _previous_plans(directory: Path, n_plans: int, *, each: bool) -> list[Plan | None]:
    if not directory.exists():
        raise InputError(
            "is not there", place=str(directory), remedy="leave --previous out where no plan was made before"
        )
    found = plan_directories(directory)
    if found == [directory]:
        return [read_plan(directory)] * n_plans
    numbered = {path.name: path for path in found}
    wanted = [numbered.get(plan_directory(position)) for position in range(n_plans)]
    if not each or not any(wanted):
        raise InputError(
            "holds plans, and is none itself", place=str(directory), remedy=f"name one of them, such as {found[0]}"
        )
    return [None if path is None else read_plan(path) for path in wanted]


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
