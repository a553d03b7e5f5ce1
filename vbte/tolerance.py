"""Every epsilon of the project, named for what it forgives.

Relative figures are fractions; absolute ones carry their unit in the name.
"""

from __future__ import annotations

#: A path flow below this share of its demand is numerical dust and is folded into the larger flows.
DUST_SHARE = 1e-9

#: Rounding that a link load may show above its capacity, as a share of the capacity.
CAPACITY_SLACK_SHARE = 1e-6

#: Rounding that a demand's path flows may show against its admitted volume, as a share of the volume.
DEMAND_SLACK_SHARE = 1e-6

#: How far a later stage may fall behind what an earlier stage reached, as a share, unless the model says otherwise.
STAGE_SLACK_SHARE = 1e-7

#: A certificate gap up to this share is called optimal.
OPTIMALITY_GAP_SHARE = 1e-6

#: Reduced cost, in units of the objective, below which a new path column is not worth adding.
PRICING_SLACK = 1e-9

#: Two path metrics closer than this share are equal cost (metrics are read as decimals).
EQUAL_COST_SHARE = 1e-9

#: A latency, hop or metric bound may be exceeded by this share through summation order alone.
PATH_BOUND_SLACK_SHARE = 1e-9

#: Written tables may load a link beyond its limit by this share (integer weights) before they are refused.
TABLE_OVERLOAD_SHARE = 0.05

#: Walk against plan: load difference, as a share of capacity, that summation order alone explains.
WALK_SLACK_SHARE = 1e-7

#: Certificate figures recomputed from a file may differ from those written by this share (summation order).
CERTIFICATE_SLACK_SHARE = 1e-7

#: A volume this share short of a kink of its bandwidth function counts as having reached it: holds let it slip by
#: ``STAGE_SLACK_SHARE``.
FAIR_LEVEL_SLACK_SHARE = 2e-7

#: A common level counts as possible until the volumes it asks for exceed what prices allow by this share. More than
#: ``FAIR_LEVEL_SLACK_SHARE``, so that no level is read off a plan that its bound denies.
FAIR_BOUND_SLACK_SHARE = 3e-7

#: In max-min fairness a volume below this share of the whole is compared as if it were that much: nothing is a
#: multiple of zero.
FAIR_FLOOR_SHARE = 1e-3

#: A commodity is saturated where its price is at least this share of the highest price of those still rising.
SATURATION_SHARE = 1e-6

#: A volume short of its cap by no more than this share, or this much of a mean demand, has reached it.
CAP_SLACK_SHARE = 1e-8

#: Scenarios are ranked by losses in whole bit/s, that is by so many decimals of Gbit/s, and links by as many of their
#: utilisation: what differs by less differs by the order of sums alone.
RANKED_DECIMALS = 9

#: The shares that overloaded links pass on agree with the loads behind them when they are known to this much.
DROP_SLACK_SHARE = 1e-9

#: Probabilities of states that exclude each other may add up to this much more than 1 by rounding.
PROBABILITY_SLACK = 1e-9
