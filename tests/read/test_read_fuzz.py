"""Whatever the bytes, a reader returns a topology or demands, or raises one VbteError."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vbte.demands import DemandMatrix
from vbte.errors import InputWarning, VbteError
from vbte.read import (
    DemandFormat,
    TopologyDefaults,
    TopologyFormat,
    read_demand_series,
    read_demands,
    read_model,
    read_topology,
)
from vbte.topology import Topology

TOY = Path(__file__).parents[1] / "data" / "toy"
FILES = {path.name: path.read_bytes() for path in sorted(TOY.iterdir())}
NET = read_topology(TOY / "topology.yaml")
DEFAULTS = TopologyDefaults(capacity_gbps=1, capacity_unit="Mbps", latency_unit="ms")
FILE_FORMATS = [each.value for each in TopologyFormat if each.value not in ("topohub", "networkx")]
DEMAND_FORMATS = [each.value for each in DemandFormat if each.value not in ("topohub", "networkx")]

#: Snippets that have broken parsers before.
NASTY = [b"\0", b"\xff", b"\xef\xbb\xbf", b"nan", b"-1", b"1e999", b'"', b"'", b"(", b")", b"[", b"{", b"&a", b"*a"]
NASTY += [
    b"9" * 25,
    b"\r",
    b"\n\n",
    b"\t",
    b":",
    b"- ",
    b",",
    b";",
    b"<",
    b">",
    b"<!--",
    b"]]>",
    b"\xe2\x80\xa8",
    b"\\ud800",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(sorted(FILES.values()))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        length = draw(st.integers(0, 12))
        data[at : at + length] = draw(st.sampled_from(NASTY) | st.binary(max_size=4) | st.just(bytes(data[:20])))
    return bytes(data[: draw(st.integers(0, 2 * len(data)))])


def attempt(data: bytes, topology_format: str | None, demand_format: str | None) -> None:
    """Read ``data`` every way there is; anything but a VbteError escapes and fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", InputWarning)
        for read, expected in (
            (lambda: read_topology(io.BytesIO(data), format=topology_format, defaults=DEFAULTS), Topology),
            (lambda: read_demands(io.BytesIO(data), NET, format=demand_format, unit="Mbps"), DemandMatrix),
            (lambda: read_demand_series(io.BytesIO(data), NET, unit="Mbps"), list),
            (lambda: read_model(io.BytesIO(data)), object),
        ):
            try:
                result = read()
            except VbteError:
                continue
            assert isinstance(result, expected)


@settings(max_examples=150)
@given(st.binary(max_size=200), st.none() | st.sampled_from(FILE_FORMATS), st.none() | st.sampled_from(DEMAND_FORMATS))
@example(b"graph [", "gml", None)
@example(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", None, None)
def test_random_bytes_raise_nothing_else(data: bytes, topology_format: str | None, demand_format: str | None) -> None:
    attempt(data, topology_format, demand_format)


@settings(max_examples=300)
@given(mutated())
def test_damaged_files_raise_nothing_else(data: bytes) -> None:
    attempt(data, None, None)


@settings(max_examples=200)
@given(mutated(), st.sampled_from(FILE_FORMATS), st.sampled_from(DEMAND_FORMATS))
def test_damaged_files_under_the_wrong_format_raise_nothing_else(
    data: bytes, topology_format: str, demand_format: str
) -> None:
    attempt(data, topology_format, demand_format)


@pytest.mark.parametrize("file", FILES)
def test_every_fixture_cut_at_every_line_raises_nothing_else(file: str) -> None:
    lines = FILES[file].splitlines(keepends=True)
    for count in range(len(lines)):
        attempt(b"".join(lines[:count]), None, None)
