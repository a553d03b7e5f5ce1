"""XML without document types and entities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.parsers import expat

from vbte.errors import InputError
from vbte.read.source import Document

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def parse_xml(document: Document) -> Element:
    """Return the root element. Raises InputError, with the line, on broken XML and on a document type."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root: Element = fromstring(document.data, forbid_dtd=True)
    except DefusedXmlException:
        raise InputError(
            "the XML declares a document type", place=document.origin, remedy="remove <!DOCTYPE ...>"
        ) from None
    except ParseError as error:
        place = f"{document.origin}:{error.position[0]}"
        raise InputError(f"broken XML: {expat.ErrorString(error.code)}", place=place) from None
    except (ValueError, LookupError, RecursionError) as error:
        raise InputError(f"broken XML: {error}", place=document.origin) from None
    return root


def children(element: Element, tag: str) -> Iterator[Element]:
    """Yield the direct children of this name, whatever their namespace."""
    return (inner for inner in element if isinstance(inner.tag, str) and inner.tag.rpartition("}")[2] == tag)


def descendants(element: Element, tag: str) -> Iterator[Element]:
    """Yield the element itself and all below it that have this name, whatever their namespace."""
    return (inner for inner in element.iter() if isinstance(inner.tag, str) and inner.tag.rpartition("}")[2] == tag)
