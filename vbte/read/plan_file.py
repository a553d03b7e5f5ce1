"""Plans back from their files. Nothing in the file is trusted: shapes, ranges and numbers are all checked."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import orjson
from msgspec import Raw

from vbte.demands import AttributeColumn, DemandMatrix
from vbte.errors import InputError
from vbte.instance import Instance, build_instance, commodity_positions, without_commodities
from vbte.plan import (
    Certificate,
    EngineReport,
    FairLevel,
    Fairness,
    FairStep,
    Limit,
    PathSet,
    Plan,
    Prices,
    Reason,
    SharingPrices,
    SurvivalPrices,
    Termination,
)
from vbte.policy import PathFigure, PlanningModel, StageKind
from vbte.read.json_columns import figures, integers, opened, plain
from vbte.read.model import read_model
from vbte.topology import FloatArray, IntArray, Link, Node, RiskGroup, Topology

SCHEMA = "vbte.plan/1"
PLAN_FILE = "plan.json"

T = TypeVar("T")


def read_plan(source: str | os.PathLike[str]) -> Plan:
    """Return the plan in a plan directory or a ``plan.json``.

    Raises InputError, naming the file and the key, for anything missing, misshapen or out of range.
    """
    path = Path(source)
    path = path / PLAN_FILE if path.is_dir() else path
    try:
        document = opened(path.read_bytes())
        schema = plain(document["schema"]) if "schema" in document else None
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror}", place=str(path), remedy="name a plan directory") from None
    except msgspec.ValidationError:
        document, schema = {}, None
    except (msgspec.DecodeError, orjson.JSONDecodeError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", place=str(path), remedy="write the plan again") from None
    if schema != SCHEMA:
        raise InputError(f"not a plan of schema {SCHEMA}", place=str(path), remedy="write the plan again")
    return _Reader(str(path)).plan(document)


class _Reader:
    """Reads one plan document; ``origin`` names the file in errors."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def plan(self, document: Mapping[str, Raw]) -> Plan:
        topology = self._guarded("topology", lambda: _topology(plain(document["topology"]), self._origin))
        model = read_model(self._guarded("model", lambda: dict(plain(document["model"]))))
        matrices = self._guarded(
            "demand_matrices",
            lambda: [_demands(opened(part), self._origin) for part in _listed(document["demand_matrices"])],
        )
        instance = self._instance(topology, matrices, model, document)
        columns = self._guarded("paths", lambda: opened(document["paths"]))
        paths, flow = self._guarded("paths", lambda: self._paths(columns, instance))
        backups, reserved = self._guarded("paths", lambda: _protection(columns, paths, instance))
        certificates = self._guarded(
            "certificates", lambda: tuple(_certificate(part, instance) for part in plain(document["certificates"]))
        )
        termination = self._guarded("termination", lambda: _termination(plain(document["termination"])))
        engine = self._guarded("engine", lambda: EngineReport(**plain(document["engine"])))
        return Plan(instance, paths, flow, certificates, termination, engine, backups, reserved)

    def _guarded(self, key: str, read: Callable[[], T]) -> T:
        """Turn whatever a misshapen part raises into one InputError at its key."""
        try:
            return read()
        except InputError:
            raise
        except orjson.JSONDecodeError as error:
            fault = f"not JSON: {key}: {error}"
            raise InputError(fault, place=self._origin, remedy="write the plan again") from None
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, msgspec.DecodeError,
                RecursionError) as error:  # fmt: skip
            raise InputError(
                f"{key} is misshapen ({type(error).__name__}: {error})",
                place=self._origin,
                remedy="write the plan again",
            ) from None

    def _instance(
        self, topology: Topology, matrices: list[DemandMatrix], model: PlanningModel, document: Mapping[str, Raw]
    ) -> Instance:
        """Rebuild the instance and drop the commodities that the plan had to drop."""
        instance = self._guarded("demand_matrices", lambda: build_instance(topology, matrices, model))
        listed = self._guarded("commodities", lambda: _commodity_rows(opened(document["commodities"])))
        kept = commodity_positions(instance, listed)
        if (kept < 0).any() or (np.diff(kept) <= 0).any():
            raise InputError("commodities do not match the demands", place=self._origin, remedy="write the plan again")
        dropped = np.setdiff1d(np.arange(instance.n_commodities), kept)
        return without_commodities(instance, dropped) if len(dropped) else instance

    def _paths(self, part: Mapping[str, Raw], instance: Instance) -> tuple[PathSet, FloatArray]:
        commodity = integers(part["commodity"], instance.n_commodities)
        flow = figures(part["flow_gbps"])
        if (np.diff(commodity) < 0).any():
            raise ValueError("paths are not sorted by commodity")
        paths = _path_set(part["hops"], part["links"], commodity, instance)
        if len(flow) != len(paths) or (paths.hops < 1).any():
            raise ValueError("lengths do not agree")
        return paths, flow


def _path_set(hops_part: Raw, links_part: Raw, commodity: IntArray, instance: Instance) -> PathSet:
    links = integers(links_part, len(instance.topology.links))
    hops = integers(hops_part, len(instance.topology.nodes) + len(instance.topology.links) + 1)
    if len(hops) != len(commodity) or int(hops.sum()) != len(links):
        raise ValueError("lengths do not agree")
    start = np.concatenate([[0], np.cumsum(hops.astype(np.int64))])
    return PathSet(start, links, commodity)


def _protection(
    part: Mapping[str, Raw], paths: PathSet, instance: Instance
) -> tuple[PathSet | None, FloatArray | None]:
    """Return the backups and reservations of the paths, None where the file has none."""
    backups = None
    if "backup_hops" in part or "backup_links" in part:
        backups = _path_set(part["backup_hops"], part["backup_links"], paths.commodity, instance)
    if "reserved_gbps" not in part:
        return backups, None
    reserved = figures(part["reserved_gbps"])
    if len(reserved) != len(paths) or (reserved < 0).any():
        raise ValueError("reservations are below 0, or not as many as paths")
    return backups, reserved


def _listed(part: Raw) -> list[Raw]:
    return msgspec.json.decode(part, type=list[Raw])


def _commodity_rows(part: Mapping[str, Raw]) -> list[IntArray]:
    rows = [integers(part[key], 2**31) for key in ("class", "source", "destination", "tenant")]
    if any(row.shape != (len(rows[0]),) for row in rows):
        raise ValueError("columns differ in length")
    return rows


def _figure(value: Any) -> float:
    """Return a finite figure; text that spells one ("nan") will not do."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a finite figure is needed")
    return float(value)


def _topology(part: Mapping[str, Any], origin: str) -> Topology:
    nodes = tuple(Node(**{**row, "prefixes": tuple(row.get("prefixes", ()))}) for row in part["nodes"])
    links = tuple(
        Link(**{**row, "srlgs": tuple(row.get("srlgs", ())), "admin_groups": tuple(row.get("admin_groups", ()))})
        for row in part["links"]
    )
    groups = tuple(RiskGroup(**row) for row in part.get("srlgs", ()))
    return Topology(nodes, links, name=str(part["name"]), origin=f"{origin}: topology", risk_groups=groups)


def _demands(part: Mapping[str, Raw], origin: str) -> DemandMatrix:
    ids = tuple(map(str, plain(part["node_ids"])))
    attributes = {name: opened(column) for name, column in opened(part["attributes"]).items()}
    columns = {name: _attribute(column) for name, column in attributes.items()}
    volume = figures(part["volume_gbps"])
    if any(len(column.codes) != len(volume) for column in columns.values()):
        raise ValueError("attribute columns differ in length from the demands")
    return DemandMatrix(
        node_ids=ids,
        source=integers(part["source"], len(ids)),
        destination=integers(part["destination"], len(ids)),
        volume_gbps=volume,
        attributes=columns,
        name=str(plain(part["name"])),
        origin=f"{origin}: demand_matrices",
    )


def _attribute(column: Mapping[str, Raw]) -> AttributeColumn:
    values = tuple(map(str, plain(column["values"])))
    return AttributeColumn(integers(column["codes"], len(values)), values)


def _certificate(part: Mapping[str, Any], instance: Instance) -> Certificate:
    prices = part["prices"]
    return Certificate(
        stage=str(part["stage"]),
        kind=StageKind(part["kind"]),
        figure=PathFigure(part["figure"]),
        priority=None if part["priority"] is None else int(part["priority"]),
        value=_figure(part["value"]),
        bound=_optional(part["bound"]),
        reached=_figure(part["reached"]),
        held_at=_figure(part["held_at"]),
        prices=None if prices is None else _prices(prices, instance),
        termination=_termination(part["termination"]),
        mip_bound=_optional(part["mip_bound"]),
        fairness=_fairness(part["fairness"], instance) if "fairness" in part else None,
    )


def _fairness(part: Mapping[str, Any], instance: Instance) -> Fairness:
    volume = figures(part["volume_gbps"])
    if (volume < 0).any():
        raise ValueError("a fair volume is below 0")
    levels = tuple(_fair_level(level, instance) for level in part["levels"])
    steps = tuple(
        FairStep(_figure(step["level"]), _optional(step["factor"]), _prices(step["prices"], instance))
        for step in part.get("steps", ())
    )
    return Fairness(volume, levels, _optional(part["factor"]), steps)


def _fair_level(part: Mapping[str, Any], instance: Instance) -> FairLevel:
    return FairLevel(
        level=_figure(part["level"]),
        bound=_optional(part["bound"]),
        factor=_optional(part["factor"]),
        commodities=integers(part["commodities"], instance.n_commodities).astype(np.intp),
        prices=_prices(part["prices"], instance),
    )


def _optional(value: Any) -> float | None:
    return None if value is None else _figure(value)


def _prices(part: Mapping[str, Any], instance: Instance) -> Prices:
    classes = {int(position): _dense(array, instance) for position, array in part["class_limit"].items()}
    if any(not 0 <= position < len(instance.rules) for position in classes):
        raise ValueError("class_limit names a class that is not there")
    held = {int(index): _figure(price) for index, price in part["held"].items()}
    survival = _survival_prices(part["survival"], instance) if part.get("survival") is not None else None
    sharing = _sharing_prices(part["sharing"], instance) if part.get("sharing") is not None else None
    return Prices(_dense(part["capacity"], instance), classes, held, survival, sharing)


def _n_scenarios(instance: Instance) -> int:
    return max((len(rules.scenarios) for rules in instance.rules if rules.scenarios is not None), default=0)


def _sharing_prices(part: Mapping[str, Any], instance: Instance) -> SharingPrices:
    # -1 stands for the capacity of the link.
    class_index = integers([one + 1 for one in part["class"]], len(instance.rules) + 1).astype(np.int64) - 1
    matrix = integers(part["matrix"], instance.n_matrices).astype(np.int64)
    link = integers(part["link"], len(instance.topology.links)).astype(np.int64)
    scenario = integers(part["scenario"], _n_scenarios(instance)).astype(np.int64)
    price = figures(part["price"])
    if not len(class_index) == len(matrix) == len(link) == len(scenario) == len(price):
        raise ValueError("sharing prices differ in length")
    return SharingPrices(class_index, matrix, link, scenario, price)


def _survival_prices(part: Mapping[str, Any], instance: Instance) -> SurvivalPrices:
    commodity = integers(part["commodity"], instance.n_commodities).astype(np.int64)
    scenario = integers(part["scenario"], _n_scenarios(instance)).astype(np.int64)
    price = figures(part["price"])
    if not len(commodity) == len(scenario) == len(price):
        raise ValueError("survival prices differ in length")
    return SurvivalPrices(commodity, scenario, price)


def _dense(part: Mapping[str, Any], instance: Instance) -> FloatArray:
    array = np.zeros((instance.n_matrices, len(instance.topology.links)))
    matrix = integers(part["matrix"], array.shape[0])
    link = integers(part["link"], array.shape[1])
    price = figures(part["price"])
    if not len(matrix) == len(link) == len(price):
        raise ValueError("prices differ in length")
    array[matrix, link] = price
    return array


def _termination(part: Mapping[str, Any]) -> Termination:
    return Termination(Reason(part["reason"]), Limit(part["limit"]))
