"""Paths as next hops that push labels: segment lists in the words of the tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vbte.oracle import select_paths
from vbte.plan import PathSet
from vbte.tables.labels import LabelPlan, spelt
from vbte.tables.ranges import ranges
from vbte.tables.schema import NextHop, Segment
from vbte.tables.segments import SegmentLists
from vbte.topology import IntArray, Topology


@dataclass(frozen=True, eq=False)
class SegmentWords:
    """How segments are written: ``objects`` and ``names`` have one entry for every node, then one for every link."""

    topology: Topology
    objects: list[Segment]
    names: list[str]
    link_ids: list[str]


def segment_words(topology: Topology, labels: LabelPlan) -> SegmentWords:
    """Return the segment and its spelling for every node and every link."""
    objects: list[Segment] = [
        {"kind": "node", "node": node.id, "link": None, "label": label}
        for node, label in zip(topology.nodes, labels.node.tolist(), strict=True)
    ]
    objects += [
        {"kind": "adjacency", "node": link.source, "link": link.id, "label": label}
        for link, label in zip(topology.links, labels.adjacency.tolist(), strict=True)
    ]
    names = [spelt(node.id) for node in topology.nodes] + [f"[{spelt(link.id)}]" for link in topology.links]
    return SegmentWords(topology, objects, names, [link.id for link in topology.links])


class SegmentHops:
    """Writes the next hops that pin paths of a set, which have segment lists, to their links."""

    def __init__(self, words: SegmentWords, paths: PathSet, segments: SegmentLists) -> None:
        self._words, self._paths, self._segments = words, paths, segments
        self._latency_us = np.rint(paths.sums(words.topology.latency_ms) * 1000).astype(np.int64)

    def of(self, chosen: IntArray) -> Iterator[NextHop]:
        """Yield the next hop that pins each of these paths, none of them empty."""
        words, segments = self._words, self._segments
        paths = select_paths(self._paths, chosen.astype(np.intp))
        first, last = segments.start[chosen], segments.start[chosen + 1]
        at = ranges(first, last)
        code = np.where(segments.is_node[at], 0, len(words.topology.nodes)) + segments.position[at]
        lists, spellings = [words.objects[c] for c in code.tolist()], [words.names[c] for c in code.tolist()]
        links = [words.link_ids[link] for link in paths.links.tolist()]
        segment_end = np.cumsum(last - first)
        bounds = zip(
            (segment_end - (last - first)).tolist(), segment_end.tolist(), paths.start[:-1].tolist(),
            paths.start[1:].tolist(), paths.links[paths.start[:-1]].tolist(), self._latency_us[chosen].tolist(),
            strict=True,
        )  # fmt: skip
        for from_segment, to_segment, from_link, to_link, first_link, latency_us in bounds:
            link, listed = words.topology.links[first_link], lists[from_segment:to_segment]
            yield {
                "id": "segments:" + ",".join(spellings[from_segment:to_segment]),
                "kind": "segments",
                "node": link.target,
                "interface": link.interface,
                "gateway": link.gateway,
                "labels": [segment["label"] for segment in listed],
                "segments": listed,
                "links": links[from_link:to_link],
                "latency_us": latency_us,
            }
