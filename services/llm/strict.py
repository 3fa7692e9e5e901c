"""Whether a JSON Schema keeps to the subset that providers enforce while the model writes."""

from collections.abc import Iterator
from typing import Any


def is_strict(schema: Any) -> bool:
    """Return whether every object in ``schema`` is closed and requires all it names, as strict mode demands."""
    return all(
        node.get("additionalProperties") is False
        and set(node.get("required", ())) == set(node.get("properties", {}))
        for node in _nodes(schema)
        if node.get("type") == "object" or "properties" in node
    )


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for name, inner in value.items():
            # The names under these keywords are the schema author's, not keywords.
            yield from (
                (node for one in inner.values() for node in _nodes(one))
                if name in {"properties", "$defs", "patternProperties"} and isinstance(inner, dict)
                else _nodes(inner)
            )
    elif isinstance(value, list):
        for one in value:
            yield from _nodes(one)
