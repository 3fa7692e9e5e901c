"""Alertmanager's configuration from the settings: who is told of what, how often, and what keeps quiet about what.

critical ─▶ every receiver, hourly again      warning ─▶ every receiver, twice a day      Watchdog ─▶ the webhook, each 5 min
"""

from dataclasses import dataclass
from typing import Any, Final

import yaml

from monitoring.rules import HEADER

# While PostgreSQL or beat is down, what waits is no news.
CONSEQUENCES: Final = (
    "OldestDueAgeHigh", "DigestsOverdue", "DigestSloFastBurn", "DigestSloSlowBurn", "IndexLagHigh",
    "SourceSilent", "DeadLettersGrowing", "LeasesExpiring",
)  # fmt: skip
TEXT: Final = (
    '{{ range .Alerts }}{{ if eq .Status "resolved" }}✅{{ else if eq .Labels.severity "critical" }}🔴{{ else }}🟡{{ end }}'
    " {{ .Labels.alertname }}: {{ .Annotations.summary }}\n{{ .Annotations.description }}\n"
    "{{ .Annotations.runbook }}\n{{ end }}"
)


@dataclass(frozen=True, slots=True)
class Mail:
    """Where alerts are mailed from and to, and through which server."""

    to: str
    sender: str
    server: str
    user: str = ""
    password: str = ""
    tls: bool = True


@dataclass(frozen=True, slots=True)
class Telegram:
    """The bot and the chat that alerts go to."""

    token: str
    chat: int
    api_url: str = "https://api.telegram.org"


@dataclass(frozen=True, slots=True)
class Receivers:
    """Whom alerts reach; what is None is not used."""

    telegram: Telegram | None = None
    mail: Mail | None = None
    webhook: str = ""


def alertmanager(receivers: Receivers, *, quick: bool = False) -> str:
    """Return Alertmanager's configuration. It holds secrets: keep it from others' eyes. ``quick`` waits for nothing."""
    wait, between = ("0s", "1s") if quick else ("30s", "5m")
    config = {
        "global": {"resolve_timeout": "5m"},
        "route": {
            "receiver": "everybody",
            "group_by": ["alertname", "about"],
            "group_wait": wait,
            "group_interval": between,
            "repeat_interval": "12h",
            "routes": [
                {
                    "receiver": "switch",
                    "matchers": ['alertname="Watchdog"'],
                    "group_wait": "0s",
                    "repeat_interval": "5m",
                },
                {"receiver": "everybody", "matchers": ['severity="critical"'], "repeat_interval": "1h"},
            ],
        },
        "inhibit_rules": _inhibited(),
        "receivers": [
            {"name": "everybody", **_everybody(receivers)},
            {"name": "switch", **_webhook(receivers.webhook)},
        ],
    }
    return HEADER.replace("alert.py", "route.py") + yaml.safe_dump(
        config, sort_keys=False, allow_unicode=True, width=110
    )


def _inhibited() -> list[dict[str, Any]]:
    consequences = f'alertname=~"{"|".join(CONSEQUENCES)}"'
    return [
        {
            "source_matchers": ['severity="critical"'],
            "target_matchers": ['severity="warning"'],
            "equal": ["about"],
        },
        {
            "source_matchers": ['alertname="DependencyDown"', 'dependency=~"postgres|broker"'],
            "target_matchers": [consequences],
        },
        {"source_matchers": ['alertname="BeatDead"'], "target_matchers": [consequences]},
    ]


def _everybody(receivers: Receivers) -> dict[str, Any]:
    found = _webhook(receivers.webhook)
    if telegram := receivers.telegram:
        found["telegram_configs"] = [
            {
                "bot_token": telegram.token,
                "chat_id": telegram.chat,
                "api_url": telegram.api_url,
                "parse_mode": "",
                "message": TEXT,
                "send_resolved": True,
            }
        ]
    if mail := receivers.mail:
        account = {"auth_username": mail.user, "auth_password": mail.password} if mail.user else {}
        found["email_configs"] = [
            {
                "to": mail.to,
                "from": mail.sender,
                "smarthost": mail.server,
                "require_tls": mail.tls,
                "text": TEXT,
                "html": "",
                "send_resolved": True,
                **account,
            }
        ]
    return found


def _webhook(url: str) -> dict[str, Any]:
    return {"webhook_configs": [{"url": url, "send_resolved": True}]} if url else {}
