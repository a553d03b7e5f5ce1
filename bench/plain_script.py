"""The competitor of bench_whole_command.py: least MLU by hand, with numpy, scipy and nothing else.

    python bench/plain_script.py NETWORK.graph NETWORK.demands

Reads REPETITA files without checking them, builds one program in link flows by destination with sparse arrays, calls
scipy's linprog (HiGHS) and prints the MLU: no paths, no tables, no proof, no files.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array


def read(path: str) -> list[list[str]]:
    """Return the rows of numbers of a REPETITA file."""
    rows = [line.split() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if len(row) > 2 and row[1] not in ("x", "src")]


def least_mlu(graph: str, demands: str) -> float:
    """Return the least utilisation of the busiest link when everything is carried."""
    rows = read(graph)
    links = np.array([row[1:] for row in rows if len(row) == 6], dtype=float)
    n_nodes, n_links = sum(len(row) == 3 for row in rows), len(links)
    tail, head, capacity = links[:, 0].astype(int), links[:, 1].astype(int), links[:, 3]
    volume = np.zeros((n_nodes, n_nodes))  # destination, source
    for row in read(demands):
        volume[int(row[2]), int(row[1])] += float(row[3])
    unit = volume[volume > 0].mean()

    n_flows = n_nodes * n_links
    group, link = np.divmod(np.arange(n_flows), n_links)
    leaves, enters = tail[link] != group, head[link] != group
    row_index = np.concatenate([(group * n_nodes + tail[link])[leaves], (group * n_nodes + head[link])[enters]])
    values = np.concatenate([np.ones(leaves.sum()), -np.ones(enters.sum())])
    columns = np.concatenate([np.arange(n_flows)[leaves], np.arange(n_flows)[enters]])
    conservation = coo_array((values, (row_index, columns)), shape=(n_nodes**2, n_flows + 1)).tocsr()
    loads = coo_array(
        (
            np.concatenate([np.ones(n_flows), -capacity / unit]),
            (
                np.concatenate([link, np.arange(n_links)]),
                np.concatenate([np.arange(n_flows), np.full(n_links, n_flows)]),
            ),
        ),
        shape=(n_links, n_flows + 1),
    ).tocsr()
    cost = np.zeros(n_flows + 1)
    # Prices of order 1: with a cost of 1 HiGHS took ten times as long on 143 nodes.
    cost[-1] = n_links
    upper = np.where(np.append(leaves, True), np.inf, 0.0)
    bounds = np.stack([np.zeros(n_flows + 1), upper], axis=1)
    supply = volume.reshape(-1) / unit
    found = linprog(cost, loads, np.zeros(n_links), conservation, supply, bounds, method="highs")
    return float(found.fun) / n_links


if __name__ == "__main__":
    print(repr(least_mlu(*sys.argv[1:])))
