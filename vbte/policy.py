"""Planning models: objective stages, traffic classes and what each class asks of its paths.

A model is written as YAML (``models/*.yaml``, JSON Schema from ``model_json_schema()``) or built in Python. All
records are frozen; unknown keys are rejected so that a misspelt limit can't be silently ignored.
"""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vbte.tolerance import STAGE_SLACK_SHARE

PositiveGbps = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Record(BaseModel):
    """Frozen, strict base of all policy records."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StageKind(StrEnum):
    """What a stage optimises; see ``models/README.md`` for the formulas."""

    ADMITTED = "admitted"
    MAX_UTILIZATION = "max_utilization"
    CONCURRENT = "concurrent"
    LATENCY = "latency"
    COST = "cost"


class Admission(StrEnum):
    """``all``: every demand is carried in full. ``partial``: the admitted volume is up to the optimiser."""

    ALL = "all"
    PARTIAL = "partial"


class CapacityRule(StrEnum):
    """``hard``: no link carries more than its limit. ``soft``: overload is allowed and shows as MLU above 1."""

    HARD = "hard"
    SOFT = "soft"


class Coupling(StrEnum):
    """``joint``: higher classes may be rerouted to make room. ``sequential``: they are planned first and stay put."""

    JOINT = "joint"
    SEQUENTIAL = "sequential"


class PathFigure(StrEnum):
    """The figure that a latency stage sums or that candidate paths are ranked by."""

    LATENCY = "latency"
    METRIC = "metric"
    HOPS = "hops"


class Split(StrEnum):
    """How one demand may be divided over paths."""

    FREE = "free"
    SINGLE_PATH = "single_path"
    EQUAL_BUNDLES = "equal_bundles"


class CandidateKind(StrEnum):
    """Which paths may be used: ``all`` admissible ones, or a candidate set of at most ``k`` per demand."""

    ALL = "all"
    K_SHORTEST = "k_shortest"
    LINK_DISJOINT = "link_disjoint"
    SRLG_DISJOINT = "srlg_disjoint"


class Realisation(StrEnum):
    """How tables carry a plan: segment lists at the head end, or weighted next hops at every device."""

    SOURCE_ROUTED = "source-routed"
    HOP_BY_HOP = "hop-by-hop"


class Stage(Record):
    """One objective. Later stages may not worsen it by more than ``tolerance`` (a share of its value).

    ``figure`` applies to latency stages: what is summed, volume-weighted, along the paths.
    """

    kind: StageKind
    tolerance: float = Field(default=STAGE_SLACK_SHARE, ge=0, le=1)
    figure: PathFigure = PathFigure.LATENCY


class MatchRule(Record):
    """A demand matches when every stated condition holds; a list matches any of its values.

    ``tags`` needs all the tags listed. Prefix conditions hold when the demand's prefix lies inside one listed.
    """

    dscp: tuple[Annotated[int, Field(ge=0, le=63)], ...] = ()
    vlan: tuple[Annotated[int, Field(ge=0, le=4095)], ...] = ()
    application: tuple[str, ...] = ()
    tenant: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    source_prefix: tuple[str, ...] = ()
    destination_prefix: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError("an empty match rule would match nothing; state a condition or remove it")
        for prefix in self.source_prefix + self.destination_prefix:
            ipaddress.ip_network(prefix)
        return self


class Avoid(Record):
    """What no path of the class may touch: transit nodes, links, links of an admin group, an SRLG or a region."""

    nodes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    admin_groups: tuple[str, ...] = ()
    srlgs: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


class Require(Record):
    """What every path of the class must do.

    Pass all ``nodes`` and ``links``; use only links that are ``encrypted`` and that carry at least one of
    ``admin_groups``.
    """

    nodes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    admin_groups: tuple[str, ...] = ()
    encrypted: bool = False


class TrafficClass(Record):
    """A class of demands and its policy. ``priority`` 1 is served first; equal priorities share by ``weight``."""

    name: Name
    priority: int = Field(default=1, ge=1, le=1000)
    description: str = ""
    match: tuple[MatchRule, ...] = ()
    weight: float = Field(default=1.0, gt=0, le=1e6)
    latency_bound_ms: float | None = Field(default=None, gt=0)
    hop_bound: int | None = Field(default=None, ge=1)
    avoid: Avoid = Avoid()
    require: Require = Require()
    utilization_limit: Share | None = None
    max_paths: int | None = Field(default=None, ge=1, le=1024)
    split: Split = Split.FREE
    bundles: int | None = Field(default=None, ge=1, le=1024)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.bundles is not None) != (self.split is Split.EQUAL_BUNDLES):
            raise ValueError("bundles goes with split: equal_bundles, and that split needs it")
        if self.split is Split.SINGLE_PATH and self.max_paths not in (None, 1):
            raise ValueError("split: single_path means max_paths 1")
        return self

    @property
    def needs_integers(self) -> bool:
        """True when the class turns the program into a MILP."""
        return self.split is not Split.FREE or self.max_paths is not None


class CandidatePaths(Record):
    """Which paths the optimiser may use."""

    kind: CandidateKind = CandidateKind.ALL
    k: int = Field(default=4, ge=1, le=256)
    by: PathFigure = PathFigure.METRIC


class DeviceProfile(Record):
    """What one kind of device can hold; nodes name it by ``device_profile``."""

    max_weight: int = Field(default=64, ge=1, le=65535)
    max_group_members: int = Field(default=32, ge=1, le=4096)
    max_segments: int = Field(default=10, ge=1, le=128)


class TableOptions(DeviceProfile):
    """How the tables are written, and what a device without a profile of its own can hold."""

    realisation: Realisation = Realisation.SOURCE_ROUTED


class PlanningModel(Record):
    """Objective stages in order, classes, and the rules all classes share.

    ``default_class`` names the class of demands that no rule matches. ``utilization_limit`` is the share of each
    link that may be filled when capacity is hard. ``unroutable`` says what to do with a demand that has no
    admissible path at all.
    """

    schema_: Literal["vbte.model/1"] = Field(default="vbte.model/1", alias="schema")
    name: Name
    description: str = ""
    stages: tuple[Stage, ...] = Field(min_length=1)
    admission: Admission = Admission.PARTIAL
    capacity: CapacityRule = CapacityRule.HARD
    coupling: Coupling = Coupling.JOINT
    utilization_limit: Share = 1.0
    unroutable: Literal["reject", "drop"] = "reject"
    classes: tuple[TrafficClass, ...] = (TrafficClass(name="default"),)
    default_class: Name | None = None
    candidate_paths: CandidatePaths = CandidatePaths()
    tables: TableOptions = TableOptions()
    device_profiles: dict[Name, DeviceProfile] = Field(default_factory=dict)

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [traffic_class.name for traffic_class in self.classes]
        if not names:
            raise ValueError("classes is empty; a model has at least one class")
        if len(set(names)) != len(names):
            raise ValueError(f"class names repeat: {', '.join(names)}")
        if self.default_class is not None and self.default_class not in names:
            raise ValueError(f"default_class {self.default_class!r} is not one of {', '.join(names)}")
        kinds = [stage.kind for stage in self.stages]
        if len(set(kinds)) != len(kinds):
            raise ValueError("a stage kind appears twice")
        if StageKind.CONCURRENT in kinds[1:]:
            raise ValueError("a concurrent stage scales whole demands, so it has to be the first")
        if self.capacity is CapacityRule.SOFT and self.admission is not Admission.ALL:
            raise ValueError("capacity: soft goes with admission: all")
        if self.admission is Admission.ALL and {StageKind.ADMITTED, StageKind.CONCURRENT} & set(kinds):
            raise ValueError("admitted and concurrent stages need admission: partial")
        if self.admission is Admission.PARTIAL and kinds[0] not in (StageKind.ADMITTED, StageKind.CONCURRENT):
            raise ValueError("admission: partial needs admitted or concurrent as its first stage")
        return self

    @property
    def fallback_class(self) -> str:
        """Name of the class that takes demands which match nothing: the stated default or the lowest priority."""
        return self.default_class or max(self.classes, key=lambda c: c.priority).name
