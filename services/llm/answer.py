"""A reply becomes an answer only when it is exactly what was asked for. Nothing is mended here, nothing let pass."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry

from domains.errors import UsageError
from domains.fault import Kind, ModelError
from domains.llm import Check, Reply, Schema

PLAIN_PATH: Final = re.compile(r"\$[\w.\[\]]{0,120}", re.ASCII)
JSON_START: Final = '{["-0123456789tfn'
SHOWN_PROBLEMS: Final = 5


class _DuplicateKeyError(ValueError):
    pass


def read(reply: Reply, schema: Schema | None, check: Check | None) -> Any:
    """Return the JSON value of ``reply``, or None when no schema was asked for.

    ``check`` sees the value only after the schema accepted it. Raises ModelError of the first kind that applies;
    its message names the place and never quotes the reply.
    """
    if schema is None:
        if reply.text.lstrip()[:9].lower().startswith(("<!doctype", "<html")):
            raise _wrong("html", "an HTML page", "$", reply)
        return None
    value = _parse(reply)
    _validate(value, schema, reply)
    problems: Sequence[Any] = check(value) if check else ()
    if problems:
        first = problems[0].path
        detail = "; ".join(f"{one.path}: {one.message}" for one in problems[:SHOWN_PROBLEMS])
        raise _wrong("invented", f"{len(problems)} problems, the first", first, reply, detail)
    return value


def load_schema(name: str, body: str) -> Schema:
    """Return the schema of that text. Raises UsageError when it is not a JSON Schema 2020-12."""
    try:
        Draft202012Validator.check_schema(json.loads(body))
    except (ValueError, SchemaError) as error:
        raise UsageError(f"schema {name} is not a JSON Schema: {str(error).splitlines()[0]}") from error
    return Schema(name, body)


def _parse(reply: Reply) -> Any:
    text = reply.text.strip()
    if text.startswith(("```", "~~~")):
        raise _wrong("fenced", "JSON in a code fence", "$", reply, "the JSON stands in a code fence")
    if text[:1] not in JSON_START:
        raise _wrong("prose", "other text before the JSON", "$", reply, "there is other text before the JSON")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
        _check_text(value)
    except _DuplicateKeyError as error:
        raise _wrong(
            "duplicate_key", "a key occurs twice", "$", reply, f"the key {error} occurs twice"
        ) from error
    except json.JSONDecodeError as error:
        place = f"not JSON at character {error.pos}: {error.msg}"
        if error.msg == "Extra data":
            raise _wrong("prose", "other text after the JSON", "$", reply, place) from error
        raise _wrong("not_json", "not JSON", "$", reply, place) from error
    except (ValueError, RecursionError) as error:
        raise _wrong(
            "not_json", "not JSON", "$", reply, "a number, character or nesting that no text needs"
        ) from error
    return value


def _validate(value: Any, schema: Schema, reply: Reply) -> None:
    # An own, empty registry: the default one would fetch a remote $ref from the network.
    validator = Draft202012Validator(json.loads(schema.body), registry=Registry())
    problem = best_match(validator.iter_errors(value))
    if problem is not None:
        raise _wrong(
            "schema",
            f"schema {schema.name} is broken by {problem.validator}",
            problem.json_path,
            reply,
            f"{problem.json_path}: {problem.message}",
        )


def _wrong(kind: Kind, what: str, path: str, reply: Reply, detail: str = "") -> ModelError:
    # A path may hold names that the model made up; only plain ones may reach a log.
    shown = path if PLAIN_PATH.fullmatch(path) else "$"
    return ModelError(
        f"the reply is not accepted: {what} at {shown}",
        kind=kind,
        usage=reply.usage,
        detail=detail,
        status=reply.status,
    )


def _unique(pairs: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _DuplicateKeyError(json.dumps(name[:80]))
        found[name] = value
    return found


def _check_text(value: Any) -> None:
    """Raise ValueError for half a surrogate pair, which cannot be encoded, and for NUL, which cannot be stored."""
    if isinstance(value, str):
        value.encode()
        if "\x00" in value:
            raise ValueError("NUL")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name)
            _check_text(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_text(inner)


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
