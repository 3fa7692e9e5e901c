"""Alerts: each promise has its alert, each alert fires on trouble and on nothing else, and both files say the same."""

import re
import shutil
import subprocess

import pytest
import yaml

from domains import objective
from monitoring import build, rules
from monitoring.alert import ALERTS, GROUPS, LEAST, SLO
from monitoring.metrics import BY_NAME, DELIVERY_DELAY
from tests.monitoring.cases import CASES

CUSTOMERS = {
    "FastPathP95LatencyHigh", "FastPathP95LatencyCritical", "FastPathLLMCallsHigh", "FastPathTokensHigh",
    "FastPathAgentStepsHigh", "RequestBudgetLLMCallsExceeded", "RequestBudgetTokensExceeded",
    "RequestBudgetAgentStepsExceeded", "ContextRouterCacheHitRateLow", "PerformanceCacheHitRateLow",
}  # fmt: skip
NAMES = re.compile(
    r"[a-z_]+(?:_total|_seconds|_bucket|_count|_sum|_request|_confidence|_ratio)\b|svodka_[a-z_]+"
)
SELECTOR = re.compile(r"([a-z_]+)\{([^}]*)\}")
promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)
by_name = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


def base(name):
    """The declared name behind a histogram's series."""
    return name if name in BY_NAME else re.sub(r"_(bucket|count|sum)$", "", name)


def test_alerts():
    names = [alert.name for alert in ALERTS]
    assert len(set(names)) == len(names)
    assert set(names) >= CUSTOMERS
    assert set(CASES) == set(names)


@by_name
def test_an_alert_guards_the_number_that_domains_promise(alert):
    if not alert.limit:
        assert alert.threshold is None
        return
    promised = getattr(objective, alert.limit)
    assert alert.threshold == promised, f"{alert.name} guards {alert.threshold}, domains promise {promised}"
    numbers = {float(number) for number in re.findall(r"(?<![\w.\"])\d+(?:\.\d+)?(?![\w\"])", alert.expr)}
    unit = {"BeatDead": "[10m]"}.get(alert.name)
    assert (unit in alert.expr) if unit else (promised in numbers), alert.expr


def test_the_promise_of_digests_is_the_one_that_is_watched():
    assert objective.DELIVERED_RATE == SLO
    assert objective.LEAST_CASES == LEAST
    assert objective.BEAT_SILENT_S == 600
    assert (
        f'le="{objective.DELIVERED_WITHIN_S}"'
        in next(a for a in ALERTS if a.name == "DigestSloFastBurn").expr
    )
    assert objective.DELIVERED_WITHIN_S in DELIVERY_DELAY.edges


@by_name
def test_an_alert_names_declared_metrics_and_labels_only(alert):
    for found in NAMES.findall(alert.expr):
        assert base(found) in BY_NAME, f"{alert.name} asks for {found}, which nothing declares"
    for series, where in SELECTOR.findall(alert.expr):
        metric = BY_NAME[base(series)]
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', where):
            if label == "le":
                assert float(value) in metric.edges, f"{alert.name}: {series} has no edge at {value}"
                continue
            assert label in metric.labels, f"{alert.name}: {series} has no label {label}"
            for one in value.split("|"):
                assert one in metric.labels[label], f"{alert.name}: {series} has no {label} {one}"


@by_name
def test_a_quantile_that_is_guarded_is_an_edge_with_edges_above(alert):
    if "histogram_quantile" in alert.expr:
        metric = BY_NAME[
            base(next(found for found in NAMES.findall(alert.expr) if found.endswith("_bucket")))
        ]
        assert alert.threshold in metric.edges, f"{alert.name}: no edge at {alert.threshold} in {metric.name}"
        assert max(metric.edges) > alert.threshold


@by_name
def test_a_share_of_few_cases_fires_nothing(alert):
    if " / " in alert.expr:
        assert f">= {LEAST}" in alert.expr, alert.name


def test_the_committed_files_are_made_from_the_tables():
    for path, text in build.files().items():
        assert (build.ROOT / path).read_text("utf-8") == text, f"{path}: run `python -m monitoring.build`"
    there = {path.relative_to(build.ROOT) for path in (build.ROOT / "alerts").glob("*.yml")}
    assert there == {path for path in build.files() if path.parts[0] == "alerts"}


def test_grafana_is_told_the_same_as_prometheus():
    groups = [yaml.safe_load(text)["groups"][0] for text in rules.prometheus().values()]
    managed = yaml.safe_load(rules.grafana())["groups"]
    assert [group["name"] for group in groups] == [group["name"] for group in managed]
    for ours, theirs in zip(groups, managed, strict=True):
        told = [
            (one["title"], one["data"][0]["model"]["expr"], one["for"], one["labels"])
            for one in theirs["rules"]
        ]
        assert told == [(one["alert"], one["expr"], one["for"], one["labels"]) for one in ours["rules"]]
    uids = [one["uid"] for group in managed for one in group["rules"]]
    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= 40 for uid in uids)


@promtool
def test_prometheus_takes_the_rules():
    files = sorted((build.ROOT / "alerts").glob("*.yml"))
    done = subprocess.run(["promtool", "check", "rules", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def firing(name, count, labels=None):
    """How many alerts of that name must be firing, with these labels."""
    where = "".join(f',{label}="{value}"' for label, value in (labels or {}).items())
    expr = f'count(ALERTS{{alertname="{name}",alertstate="firing"{where}}})'
    return {"expr": expr, "exp_samples": [{"labels": "{}", "value": count}] if count else []}


def trial(name, series, at, expected):
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "promql_expr_test": [expected | {"eval_time": at}],
    }


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """What promtool says of every case, a process a group: {group: output}."""
    folder, said = tmp_path_factory.mktemp("promtool"), {}
    for group in GROUPS:
        tests = []
        for alert in ALERTS:
            if alert.group != group:
                continue
            case = CASES[alert.name]
            labels = {**case.labels, "severity": alert.severity}
            tests.append(trial(f"{alert.name} fires", case.firing, case.at, firing(alert.name, 1, labels)))
            tests += [
                trial(f"{alert.name} is quiet {number}", series, case.at, firing(alert.name, 0))
                for number, series in enumerate(case.quiet)
            ]
        path = folder / f"{group}.yml"
        value = {
            "rule_files": [str(build.ROOT / "alerts" / f"{group}.yml")],
            "evaluation_interval": "1m",
            "tests": tests,
        }
        path.write_text(yaml.safe_dump(value), "utf-8")
        done = subprocess.run(
            ["promtool", "test", "rules", path], capture_output=True, text=True, check=False
        )
        said[group] = done.stdout + done.stderr
    return said


@promtool
@by_name
def test_an_alert_fires_on_its_trouble_and_on_nothing_else(alert, trials):
    # Of what it tries, promtool tells only what went wrong.
    said = trials[alert.group]
    assert not re.search(rf"\b{alert.name}\b", said), said
    assert "SUCCESS" in said or "FAILED" in said, said
    assert not re.search(r"\b(?:error|parse)\b", said, re.IGNORECASE), said


@by_name
def test_an_alert_has_its_runbook(alert):
    assert (build.ROOT.parent / alert.runbook).is_file(), alert.name


@by_name
def test_words_name_labels_that_the_query_keeps(alert):
    for label in re.findall(r"\$labels\.(\w+)", alert.summary):
        assert re.search(rf"by \([^)]*\b{label}\b", alert.expr), f"{alert.name} drops {label}"
