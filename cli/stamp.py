"""Times in tables: local and short."""

from datetime import datetime
from zoneinfo import ZoneInfo


def short(at: datetime | str | None, now: datetime, zone: ZoneInfo | None = None) -> str:
    """Return a moment as clocks in ``zone`` (None: this machine's) show it: 11-20 08:00, or the date in another year."""
    if at is None:
        return ""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    local = moment.astimezone(zone)
    return f"{local:%m-%d %H:%M}" if local.year == now.astimezone(zone).year else f"{local:%Y-%m-%d}"


def offset(at: datetime) -> str:
    """Return an aware moment's distance from UTC, such as +02:00."""
    return at.isoformat()[-6:] if at.utcoffset() is not None else ""
