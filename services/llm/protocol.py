"""The chat completions format that all our providers speak: what is asked, what comes back, what a failure means.

A body is read by us, not by a client's lenient models: a 200 with HTML, a stream without its end or an object
without a choice is an error here, never an empty success.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from domains import ladder
from domains.fault import Kind, ModelError, Usage
from domains.llm import Reply, Request, same_model, worst_case
from services.llm.profile import Endpoint
from services.llm.strict import is_strict

STATUS: Final[Mapping[int, Kind]] = {
    400: "bad_request",
    401: "auth",
    402: "credit",
    403: "forbidden",
    404: "no_model",
    408: "timeout",
    409: "server",
    413: "too_long",
    422: "bad_request",
    425: "server",
    429: "rate_limited",
}
# What providers write in the error object, where the status alone says less.
CODES: Final[Mapping[str, Kind]] = {
    "insufficient_quota": "credit",
    "insufficient_balance": "credit",
    "context_length_exceeded": "too_long",
    "model_not_found": "no_model",
    "content_filter": "refused",
}
REMEDIES: Final[Mapping[Kind, str]] = {
    "auth": "check the provider's key",
    "credit": "the provider's account has no money left: top it up, or use another provider",
    "no_model": "check the model's name against the provider's list",
    "unreachable": "check the provider's address and the network",
    "too_long": "ask for less, or use a model with a larger context",
}
REFUSED: Final = frozenset({"content_filter", "blacklist", "refusal"})
MOST_TOKENS: Final = 10**9
JSON_ORDER: Final = "Answer with one JSON value that satisfies this JSON Schema, and nothing else:\n"


def body(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    """Return the parameters of a chat completion, in the words that this provider understands."""
    can = endpoint.capability
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    asked: dict[str, Any] = {
        "model": endpoint.model,
        "messages": messages,
        endpoint.profile.max_tokens_field: request.max_tokens,
    }
    if request.temperature is not None and endpoint.sends_temperature:
        asked["temperature"] = request.temperature
    if request.top_p is not None:
        asked["top_p"] = request.top_p
    if request.seed is not None and endpoint.profile.sends_seed:
        asked["seed"] = request.seed
    if request.schema is not None:
        schema = json.loads(request.schema.body)
        if can.json_schema:
            shape = {"name": request.schema.name, "schema": schema, "strict": is_strict(schema)}
            asked["response_format"] = {"type": "json_schema", "json_schema": shape}
        else:
            messages.append({"role": "system", "content": JSON_ORDER + request.schema.body})
            if can.json_object:
                asked["response_format"] = {"type": "json_object"}
    if endpoint.stream:
        asked["stream"] = True
        if endpoint.profile.stream_usage:
            asked["stream_options"] = {"include_usage": True}
    return asked


def read(raw: bytes, endpoint: Endpoint, request: Request, *, stream: bool) -> Reply:
    """Return the reply in ``raw``, the body of a 200. Raises ModelError when it is not a whole, usable answer."""
    data = _joined(raw, endpoint) if stream else _object(raw, endpoint)
    name = endpoint.profile.name
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise _failure(endpoint, data, 200)
    text = _string(message.get("content"))
    usage = _usage(data.get("usage"), request, text)
    finish = _string(choice.get("finish_reason"))
    if message.get("refusal") or finish in REFUSED:
        raise ModelError(f"{name}: the model refused", kind="refused", usage=usage, status=200)
    if finish == "length":
        raise ModelError(
            f"{name}: cut off at {usage.output_tokens} tokens of at most {request.max_tokens}",
            kind="truncated",
            usage=usage,
            status=200,
        )
    if not text.strip():
        raise ModelError(f"{name}: an empty reply", kind="empty", usage=usage, status=200)
    if finish != "stop":
        raise ModelError(
            f"{name}: ended for another reason than being done", kind="protocol", usage=usage, status=200
        )
    model = _string(data.get("model"))
    if not (_storable(text) and _storable(model)):
        raise ModelError(f"{name}: characters that are no text", kind="protocol", usage=usage, status=200)
    if not endpoint.any_model and not same_model(endpoint.model, model):
        raise ModelError(
            f"{name}: another model answered than {endpoint.model}",
            kind="other_model",
            usage=usage,
            status=200,
        )
    return Reply(text, model, usage, raw)


def status_error(
    endpoint: Endpoint, status: int, headers: Mapping[str, str], raw: bytes, now: datetime
) -> ModelError:
    """Return the error that a status other than 200 stands for. Nothing of the body gets into its message."""
    try:
        data = json.loads(raw)
    except ValueError:
        data = None
    return _failure(endpoint, data, status, _retry_after(headers, now))


def _failure(endpoint: Endpoint, data: Any, status: int, retry_after_s: float | None = None) -> ModelError:
    error = data.get("error") if isinstance(data, dict) else None
    code = error.get("code") or error.get("type") if isinstance(error, dict) else None
    # OpenRouter and others report a failure inside a 200, with the status as the code.
    number = code if isinstance(code, int) and 400 <= code <= 599 and status == 200 else status
    kind = CODES.get(code) if isinstance(code, str) else None
    if kind is None:
        kind = "server" if number >= 500 else STATUS.get(number, "protocol")
    say = f"status {number}" if number != 200 else "a reply without a choice"
    return ModelError(
        f"{endpoint.profile.name}: {say} from {endpoint.model}",
        kind=kind,
        retry_after_s=retry_after_s,
        status=status,
        remedy=REMEDIES.get(kind),
    )


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    low = {name.lower(): value for name, value in headers.items()}
    millis = ladder.retry_after_s(low.get("retry-after-ms"), now)
    return millis / 1000 if millis is not None else ladder.retry_after_s(low.get("retry-after"), now)


def _object(raw: bytes, endpoint: Endpoint) -> dict[str, Any]:
    name = endpoint.profile.name
    if raw.lstrip()[:1] == b"<":
        raise ModelError(f"{name}: an HTML page instead of a reply", kind="html", status=200)
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{name}: the body is not JSON", kind="protocol", status=200) from error
    if not isinstance(data, dict):
        raise ModelError(f"{name}: the body is not a JSON object", kind="protocol", status=200)
    return data


def _joined(raw: bytes, endpoint: Endpoint) -> dict[str, Any]:
    """Return the events of a stream as one completion. Raises ModelError when the stream was cut before its end."""
    name = endpoint.profile.name
    if raw.lstrip()[:1] in {b"<", b"{"}:
        return _object(raw, endpoint)
    text, refusal, finish, done = "", "", "", False
    whole: dict[str, Any] = {"model": None, "usage": None}
    # Not str.splitlines: it would also split at characters that may stand inside a JSON string.
    for line in raw.split(b"\n"):
        if not line.startswith(b"data:"):
            continue
        data = line.removeprefix(b"data:").strip()
        if data == b"[DONE]":
            done = True
            break
        event = _object(data, endpoint)
        if event.get("error"):
            raise _failure(endpoint, event, 200)
        whole |= {key: event[key] for key in ("model", "usage") if event.get(key)}
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            delta = choice.get("delta") if isinstance(choice, dict) else None
            if isinstance(delta, dict):
                text += _string(delta.get("content"))
                refusal += _string(delta.get("refusal"))
                finish = _string(choice.get("finish_reason")) or finish
    if not (done and finish):
        raise ModelError(f"{name}: the stream broke off before its end", kind="broken_off", status=200)
    message = {"content": text, "refusal": refusal or None}
    return {**whole, "choices": [{"message": message, "finish_reason": finish}]}


def _usage(given: Any, request: Request, text: str) -> Usage:
    """Return the tokens that the provider counted, or the worst case when it says nothing sensible."""
    given = given if isinstance(given, dict) else {}
    asked, answered = given.get("prompt_tokens"), given.get("completion_tokens")
    if not (_count(asked) and _count(answered)):
        worst = worst_case(request)
        return Usage(
            worst.input_tokens, min(len(text.encode(errors="replace")), request.max_tokens), estimated=True
        )
    details = given.get("prompt_tokens_details")
    cached = (
        details.get("cached_tokens") if isinstance(details, dict) else given.get("prompt_cache_hit_tokens")
    )
    cached = given.get("precached_prompt_tokens") if cached is None else cached
    return Usage(asked, answered, cached if _count(cached) else 0)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _storable(text: str) -> bool:
    """Return whether PostgreSQL can hold ``text``: no NUL, no half of a surrogate pair."""
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
