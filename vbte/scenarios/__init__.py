"""What fails together, and how likely that is: facts of a topology, which policies and answers both speak of."""

from vbte.scenarios.families import Family, Part, Risks, Scenario, ScenarioSet, during, family, pairs_of
from vbte.scenarios.likely import Component, likely_states, stated_components, unavailability

__all__ = [
    "Component",
    "Family",
    "Part",
    "Risks",
    "Scenario",
    "ScenarioSet",
    "during",
    "family",
    "likely_states",
    "pairs_of",
    "stated_components",
    "unavailability",
]
