"""Writing: topologies and demands in the formats others read, and files that appear whole or not at all."""

from vbte.write.atomic import safe_file_name, staged_directory, write_file
from vbte.write.convert import WRITABLE_DEMANDS, WRITABLE_TOPOLOGIES, write_demands, write_topology

__all__ = [
    "WRITABLE_DEMANDS",
    "WRITABLE_TOPOLOGIES",
    "safe_file_name",
    "staged_directory",
    "write_demands",
    "write_file",
    "write_topology",
]
