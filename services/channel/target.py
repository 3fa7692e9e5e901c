"""Targets as people may see them: without what lets others write there."""

from urllib.parse import urlsplit


def shown(channel: str, target: str) -> str:
    """Return a target for lists, messages and logs; passwords, tokens and queries of addresses are left out."""
    if "://" not in target:
        return target
    try:
        parts = urlsplit(target)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "…"
    if channel == "apprise":
        # What stands where a host would is a token in half of apprise's schemes.
        return f"{parts.scheme}://…"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}" + ("?…" if parts.query else "")
