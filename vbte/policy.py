"""Planning models: objective stages, traffic classes and what each class asks of its paths.

A model is written as YAML (``models/*.yaml``, JSON Schema from ``model_json_schema()``) or built in Python. All
records are frozen; unknown keys are rejected so that a misspelt limit can't be silently ignored.
"""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from vbte.scenarios import Family
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
    MAX_MIN = "max_min"
    LATENCY = "latency"
    COST = "cost"


#: Stages that decide how much is carried, more being better.
VOLUME_STAGES = frozenset({StageKind.ADMITTED, StageKind.CONCURRENT, StageKind.MAX_MIN})


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


class FairBy(StrEnum):
    """What a fair share is counted in: ``rate``, Gbit/s per commodity, or ``demand``, share of its own demand."""

    RATE = "rate"
    DEMAND = "demand"


class Split(StrEnum):
    """How one demand may be divided over paths."""

    FREE = "free"
    SINGLE_PATH = "single_path"
    EQUAL_BUNDLES = "equal_bundles"


class ProtectionKind(StrEnum):
    """What a class is promised when something fails; see ``models/README.md``."""

    BACKUP = "backup"
    ROBUST = "robust"
    AVAILABILITY = "availability"


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


class LocalProtection(StrEnum):
    """What tables repair by themselves: nothing but what other next hops carry, single cables, or single nodes too."""

    NONE = "none"
    CABLE = "cable"
    NODE = "node"


class Stage(Record):
    """One objective. Later stages may not worsen it by more than ``tolerance`` (a share of its value).

    ``figure`` applies to latency stages: what is summed, volume-weighted, along the paths. ``fair_by`` and
    ``level_ratio`` apply to max_min stages: what the level counts for classes without a bandwidth function, and the
    steps by which it is raised (1: exact; None: exact unless there are too many commodities).
    """

    kind: StageKind
    tolerance: float = Field(default=STAGE_SLACK_SHARE, ge=0, le=1)
    figure: PathFigure = PathFigure.LATENCY
    fair_by: FairBy = FairBy.RATE
    level_ratio: float | None = Field(default=None, ge=1, le=2)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind is not StageKind.MAX_MIN and (self.fair_by is not FairBy.RATE or self.level_ratio is not None):
            raise ValueError(f"fair_by and level_ratio go with kind: max_min, not {self.kind}")
        return self


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


class BandwidthPoint(Record):
    """One point of a bandwidth function: the volume that a commodity gets at a fair share.

    The volume is either ``gbps`` or ``demand_share``, a share of the commodity's own demand.
    """

    fair_share: float = Field(ge=0, le=1e9)
    gbps: float | None = Field(default=None, ge=0, le=1e9)
    demand_share: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.gbps is None) == (self.demand_share is None):
            raise ValueError("a point has a fair_share and either gbps or demand_share")
        return self

    @property
    def height(self) -> float:
        """The volume, in the point's own unit."""
        return self.gbps if self.gbps is not None else self.demand_share or 0.0


class BackupProtection(Record):
    """Each path has a backup that shares nothing with it that one scenario of ``against`` takes down.

    ``dedicated`` capacity waits for one path alone; ``shared`` capacity serves all paths that no scenario takes
    together. Where no such pair exists the plan is rejected, or goes without a backup (``exempt``). Against pairs of
    cables none ever does: a cable of each path takes both.
    """

    kind: Literal[ProtectionKind.BACKUP]
    against: Family = Family.CABLE
    reservation: Literal["dedicated", "shared"] = "dedicated"
    where_impossible: Literal["reject", "exempt"] = "reject"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.against is Family.PAIRS:
            raise ValueError(
                "no backup survives pairs: a cable of each path takes both; say kind: robust, or against cable, node "
                "or srlg"
            )
        return self


class RobustProtection(Record):
    """All that is admitted still fits in every scenario of ``against``, when head ends split over what is left.

    A commodity that a scenario cuts off whatever the routing is rejected, or not promised anything in that scenario
    (``exempt``). Nobody is promised anything while its own end is down.
    """

    kind: Literal[ProtectionKind.ROBUST]
    against: Family = Family.CABLE
    where_impossible: Literal["reject", "exempt"] = "reject"


class AvailabilityProtection(Record):
    """What is admitted arrives for a share ``target`` of the time, over the likely states of the topology's figures.

    ``per: flow`` looks at each commodity by itself, its own states chosen (Flexile, CoNEXT 2022); ``per: scenario``
    at the worst commodity of each state, one set of states chosen for all (TEAVAR, SIGCOMM 2019, at the percentile
    itself). States less likely than ``cutoff`` count as lost.
    """

    kind: Literal[ProtectionKind.AVAILABILITY]
    target: float = Field(gt=0, lt=1)
    per: Literal["flow", "scenario"] = "flow"
    cutoff: float = Field(default=1e-7, gt=0, le=1)


Protection = Annotated[BackupProtection | RobustProtection | AvailabilityProtection, Field(discriminator="kind")]


class TrafficClass(Record):
    """A class of demands and its policy. ``priority`` 1 is served first; equal priorities share by ``weight``.

    ``bandwidth_function`` says what a max_min stage gives a commodity at each fair share, linear between its points
    and constant behind the last (Jain et al., B4, 2013; Kumar et al., BwE, 2015).
    """

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
    bandwidth_function: tuple[BandwidthPoint, ...] | None = Field(default=None, min_length=1, max_length=64)
    protection: Protection | None = None

    @field_validator("bandwidth_function")
    @classmethod
    def _rises(cls, points: tuple[BandwidthPoint, ...] | None) -> tuple[BandwidthPoint, ...] | None:
        if points is None:
            return None
        if len({point.gbps is None for point in points}) > 1:
            raise ValueError("all points of a bandwidth function state gbps, or all state demand_share")
        for before, after in pairwise(points):
            if after.fair_share <= before.fair_share:
                raise ValueError(f"fair_share {after.fair_share:g} follows {before.fair_share:g}; it has to grow")
            if after.height < before.height:
                raise ValueError(f"the volume falls from {before.height:g} to {after.height:g}; it must not")
        if points[0].fair_share == 0 and points[0].height > 0:
            raise ValueError("at fair_share 0 the volume has to be 0")
        if points[-1].height == 0:
            raise ValueError("the volume never rises above 0")
        return points

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.bundles is not None) != (self.split is Split.EQUAL_BUNDLES):
            raise ValueError("bundles goes with split: equal_bundles, and that split needs it")
        if self.split is Split.SINGLE_PATH and self.max_paths not in (None, 1):
            raise ValueError("split: single_path means max_paths 1")
        if self.protection is not None and self.needs_integers:
            raise ValueError(
                "a protected class needs its split free and max_paths unset: its paths follow from failures"
            )
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
    """How the tables are written, what they repair, and what a device without a profile of its own can hold."""

    realisation: Realisation = Realisation.SOURCE_ROUTED
    local_protection: LocalProtection = LocalProtection.NONE


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
        self._check_fairness(kinds)
        self._check_protection(kinds)
        if self.capacity is CapacityRule.SOFT and self.admission is not Admission.ALL:
            raise ValueError("capacity: soft goes with admission: all")
        if self.admission is Admission.ALL and VOLUME_STAGES & set(kinds):
            raise ValueError("admitted, concurrent and max_min stages need admission: partial")
        if self.admission is Admission.PARTIAL and kinds[0] not in VOLUME_STAGES:
            raise ValueError("admission: partial needs admitted, concurrent or max_min as its first stage")
        return self

    def _check_fairness(self, kinds: list[StageKind]) -> None:
        if StageKind.MAX_MIN in kinds[1:]:
            raise ValueError("a max_min stage decides every volume, so it has to be the first")
        if kinds[0] is StageKind.MAX_MIN and self.candidate_paths.kind is not CandidateKind.ALL:
            raise ValueError(
                "a max_min stage proves who is stopped over all paths; it needs candidate_paths: {kind: all}"
            )
        for traffic_class in self.classes:
            if kinds[0] is StageKind.MAX_MIN and traffic_class.needs_integers:
                raise ValueError(
                    f"class {traffic_class.name!r}: max_paths and splits other than free need integers, for which a "
                    "max_min stage has no proof; use admitted, or leave the split free"
                )
            if kinds[0] is not StageKind.MAX_MIN and traffic_class.bandwidth_function is not None:
                raise ValueError(f"class {traffic_class.name!r}: a bandwidth_function needs a max_min stage")

    def _check_protection(self, kinds: list[StageKind]) -> None:
        protected = [one for one in self.classes if one.protection is not None]
        if not protected:
            return
        name = protected[0].name
        if self.coupling is not Coupling.SEQUENTIAL:
            raise ValueError(f"class {name!r}: protection needs coupling: sequential; what is promised stays put")
        if kinds[0] is StageKind.MAX_MIN:
            raise ValueError(f"class {name!r}: a max_min stage has no proof for protected classes; use admitted")
        if self.candidate_paths.kind is not CandidateKind.ALL:
            raise ValueError(f"class {name!r}: protection needs candidate_paths: {{kind: all}}")
        if self.tables.realisation is not Realisation.SOURCE_ROUTED:
            raise ValueError(f"class {name!r}: protection needs tables: {{realisation: source-routed}}")
        for one in protected:
            for other in self.classes:
                if other.priority == one.priority and other.protection != one.protection:
                    raise ValueError(
                        f"classes {one.name!r} and {other.name!r} have one priority and so need one protection; give "
                        "one of them a priority of its own"
                    )

    def stage(self, kind: StageKind) -> Stage:
        """Return the stage of a kind; raises KeyError where the model has none."""
        return {stage.kind: stage for stage in self.stages}[kind]

    @property
    def fallback_class(self) -> str:
        """Name of the class that takes demands which match nothing: the stated default or the lowest priority."""
        return self.default_class or max(self.classes, key=lambda c: c.priority).name
