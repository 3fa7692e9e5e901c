"""What a letter's work is given, as an operator sees and changes it: a JSON Schema a task, secrets hidden.

What is shown hides secrets, so an edit names only what is different: what still reads as it was shown stays as it is.
"""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from sqlalchemy.orm import Session

from domains import limits
from domains.digest import BOUNDS
from domains.errors import UsageError
from services import log
from services.channel.target import shown
from services.schema import Delivery, Run, Source, Subscription
from services.work import Model

EXTRACTIVE: Final = "extractive"
_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 2_000}
_URL: Final = {"type": "string", "pattern": r"^https?://[^\s/]\S*$", "maxLength": 2_000}
_TAG: Final = {"type": ["string", "null"], "maxLength": 500}
_PAIR: Final = {
    "type": "array", "prefixItems": [_TEXT, {"type": "string", "maxLength": 2_000}], "items": False, "minItems": 2,
}  # fmt: skip
_STAMP: Final = {
    "type": "array", "minItems": 3, "items": False,
    "prefixItems": [{"type": "integer", "minimum": 0}, {"type": "integer"}, {"type": "string"}],
}  # fmt: skip
_SETTINGS: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        **{name: {"type": "integer", "minimum": low, "maximum": high} for name, (low, high) in BOUNDS.items()},
        "languages": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{2,3}$"}, "maxItems": 20},
        "important": {"type": "boolean"},
        "quiet": {"enum": ["send", "skip"]},
        "alerts": {"enum": ["send", "skip"]},
        "in_doubt": {"enum": ["", "never_twice", "rather_twice"]},
    },
}  # fmt: skip


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


_NONE: Final = _object()
_FEED: Final = _object(url=_URL, etag=_TAG, last_modified=_TAG)
_FOLDER: Final = _object(
    cursor=_object(files={"type": "object", "maxProperties": 100_000, "additionalProperties": _STAMP})
)
_RUN: Final = _object(
    sources={"type": "array", "items": _TEXT, "uniqueItems": True, "maxItems": 1_000},
    channels={"type": "array", "items": _PAIR, "maxItems": 50},
    settings=_SETTINGS,
    rung={"enum": ["best", EXTRACTIVE]},
)
_DELIVERY: Final = _object(channel=_TEXT, target={"type": "string", "maxLength": 2_000})


def schema(session: Session, model: Model, row_id: int) -> dict[str, Any]:
    """Return the JSON Schema of what may be changed of a row's work; it has no properties when nothing may."""
    return deepcopy(_schema(session.get(model, row_id)))


def of(session: Session, model: Model, row_id: int) -> dict[str, Any]:
    """Return what the row's work is given now, secrets hidden; {} when there is nothing to say, or no row any more."""
    row = session.get(model, row_id)
    return _hidden(_given(session, row)) if row is not None else {}


def kept(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``payload`` as a letter keeps it: whole, or when it is too large, what it was made of."""
    size = len(json.dumps(payload, ensure_ascii=False).encode())
    if size <= limits.DLQ_PAYLOAD_BYTES:
        return dict(payload)
    return {"cut": True, "bytes": size, "fields": sorted(payload)}


def change(session: Session, model: Model, row_id: int, edit: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``edit`` makes different, checked against the row's schema and without what stays as it is.

    Raises UsageError that names the JSON path of what may not be.
    """
    row = session.get_one(model, row_id)
    given = _given(session, row)
    seen = _hidden(given)
    different = {name: value for name, value in edit.items() if name not in seen or value != seen[name]}
    for name, value in different.items():
        if log.HIDDEN in json.dumps(value, ensure_ascii=False):
            raise UsageError(
                f"$.{name}: {log.HIDDEN} stands for a secret that is not shown",
                remedy=f"write the secret out, or leave {name} as it is",
            )
    problem = best_match(Draft202012Validator(_schema(row)).iter_errors({**given, **different}))
    if problem is not None:
        raise UsageError(
            f"{problem.json_path}: {log.storable(problem.message)[:500]}",
            remedy="the letter's schema says what may be changed, and how",
        )
    return different


def _schema(row: Any) -> dict[str, Any]:
    if isinstance(row, Source):
        return _FOLDER if row.kind == "directory" else _FEED
    return {Run: _RUN, Delivery: _DELIVERY}.get(type(row), _NONE)


def _given(session: Session, row: Any) -> dict[str, Any]:
    """Return what a row's work is given, as it is."""
    for model, read in _READERS:
        if isinstance(row, model):
            return read(session, row)
    return {}


def _of_source(_: Session, row: Source) -> dict[str, Any]:
    if row.kind == "directory":
        return {"cursor": row.cursor}
    return {"url": row.url, "etag": row.etag, "last_modified": row.last_modified}


def _of_run(session: Session, row: Run) -> dict[str, Any]:
    said = session.get_one(Subscription, row.subscription_id)
    return {
        "sources": said.sources,
        "channels": said.channels,
        "settings": said.settings,
        "rung": "best",
        **row.changed,
    }


def _of_delivery(_: Session, row: Delivery) -> dict[str, Any]:
    return {"channel": row.channel, "target": row.target}


def _hidden(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return it without secrets: by their look, by the names of keys, and what a target's address holds."""
    seen: dict[str, Any] = dict(log.mask_event(None, "", json.loads(log.storable(json.dumps(given)))))
    if "target" in given:
        seen["target"] = _target(given["channel"], given["target"])
    if "channels" in given:
        seen["channels"] = [[channel, _target(channel, target)] for channel, target in given["channels"]]
    return seen


def _target(channel: str, target: str) -> str:
    """Return a target as it may be seen, marked where something is left out."""
    seen = shown(channel, target)
    return seen if seen == target else f"{seen} ({log.HIDDEN})"


_READERS: Final[tuple[tuple[type[Any], Callable[[Session, Any], dict[str, Any]]], ...]] = (
    (Source, _of_source),
    (Run, _of_run),
    (Delivery, _of_delivery),
)
