"""Demands that can't be read: one InputError each, with place, fault and way out; and what is dropped aloud."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from vbte.errors import InputError, InputWarning
from vbte.read import read_demand_series, read_demands, read_topology
from vbte.topology import Topology

TOY = Path(__file__).parents[1] / "data" / "toy"
HEAD = "source,destination,volume_gbps\n"
NATIVE = "schema: vbte.demands/1\ndemands:\n"


def toy() -> Topology:
    return read_topology(TOY / "topology.yaml")


FAULTS = {
    "missing column": ("source,volume_gbps\nams,1\n", "<stream>:1: no column 'destination'"),
    "no volume": ("source,destination\nams,par\n", "<stream>:1: no volume column; add volume_gbps"),
    "no unit": ("source,destination,volume\nams,par,1\n", "<stream>:1: volume has no unit.*--volume-unit"),
    "unknown column": (
        HEAD.replace("\n", ",clas\n") + "ams,par,1,x\n",
        "<stream>:1: unknown key 'clas'; did you mean 'class'",
    ),
    "two volumes": (HEAD.replace("\n", ",volume_mbps\n") + "ams,par,1,1\n", "<stream>:1: volume has two columns"),
    "negative": (
        HEAD + "ams,par,1\npar,lon,-3\n",
        "<stream>:3: demand par -> lon has volume -3 Gbit/s; a volume is 0 or more",
    ),
    "NaN": (HEAD + "ams,par,nan\n", "<stream>:2: demand ams -> par has volume nan"),
    "infinite": (HEAD + "ams,par,inf\n", "<stream>:2: .*volume inf"),
    "no number": (HEAD + "ams,par,1\nams,par,lots\n", "<stream>:3: volume is 'lots'; a number is needed"),
    "blank volume": (HEAD + "ams,par,\n", "<stream>:2: volume is missing"),
    "blank node": (HEAD + "ams,,1\n", "<stream>:2: source or destination is blank"),
    "unknown node": (
        HEAD + "ams,par,1\n\nams,rom,1\n",
        "<stream>:4: demand ams -> rom: unknown node 'rom'; use a node of",
    ),
    "unknown node below quotes": (HEAD + '"ams","par",1\n\n"ams","rom",1\n', "<stream>:4: .*unknown node 'rom'"),
    "dscp": (HEAD.replace("\n", ",dscp\n") + "ams,par,1,64\n", "<stream>:2: dscp is '64'; a whole number from 0 to 63"),
    "vlan": (HEAD.replace("\n", ",vlan\n") + "ams,par,1,\nams,par,1,x\n", "<stream>:3: vlan is 'x'"),
    "prefix": (
        HEAD.replace("\n", ",source_prefix\n") + "ams,par,1,10.0.0.1/8\n",
        "<stream>:2: source_prefix is '10.0.0.1/8'",
    ),
    "native negative": (
        NATIVE + "- {source: ams, destination: par, volume_gbps: -1}\n",
        r"<stream>:3: demands\[0\].volume_gbps",
    ),
    "native NaN": (NATIVE + "- {source: ams, destination: par, volume_gbps: .nan}\n", "<stream>:3: .*is nan"),
    "native type": (
        NATIVE + "- {source: ams, destination: par, volume_gbps: '1'}\n",
        "<stream>:3: .*is '1'; a number is needed",
    ),
    "native no volume": (
        NATIVE + "- {source: ams, destination: par}\n",
        r"<stream>:3: demands\[0\]: volume_gbps is missing",
    ),
    "native no unit": (NATIVE + "- {source: ams, destination: par, volume: 1}\n", "<stream>:3: .*--volume-unit"),
    "native unknown node": (
        NATIVE
        + "- {source: ams, destination: par, volume_gbps: 1}\n- {source: ams, destination: rom, volume_gbps: 1}\n",
        "<stream>:4: demand ams -> rom: unknown node 'rom'",
    ),
    "native dscp": (
        NATIVE + "- {source: ams, destination: par, volume_gbps: 1, dscp: 99}\n",
        "<stream>:3: dscp is '99'",
    ),
    "json unknown node": (
        '{"schema": "vbte.demands/1", "demands": [\n{"source": "ams", "destination": "rom", "volume_gbps": 1}]}',
        "<stream>:2: demand ams -> rom: unknown node 'rom'",
    ),
    "matrix names": (
        "volume_gbps,ams,par\nams,0,1\nrom,1,0\n",
        r"<stream>:3: rows are ams, rom \(2\), columns ams, par \(2\)",
    ),
    "matrix not square": ("volume_gbps,ams,par\nams,0,1\n", r"rows are ams \(1\), columns ams, par \(2\)"),
    "matrix cell": ("volume_gbps,ams,par\nams,0,x\npar,1,0\n", "<stream>:2: 'x' is no number"),
    "matrix blank": ("volume_gbps,ams,par\nams,0,\npar,1,0\n", "<stream>:2: '' is no number"),
    "matrix negative": ("volume_gbps,ams,par\nams,0,1\npar,-1,0\n", "<stream>:3: demand par -> ams has volume -1"),
    "matrix unit": (",ams,par\nams,0,1\npar,1,0\n", "the matrix has no unit.*--volume-unit"),
    "matrix unknown node": ("volume_gbps,ams,rom\nams,0,1\nrom,1,0\n", "<stream>:2: .*unknown node 'rom'"),
    "demands count": (
        "DEMANDS 2\nlabel src dest bw\nd 0 1 5\n",
        "<stream>:1: DEMANDS promises 2 lines, the file has 1",
    ),
    "demands number": ("DEMANDS 1\nlabel src dest bw\nd 0 9 5\n", "<stream>:3: '9' is no node number"),
    "demands negative": ("DEMANDS 1\nlabel src dest bw\nd 0 1 -5\n", "<stream>:3: demand ams -> par has volume -5e-06"),
    "demands bandwidth": ("DEMANDS 1\nlabel src dest bw\nd 0 1 x\n", "<stream>:3: bw is 'x'"),
    "sndlib value": ("DEMANDS (\n D ( ams par ) 1 x UNLIMITED\n)\n", "<stream>:2: demand value is 'x'"),
    "sndlib unit": ("DEMANDS (\n D ( ams par ) 1 5 UNLIMITED\n)\n", "demand values have no unit|has no unit"),
    "sndlib empty": ("NODES ( ams )\n", "no demands"),
    "graph without demands": ('{"directed": true, "nodes": [], "edges": []}', "the graph holds no demands"),
    "graph unknown node": (
        '{"directed": true, "nodes": [{"id": 1}], "edges": [], "graph": {"demands": {"1": {"2": 1}}}}',
        "no unit",
    ),
    "empty": ("", "the file is empty"),
    "nonsense": ("hello world", "no known format"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_demand_file_is_one_error_with_its_place(fault: str) -> None:
    text, message = FAULTS[fault]
    with pytest.raises(InputError, match=message):
        read_demands(io.StringIO(text), toy())


@pytest.mark.parametrize("file", ["bare-matrix.csv", "toy.demands"])
def test_node_numbers_need_the_topology(file: str) -> None:
    with pytest.raises(InputError, match="give the topology too"):
        read_demands(TOY / file, unit="Mbps")


def test_a_bare_matrix_has_as_many_rows_as_the_topology_nodes() -> None:
    with pytest.raises(InputError, match="2 rows of 2 figures for 3 nodes"):
        read_demands(io.StringIO("0,1\n1,0\n"), toy(), unit="Gbps")


def test_several_matrices_are_not_one() -> None:
    with pytest.raises(InputError, match="holds 2 matrices; read it with read_demand_series"):
        read_demands(TOY / "several.csv")
    with pytest.raises(InputError, match="holds 2 matrices"):
        read_demands(TOY / "series.txt", toy(), unit="Mbps", format="series")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 2\n", "<stream>:1: 3 figures for 3 nodes|no known format"),
        ("0 1 0 0 0 1 1 0 0\n0 1 0 0 0 1 1 0\n", "<stream>:2: 8 figures for 3 nodes; 3 x 3 figures are needed"),
        ("0 1 0 0 0 1 1 0 -1\n", "<stream>:1: a volume is negative or not finite"),
        ("0 1 0 0 0 nan 1 0 0\n", "<stream>:1: a volume is negative or not finite"),
        ("0 1 0 0 0 1 1 0 0\n0 1 0 0 0 x 1 0 0\n", "<stream>:2: 'x' is no number"),
    ],
)
def test_a_faulty_series_is_one_error_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_demand_series(io.StringIO(text), toy(), unit="Gbps")


def test_a_series_needs_a_unit_and_a_topology() -> None:
    with pytest.raises(InputError, match="--volume-unit"):
        read_demand_series(TOY / "series.txt", toy())
    with pytest.raises(InputError, match="give the topology"):
        read_demand_series(TOY / "series.txt", unit="Mbps")
    with pytest.raises(InputError, match="unit factor is -1"):
        read_demand_series(TOY / "series.txt", toy(), unit=-1)


def test_self_demands_are_dropped_with_one_warning_that_counts_them() -> None:
    text = HEAD + "ams,ams,0.25\nams,par,1\npar,par,0.5\n"
    with pytest.warns(InputWarning, match=r"2 demands from a node to itself were dropped \(750 Mbit/s\)") as caught:
        demands = read_demands(io.StringIO(text), toy())
    assert len(caught) == 1
    assert (demands.total_gbps, list(demands.line)) == (1.0, [3])


def test_self_demands_of_a_series_are_dropped_with_one_warning_for_all() -> None:
    with pytest.warns(InputWarning, match=r"2 demands from a node to itself were dropped \(3 Gbit/s\)") as caught:
        read_demand_series(io.StringIO("1 4 0 0 0 1 5 0 0\n2 2 0 0 0 7 2 0 0\n"), toy(), unit="Gbps")
    assert len(caught) == 1


def test_a_negative_self_demand_is_still_an_error() -> None:
    with pytest.raises(InputError, match="<stream>:2: demand ams -> ams has volume -1"):
        read_demands(io.StringIO(HEAD + "ams,ams,-1\n"), toy())


def test_several_demands_per_pair_and_zero_volumes_are_kept() -> None:
    demands = read_demands(io.StringIO(HEAD + "ams,par,1\nams,par,0\nams,par,2\n"), toy())
    assert list(demands.volume_gbps) == [1.0, 0.0, 2.0]


def test_a_file_with_a_header_alone_holds_no_demands() -> None:
    assert len(read_demands(io.StringIO(HEAD), toy())) == 0


def test_blanks_around_ids_and_the_users_own_columns_do_not_matter() -> None:
    text = "source, destination, x_note, volume_gbps\n ams , par ,hello, 1.5 \nams,par,,2\n"
    demands = read_demands(io.StringIO(text), toy())
    assert demands.node_ids == ("ams", "par")
    assert list(demands.volume_gbps) == [1.5, 2.0]


def test_quoted_and_plain_files_give_the_same_demands() -> None:
    plain = HEAD + "ams,par,1\n\npar,lon,2\n"
    quoted = plain.replace("ams", '"ams"')
    one, other = read_demands(io.StringIO(plain)), read_demands(io.StringIO(quoted))
    assert one.node_ids == other.node_ids
    assert np.array_equal(one.volume_gbps, other.volume_gbps)
    assert list(one.line) == list(other.line) == [2, 4]


def test_ids_may_hold_quoted_separators_and_line_breaks_count() -> None:
    text = HEAD + '"a,b",par,1\n"a,b",par,x\n'
    with pytest.raises(InputError, match="<stream>:3: volume is 'x'"):
        read_demands(io.StringIO(text))
