"""Native YAML and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from vbte.demands import DemandMatrix
from vbte.topology import Topology
from vbte.write.tables import demand_rows, stated_facts

TOPOLOGY_SCHEMA = "vbte.topology/1"
DEMANDS_SCHEMA = "vbte.demands/1"

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*\Z")
#: Words that YAML of one version or another takes for a truth value or nothing.
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def topology_record(topology: Topology) -> dict[str, Any]:
    """Return a topology as the mapping that native files hold."""
    nodes = [stated_facts(node) for node in topology.nodes]
    return {
        "schema": TOPOLOGY_SCHEMA,
        **({"name": topology.name} if topology.name else {}),
        "nodes": [node["id"] if len(node) == 1 else node for node in nodes],
        "links": [stated_facts(link) for link in topology.links],
        **({"srlgs": [stated_facts(group) for group in topology.risk_groups]} if topology.risk_groups else {}),
    }


def demands_record(demands: DemandMatrix) -> dict[str, Any]:
    """Return a demand matrix as the mapping that native files hold."""
    rows = [
        row | {"tags": [tag for tag in row["tags"].split(";") if tag]} if "tags" in row else row
        for row in demand_rows(demands)
    ]
    return {"schema": DEMANDS_SCHEMA, **({"name": demands.name} if demands.name else {}), "demands": rows}


def as_json(record: Mapping[str, Any]) -> bytes:
    """Return a native mapping as indented JSON."""
    return orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def as_yaml(record: Mapping[str, Any]) -> bytes:
    """Return a native mapping as YAML with one node, link or demand a line."""
    return "".join(_yaml_lines(record)).encode()


def _yaml_lines(record: Mapping[str, Any]) -> Iterable[str]:
    for key, value in record.items():
        if isinstance(value, list):
            yield f"{key}:\n" if value else f"{key}: []\n"
            for entry in value:
                yield f"- {_flow(entry)}\n"
        else:
            yield f"{key}: {_flow(value)}\n"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_flow(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str) and not (_PLAIN.match(value) and value.lower() not in _WORDS):
        quoted = json.dumps(value, ensure_ascii=False)
        return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
