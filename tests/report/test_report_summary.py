"""The figures of ``summary.json``, on toys that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
import toys
from rich.console import Console

from vbte.errors import GuardrailError, InputWarning
from vbte.plan import Plan
from vbte.report.outcome import Outcome, disagreement, realise
from vbte.report.series import series_summary
from vbte.report.summary import summary_bytes
from vbte.report.terminal import bar, engine_line, series_view, summary_view
from vbte.report.text import gap_text, percent, plural, printable, termination_text, with_unit

GOLD_AND_REST = [{"name": "gold", "priority": 1, "latency_bound_ms": 5.0}, {"name": "rest", "priority": 2}]
STAGES = [{"kind": "admitted"}, {"kind": "max_utilization"}, {"kind": "latency"}]


def two_classes(*rows: toys.Row, **keys: Any) -> Plan:
    """A plan over the diamond: 10 Gbit/s in 4 ms, 30 Gbit/s in 10 ms; gold may only take the short way."""
    demands = toys.demands(*(rows or (("a", "d", 4.0, {"class": "gold"}), ("a", "d", 28.0))))
    return toys.plan(toys.diamond(), demands, toys.model(STAGES, classes=GOLD_AND_REST, default_class="rest", **keys))


def shown(view: Any) -> str:
    console = Console(width=200, record=True, markup=False)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def test_totals_and_classes_follow_from_the_demands() -> None:
    summary = realise(two_classes()).summary
    assert (summary["demand_gbps"], summary["shortfall_gbps"]) == (32.0, 0.0)
    assert summary["admitted_gbps"] == pytest.approx(32.0)
    assert summary["max_utilization"] == pytest.approx(0.8, abs=1e-6)
    gold, rest = summary["classes"]
    assert (gold["name"], gold["demand_gbps"], gold["paths"], gold["mean_latency_ms"]) == ("gold", 4.0, 1, 4.0)
    # At 80 % the short way has room for 4 of the 28 Gbit/s; the others take 10 ms.
    assert rest["mean_latency_ms"] == pytest.approx((4 * 4 + 24 * 10) / 28, abs=1e-4)
    assert (rest["worst_latency_ms"], rest["paths"], rest["latency_bound_ms"]) == (10.0, 2, None)


def test_what_is_not_admitted_is_a_shortfall_of_its_class() -> None:
    summary = realise(two_classes(("a", "d", 12.0, {"class": "gold"}), ("a", "d", 40.0))).summary
    gold, rest = summary["classes"]
    assert gold["shortfall_gbps"] == pytest.approx(2.0)
    assert rest["shortfall_gbps"] == pytest.approx(10.0)
    assert summary["shortfall_gbps"] == pytest.approx(12.0)


def test_every_certificate_has_value_bound_gap_unit_and_two_words() -> None:
    rows = realise(two_classes()).summary["certificates"]
    assert [(row["stage"], row["unit"]) for row in rows] == [
        ("admitted[1]", "Gbit/s"),
        ("admitted[2]", "Gbit/s"),
        ("max_utilization", "share"),
        ("latency", "Gbit/s ms"),
    ]
    assert all((row["reason"], row["limit"]) == ("optimal", "none") and row["gap"] <= 1e-6 for row in rows)


def test_hot_links_come_busiest_first_and_ties_by_name() -> None:
    rows = realise(two_classes()).summary["hot_links"]
    assert [row["link"] for row in rows] == ["a>b", "a>c", "b>d", "c>d"]
    assert rows[0]["capacity_gbps"] == 10.0
    assert rows[0]["load_gbps"] == pytest.approx(8.0, abs=1e-5)


def test_the_baseline_is_the_igp_and_the_gain_its_mlu_over_the_plans() -> None:
    baseline = realise(two_classes()).summary["baseline"]
    # Both ways have metric 2: the IGP splits 32 Gbit/s evenly, 16 on 10 Gbit/s of the short one.
    assert baseline["max_utilization"] == pytest.approx(1.6)
    assert (baseline["overloaded_links"], [row["link"] for row in baseline["overloads"]]) == (2, ["a>b", "b>d"])
    assert baseline["common_share"] == pytest.approx(1 / 1.6)
    assert baseline["gain"] == pytest.approx(2.0, abs=1e-5)


def test_no_gain_is_claimed_when_the_plan_carries_less() -> None:
    assert (
        realise(
            two_classes(
                ("a", "d", 50.0),
            )
        ).summary["baseline"]["gain"]
        is None
    )


def test_with_several_matrices_volumes_are_means_and_utilisation_is_the_worst() -> None:
    morning, evening = toys.demands(("a", "d", 8.0)), toys.demands(("a", "d", 4.0))
    matrices = [replace(morning, name="morning"), replace(evening, name="evening")]
    summary = realise(toys.plan(toys.diamond(), matrices, toys.model(STAGES))).summary
    assert summary["demand_gbps"] == 6.0
    assert summary["max_utilization"] == pytest.approx(0.2, abs=1e-6)
    assert [row["max_utilization"] for row in summary["matrices"]] == pytest.approx([0.2, 0.1], abs=1e-6)
    assert {row["matrix"] for row in summary["hot_links"]} == {0}
    assert "evening" in shown(summary_view(summary))


def test_demands_without_a_path_and_without_a_class_are_counted() -> None:
    network = toys.network(toys.cable("a-b", 10.0), nodes={"c": {}})
    model = toys.model(classes=[{"name": "gold", "priority": 1, "match": [{"dscp": [46]}]}, {"name": "rest"}],
                       default_class="rest", unroutable="drop")  # fmt: skip
    with pytest.warns(InputWarning, match="no path joins"):
        found = toys.plan(network, toys.demands(("a", "b", 3.0), ("a", "c", 1.0)), model)
    summary = realise(found).summary
    assert (summary["demand_gbps"], summary["unroutable_gbps"], summary["unmatched_gbps"]) == (4.0, 1.0, 4.0)
    text = shown(summary_view(summary))
    assert "1 Gbit/s have no admissible path" in text
    assert "4 Gbit/s matched no class and went to rest" in text


def test_a_plan_without_any_demand_still_has_a_summary() -> None:
    summary = realise(toys.plan(toys.diamond(), toys.demands(("a", "d", 0.0)), toys.model(STAGES))).summary
    assert (summary["demand_gbps"], summary["max_utilization"], summary["hot_links"]) == (0.0, 0.0, [])
    assert shown(summary_view(summary))


def test_what_tables_cannot_carry_is_counted_by_reason() -> None:
    tables = {"realisation": "source-routed", "max_group_members": 1}
    summary = realise(two_classes(tables=tables)).summary
    lost = summary["tables"]["cannot_realise"]
    assert lost["count"] == sum(lost["reasons"].values()) > 0
    assert "group-size" in shown(summary_view(summary))


def test_the_summary_is_json_in_a_fixed_order_and_always_the_same() -> None:
    one, other = (summary_bytes(realise(two_classes()).summary) for _ in range(2))
    assert one == other
    assert list(orjson.loads(one))[:3] == ["schema", "network", "model"]


def test_figures_of_a_series_are_compared_by_name() -> None:
    plans = {position: realise(two_classes(("a", "d", 8.0 * (1 + position // 2)))).summary for position in (0, 2)}
    series = series_summary(plans, wanted=3)
    assert [row["directory"] for row in series["plans"]] == ["0001", "0003"]
    assert series["mean"]["demand_gbps"] == 12.0
    assert series["worst"]["max_utilization"] == pytest.approx(0.4, abs=1e-6)
    assert "stopped after 2 of 3" in shown(series_view(series))


def test_a_walk_that_does_not_agree_names_the_link_and_forbids_publication() -> None:
    good = realise(two_classes())
    good.require_publishable()
    deviation = good.walks[0].deviation_gbps.copy()
    deviation[2] += 1.0
    bad = replace(good.walks[0], deviation_gbps=deviation)
    link = good.plan.instance.topology.links[2].id
    assert f"link {link}" in disagreement(good.plan, bad)
    with pytest.raises(GuardrailError, match=link):
        Outcome(good.plan, good.tables, (bad,), good.igp).require_publishable()
    assert "DISAGREES" in shown(summary_view(Outcome(good.plan, good.tables, (bad,), good.igp).summary))


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (0.8, "80 %"), (1e-7, "< 0.001 %"), (0.26667, "26.7 %"), (3.2, "320 %"), (24.63, "2,463 %"),
     (None, "-"), (np.inf, "inf %")],
)  # fmt: skip
def test_shares_are_shown_as_percentages(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_nothing_proven_is_never_shown_as_a_figure() -> None:
    assert gap_text(None) == "not proven"
    assert termination_text({"reason": "feasible", "limit": "time"}, None) == "feasible, stopped by time, not proven"
    assert (
        termination_text({"reason": "feasible", "limit": "none"}, None, 0.01) == "feasible, not proven (1 % asked for)"
    )
    assert (with_unit(None, "Gbit/s"), with_unit(1.5, "scale")) == ("-", "1.5 times all demands")
    assert (plural(1, "link"), plural(1200, "link")) == ("1 link", "1,200 links")


def test_the_gap_asked_for_stands_beside_the_one_reached() -> None:
    words = termination_text({"reason": "feasible", "limit": "time"}, 0.0312, 0.001)
    assert words == "feasible, stopped by time, gap 3.12 % (0.1 % asked for)"


def test_the_engine_line_names_classes_only_where_their_forms_differ() -> None:
    engine = {"engine": "exact", "from_previous": False, "forms": {"gold": "paths", "rest": "paths"}}
    assert engine_line(engine).plain == "engine: exact; paths"
    mixed = {
        "engine": "price-directed",
        "from_previous": True,
        "forms": {"gold": "paths", "[b]": "links", "x": "links"},
    }
    assert (
        engine_line(mixed).plain == "engine: price-directed, from the previous plan; links for [b], x; paths for gold"
    )


def test_a_bar_is_full_at_capacity_and_shows_overload_by_colour() -> None:
    assert [bar(share).plain.count("█") for share in (0.0, 0.001, 0.5, 1.0, 3.0)] == [0, 1, 10, 20, 20]
    assert bar(1.0 + 1e-9).style == "red"
    assert "magenta" in str(bar(1.1).style)


@pytest.mark.parametrize("name", ["plain", "ünï", "[red]", "a b", "日本"])
def test_printable_names_stay_as_they_are(name: str) -> None:
    assert printable(name) == name


@pytest.mark.parametrize("name", ["\x1b[31m", "a\x00b", "\u202e", "\u2028", "\x9b31m", "\udc80", "\ue000", "\r"])
def test_what_could_steer_a_terminal_is_spelt_out(name: str) -> None:
    assert printable(name).isascii()
    assert printable(name).isprintable()
