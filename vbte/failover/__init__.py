"""Failures: what is lost when something goes down, after the devices' own repair and after a re-plan. See README.md."""

from vbte.failover.availability import ClassAvailability
from vbte.failover.confirm import Disagreement, confirm
from vbte.failover.cuts import Cuts
from vbte.failover.diversity import Shared, SharedRisk, shared_risks
from vbte.failover.drain import Draining, drain
from vbte.failover.maintenance import Drained, DrainedMatrix, Maintenance, OnTop
from vbte.failover.replan import Replan, ReplannedStage, Replanning
from vbte.failover.rounds import Rounds, fewest_rounds
from vbte.failover.scenario_file import read_scenarios
from vbte.failover.what_if import Culprit, HotLink, LocalRepair, WhatIf, WhatIfEach, what_if, what_if_each
from vbte.failover.windows import Window, read_windows
from vbte.scenarios.families import Family, Part, Scenario, ScenarioSet, during, family, pairs_of
from vbte.scenarios.likely import Component, likely_states, stated_components, unavailability

__all__ = [
    "ClassAvailability",
    "Component",
    "Culprit",
    "Cuts",
    "Disagreement",
    "Drained",
    "DrainedMatrix",
    "Draining",
    "Family",
    "HotLink",
    "LocalRepair",
    "Maintenance",
    "OnTop",
    "Part",
    "Replan",
    "ReplannedStage",
    "Replanning",
    "Rounds",
    "Scenario",
    "ScenarioSet",
    "Shared",
    "SharedRisk",
    "WhatIf",
    "WhatIfEach",
    "Window",
    "confirm",
    "drain",
    "during",
    "family",
    "fewest_rounds",
    "likely_states",
    "pairs_of",
    "read_scenarios",
    "read_windows",
    "shared_risks",
    "stated_components",
    "unavailability",
    "what_if",
    "what_if_each",
]
