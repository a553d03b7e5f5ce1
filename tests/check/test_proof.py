"""The check agrees with clean plans, and every planted error turns it red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_documents import Change, Document, document_of, proven_again, put, toy_plan
from toys import CONCURRENT, cable, carry_all, demands, diamond, link, model, network, of_class, plan
from typer.testing import CliRunner

from vbte import plan as plan_module
from vbte.errors import InputError, InputWarning
from vbte.plan import PathSet, Plan, Reason, Termination
from vbte.proof import check, check_plan
from vbte.read.plan_file import read_plan


@pytest.fixture(scope="module")
def document() -> Document:
    return document_of(toy_plan())


def links_of(document: Document) -> dict[str, int]:
    return {one["id"]: position for position, one in enumerate(document["topology"]["links"])}


def faults(report: Any) -> str:
    return "\n".join(f"{finding.place}: {finding.fault}" for finding in report.findings)


def test_a_clean_plan_passes_from_its_file_as_it_does_in_memory(document: Document, tmp_path: Path) -> None:
    assert check_plan(toy_plan()).findings == ()
    report = proven_again(document, tmp_path)
    assert report.ok
    assert [stage.stage for stage in report.certificates] == [
        "admitted[1]",
        "admitted[2]",
        "max_utilization",
        "latency",
    ]
    assert all(stage.gap is not None for stage in report.certificates)


def times(factor: float) -> Callable[[float], float]:
    return lambda figure: figure * factor


def first_priced(document: Document, stage: int) -> list[float]:
    prices: list[float] = document["certificates"][stage]["prices"]["capacity"]["price"]
    return prices


def raise_price(stage: int, factor: float) -> Change:
    def change(document: Document) -> None:
        prices = first_priced(document, stage)
        prices[0] *= factor

    return change


def swap_links(first: str, second: str) -> Change:
    """Every path that goes over one link goes over the other instead."""

    def change(document: Document) -> None:
        index = links_of(document)
        swapped = {index[first]: index[second], index[second]: index[first]}
        document["paths"]["links"] = [swapped.get(position, position) for position in document["paths"]["links"]]

    return change


def visit_a_node_twice(document: Document) -> None:
    """The first path turns back after its first link and takes it again."""
    paths, topology = document["paths"], document["topology"]["links"]
    out = topology[paths["links"][0]]
    back = next(i for i, one in enumerate(topology) if (one["source"], one["target"]) == (out["target"], out["source"]))
    paths["links"][:1] = [paths["links"][0], back, paths["links"][0]]
    paths["hops"][0] += 2


def drop_last_commodity(document: Document) -> None:
    """The last demand vanishes, and so do its paths."""
    last = len(document["commodities"]["class"]) - 1
    for column in document["commodities"].values():
        column.pop()
    paths = document["paths"]
    while paths["commodity"][-1] == last:
        for _ in range(paths["hops"].pop()):
            paths["links"].pop()
        paths["commodity"].pop()
        paths["flow_gbps"].pop()


PLANTED: dict[str, tuple[Change, str]] = {
    "flow raised": (put("paths", "flow_gbps", 0, to=times(1.5)), "load it with"),
    "flow lowered": (put("paths", "flow_gbps", 0, to=times(0.5)), "claims"),
    "flow negative": (put("paths", "flow_gbps", 0, to=-1.0), "has flow -1"),
    "all flows doubled": (put("paths", "flow_gbps", to=lambda flows: [2 * f for f in flows]), "more than its demand"),
    "path broken": (swap_links("b>d", "c>d"), "does not join its ends"),
    "path against a class's rule": (swap_links("a>c", "a>e"), "does not join its ends"),
    "node visited twice": (visit_a_node_twice, "visits a node twice"),
    "paths of another commodity": (put("paths", "commodity", 1, to=1), "does not join its ends"),
    "value raised": (put("certificates", 0, "value", to=times(1.01)), "claims"),
    "value lowered": (put("certificates", 3, "value", to=times(0.99)), "claims"),
    "bound raised": (put("certificates", 3, "bound", to=times(1.001)), "claims the bound"),
    "bound lowered": (put("certificates", 0, "bound", to=times(0.999)), "claims the bound"),
    "bound withheld": (put("certificates", 1, "bound", to=None), "has no bound"),
    "prices withheld": (put("certificates", 2, "prices", to=None), "claims the bound"),
    "price lowered": (raise_price(0, 0.9), "claims the bound"),
    "price raised": (raise_price(2, 1.5), "claims the bound"),
    "hold loosened": (put("certificates", 0, "held_at", to=times(0.9)), "further from"),
    "hold tightened": (put("certificates", 0, "held_at", to=times(1.1)), "worse than"),
    "hold and claim loosened": (
        lambda d: [put("certificates", 0, key, to=times(0.5))(d) for key in ("held_at", "reached")],
        "claims the bound",
    ),
    "stage renamed": (put("certificates", 0, "stage", to="admitted[2]"), "the plan has"),
    "stage of another kind": (put("certificates", 2, "kind", to="latency"), "the plan has"),
    "stage of another figure": (put("certificates", 3, "figure", to="hops"), "the plan has"),
    "stage of another priority": (put("certificates", 0, "priority", to=2), "the plan has"),
    "stage missing": (lambda d: d["certificates"].pop(), "3 certificates for 4 stages"),
    "stage twice": (lambda d: d["certificates"].append(d["certificates"][-1]), "5 certificates for 4 stages"),
    "termination of an error": (put("termination", "reason", to="infeasible"), "yet there is a plan"),
    "model with a tighter class limit": (put("model", "classes", 1, "utilization_limit", to=0.1), "class 'bulk' load"),
    "model with a tighter limit": (put("model", "utilization_limit", to=0.8), "all classes load it"),
    "model with a tighter bound": (put("model", "classes", 0, "latency_bound_ms", to=5), "breaks the policy"),
    "model with less tolerance": (put("model", "stages", 1, "tolerance", to=0.01), "further from"),
    "capacity lowered": (put("topology", "links", 0, "capacity_gbps", to=9.0), "load it with"),
    "link drained": (put("topology", "links", 4, "drained", to=True), "breaks the policy"),
    "node closed": (put("topology", "nodes", 2, "transit", to=False), "breaks the policy"),
    "demand raised": (put("demand_matrices", 0, "volume_gbps", 1, to=9.5), "claims the bound"),
    "demand dropped though it can be served": (drop_last_commodity, "left out, and a path serves it"),
}


@pytest.mark.parametrize("error", PLANTED)
def test_a_planted_error_turns_the_check_red(error: str, document: Document, tmp_path: Path) -> None:
    change, words = PLANTED[error]
    report = proven_again(document, tmp_path, change)
    assert not report.ok
    assert words in faults(report)


REFUSED: dict[str, Change] = {
    "commodities reordered": lambda d: [column.reverse() for column in d["commodities"].values()],
    "a commodity nobody asked for": put("commodities", "source", 0, to=2),
    "paths out of order": lambda d: d["paths"]["commodity"].reverse(),
    "a link that is not there": put("paths", "links", 0, to=12),
    "links left over": lambda d: d["paths"]["links"].append(0),
    "a path without links": put("paths", "hops", 0, to=0),
    "a flow of null": put("paths", "flow_gbps", 0, to=None),
    "a value of null": put("certificates", 0, "value", to=None),
    "a level that is text": put("certificates", 0, "held_at", to="nan"),
    "a price of null": put("certificates", 0, "prices", "capacity", "price", 0, to=None),
    "a stage unheard of": put("certificates", 0, "kind", to="beauty"),
    "a termination unheard of": put("termination", "reason", to="perfect"),
    "a link id swapped for one that exists": put("topology", "links", 0, "id", to="b>d"),
    "a link to nowhere": put("topology", "links", 0, "target", to="nowhere"),
    "a capacity below nothing": put("topology", "links", 0, "capacity_gbps", to=-1.0),
    "a volume below nothing": put("demand_matrices", 0, "volume_gbps", 0, to=-1.0),
    "a prefix that is none": put("demand_matrices", 0, "attributes", "source_prefix", "values", to=["", "10.1.0.0/99"]),
    "a model with a misspelt key": put("model", "utilisation_limit", to=0.9),
    "another schema": put("schema", to="vbte.plan/2"),
    "no paths at all": lambda d: d.pop("paths"),
}


@pytest.mark.parametrize("error", REFUSED)
def test_a_file_that_makes_no_sense_is_one_error_that_names_it(error: str, document: Document, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"plan\.json|model|demands"):
        proven_again(document, tmp_path, REFUSED[error])


def test_swapping_the_ids_of_two_links_moves_paths_to_where_they_break_nothing(
    document: Document, tmp_path: Path
) -> None:
    """Ids are names: two parallel links that swap them are the same network."""
    found = plan(network(link("a>b", 5, id="x"), link("a>b", 7, id="y")), demands(("a", "b", 9)), model())
    parallel = document_of(found)
    assert proven_again(parallel, tmp_path).ok
    names = parallel["topology"]["links"]
    names[0]["id"], names[1]["id"] = "y", "x"
    assert proven_again(parallel, tmp_path).ok


def optimal(found: Plan) -> Plan:
    return replace(found, termination=Termination(Reason.OPTIMAL))


def test_calling_a_gap_optimal_is_found() -> None:
    """A single path over c carries 30 of 40."""
    found = plan(diamond(), demands(("a", "d", 99)), model(classes=[{"name": "gold", "split": "single_path"}]))
    assert check_plan(found).ok
    assert "not every stage is proven so" in faults(check_plan(optimal(found)))


def test_a_demand_not_carried_in_full_is_found_where_the_model_asks_for_all() -> None:
    found = plan(diamond(), demands(("a", "d", 20)), carry_all())
    assert "not in full" in faults(check_plan(replace(found, flow_gbps=found.flow_gbps * 0.9)))


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"split": "single_path"}, "2 paths"),
        ({"max_paths": 1}, "2 paths"),
        ({"split": "equal_bundles", "bundles": 3}, "not in equal bundles"),
    ],
)
def test_splits_against_the_rules_are_found(rules: dict[str, Any], words: str, tmp_path: Path) -> None:
    """Free: 10 over b and 30 over c, a quarter and three quarters of 40."""
    free = document_of(plan(diamond(), demands(("a", "d", 40)), model(classes=[{"name": "gold"}])))
    report = proven_again(free, tmp_path, lambda d: d["model"]["classes"][0].update(rules))
    assert words in faults(report)


def test_bundles_that_come_out_even_are_no_fault(tmp_path: Path) -> None:
    free = document_of(plan(diamond(), demands(("a", "d", 40)), model(classes=[{"name": "gold"}])))
    rules = {"split": "equal_bundles", "bundles": 4}
    assert proven_again(free, tmp_path, lambda d: d["model"]["classes"][0].update(rules)).ok


def test_leaving_out_a_demand_is_found_where_the_model_says_reject(tmp_path: Path) -> None:
    with pytest.warns(InputWarning, match="dropped"):
        found = plan(
            network(cable("a-b", 1), nodes={"z": {}}),
            demands(("a", "z", 3), ("a", "b", 1)),
            model(unroutable="drop"),
        )
    document = document_of(found)
    assert proven_again(document, tmp_path).ok
    report = proven_again(document, tmp_path, put("model", "unroutable", to="reject"))
    assert "default a -> z: left out, the model says to reject it" in faults(report)


def test_a_value_better_than_its_bound_is_found() -> None:
    """Without the load of others the bound is for another question; claims and prices agree, and still it is found."""
    found = plan(diamond(), demands(("a", "d", 20)), carry_all())
    certificate = found.certificates[0]
    assert certificate.prices is not None
    half = replace(certificate.prices, capacity=certificate.prices.capacity / 2)
    assert check_plan(replace(found, certificates=(replace(certificate, prices=half),))).ok, "prices scale freely here"
    lighter = replace(found, flow_gbps=found.flow_gbps * 0.5)
    assert "is better than the bound" in faults(check_plan(lighter))


@pytest.mark.parametrize("figure", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("key", ["value", "bound", "held_at", "reached"])
def test_figures_that_are_no_figures_are_found_in_memory_too(key: str, figure: float) -> None:
    found = toy_plan()
    spoilt = replace(found.certificates[2], **{key: figure})
    certificates = (*found.certificates[:2], spoilt, found.certificates[3])
    assert not check_plan(replace(found, certificates=certificates)).ok


def test_a_flow_that_is_not_a_number_is_found() -> None:
    found = toy_plan()
    flow = found.flow_gbps.copy()
    flow[0] = np.nan
    assert not check_plan(replace(found, flow_gbps=flow)).ok


def test_many_findings_of_a_kind_are_counted_not_listed() -> None:
    rows = [(f"n{i}", f"n{j}", 1.0) for i in range(5) for j in range(5) if i != j]
    topology = network(*[cable(f"n{i}-n{j}", 9) for i in range(5) for j in range(i)])
    found = plan(topology, demands(*rows), model())
    report = check_plan(replace(found, flow_gbps=found.flow_gbps * 2))
    assert "and 10 more of the same kind" in faults(report)


def test_a_plan_of_several_matrices_is_proven_from_its_file(tmp_path: Path) -> None:
    found = plan(diamond(), [demands(("a", "d", 20)), demands(("c", "d", 5), ("a", "d", 30))], model(CONCURRENT))
    document = document_of(found)
    assert proven_again(document, tmp_path).ok
    raised = proven_again(document, tmp_path, put("demand_matrices", 1, "volume_gbps", to=[5.0, 60.0]))
    assert not raised.ok


def test_a_plan_by_shortest_paths_is_proven_though_it_is_not_optimal() -> None:
    classes = [{"name": "gold"}, {"name": "bulk", "priority": 2}]
    asked = demands(("a", "d", 25, of_class("gold")), ("b", "c", 3, of_class("bulk")))
    stopped = plan(diamond(), asked, model(classes=classes), solver={"name": "x", "iteration_limit": 0})  # type: ignore[arg-type]
    assert check_plan(stopped).ok


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan directory of the diamond, as the command line writes it."""
    from vbte.cli.app import app

    target = tmp_path_factory.mktemp("diamond") / "plan"
    assert CliRunner().invoke(app, ["plan", "-t", "diamond", "-o", str(target), "-q"]).exit_code == 0
    return target


@pytest.fixture
def copied(directory: Path, tmp_path: Path) -> Path:
    for file in directory.rglob("*"):
        if file.is_file():
            target = tmp_path / "plan" / file.relative_to(directory)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    return tmp_path / "plan"


@pytest.mark.parametrize("name", ["summary.json", "tables/manifest.json", "tables/devices/west.json"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"null", b"[]", b"{}", b"\xff\xfe"])
def test_files_missing_or_spoilt_are_findings(name: str, content: bytes | None, copied: Path) -> None:
    if content is None:
        (copied / name).unlink()
    else:
        (copied / name).write_bytes(content)
    assert name.rpartition("/")[2] in faults(check(copied)) or "tables" in faults(check(copied))


def test_tables_of_a_plan_for_another_network_are_found(copied: Path) -> None:
    """Both plans are proven, but they do not belong together."""
    another = document_of(plan(diamond(), demands(("a", "d", 20)), model()))
    (copied / "plan.json").write_bytes(orjson.dumps(another))
    assert check_plan(read_plan(copied)).ok
    assert "the tables are not those of plan.json" in faults(check(copied))


def plain_path_faults(found: Plan) -> list[str]:
    """What is wrong with each path, one after the other."""
    question, topology = found.instance, found.instance.topology
    broken, returns, wrong = [], [], {position: [] for position in range(len(question.rules))}
    for path in range(len(found.paths)):
        commodity, links = found.paths.commodity[path], found.paths[path].tolist()
        source, destination = int(question.source[commodity]), int(question.destination[commodity])
        tails, heads = topology.tail[links].tolist(), topology.head[links].tolist()
        if tails != [source, *heads[:-1]] or heads[-1] != destination:
            broken.append(f"path {path} does not join its ends")
        if len({source, *heads}) <= len(heads):
            returns.append(f"path {path} visits a node twice")
        position = int(question.class_index[commodity])
        rules = question.rules[position]
        bad = not all(rules.link_allowed[links]) or not all(rules.transit[heads[:-1]])
        bound = rules.policy.hop_bound
        if bad or (bound is not None and len(links) > bound):
            wrong[position].append(f"path {path} breaks the policy of class {rules.policy.name!r}")
    return [*broken, *returns, *(fault for faults in wrong.values() for fault in faults)]


@pytest.mark.parametrize("block_links", [1, 4, 1 << 18])
def test_faults_of_paths_are_those_of_looking_at_one_after_the_other(
    block_links: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "BLOCK_LINKS", block_links)
    classes = [{"name": "gold", "avoid": {"nodes": ["b"]}}, {"name": "bulk", "hop_bound": 2}]
    topology = network(cable("a-b", 9), cable("b-c", 9), cable("c-a", 9), nodes={"c": {"transit": False}})
    asked = demands(("a", "b", 1.0, of_class("gold")), ("a", "c", 1.0, of_class("gold")), ("b", "c", 1.0))
    whole = plan(topology, asked, model(classes=classes, default_class="bulk"))
    paths = st.tuples(st.integers(0, 2), st.lists(st.integers(0, 5), min_size=1, max_size=4))

    @given(st.lists(paths, max_size=6))
    def holds(drawn: list[tuple[int, list[int]]]) -> None:
        drawn.sort(key=lambda row: row[0])
        start = np.concatenate([[0], np.cumsum([len(links) for _, links in drawn])]).astype(np.int64)
        links = np.array([one for _, links in drawn for one in links], dtype=np.int32)
        rows = PathSet(start, links, np.array([commodity for commodity, _ in drawn], dtype=np.int32))
        spoilt = replace(whole, paths=rows, flow_gbps=np.zeros(len(rows)))
        found = [one.fault for one in check_plan(spoilt).findings if one.place == "plan.json: paths"]
        assert [fault for fault in found if fault.startswith("path ")] == plain_path_faults(spoilt)

    holds()
