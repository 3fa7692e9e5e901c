"""The table of alerts as files: Prometheus's rules, and the same as Grafana-managed alerts. Nothing here decides anything.

`make monitoring` and a test hold the committed files to what this makes.
"""

from typing import Any, Final

import yaml

from monitoring.alert import ALERTS, GROUPS, Alert

HEADER: Final = "# Made from monitoring/alert.py by `python -m monitoring.build`; change that, not this.\n"
EVERY: Final = "30s"
SOURCE: Final = "svodka-prometheus"
FOLDER: Final = "Svodka"


def prometheus() -> dict[str, str]:
    """Return the text of Prometheus's rule files by name, one a group."""
    return {f"{group}.yml": _dump({"groups": [_group(group)]}) for group in GROUPS}


def grafana() -> str:
    """Return the text of Grafana's alerting provisioning file."""
    groups = [
        {
            "orgId": 1,
            "name": f"svodka-{group}",
            "folder": FOLDER,
            "interval": EVERY,
            "rules": [_managed(alert) for alert in _of(group)],
        }
        for group in GROUPS
    ]
    return _dump({"apiVersion": 1, "groups": groups})


def _of(group: str) -> list[Alert]:
    return [alert for alert in ALERTS if alert.group == group]


def _group(name: str) -> dict[str, Any]:
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expr,
            "for": alert.lasts,
            "labels": _labels(alert),
            "annotations": _annotations(alert),
        }
        for alert in _of(name)
    ]
    return {"name": f"svodka-{name}", "interval": EVERY, "rules": rules}


def _labels(alert: Alert) -> dict[str, str]:
    return {"severity": alert.severity, "about": alert.about, "group": alert.group}


def _annotations(alert: Alert) -> dict[str, str]:
    return {"summary": alert.summary, "description": f"What to do: {alert.remedy}.", "runbook": alert.runbook}


def _managed(alert: Alert) -> dict[str, Any]:
    """Return Grafana's rule: the same query, which yields series only when it fires, and a check that one came."""
    return {
        "uid": f"svodka-{alert.name}"[:40],
        "title": alert.name,
        "condition": "B",
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": {"from": 600, "to": 0},
                "datasourceUid": SOURCE,
                "model": {"refId": "A", "expr": alert.expr, "instant": True, "range": False},
            },
            {
                "refId": "B",
                "datasourceUid": "__expr__",
                "model": {"refId": "B", "type": "math", "expression": "is_number($A) || is_inf($A)"},
            },
        ],
        "noDataState": "OK",
        "execErrState": "Error",
        "for": alert.lasts,
        "labels": _labels(alert),
        "annotations": {name: _grafana_words(text) for name, text in _annotations(alert).items()},
    }


def _grafana_words(text: str) -> str:
    """Return a template as Grafana reads it: there the query's number is the value of A."""
    return text.replace("$value", "$values.A.Value")


def _dump(value: dict[str, Any]) -> str:
    return HEADER + yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110)
