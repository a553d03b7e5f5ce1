"""Deltas between tables: what a re-plan changes, as files, to the byte. See README.md."""

from vbte.delta.confirm import planned_figures, walk_faults
from vbte.delta.document import Delta, apply_delta, delta_between
from vbte.delta.files import DeltaWriter, directory_names, read_delta, read_index
from vbte.delta.groups import GroupChanges, count_changes, keep_groups
from vbte.delta.prove import delta_faults
from vbte.delta.remainder import left_over

__all__ = [
    "Delta",
    "DeltaWriter",
    "GroupChanges",
    "apply_delta",
    "count_changes",
    "delta_between",
    "delta_faults",
    "directory_names",
    "keep_groups",
    "left_over",
    "planned_figures",
    "read_delta",
    "read_index",
    "walk_faults",
]
