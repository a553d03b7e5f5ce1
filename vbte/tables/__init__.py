"""Routing tables: quantise a plan, write what each device needs, and walk the result. See ``README.md``."""

from vbte.tables.build import build_tables, igp_tables
from vbte.tables.faults import Fault, FaultKind
from vbte.tables.files import Tables, tables_from_directory, tables_to_files
from vbte.tables.manifest import Publication, belongs_to
from vbte.tables.offered import Offered
from vbte.tables.walk import Comparison, WalkReport, compare, offered_traffic, walk

__all__ = [
    "Comparison",
    "Fault",
    "FaultKind",
    "Offered",
    "Publication",
    "Tables",
    "WalkReport",
    "belongs_to",
    "build_tables",
    "compare",
    "igp_tables",
    "offered_traffic",
    "tables_from_directory",
    "tables_to_files",
    "walk",
]
