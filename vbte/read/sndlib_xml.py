"""The XML format of SNDlib."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vbte.errors import InputError
from vbte.read.fields import Field, Kind, text_value
from vbte.read.sndlib import SndlibDemand, SndlibLink, SndlibNetwork
from vbte.read.source import Document
from vbte.read.xml_text import descendants, parse_xml
from vbte.topology import Node

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def parse_sndlib_xml(document: Document) -> SndlibNetwork:
    """Return an SNDlib XML network as records. Raises InputError naming the element at fault."""
    root = parse_xml(document)
    origin = document.origin
    pixels = any(nodes.get("coordinatesType", "").lower() == "pixel" for nodes in descendants(root, "nodes"))
    unit = next((text for element in descendants(root, "unit") if (text := (element.text or "").strip())), None)
    return SndlibNetwork(
        origin,
        [_node(element, origin) for element in descendants(root, "node")],
        [_link(element, origin) for element in descendants(root, "link")],
        [_demand(element, origin) for element in descendants(root, "demand")],
        unit,
        pixels,
    )


def _text(element: Element, tag: str, place: str, default: str | None = None) -> str:
    for inner in descendants(element, tag):
        if text := (inner.text or "").strip():
            return text
    if default is None:
        raise InputError(f"<{tag}> is missing or empty", place=place, remedy=f"state <{tag}>")
    return default


def _figure(element: Element, tag: str, place: str, default: str | None = None) -> float:
    try:
        return float(text_value(_text(element, tag, place, default), Field(tag, Kind.FIGURE)))
    except InputError as error:
        raise error.at(place) from None


def _id(element: Element, origin: str) -> str:
    stated = (element.get("id") or "").strip()
    if not stated:
        raise InputError(f"<{element.tag.rpartition('}')[2]}> without id", place=origin, remedy="give it one")
    return stated


def _node(element: Element, origin: str) -> Node:
    node_id = _id(element, origin)
    place = f"{origin}: node {node_id!r}"
    if next(descendants(element, "coordinates"), None) is None:
        return Node(node_id)
    return Node(node_id, longitude=_coordinate(element, "x", place), latitude=_coordinate(element, "y", place))


def _coordinate(element: Element, tag: str, place: str) -> float:
    text = _text(element, tag, place)
    try:
        figure = float(text)
    except ValueError:
        figure = math.nan
    if not math.isfinite(figure):
        raise InputError(f"<{tag}> is {text[:40]!r}", place=place, remedy="a number is needed")
    return figure


def _link(element: Element, origin: str) -> SndlibLink:
    link_id = _id(element, origin)
    place = f"{origin}: link {link_id!r}"
    installed = sum(_figure(module, "capacity", place) for module in descendants(element, "preInstalledModule"))
    modules = tuple(_figure(module, "capacity", place) for module in descendants(element, "addModule"))
    source, target = _text(element, "source", place), _text(element, "target", place)
    return SndlibLink(link_id, source, target, installed, modules, place)


def _demand(element: Element, origin: str) -> SndlibDemand:
    place = f"{origin}: demand {_id(element, origin)!r}"
    return SndlibDemand(
        _text(element, "source", place),
        _text(element, "target", place),
        _figure(element, "routingUnit", place, "1"),
        _figure(element, "demandValue", place),
        0,
    )
