"""Independent jobs over many cores or machines, with the results of a plain loop: in order, none lost, the same bytes.

``run_each`` takes any ``concurrent.futures.Executor``. ``Processes`` starts processes of its own,
``vbte.fan_out.cluster`` reaches a Dask cluster. Nothing here knows what a plan is.
"""

from __future__ import annotations

from vbte.fan_out.crew import Crew, Given, Processes, crew_of
from vbte.fan_out.run import TRIES, Watch, run_each

__all__ = ["TRIES", "Crew", "Given", "Processes", "Watch", "crew_of", "run_each"]
