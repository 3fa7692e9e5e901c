"""Dashboards: each panel asks for what is declared, in a unit, with its promise drawn; the committed JSON is what is made."""

import json
import re

import pytest
import yaml

from domains import objective
from monitoring import alert, build, dashboard
from monitoring.metrics import BY_NAME, METRICS
from monitoring.panel import DASHBOARDS, PERFORMANCE
from monitoring.rules import SOURCE
from tests.monitoring.test_alert import NAMES, SELECTOR, base

PANELS = [(one, panel) for one in DASHBOARDS for panel in one.panels]
each = pytest.mark.parametrize(
    ("one", "panel"), PANELS, ids=[f"{one.uid}: {panel.title}" for one, panel in PANELS]
)
CUSTOMERS = [
    "fast_path_latency_seconds", "llm_calls_per_request", "tokens_per_request", "agent_steps_per_request",
    "smart_path_latency_seconds", "request_budget_exceeded_total", "qos_level_requests_total",
    "performance_cache_hits_total",
]  # fmt: skip


def test_the_committed_dashboards_are_made_from_the_table():
    made = {path: text for path, text in build.files().items() if path.parts[0] == "dashboards"}
    assert len(made) == 6
    for path, text in made.items():
        assert (build.ROOT / path).read_text("utf-8") == text, f"{path}: run `python -m monitoring.build`"
    assert {path.name for path in (build.ROOT / "dashboards").iterdir()} == {path.name for path in made}


def test_performance_has_the_customers_eight_panels():
    assert len(PERFORMANCE.panels) == 8
    for panel, name in zip(PERFORMANCE.panels, CUSTOMERS, strict=True):
        assert name in panel.queries[0].expr


@each
def test_a_panel_asks_for_declared_metrics_labels_and_values(one, panel):
    for query in panel.queries:
        for found in NAMES.findall(query.expr):
            assert base(found) in BY_NAME, f"{one.uid}, {panel.title}: {found} is not declared"
        for series, where in SELECTOR.findall(query.expr):
            for label, value in re.findall(r'(\w+)=~?"([^"]*)"', where):
                known = BY_NAME[base(series)].labels
                assert label in known, f"{one.uid}, {panel.title}: {series} has no label {label}"
                assert value in known[label], f"{one.uid}, {panel.title}: {series} has no {label} {value}"
        grouped = re.findall(r"by \(([^)]*)\) \((?:rate|increase|deriv|clamp_min|\()*([a-z_]+)", query.expr)
        for labels, series in grouped:
            known = {*BY_NAME[base(series)].labels, "le", "instance"}
            assert set(labels.split(", ")) <= known, (
                f"{one.uid}, {panel.title}: {series} has not all of {labels}"
            )
        told = set(re.findall(r"{{(\w+)}}", query.legend))
        kept = {label for labels, _ in grouped for label in labels.split(", ")}
        assert told <= kept, f"{one.uid}, {panel.title}: the legend {query.legend} names what is added up"


@each
def test_a_limit_that_is_drawn_is_the_promise(one, panel):
    assert (panel.limit is None) == (panel.promise == "")
    if panel.promise:
        assert panel.limit == getattr(objective, panel.promise), f"{one.uid}, {panel.title}: {panel.promise}"


def test_every_metric_is_seen_somewhere_and_every_alert_has_its_metric_on_a_dashboard():
    shown = {
        base(name) for _, panel in PANELS for query in panel.queries for name in NAMES.findall(query.expr)
    }
    assert {metric.name for metric in METRICS} - shown == set()
    for rule in alert.ALERTS:
        asked = {base(name) for name in NAMES.findall(rule.expr)}
        assert asked <= shown, rule.name


def test_the_json_keeps_the_linters_rules():
    """dashboard-linter's: a data source variable, titles, descriptions, units, a legend for each query, rate intervals."""
    for name, text in dashboard.texts().items():
        value = json.loads(text)
        assert value["uid"] + ".json" == name
        assert value["editable"] is True
        assert [one["type"] for one in value["templating"]["list"]] == ["datasource"]
        ids = [panel["id"] for panel in value["panels"]]
        assert len(set(ids)) == len(ids)
        boxes = [tuple(panel["gridPos"][key] for key in "xywh") for panel in value["panels"]]
        assert all(x + w <= 24 for x, _, w, _ in boxes)
        assert len({(x, y) for x, y, _, _ in boxes}) == len(boxes)
        for panel in value["panels"]:
            assert panel["title"]
            assert panel["description"]
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["datasource"]["uid"] == "${datasource}"
            for target in panel["targets"]:
                assert target["legendFormat"]
                assert target["datasource"]["uid"] == "${datasource}"
                for call in re.findall(r"(?:rate|increase)\([^[]*\[([^\]]+)\]", target["expr"]):
                    assert call == "$__rate_interval", target["expr"]


def test_provisioning_points_rules_and_dashboards_at_one_source():
    files = {name: yaml.safe_load(text) for name, text in dashboard.provisioning().items()}
    assert files["datasources/svodka.yml"]["datasources"][0]["uid"] == SOURCE
    managed = yaml.safe_load((build.ROOT / "grafana/provisioning/alerting/svodka.yml").read_text("utf-8"))
    sources = {
        data["datasourceUid"]
        for group in managed["groups"]
        for rule in group["rules"]
        for data in rule["data"]
    }
    assert sources == {SOURCE, "__expr__"}
