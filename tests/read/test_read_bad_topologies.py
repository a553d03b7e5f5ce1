"""Topologies that can't be read: one InputError each, with place, fault and way out."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from vbte.errors import InputError
from vbte.read import TopologyDefaults, read_topology
from vbte.read.source import open_document

TOY = Path(__file__).parents[1] / "data" / "toy"
HEAD = "schema: vbte.topology/1\nnodes: [a, b]\nlinks:\n"
LINK = "- {source: a, target: b, capacity_gbps: 1"


def native(*lines: str) -> str:
    return HEAD + "\n".join(lines) + "\n"


NATIVE_FAULTS = {
    "negative capacity": (
        native("- {source: a, target: b, capacity_gbps: -1}"),
        r"t.yaml:4: links\[0\].capacity_gbps: .* is -1; a",
    ),
    "capacity is NaN": (native("- {source: a, target: b, capacity_gbps: .nan}"), "t.yaml:4: .*capacity_gbps is nan"),
    "capacity is infinite": (native("- {source: a, target: b, capacity_gbps: .inf}"), "t.yaml:4: .*is inf"),
    "capacity is text": (
        native("- {source: a, target: b, capacity_gbps: ten}"),
        "t.yaml:4: .*is 'ten'; a number is needed",
    ),
    "capacity has a leading zero": (
        native("- {source: a, target: b, capacity_gbps: 010}"),
        "is '010'; a number is needed",
    ),
    "capacity is a truth value": (
        native("- {source: a, target: b, capacity_gbps: true}"),
        "is True; a number is needed",
    ),
    "capacity twice": (native(LINK + ", capacity_mbps: 7}"), "t.yaml:4: .*stated twice, in two units"),
    "no capacity": (native("- {source: a, target: b}"), r"t.yaml:4: links\[0\]: .*--default-capacity"),
    "no unit": (native("- {source: a, target: b, capacity: 1}"), "capacity has no unit.*--capacity-unit"),
    "unknown unit": (native(LINK + "}") + "units: {bandwidth: furlongs}\n", "t.yaml:5: units: unknown bandwidth unit"),
    "unknown node": (native(LINK.replace("b,", "z,") + "}"), r"t.yaml:4: links\[0\]: unknown node 'z'"),
    "self-loop": (native(LINK.replace("b,", "a,") + "}"), "t.yaml:4: .*joins 'a' to itself"),
    "no target": (native("- {source: a, capacity_gbps: 1}"), "t.yaml:4: .*target is missing"),
    "misspelt key": (
        native("- source: a", "  target: b", "  capacity_gbsp: 1"),
        "t.yaml:6: .*did you mean 'capacity_gbps'",
    ),
    "misspelt top key": (native(LINK + "}") + "link: []\n", "t.yaml:5: link: unknown key 'link'; did you mean 'links'"),
    "repeated key": (native(LINK + ", source: b}"), "t.yaml:4: key 'source' appears twice"),
    "repeated link id": (native(LINK + ", id: x}", LINK + ", id: x}"), "t.yaml:5: .*link id 'x' appears twice"),
    "repeated node id": (HEAD.replace("[a, b]", "[a, a]") + LINK + "}\n", "node id 'a' appears twice"),
    "link is no mapping": (native("- a"), r"t.yaml:4: links\[0\]: not a mapping"),
    "links are no list": (HEAD.rstrip() + " 7\n", "t.yaml:3: links: links is not a list"),
    "no links": (HEAD.removesuffix("links:\n"), "links is missing"),
    "no nodes": ("schema: vbte.topology/1\nnodes: []\nlinks: []\n", "no nodes"),
    "no schema": (HEAD.partition("\n")[2], "schema is missing; write schema: vbte.topology/1"),
    "another schema": (HEAD.replace("/1", "/2") + LINK + "}\n", "t.yaml:1: schema: schema is 'vbte.topology/2'"),
    "srlgs are text": (native(LINK + ", srlgs: x}"), "srlgs is 'x'; a list of names is needed"),
    "drained is text": (native(LINK + ", drained: yes}"), "drained is 'yes'; true or false is needed"),
    "node id is a fraction": (
        HEAD.replace("[a, b]", "[a, b, 1.5]") + LINK + "}\n",
        "t.yaml:2: .*id is 1.5; text is needed; quote",
    ),
    "latitude beyond the pole": (
        HEAD.replace("[a, b]", "[a, {id: b, latitude: 91}]") + LINK + "}\n",
        r"t.yaml:2: nodes\[1\].latitude: latitude is 91",
    ),
    "a list at the top": ("- a\n- b\n", "the file is a list at the top"),
    "broken": ("schema: vbte.topology/1\nnodes: [a\nlinks: []\n", "t.yaml:3: broken YAML"),
    "control characters": (HEAD.replace("[a, b]", '["a\\tb", b]') + LINK + "}\n", "without control characters"),
}


@pytest.mark.parametrize("fault", NATIVE_FAULTS)
def test_a_faulty_native_topology_is_one_error_with_its_line(fault: str, tmp_path: Path) -> None:
    text, message = NATIVE_FAULTS[fault]
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_topology(path)


JSON_FAULTS = {
    "negative capacity": (
        '{"source": "a", "target": "b",\n "capacity_gbps": -1}',
        r"t.json:4: links\[0\].capacity_gbps",
    ),
    "NaN": ('{"source": "a", "target": "b",\n "capacity_gbps": NaN}', "t.json:4: NaN is not a figure"),
    "huge": ('{"source": "a", "target": "b",\n "capacity_gbps": 1e999}', "t.json:4: .*is inf"),
    "repeated key": ('{"source": "a", "target": "b",\n "source": "b"}', "t.json:4: key 'source' appears twice"),
    "cut short": ('{"source": "a", ', "t.json:3: broken JSON"),
}


@pytest.mark.parametrize("fault", JSON_FAULTS)
def test_a_faulty_json_topology_is_one_error_with_its_line(fault: str, tmp_path: Path) -> None:
    text, message = JSON_FAULTS[fault]
    path = tmp_path / "t.json"
    path.write_text('{"schema": "vbte.topology/1",\n "nodes": ["a", "b"],\n "links": [' + text + "]}\n")
    with pytest.raises(InputError, match=message):
        read_topology(path)


CSV_HEAD = "id,source,target,capacity_gbps\n"
CSV_FAULTS = {
    "missing column": ("source,capacity_gbps\na,1\n", "links.csv:1: no column 'target'"),
    "unknown column": (
        "source,target,capacity_gbps,metrik\na,b,1,1\n",
        "links.csv:1: unknown key 'metrik'; did you mean 'metric'",
    ),
    "column without unit": (
        "source,target,capacity\na,b,1\n",
        "links.csv:1: capacity has no unit; write capacity_gbps",
    ),
    "two capacities": (
        "source,target,capacity_gbps,capacity_mbps\na,b,1,1\n",
        "links.csv:1: capacity_gbps has two columns",
    ),
    "repeated column": ("source,target,target\na,b,b\n", "links.csv:1: column 'target' appears twice"),
    "ragged row": (CSV_HEAD + "x,a,b,1\n\ny,b\n", "links.csv:4: 2 cells where the first row has 4"),
    "negative": (CSV_HEAD + "x,a,b,-1\n", "links.csv:2: capacity_gbps is -1"),
    "NaN": (CSV_HEAD + "x,a,b,nan\n", "links.csv:2: capacity_gbps is nan"),
    "no number": (CSV_HEAD + "x,a,b,ten\n", "links.csv:2: capacity_gbps is 'ten'; a number is needed"),
    "blank capacity": (CSV_HEAD + "x,a,b,\n", "links.csv:2: link a -> b states no capacity"),
    "blank end": (CSV_HEAD + "x,,b,1\n", "links.csv:2: source is missing"),
    "repeated id": (CSV_HEAD + "x,a,b,1\nx,b,a,1\n", "links.csv:3: link id 'x' appears twice"),
    "open quote": (CSV_HEAD + 'x,"a,b,1\n', "links.csv:2: broken CSV"),
    "direction": (
        "source,target,capacity_gbps,direction\na,b,1,up\n",
        "links.csv:2: direction is 'up'; write both or one-way",
    ),
    "flag": ("source,target,capacity_gbps,drained\na,b,1,maybe\n", "links.csv:2: drained is 'maybe'; true or false"),
    "header alone": (CSV_HEAD, "no nodes"),
}


@pytest.mark.parametrize("fault", CSV_FAULTS)
def test_a_faulty_links_file_is_one_error_with_its_line(fault: str, tmp_path: Path) -> None:
    text, message = CSV_FAULTS[fault]
    path = tmp_path / "links.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_topology(path)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ("id\na\n", "links.csv:2: unknown node 'b'"),
        ("id\na\nb\na\n", "nodes.csv:4: node id 'a' appears twice"),
        ("name\na\n", "nodes.csv:1: no column 'id'"),
        ("id,latitude\na,91\n", "nodes.csv:2: latitude is 91"),
        ("id,region\n,x\n", "nodes.csv:2: id is blank"),
        ("", "nodes.csv: the file is empty"),
    ],
)
def test_a_faulty_nodes_file_is_one_error_with_its_line(nodes: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "links.csv").write_text("source,target,capacity_gbps\na,b,1\n")
    (tmp_path / "nodes.csv").write_text(nodes)
    with pytest.raises(InputError, match=message):
        read_topology(tmp_path)


def replaced(file: str, old: str, new: str) -> str:
    text = (TOY / file).read_text()
    assert old in text
    return text.replace(old, new, 1)


FOREIGN_FAULTS = {
    "graph count too small": (replaced("toy.graph", "NODES 3", "NODES 2"), "<stream>:5: 'lon -0.25 51.5' where EDGES"),
    "graph count too large": (
        replaced("toy.graph", "EDGES 4", "EDGES 5"),
        "<stream>:7: EDGES promises 5 lines, the file has 4",
    ),
    "graph without count": (replaced("toy.graph", "NODES 3", "NODES"), "<stream>:1: NODES without a count"),
    "graph without header": (
        replaced("toy.graph", "label x y\n", ""),
        "<stream>:2: no header line under NODES; label x y",
    ),
    "graph node number": (
        replaced("toy.graph", "edge_0 0 1", "edge_0 0 3"),
        "<stream>:9: '3' is no node number.*0 to 2",
    ),
    "graph cells": (replaced("toy.graph", " 3000\n", "\n"), "<stream>:9: 5 cells under EDGES"),
    "graph bandwidth": (replaced("toy.graph", "10000000", "-5"), "<stream>:9: bw is -5"),
    "graph coordinate": (replaced("toy.graph", "4.5", "east"), "<stream>:3: coordinate 'east' is no number"),
    "sndlib without end": (
        replaced("toy.sndlib.txt", "L2 ( ams lon ) 0.00", "L2 ( ams lon"),
        "'0.00' where '\\)' is expected",
    ),
    "sndlib cut short": ((TOY / "toy.sndlib.txt").read_text()[:300], "<stream>:16: the end of the file where"),
    "sndlib figure": (
        replaced("toy.sndlib.txt", "10000.00 0.00", "much 0.00"),
        "<stream>:15: pre-installed capacity is 'much'",
    ),
    "sndlib node": (replaced("toy.sndlib.txt", "( ams par )", "( ams rom )"), "<stream>:15: unknown node 'rom'"),
    "sndlib unit": (replaced("toy.sndlib.txt", "MBITPERSEC", "PARSEC"), "unknown bandwidth unit 'PARSEC'"),
    "sndlib no unit": (
        replaced("toy.sndlib.txt", "unit = MBITPERSEC", ""),
        "link capacities have no unit.*--capacity-unit",
    ),
    "xml cut short": ((TOY / "toy.xml").read_text()[:700], "<stream>:16: broken XML: unclosed token"),
    "xml no source": (replaced("toy.xml", "<source>ams</source>", ""), "link 'L1': <source> is missing"),
    "xml no id": (replaced("toy.xml", 'node id="ams"', "node"), "<node> without id"),
    "xml capacity": (replaced("toy.xml", "10000.0<", "lots<"), "link 'L1': capacity is 'lots'"),
    "xml entities": ('<!DOCTYPE network [<!ENTITY a "b">]>\n<network>&a;</network>', "declares a document type"),
    "xml of another kind": (
        "<svg/>",
        "XML with root element 'svg' is no format vbte knows; expected <graphml> or <network>",
    ),
    "graphml node": (replaced("toy.graphml", 'target="par"', 'target="rom"'), "edge ams -> rom: unknown node 'rom'"),
    "graphml speed": (replaced("toy.graphml", ">40000000000<", ">fast<"), "edge ams -> lon: capacity_gbps is 'fast'"),
    "graphml key": (replaced("toy.graphml", '<data key="d3">', '<data key="d9">'), "undeclared attribute 'd9'"),
    "graphml entities": (replaced("toy.graphml", "<graphml", "<!DOCTYPE g>\n<graphml"), "declares a document type"),
    "graphml hyperedge": (replaced("toy.graphml", "<node", "<hyperedge/><node"), "<hyperedge>"),
    "gml cut short": ((TOY / "toy.gml").read_text()[:400], "broken GML"),
    "gml stray": (replaced("toy.gml", "label", "? label"), "<stream>:5: broken GML"),
    "gml node": (replaced("toy.gml", "target 1", "target 9"), "broken GML: .*undefined target 9"),
    "node-link unit": ((TOY / "toy.node-link.json").read_text(), r"<stream>:7: links\[0\]: capacity has no unit"),
    "node-link node": (
        replaced("toy.node-link.json", '"target": "par", "capacity"', '"target": "rom", "capacity_mbps"'),
        r"<stream>:7: links\[0\]: unknown node 'rom'",
    ),
    "node-link id": (
        replaced("toy.node-link.json", '{"id": "ams"', '{"name": "ams"'),
        r"<stream>:5: nodes\[0\]: id is missing",
    ),
    "node-link repeated id": (
        replaced("toy.node-link.json", '{"id": "par"', '{"id": "ams"'),
        r"<stream>:5: nodes\[1\].*appears twice",
    ),
    "node-link directed": (replaced("toy.node-link.json", "true", '"maybe"'), "<stream>:2: directed: .*true or false"),
}


@pytest.mark.parametrize("fault", FOREIGN_FAULTS)
def test_a_faulty_file_of_another_program_is_one_error_with_its_place(fault: str) -> None:
    text, message = FOREIGN_FAULTS[fault]
    with pytest.raises(InputError, match=message):
        read_topology(io.StringIO(text), defaults=TopologyDefaults(latency_unit="ms"))


def test_missing_files_directories_and_names_that_are_none_are_one_error(tmp_path: Path) -> None:
    for source, message in (
        (tmp_path / "absent.yaml", "absent.yaml: no such file"),
        (tmp_path, "is a directory without links.csv"),
        ("", "not a file name"),
        ("a\0b", "not a file name"),
        ("x" * 300, "cannot be read"),
        (7, "cannot read from int"),
        (None, "cannot read from NoneType"),
    ):
        with pytest.raises(InputError, match=message):
            read_topology(source)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "<stream>: the file is empty"),
        (b"\n  \n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", "byte 0x89 is not UTF-8 text"),
        (b"nodes:\n- M\xfcnchen\n", "<stream>:2: byte 0xfc is not UTF-8 text; save the file as UTF-8"),
        (b"nodes:\0", "a NUL byte"),
        (b"hello world\n", r"no known format \(tried yaml, json, csv, sndlib.*--format"),
        (b"\x1f\x8b\x08\x00broken", "damaged gzip data"),
        (gzip.compress(b"nodes: [a]\n")[:-6], "damaged gzip data"),
        (b"[1, 2]", "no known format"),
    ],
)
def test_junk_is_one_error(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_topology(io.BytesIO(data))


def test_an_unknown_format_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown format 'xlsx'; use one of yaml, json, csv"):
        read_topology(TOY / "topology.yaml", format="xlsx")
    with pytest.raises(InputError, match="format networkx is not read from a file"):
        read_topology(TOY / "topology.yaml", format="networkx")


@pytest.mark.parametrize("packed", [False, True])
def test_input_beyond_the_limit_is_refused_before_it_is_unpacked_whole(packed: bool) -> None:
    data = b"\0" * 5_000_000
    with pytest.raises(InputError, match="larger than 1000000 bytes"):
        open_document(io.BytesIO(gzip.compress(data) if packed else data), max_bytes=1_000_000)


def test_a_closed_file_is_one_error() -> None:
    file = io.StringIO("nodes: []")
    file.close()
    with pytest.raises(InputError, match="cannot be read"):
        read_topology(file)
