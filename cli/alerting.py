"""`svodka alerting`: Alertmanager's configuration from the settings."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import click

from cli import frame
from domains.errors import UsageError
from monitoring.route import Mail, Receivers, Telegram, alertmanager
from services import disk, settings
from services.settings import Settings


@click.command(cls=frame.Command)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, for its owner's eyes only [default: stdout].",
)
def alerting(output: Path | None) -> None:
    """Print Alertmanager's configuration: who is told of alerts, by Telegram, mail and webhook."""
    text = alertmanager(receivers(settings.load()))
    if output is None:
        frame.show(text, lambda console: console.print(text, markup=False, end=""))
        return
    with disk.named(output):
        disk.write(output, text)
    frame.show(str(output), lambda console: console.print(f"Written: {output}", markup=False))


def receivers(set_: Settings) -> Receivers:
    """Return whom alerts reach. Raises UsageError when a receiver lacks what it needs, or there is none."""
    found = Receivers(_telegram(set_), _mail(set_), set_.alert_webhook_url)
    if found == Receivers():
        raise UsageError(
            "alerts would reach nobody",
            remedy="set SVODKA_ALERT_TELEGRAM_CHAT, SVODKA_ALERT_MAIL_TO or SVODKA_ALERT_WEBHOOK_URL",
        )
    return found


def _telegram(set_: Settings) -> Telegram | None:
    if not set_.alert_telegram_chat:
        return None
    if set_.telegram_token is None:
        raise UsageError(
            "SVODKA_ALERT_TELEGRAM_CHAT is set without a bot", remedy="set SVODKA_TELEGRAM_TOKEN"
        )
    return Telegram(
        set_.telegram_token.get_secret_value(), int(set_.alert_telegram_chat), set_.telegram_api_url
    )


def _mail(set_: Settings) -> Mail | None:
    if not set_.alert_mail_to:
        return None
    if set_.smtp_url is None or not set_.mail_from:
        raise UsageError(
            "SVODKA_ALERT_MAIL_TO is set without a mail server",
            remedy="set SVODKA_SMTP_URL and SVODKA_MAIL_FROM",
        )
    parts = urlsplit(set_.smtp_url.get_secret_value())
    port = parts.port or {"smtps": 465, "smtp": 587}.get(parts.scheme, 25)
    return Mail(
        to=set_.alert_mail_to,
        sender=set_.mail_from,
        server=f"{parts.hostname}:{port}",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=parts.scheme != "smtp+plain",
    )
